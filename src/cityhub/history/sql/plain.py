"""Columns of an answer as plain values and as text: for JSON, for CSV, and for the wire."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

_WIDE: Final = 2**63
_NUMBERS: Final = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
_FORMULA: Final = r"^[=+\-@\t\r]"


def plain_rows(batch: pa.RecordBatch, types: Sequence[str]) -> list[list[Any]]:
    """The rows as JSON has them: times as RFC 3339 text in UTC, what is no number as null, JSON as itself."""
    columns = [plain_values(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def plain_values(column: pa.Array, kind: str) -> list[Any]:
    """The values of a column as JSON has them. `kind` is its SQL type."""
    if pa.types.is_timestamp(column.type):
        values: list[Any] = times(column).to_pylist()
        return values
    values = column.to_pylist()
    if kind == "JSON":
        return [None if value is None else orjson.loads(value) for value in values]
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type) or pa.types.is_string(column.type):
        return values
    return [_plain(value) for value in values]


def times(column: pa.Array) -> pa.Array:
    """Times as text with six digits of a second; with a Z at the end where the column knows its zone."""
    mark = "Z" if column.type.tz else ""
    moments = pc.cast(column, pa.timestamp("us", "UTC" if column.type.tz else None), safe=False)
    return pc.strftime(moments, f"%Y-%m-%dT%H:%M:%S{mark}")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -_WIDE <= value < _WIDE else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return _plain(int(value)) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime):
        text = (value.astimezone(dt.UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text}Z" if value.tzinfo else text
    if isinstance(value, (dt.date, dt.time, dt.timedelta, uuid.UUID)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_plain(item) for item in value]
    return str(value)


def text_batch(batch: pa.RecordBatch, types: Sequence[str], excel: bool) -> pa.RecordBatch:
    """The batch with columns that CSV can hold. `excel`: no text begins like a formula; an apostrophe stands before it."""
    columns = [_text_column(column, kind, excel) for column, kind in zip(batch.columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _text_column(column: pa.Array, kind: str, excel: bool) -> pa.Array:
    if any(is_kind(column.type) for is_kind in _NUMBERS):
        return column
    if pa.types.is_timestamp(column.type):
        return times(column)
    if not pa.types.is_string(column.type):
        texts = [None if value is None else value if isinstance(value, str) else _json(value) for value in map(_plain, column.to_pylist())]
        column = pa.array(texts, pa.string())
    if not excel:
        return column
    return pc.if_else(pc.match_substring_regex(column, _FORMULA), pc.binary_join_element_wise("'", column, ""), column)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
