"""Values of the query language: how they are read, and the tests that they become.

A test takes one target value (any JSON value) and says whether it passes. Arrays pass when one of their items does;
the negative forms pass when none does. Numbers, texts, booleans and times are told apart: a value of another kind is
unequal and never ordered. A text that is a complete DateTime is compared as a time with another such text, and a
JSON-LD typed value ({"@type": ..., "@value": ...}) counts as its "@value".

Source: GS CIM 009 clauses 4.6.3 and 4.9.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from cityhub.model.ngsild.q_tree import Equal, InRange, Like, Ordered, Value

Test = Callable[[Any], bool]

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+\-]\d\d:?\d\d)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME: Final = re.compile(r"(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?Z?", re.ASCII)
_SHORTEST_MOMENT: Final = 20
_DAY: Final = timedelta(days=1)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def moment_of(text: str) -> str | None:
    """A complete DateTime in the form of `cityhub.model.time.to_text`; None for any other text.

    >>> moment_of("2026-11-23T14:05:00+08:00"), moment_of("2026-11-23")
    ('2026-11-23T06:05:00.000000Z', None)
    """
    if len(text) < _SHORTEST_MOMENT or text[10] != "T":
        return None
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    seconds, digits, zone = found.groups()
    try:
        moment = datetime.fromisoformat(seconds)
        if zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            if offset >= _DAY:
                return None
            moment = moment + offset if zone[0] == "-" else moment - offset
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()}.{(digits or '')[:6]:0<6}Z"


def date_of(text: str) -> str | None:
    """A calendar date as it is; None for any other text."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def time_of(text: str) -> str | None:
    """A time of the day with six digits of a second; None for any other text."""
    found = _TIME.fullmatch(text)
    if found is None or text[:2] > "23" or text[3:5] > "59" or text[6:8] > "59":
        return None
    return f"{found[1]}.{(found[2] or '')[:6]:0<6}Z"


def _text(value: Any) -> Any:
    return value if type(value) is str else None


def _number(value: Any) -> Any:
    return value if type(value) in (int, float) else None


def _reader(read: Callable[[str], str | None]) -> Callable[[Any], Any]:
    return lambda value: read(value) if type(value) is str else None


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "number": _number,
    "moment": _reader(moment_of),
    "date": _reader(date_of),
    "time": _reader(time_of),
}


def _scalar(value: Any) -> Any:
    """What a typed value holds; any other value as it is."""
    return value["@value"] if type(value) is dict and "@value" in value else value


def _any_item(one: Test) -> Test:
    """A test of arrays and single values from a test of single values."""

    def test(value: Any) -> bool:
        if type(value) is list:
            return any(one(_scalar(item)) for item in value)
        return one(_scalar(value))

    return test


def _not(test: Test) -> Test:
    return lambda value: not test(value)


def equal_test(term: Equal) -> Test:
    """The test of `==` and `!=` with one value or several."""
    one = _is_number(term.values[0].value) if _single(term, "number") else _is_one_of(term.values)
    test = _any_item(one)
    return _not(test) if term.negated else test


def _single(term: Equal, kind: str) -> bool:
    return len(term.values) == 1 and term.values[0].kind == kind


def _is_number(number: float) -> Test:
    return lambda value: value == number and type(value) is not bool


def _is_one_of(values: tuple[Value, ...]) -> Test:
    numbers = frozenset(value.value for value in values if value.kind == "number")
    booleans = frozenset(value.value for value in values if value.kind == "boolean")
    texts = frozenset(text for value in values for text in value.forms)
    moments = frozenset(moment for text in texts if (moment := moment_of(text)))
    times = frozenset(value.value for value in values if value.kind == "time")

    def one(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return (
                value in texts or bool(moments and moment_of(value) in moments) or bool(times and time_of(value) in times)
            )
        if kind is int or kind is float:
            return value in numbers
        return kind is bool and value in booleans

    return one


def range_test(term: InRange) -> Test:
    """The test of `==low..high` and `!=low..high`."""
    read, low = comparable(term.low)
    read_high, high = comparable(term.high)
    if read is not read_high:
        read, low, high = _text, term.low.value, term.high.value

    def one(value: Any) -> bool:
        item = read(value)
        return item is not None and bool(low <= item <= high)

    test = _any_item(one)
    return _not(test) if term.negated else test


def order_test(term: Ordered) -> Test:
    """The test of `>`, `>=`, `<` and `<=`."""
    if term.value.kind == "number":
        return _any_item(_number_order(term.operator, term.value.value))
    read, bound = comparable(term.value)
    compare = _COMPARE[term.operator]

    def one(value: Any) -> bool:
        item = read(value)
        return item is not None and compare(item, bound)

    return _any_item(one)


def _number_order(sign: str, bound: float) -> Test:
    compare = _COMPARE[sign]

    def one(value: Any) -> bool:
        kind = type(value)
        return (kind is float or kind is int) and compare(value, bound)

    return one


def comparable(value: Value) -> tuple[Callable[[Any], Any], Any]:
    """How a target is brought to the kind of a value (None: it is of another kind), and the value in that kind."""
    read = _READ.get(value.kind)
    if read is not None:
        return read, value.value
    moment = moment_of(value.value)
    return (_READ["moment"], moment) if moment else (_text, value.value)


def like_test(term: Like, search: Callable[[str], Any]) -> Test:
    """The test of `~=` and `!~=`; texts only: a target without a text passes neither."""

    def found(value: Any) -> bool:
        return type(value) is str and search(value) is not None

    if not term.negated:
        return _any_item(found)

    def absent(value: Any) -> bool:
        items = [_scalar(item) for item in value] if type(value) is list else [_scalar(value)]
        texts = [item for item in items if type(item) is str]
        return bool(texts) and not any(search(text) for text in texts)

    return absent
