"""How rules stand, and how one entity goes through one of them: what people see of the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.feel import compile_expression, to_json
from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.expressions import Failed
from cityhub.rules.engine.moments import text_of
from cityhub.rules.engine.running import Running
from cityhub.rules.engine.subject import NEVER, Subject
from cityhub.rules.sentinel_port import RuleState, Trace

_JOINTS: Final = re.compile(r"\s+(?:and|or)\s+")


def states(engine: Engine, refused: Mapping[str, str], lag_s: float) -> dict[str, RuleState]:
    """How each rule stands, by id.

    Args:
        engine: Has those that run.
        refused: Why others cannot.
        lag_s: How far behind the journal it is.
    """
    running = {id: _state(one, lag_s) for id, one in engine.rules.items()}
    return {**running, **{id: RuleState("refused", why) for id, why in refused.items()}}


def _state(running: Running, lag_s: float) -> RuleState:
    late = f"{running.too_late} observations came too late to count" if running.too_late else ""
    return RuleState(
        "failing" if running.trouble else "running", running.trouble or late, _text(running.failing_since), running.evaluated,
        running.failed, len(running.subjects), running.open, _text(running.last), lag_s,
    )  # fmt: skip


def _text(moment: int) -> str:
    return "" if moment == NEVER else text_of(moment)


def trace(engine: Engine, rule: str, entity: str) -> Trace:
    """The way of an entity through a rule that runs. Raises NotFound."""
    running = engine.rules.get(rule)
    if running is None:
        raise NotFound(f"The rule '{rule}' does not run; GET /api/rules/{rule} says why")
    key = running.members.get(entity, entity)
    subject = running.subjects.get(key)
    problems = [running.trouble] if running.trouble else []
    if subject is None:
        why = "not watched: it is not of the rule's types, does not match its query, or nothing of it came since the rule began"
        return Trace(why, {}, [], "", problems)
    watched = "watched" if key == entity else f"watched, as part of {key}"
    values = {name: to_json(value) for name, value in subject.context.items()}
    values |= {f"{name} at": text_of(moment) for name, moment in subject.times.items() if moment != NEVER}
    return Trace(watched, values, [_level(engine, running, subject, place) for place in range(len(subject.on))], subject.alert, problems)


def _level(engine: Engine, running: Running, subject: Subject, place: int) -> dict[str, Any]:
    level = running.compiled.levels[place]
    try:
        condition: Any = level.condition.truth(subject.context, engine.clock)
    except Failed as reason:
        condition = str(reason)
    since = subject.since[place]
    return {
        "severity": level.severity,
        "text": level.condition.text,
        "condition": condition,
        "inForce": subject.on[place],
        "holdsSince": _text(since),
        "holdsUntil": _text(since + (level.clear_hold if subject.on[place] else level.hold)) if since != NEVER else "",
        "clear": level.clear.text if level.clear is not None else "",
        "parts": _parts(level.condition.text, subject.context),
    }


def _parts(text: str, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts that "and" and "or" join, with their values; the whole where it cannot be cut there."""
    pieces = _JOINTS.split(text)
    try:
        return [{"text": piece, "value": to_json(compile_expression(piece)(context))} for piece in pieces]
    except BadRequestData:
        return [{"text": text, "value": to_json(compile_expression(text)(context))}]
