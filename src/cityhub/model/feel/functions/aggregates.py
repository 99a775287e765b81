"""Functions that make one value of a list.

Source: OMG DMN 1.5, 10.3.4.4, table 74.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import DecimalException
from typing import Any

from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.logic import compare
from cityhub.model.feel.numbers import CONTEXT, NUMBERS, Number, add, divide, exact, multiply, subtract, whole
from cityhub.model.feel.temporal import Duration, Months
from cityhub.model.feel.values import Rejected


def extreme(items: list[Any], sign: int) -> Any:
    """The greatest (1) or least (-1) item; null of an empty list."""
    best: Any = None
    for place, item in enumerate(items):
        order = compare(item, item if best is None else best)
        if order is None:
            raise Rejected("the items have no order")
        if not place or order == sign:
            best = item
    return best


def _numbers(items: list[Any]) -> list[Number]:
    if not items or any(type(item) not in NUMBERS for item in items):
        raise Rejected("a list of numbers is needed, at least one")
    return items


def total(items: list[Any]) -> Any:
    """The sum of numbers, or of durations of one kind; null of an empty list."""
    for kind in (Duration, Months):
        if items and all(type(item) is kind for item in items):
            return Duration(sum(item.nanos for item in items)) if kind is Duration else Months(sum(item.months for item in items))
    result: Number = 0
    for item in _numbers(items):
        result = add(result, item)
    return result


def product(items: list[Any]) -> Any:
    """All numbers multiplied."""
    result: Number = 1
    for item in _numbers(items):
        result = multiply(result, item)
    return result


def mean(items: list[Any]) -> Any:
    """The sum divided by the count; also of durations."""
    whole_sum = total(items)
    if isinstance(whole_sum, Duration):
        return Duration(whole_sum.nanos // len(items))
    return Months(whole_sum.months // len(items)) if isinstance(whole_sum, Months) else divide(whole_sum, len(items))


def median(items: list[Any]) -> Any:
    """The middle one by size, or the mean of the middle two; null of an empty list."""
    if not items:
        return None
    ranked = sorted(exact(item) for item in _numbers(items))
    middle = len(ranked) // 2
    return ranked[middle] if len(ranked) % 2 else divide(add(ranked[middle - 1], ranked[middle]), 2)


def deviation(items: list[Any]) -> Any:
    """The standard deviation of a sample, of two numbers at least."""
    if len(items) < 2:
        raise Rejected("a deviation needs two numbers")
    middle = mean(_numbers(items))
    squares = total([multiply(subtract(item, middle), subtract(item, middle)) for item in items])
    root = CONTEXT.sqrt(exact(divide(squares, len(items) - 1)))
    number = whole(root)
    return root if number is None else number


def mode(items: list[Any]) -> list[Any]:
    """The numbers that are there most often, in order."""
    if not items:
        return []
    counts: dict[Any, int] = {}
    for item in _numbers(items):
        counts[exact(item)] = counts.get(exact(item), 0) + 1
    most = max(counts.values())
    return sorted(item for item, count in counts.items() if count == most)


def all_true(items: list[Any]) -> bool | None:
    """Whether all are true, by the logic of three values."""
    if any(item is False for item in items):
        return False
    return True if all(item is True for item in items) else None


def one_true(items: list[Any]) -> bool | None:
    """Whether one is true, by the logic of three values."""
    if any(item is True for item in items):
        return True
    return False if all(item is False for item in items) else None


def _reckoned(function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def guarded(items: list[Any]) -> Any:
        try:
            return function(items)
        except DecimalException as error:
            raise Rejected("the result is no number of 34 digits") from error

    return guarded


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    several: tuple[tuple[str, Callable[[list[Any]], Any]], ...] = (
        ("min", lambda items: extreme(items, -1)),
        ("max", lambda items: extreme(items, 1)),
        ("sum", total),
        ("mean", mean),
        ("median", median),
        ("stddev", deviation),
        ("mode", mode),
        ("product", product),
        ("all", all_true),
        ("any", one_true),
    )
    for name, function in several:
        declare(library, f"{name}(list: list)", _reckoned(function))
        declare(library, f"{name}(list: any*)", _reckoned(function))
