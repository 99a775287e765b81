"""From conditions to alerts: how long they must hold, when they end, and what that makes of a subject's one alert."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cityhub.rules.engine.compiling import CompiledLevel
from cityhub.rules.engine.expressions import EventClock
from cityhub.rules.engine.subject import NEVER, Subject

Kind = Literal["raised", "changed", "cleared"]


class Turn(msgspec.Struct, frozen=True):
    """A step of an alert.

    Attributes:
        kind: What became of it.
        at: When.
        level: Place of the level that holds; of a cleared one that which held last.
    """

    kind: Kind
    at: int
    level: int


def weigh(levels: tuple[CompiledLevel, ...], subject: Subject, moment: int, clock: EventClock) -> int:
    """Looks at every level at a moment, and sets which are in force; when one last came or went, NEVER if none did. Raises Failed.

    A condition whose truth is unknown, as a value is missing, neither begins nor ends anything.
    """
    context, turned = subject.context, NEVER
    for place, level in enumerate(levels):
        if subject.on[place]:
            wants, hold = _ends(level, context, clock), level.clear_hold
        else:
            wants, hold = level.condition.truth(context, clock) is True, level.hold
        if not wants:
            subject.since[place] = NEVER
            continue
        since = subject.since[place]
        if since == NEVER:
            since = subject.since[place] = moment
        if moment - since >= hold:
            subject.on[place] = not subject.on[place]
            subject.since[place] = NEVER
            turned = max(turned, since + hold)
    return turned


def _ends(level: CompiledLevel, context: dict[str, Any], clock: EventClock) -> bool:
    if level.clear is None:
        return level.condition.truth(context, clock) is False
    return level.clear.truth(context, clock) is True


def next_look(levels: tuple[CompiledLevel, ...], subject: Subject) -> int:
    """When a level that is about to turn will have held long enough, by the time of observations; NEVER."""
    nearest = NEVER
    for place, since in enumerate(subject.since):
        if since != NEVER:
            due = since + (levels[place].clear_hold if subject.on[place] else levels[place].hold)
            nearest = due if nearest == NEVER else min(nearest, due)
    return nearest


def turn_of(levels: tuple[CompiledLevel, ...], subject: Subject, at: int) -> Turn | None:
    """The step of the subject's alert that the levels in force ask for; None: it stays as it is."""
    level = next((place for place, is_on in enumerate(subject.on) if is_on), NEVER)
    if level == NEVER:
        return Turn("cleared", max(at, subject.stepped), _level_of(levels, subject.severity)) if subject.alert else None
    if not subject.alert:
        return Turn("raised", max(at, subject.raised + 1), level)
    if levels[level].severity != subject.severity:
        return Turn("changed", max(at, subject.stepped), level)
    return None


def _level_of(levels: tuple[CompiledLevel, ...], severity: str) -> int:
    return next((place for place, level in enumerate(levels) if level.severity == severity), len(levels) - 1)


