"""Values of FEEL as JSON has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from cityhub.model.feel import temporal_text
from cityhub.model.feel.bounds import MAX_VALUE_DEPTH
from cityhub.model.feel.calendar import lifted, offset_of
from cityhub.model.feel.numbers import to_json as number_to_json
from cityhub.model.feel.temporal import Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Range


def to_json(value: Any, depth: int = 0) -> Any:
    """A value as JSON: decimals as int or float, ranges as objects, functions as null, all others of FEEL as texts.

    A moment of a zone is written with its offset. What lies deeper than MAX_VALUE_DEPTH is null.

    >>> to_json({"sum": Decimal("2.50"), "on": Date(2026, 11, 23)})
    {'sum': 2.5, 'on': '2026-11-23'}
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if depth > MAX_VALUE_DEPTH:
        return None
    if kind is Decimal:
        return number_to_json(value)
    if kind is list:
        return [to_json(item, depth + 1) for item in value]
    if kind is dict:
        return {key: to_json(item, depth + 1) for key, item in value.items()}
    value = lifted(value)
    if isinstance(value, DateTime) and value.time.zone:
        of_day = replace(value.time, zone="", offset=offset_of(value))
        return temporal_text.write(DateTime(value.date, of_day))
    if isinstance(value, Date | Time | DateTime | Months | Duration):
        return temporal_text.write(value)
    if isinstance(value, Range):
        return {
            "start": to_json(value.low, depth + 1),
            "end": to_json(value.high, depth + 1),
            "start included": value.low_included,
            "end included": value.high_included,
        }
    return to_json(value, depth) if type(value) is list else None
