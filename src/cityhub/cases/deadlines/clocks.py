"""The clocks of a case: which limits run, since when, and by when they must end.

All of it follows from the events of the case, so that working it out again gives the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityhub.cases.deadlines.hours import Span, WorkingHours
from cityhub.cases.deadlines.limits import Limit, Limits
from cityhub.model.time import to_text


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a case. `grade`: what the case had from then on."""

    name: str
    at: str
    grade: str = ""


class Pause(msgspec.Struct, frozen=True):
    """A time in which the process waited for somebody outside. `end` "": it still does."""

    start: str
    end: str = ""


class Clock(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A limit that runs or ran in a case.

    Attributes:
        id: Of this clock: the limit's id and a number.
        limit: Id of the limit.
        rule: Id of the rule of law; "".
        started_at: RFC 3339 UTC.
        due_at: The last moment that is still in time.
        marks: When the shares of its time have passed at which it is told of, in their order.
        ended_at: ""; it runs.
        paused: Whether it stands still now.
        assumed: Years of which only the weekends are known.
        decides: Whether a case that broke it is not on time.
        least: Whether `due_at` is the earliest moment, not the last, at which it may end.
        told: How many of its marks were told of.
        cancelled: Whether the case ended before it did.
    """

    id: str
    limit: str
    started_at: str
    due_at: str
    marks: list[str] = []
    rule: str = ""
    ended_at: str = ""
    paused: bool = False
    assumed: list[int] = []
    decides: bool = True
    least: bool = False
    told: int = 0
    cancelled: bool = False

    def broken(self, now: str) -> bool:
        """Whether it was not kept, or is not any more at a moment (RFC 3339 UTC)."""
        if self.cancelled:
            return False
        if self.least:
            return bool(self.ended_at) and self.ended_at < self.due_at
        return not self.paused and (self.ended_at or now) > self.due_at


class Facts(msgspec.Struct, frozen=True):
    """What clocks follow from.

    Attributes:
        kind: Of the case.
        events: In order of time.
        pauses: In order of time.
        data: Variables of the process.
        extensions: Further time by limit, in its unit.
        closed: Whether the case has ended.
        shares: Of a clock's time, at which it is told of.
    """

    kind: str
    events: Sequence[Event]
    pauses: Sequence[Pause] = ()
    data: Mapping[str, Any] = {}
    extensions: Mapping[str, float] = {}
    closed: bool = False
    shares: Sequence[float] = ()


def run_clocks(limits: Limits, hours: WorkingHours, facts: Facts) -> list[Clock]:
    """The clocks of a case, in the order of the district's limits and of their beginnings."""
    data = dict(facts.data)
    made: list[Clock] = []
    for limit in limits.all:
        if limit.relation == "opens":
            continue
        span = limits.span(limit, data)
        if span is not None:
            span = msgspec.structs.replace(span, amount=span.amount + facts.extensions.get(limit.id, 0.0))
            found = (ends for ends in _rounds(limits, limit, facts, data))
            made += [_clock(limit, span, number, ends, hours, facts) for number, ends in enumerate(found, 1)]
    return made


def opened_by(limits: Limits, hours: WorkingHours, facts: Facts) -> list[Limit]:
    """The limits that open a task, of which the time between their events is longer than their span."""
    data = dict(facts.data)
    found = []
    for limit in limits.all:
        span = limits.span(limit, data) if limit.relation == "opens" else None
        if span is not None and any(ended and _length(began, ended, span, hours) > span.amount for began, ended in _rounds(
            limits, limit, facts, data
        )):
            found.append(limit)
    return found


def _length(began: str, ended: str, span: Span, hours: WorkingHours) -> float:
    return hours.passed(datetime.fromisoformat(began), datetime.fromisoformat(ended), span)


def _rounds(limits: Limits, limit: Limit, facts: Facts, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """When each of a limit's clocks began and ended ("": it has not)."""
    began = ""
    for event in facts.events:
        if began and event.name in limit.end:
            yield began, event.at
            if limit.once:
                return
            began = ""
        elif not began and event.name in limit.start and limits.applies(limit, facts.kind, event.grade, data):
            began = event.at
    if began:
        yield began, ""


def _clock(limit: Limit, span: Span, number: int, ends: tuple[str, str], hours: WorkingHours, facts: Facts) -> Clock:
    started_at, ended_at = ends
    start = datetime.fromisoformat(started_at)
    begun, left, paused = _after_pauses(start, span, ended_at, facts.pauses if limit.pausable else (), hours)
    due = hours.due(begun, left)
    marks = [to_text(hours.part_of(begun, left, due, share)) for share in facts.shares]
    return Clock(
        f"{limit.id}#{number}", limit.id, started_at, to_text(due), marks, limit.rule, ended_at, paused, hours.assumed(start, due, span),
        limit.decides, limit.relation == "at least", cancelled=facts.closed and not ended_at,
    )  # fmt: skip


def _after_pauses(
    start: datetime, span: Span, ended_at: str, pauses: Sequence[Pause], hours: WorkingHours
) -> tuple[datetime, Span, bool]:
    """From when on what is left of a span runs, and whether it stands still."""
    paused = False
    for pause in pauses:
        end = pause.end or ended_at
        if end and datetime.fromisoformat(end) <= start:
            continue
        stop = max(start, datetime.fromisoformat(pause.start))
        if ended_at and stop >= datetime.fromisoformat(ended_at):
            break
        left = span.amount - hours.passed(start, stop, span)
        if left < 0 or (left == 0 and span.unit != "day"):
            break  # it had run out before anybody waited
        span = msgspec.structs.replace(span, amount=left)
        start = datetime.fromisoformat(end) if end else stop
        paused = not end
    return start, span, paused
