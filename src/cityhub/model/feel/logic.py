"""Equality, order and membership.

Source: OMG DMN 1.5, 10.3.2.13 (equality, identity and equivalence), 10.3.2.7 (ranges), table 53 (unary tests), table 55 (`in`).
"""

from __future__ import annotations

from typing import Any

from cityhub.model.feel.calendar import instant, is_local, lifted, nanos_of_day, offset_of_time
from cityhub.model.feel.numbers import NATIVE, NUMBERS
from cityhub.model.feel.numbers import compare as compare_numbers
from cityhub.model.feel.temporal import NANOS, Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Range


def equal(left: Any, right: Any) -> bool | None:
    """Whether two values are the same; None where they cannot be compared.

    >>> equal(1, 1.0), equal(1, "1"), equal([1, None], [1, None])
    (True, None, True)
    """
    if left is None or right is None:
        return left is right
    kind, other = type(left), type(right)
    if kind in NUMBERS and other in NUMBERS:
        return bool(left == right) if kind in NATIVE and other in NATIVE else compare_numbers(left, right) == 0
    if kind is other and (kind is str or kind is bool):
        return bool(left == right)
    left, right = lifted(left), lifted(right)
    kind, other = type(left), type(right)
    if kind is not other:
        return _equal_day(left, right) if {kind, other} == {Date, DateTime} else None
    if kind is list:
        return len(left) == len(right) and _all_equal(zip(left, right, strict=True))
    if kind is dict:
        return left.keys() == right.keys() and _all_equal((left[key], right[key]) for key in left)
    if kind is Range:
        return _equal_ranges(left, right)
    if kind in (Time, DateTime):
        return _same_second(left, right)
    return bool(left == right)


def _all_equal(pairs: Any) -> bool | None:
    unknown = False
    for left, right in pairs:
        same = equal(left, right)
        if same is False:
            return False
        unknown = unknown or same is None
    return None if unknown else True


def _equal_day(left: Any, right: Any) -> bool | None:
    order = compare(left, right)
    return None if order is None else order == 0


def _equal_ranges(left: Range, right: Range) -> bool | None:
    if (left.operator, left.low_included, left.high_included) != (right.operator, right.low_included, right.high_included):
        return False
    return _all_equal([(left.low, right.low), (left.high, right.high)])


def _same_second(left: Any, right: Any) -> bool:
    """The fraction of a second does not count, as the standard has it for times."""
    if isinstance(left, Time):
        if (offset_of_time(left) is None) != (offset_of_time(right) is None):
            return False
        return _time_key(left) // NANOS == _time_key(right) // NANOS
    if is_local(left) != is_local(right):
        return False
    return instant(left) // NANOS == instant(right) // NANOS


def _time_key(of_day: Time) -> int:
    return nanos_of_day(of_day) - (offset_of_time(of_day) or 0) * NANOS


def compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None where the two have no order."""
    kind, other = type(left), type(right)
    if kind in NUMBERS and other in NUMBERS:
        return compare_numbers(left, right)
    if kind is str and other is str:
        return int(left > right) - int(left < right)
    key, other_key = _key(lifted(left)), _key(lifted(right))
    if key is None or other_key is None or key[0] != other_key[0]:
        return None
    return int(key[1] > other_key[1]) - int(key[1] < other_key[1])


def _key(value: Any) -> tuple[str, Any] | None:
    kind = type(value)
    if kind is Date:
        return "day", (value.year, value.month, value.day)
    if kind is DateTime:
        return ("local" if is_local(value) else "moment"), instant(value)
    if kind is Time:
        return ("time" if offset_of_time(value) is None else "time of a zone"), _time_key(value)
    if kind is Months:
        return "months", value.months
    return ("duration", value.nanos) if kind is Duration else None


def contains(span: Range, value: Any) -> bool | None:
    """Whether a value lies within a range; None where it cannot be told."""
    if span.operator in ("=", "!="):
        same = equal(value, span.low)
        return same if same is None or span.operator == "=" else not same
    return _within(span, value)


def _within(span: Range, value: Any) -> bool | None:
    if span.operator not in ("<", "<="):
        order = compare(span.low, value)
        if order is None:
            return None
        if order > 0 or (order == 0 and not span.low_included):
            return None if span.operator == "" and compare(value, span.high) is None else False
    if span.operator in (">", ">="):
        return True
    order = compare(value, span.high)
    return None if order is None else order < 0 or (order == 0 and span.high_included)


def passes(value: Any, test: Any) -> bool | None:
    """Whether a value passes a test: it equals it, lies in the range, or one of the list's items does so.

    >>> passes(3, Range(1, 5, True, True)), passes(3, [1, 2]), passes("a", ["a"])
    (True, False, True)
    """
    kind = type(test)
    if kind is Range:
        return contains(test, value) if type(value) is not Range else equal(value, test)
    if kind is list:
        same = equal(value, test) if type(value) is list else False
        return True if same else any(passes(value, item) for item in test)
    return equal(value, test)
