"""The order of entities by values of any kind: none first, then booleans, numbers, times, texts, and the rest by its JSON.

Source: OASIS OData 4.0 part 2, 5.1.4 ($orderby: null before any value when ascending).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from cityhub.ingest.sensorthings.evaluate import Many
from cityhub.ingest.sensorthings.functions import Span
from cityhub.ingest.sensorthings.rows import Row


def in_order(found: list[tuple[list[Any], Row]], descending: list[bool]) -> list[Row]:
    """The entities sorted by their values; where they are equal, as they came."""
    for place in range(len(descending) - 1, -1, -1):
        found.sort(key=lambda item, place=place: sort_key(item[0][place]), reverse=descending[place])  # type: ignore[misc]
    return [row for _, row in found]


def sort_key(value: Any) -> tuple[int, Any]:
    """What a value is sorted by.

    >>> sorted([2, None, "a", 1], key=sort_key)
    [None, 1, 2, 'a']
    """
    if isinstance(value, Many):
        value = min(value.values, key=sort_key) if value.values else None
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    if isinstance(value, timedelta):
        return 3, value.total_seconds()
    if isinstance(value, Span):
        return 4, (value.begin, value.end)
    return (5, value) if isinstance(value, str) else (6, orjson.dumps(value, default=str).decode())
