"""Values of a database as JSON values, and watermarks that come back from a bookmark as what they were."""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from cityhub.model.errors import BadRequestData

_LARGEST_INTEGER: Final = 2**63 - 1


def json_value(value: Any, zone: ZoneInfo) -> Any:
    """A column's value as a JSON value.

    A time without offset is taken in the zone; a span is its seconds; bytes are base64; a decimal is a number; an integer beyond 64 bits
    and what is unknown are text; not-a-number and infinity are null.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INTEGER else str(value)
    if isinstance(value, (float, Decimal)):
        return _number(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(bytes(value)).decode()
    if isinstance(value, dict):
        return {str(name): json_value(part, zone) for name, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [json_value(part, zone) for part in value]
    return str(value)


def _number(value: float | Decimal) -> int | float | None:
    if not math.isfinite(value):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) <= _LARGEST_INTEGER:
        return int(value)
    return float(value)


def kept(value: Any) -> Any:
    """A watermark or key as it stands in a bookmark: JSON that tells its kind. Raises BadRequestData for what cannot be one."""
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    if value is None or isinstance(value, (bytes, bytearray, memoryview, bool, dict, list)):
        raise BadRequestData("'watermark' and 'key' must be columns of numbers, texts or times without nulls")
    return str(value)


def given(value: Any) -> Any:
    """What `kept` was made from."""
    if not isinstance(value, dict):
        return value
    (kind, text), *_ = value.items()
    if kind == "decimal":
        return Decimal(text)
    return datetime.fromisoformat(text) if kind == "time" else date.fromisoformat(text)


def earlier(value: Any, by: float) -> Any:
    """A watermark set back by so many seconds, or by so much when it is a number; others stay."""
    if not by or value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return value - timedelta(seconds=by)
    if isinstance(value, date):
        return value - timedelta(days=math.ceil(by / 86_400))
    if isinstance(value, Decimal):
        return value - Decimal(str(by))
    if isinstance(value, (int, float)):
        return value - (int(by) if isinstance(value, int) and float(by).is_integer() else by)
    return value
