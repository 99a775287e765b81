"""Functions of lists.

Source: OMG DMN 1.5, 10.3.4.4, table 74, and 10.3.4.10 (sort).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Any

from cityhub.model.feel.bounds import MAX_LIST, Exceeded
from cityhub.model.feel.environment import Run
from cityhub.model.feel.library import Builtin, Library, declare
from cityhub.model.feel.logic import compare, equal
from cityhub.model.feel.numbers import Number, truncated
from cityhub.model.feel.values import Function, Rejected


def _has(items: Iterable[Any], value: Any) -> bool:
    return any(equal(item, value) for item in items)


def places(items: list[Any], value: Any) -> list[int]:
    """Where a value is in a list, counted from 1."""
    return [place for place, item in enumerate(items, 1) if equal(item, value)]


def sublist(items: list[Any], start: Number, length: Number | None = None) -> list[Any]:
    """Items from a place on, counted from 1, or from the end when negative."""
    begin, count = _place(items, start), len(items) if length is None else truncated(length)
    if count < 0 or (length is not None and begin + count > len(items)):
        raise Rejected("the list is shorter")
    return items[begin : begin + count]


def _place(items: list[Any], position: Number) -> int:
    place = truncated(position)
    if place == 0 or abs(place) > len(items):
        raise Rejected(f"the list has {len(items)} items, none at {position}")
    return place - 1 if place > 0 else len(items) + place


def insert(items: list[Any], position: Number, value: Any) -> list[Any]:
    """The list with a value before the item at a place."""
    place = _place(items, position)
    return [*items[:place], value, *items[place:]]


def remove(items: list[Any], position: Number) -> list[Any]:
    """The list without the item at a place."""
    place = _place(items, position)
    return [*items[:place], *items[place + 1 :]]


def replace_at(items: list[Any], position: Number, value: Any) -> list[Any]:
    """The list with another value at a place."""
    place = _place(items, position)
    return [*items[:place], value, *items[place + 1 :]]


def replace_where(run: Run, items: list[Any], match: Function, value: Any) -> list[Any]:
    """The list with another value for each item for which a function of item and value holds."""
    result = []
    for item in items:
        held = match.call(run, [item, value])
        if type(held) is not bool:
            raise Rejected("the function is to give true or false")
        result.append(value if held else item)
    return result


def distinct(run: Run, items: list[Any]) -> list[Any]:
    """The list without what is there already."""
    seen: set[tuple[type, Any]] = set()
    others: list[Any] = []
    result: list[Any] = []
    for item in items:
        if type(item) in (str, bool, int):
            if (type(item), item) in seen or (type(item) is int and _has(others, item)):
                continue
            seen.add((type(item), item))
        else:
            run.charge(len(result) >> 4)
            if _has(result, item):
                continue
            others.append(item)
        result.append(item)
    return result


def joined(lists: Sequence[list[Any]]) -> list[Any]:
    """The items of several lists in one."""
    if any(items is None for items in lists):
        raise Rejected("a list is null")
    parts = [items if type(items) is list else [items] for items in lists]
    if sum(map(len, parts)) > MAX_LIST:
        raise Exceeded(f"a list has more than {MAX_LIST} items")
    return [item for items in parts for item in items]


def flattened(run: Run, items: list[Any]) -> list[Any]:
    """The items, and those of the lists in it, in one list."""
    result: list[Any] = []
    waiting = list(reversed(items))
    while waiting:
        run.charge(1)
        item = waiting.pop()
        if type(item) is list:
            waiting.extend(reversed(item))
        else:
            result.append(item)
    return result


def in_order(run: Run, items: list[Any], precedes: Any = None) -> list[Any]:
    """The list in the order that a function of two items gives; without one, by size."""
    if precedes is None:
        run.charge(2 * len(items))
        return sorted(items, key=cmp_to_key(_natural))

    def order(left: Any, right: Any) -> int:
        if _precedes(run, precedes, left, right):
            return -1
        return 1 if _precedes(run, precedes, right, left) else 0

    return sorted(items, key=cmp_to_key(order))


def _precedes(run: Run, function: Function | Builtin, left: Any, right: Any) -> bool:
    held = function.call(run, [left, right])
    if type(held) is not bool:
        raise Rejected("the function is to give true or false")
    return held


def _natural(left: Any, right: Any) -> int:
    order = compare(left, right)
    if order is None:
        raise Rejected("the items have no order")
    return order


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "list contains(list: list, element: any)", _has, deep=True)
    declare(library, "count(list: list)", len)
    declare(library, "sublist(list: list, start position: number, length: number=)", sublist)
    declare(library, "append(list: list, item: any*)", lambda items, more: [*items, *more])
    declare(library, "concatenate(list: any*)", joined)
    declare(library, "insert before(list: list, position: number, newItem: any)", insert)
    declare(library, "remove(list: list, position: number)", remove)
    declare(library, "list replace(list: list, position: number, newItem: any)", replace_at)
    declare(library, "list replace(list: list, match: function, newItem: any)", replace_where, runs=True)
    declare(library, "reverse(list: list)", lambda items: items[::-1])
    declare(library, "index of(list: list, match: any)", places, deep=True)
    declare(library, "union(list: any*)", lambda run, lists: distinct(run, joined(lists)), runs=True, deep=True)
    declare(library, "distinct values(list: list)", distinct, runs=True, deep=True)
    declare(library, "flatten(list: list)", flattened, runs=True)
    declare(library, "sort(list: list, precedes: function=)", in_order, runs=True)
