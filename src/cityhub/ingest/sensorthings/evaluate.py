"""The value of an expression for one entity.

What a link with many ends leads to is a `Many`: a comparison with it holds when it holds for one of its values. What cannot be
compared, or has no value, makes a comparison false; nothing raises.

Source: OGC 18-088, 9.3.3.5; OASIS OData 4.0 part 2, 5.1.1; ISO 8601 for intervals (before: the one ends where the other begins).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from cityhub.ingest.sensorthings import functions
from cityhub.ingest.sensorthings.expression import Call, Expression, Literal, Path
from cityhub.ingest.sensorthings.functions import Span, number_text, read_duration, span_of

Lookup = Callable[[Path], Any]


class Many(msgspec.Struct, frozen=True):
    """The values that a link with many ends leads to."""

    values: tuple[Any, ...]


def holds(expression: Expression, lookup: Lookup) -> bool:
    """Whether an expression is true for an entity whose properties are looked up."""
    return _truth(evaluate(expression, lookup))


def evaluate(expression: Expression, lookup: Lookup) -> Any:
    """The value of an expression; None where it has none."""
    if isinstance(expression, Literal):
        return _constant(expression.kind, expression.value)
    if isinstance(expression, Path):
        return lookup(expression)
    assert isinstance(expression, Call)
    name, arguments = expression.name, expression.arguments
    if name == "and":
        return _truth(evaluate(arguments[0], lookup)) and _truth(evaluate(arguments[1], lookup))
    if name == "or":
        return _truth(evaluate(arguments[0], lookup)) or _truth(evaluate(arguments[1], lookup))
    if name == "not":
        return not _truth(evaluate(arguments[0], lookup))
    values = [evaluate(argument, lookup) for argument in arguments]
    if name in ("eq", "ne") and Literal(None, "null") in arguments:
        other = values[1 if arguments[0] == Literal(None, "null") else 0]
        return (other is None) == (name == "eq")
    if name == "in":
        return any(_applied("eq", [values[0], other]) is True for other in values[1:])
    return _applied(name, values)


def _truth(value: Any) -> bool:
    return any(one is True for one in value.values) if isinstance(value, Many) else value is True


@lru_cache(maxsize=512)
def _constant(kind: str, value: Any) -> Any:
    if kind == "time":
        return span_of(value)
    if kind == "duration":
        return read_duration(value)
    if kind == "geography":
        return functions.shape_of(value)
    return value


def _applied(name: str, values: list[Any]) -> Any:
    for place, value in enumerate(values):
        if isinstance(value, Many):
            spread = [_applied(name, [*values[:place], one, *values[place + 1 :]]) for one in value.values]
            if name in _COMPARE:
                return any(one is True for one in spread)
            return Many(tuple(spread))
    if name in _COMPARE:
        return compare(name, values[0], values[1])
    try:
        return functions.FUNCTIONS[name](*values)
    except functions.DOES_NOT_FIT:
        return None  # the function does not go with such a value


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def compare(name: str, one: Any, other: Any) -> bool:
    """Whether two values stand in a relation ("eq", "ne", "lt", "le", "gt", "ge"); what is not there stands in none but to null."""
    if one is None and other is None:
        return name == "eq"
    if one is None or other is None:
        return False
    if isinstance(one, Span) or isinstance(other, Span):
        return _spans(name, span_of(one), span_of(other))
    if isinstance(one, str) and isinstance(other, int | float) and not isinstance(other, bool):
        other = number_text(other)  # a result that is a number, asked for as a text
    elif isinstance(other, str) and isinstance(one, int | float) and not isinstance(one, bool):
        one = number_text(one)
    if isinstance(one, bool) != isinstance(other, bool):
        return name == "ne"
    try:
        return bool(_COMPARE[name](one, other))
    except TypeError:
        return name == "ne"


def _spans(name: str, one: Span | None, other: Span | None) -> bool:
    if one is None or other is None:
        return name == "ne"
    match name:
        case "eq":
            return one == other
        case "ne":
            return one != other
        case "lt":
            return one.end < other.begin if other.is_instant or one.is_instant else one.end <= other.begin
        case "le":
            return one.end <= other.begin or one == other
        case "gt":
            return one.begin > other.end if other.is_instant or one.is_instant else one.begin >= other.end
        case _:
            return one.begin >= other.end or one == other
