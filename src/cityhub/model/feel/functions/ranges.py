"""Functions of ranges and points: how they lie to each other.

Source: OMG DMN 1.5, 10.3.4.11, table 80 (Allen's relations), and 10.3.4.1 (range).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from cityhub.model.feel.lexer import unescaped
from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.logic import compare
from cityhub.model.feel.numbers import CONTEXT
from cityhub.model.feel.temporal_text import literal, read_date, read_date_time, read_duration, read_time
from cityhub.model.feel.values import Range, Rejected


def _order(left: Any, right: Any) -> int:
    order = compare(left, right)
    if order is None:
        raise Rejected("the ends have no order")
    return order


def before(left: Any, right: Any) -> bool:
    """Whether one lies wholly before the other."""
    if isinstance(left, Range):
        if isinstance(right, Range):
            order = _order(left.high, right.low)
            return order < 0 or (order == 0 and not (left.high_included and right.low_included))
        order = _order(left.high, right)
        return order < 0 or (order == 0 and not left.high_included)
    if isinstance(right, Range):
        order = _order(left, right.low)
        return order < 0 or (order == 0 and not right.low_included)
    return _order(left, right) < 0


def meets(left: Range, right: Range) -> bool:
    """Whether one ends at the value with which the other begins."""
    return left.high_included and right.low_included and _order(left.high, right.low) == 0


def _low(left: Range, right: Range) -> int:
    """How the beginnings lie to each other; an included one is before an excluded one of the same value."""
    return _order(left.low, right.low) or right.low_included - left.low_included


def _high(left: Range, right: Range) -> int:
    return _order(left.high, right.high) or left.high_included - right.high_included


def _touch(left: Range, right: Range) -> bool:
    """Whether the first reaches the beginning of the second."""
    order = _order(left.high, right.low)
    return order > 0 or (order == 0 and left.high_included and right.low_included)


def overlaps(left: Range, right: Range) -> bool:
    """Whether they have values in common."""
    return _touch(left, right) and _touch(right, left)


def overlaps_before(left: Range, right: Range) -> bool:
    """Whether the first begins before the second, and ends within it."""
    return _low(left, right) < 0 and _touch(left, right) and _high(left, right) <= 0


def overlaps_after(left: Range, right: Range) -> bool:
    """Whether the first begins later but within the second, and does not end before it."""
    return _low(left, right) > 0 and _touch(right, left) and _high(left, right) >= 0


def finishes(left: Any, right: Range) -> bool:
    """Whether a point or range ends where the range does."""
    if isinstance(left, Range):
        return _high(left, right) == 0 and _low(left, right) >= 0
    return right.high_included and _order(left, right.high) == 0


def starts(left: Any, right: Range) -> bool:
    """Whether a point or range begins where the range does."""
    if isinstance(left, Range):
        return _low(left, right) == 0 and _high(left, right) <= 0
    return right.low_included and _order(left, right.low) == 0


def includes(left: Range, right: Any) -> bool:
    """Whether the range has the point or range in it."""
    if isinstance(right, Range):
        return _low(left, right) <= 0 and _high(left, right) >= 0
    low, high = _order(left.low, right), _order(right, left.high)
    return (low < 0 or (low == 0 and left.low_included)) and (high < 0 or (high == 0 and left.high_included))


def coincides(left: Any, right: Any) -> bool:
    """Whether both are the same."""
    if isinstance(left, Range) and isinstance(right, Range):
        return _low(left, right) == 0 and _high(left, right) == 0
    return _order(left, right) == 0


_RANGE: Final = re.compile(r"([\[(\]])\s*(.*?)\s*\.\.\s*(.*?)\s*([\])\[])", re.DOTALL)
_END: Final = re.compile(
    r'(-?\d+(?:\.\d+)?)|"((?:[^"\\]|\\.)*)"|@"([^"]*)"|(date and time|date|time|duration)\(\s*"([^"]*)"\s*\)', re.DOTALL
)
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "date": read_date,
    "time": read_time,
    "date and time": read_date_time,
    "duration": read_duration,
}


def range_of(text: str) -> Range:
    """The range that a text writes, its ends literals: '[1..5)', '["a".."c"]', '[@"2026-01-01"..@"2026-12-31"]'."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise Rejected(f"'{text:.60}' is no range; right would be '[1..5]'")
    low, high = _end(found[2]), _end(found[3])
    one_sided = low is None or high is None
    if (low is None and (found[1] == "[" or high is None)) or (high is None and found[4] == "]"):
        raise Rejected("an end that is not there cannot be included, and one is to be there")
    if not one_sided and ((type(low) is not type(high) and compare(low, high) is None) or (compare(low, high) or 0) > 0):
        raise Rejected("the ends are of one kind, the lower one first")
    return Range(low, high, found[1] == "[", found[4] == "]")


def _end(text: str) -> Any:
    if not text or text == "null":
        return None
    found = _END.fullmatch(text)
    if found is None:
        raise Rejected(f"'{text:.60}' is no literal")
    if found[1]:
        return CONTEXT.create_decimal(found[1]) if "." in found[1] else int(found[1])
    if found[2] is not None:
        return unescaped(found[2])
    value = literal(found[3]) if found[3] is not None else _READERS[found[4]](found[5])
    if value is None:
        raise Rejected(f"'{text:.60}' is no literal")
    return value


def _swapped(relation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: relation(right, left)


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    for name, relation in (("before", before), ("after", _swapped(before)), ("coincides", coincides)):
        declare(library, f"{name}(range1: range, range2: range)", relation)
        declare(library, f"{name}(point1: point, point2: point)", relation)
        if name != "coincides":
            declare(library, f"{name}(point: point, range: range)", relation)
            declare(library, f"{name}(range: range, point: point)", relation)
    for name, relation in (
        ("meets", meets),
        ("met by", _swapped(meets)),
        ("overlaps", overlaps),
        ("overlaps before", overlaps_before),
        ("overlaps after", overlaps_after),
    ):
        declare(library, f"{name}(range1: range, range2: range)", relation)
    for name, of_point in (("finishes", finishes), ("starts", starts), ("during", _swapped(includes))):
        declare(library, f"{name}(range1: range, range2: range)", of_point)
        declare(library, f"{name}(point: point, range: range)", of_point)
    for name, of_range in (("finished by", _swapped(finishes)), ("started by", _swapped(starts)), ("includes", includes)):
        declare(library, f"{name}(range1: range, range2: range)", of_range)
        declare(library, f"{name}(range: range, point: point)", of_range)
    declare(library, "range(from: string)", range_of)
