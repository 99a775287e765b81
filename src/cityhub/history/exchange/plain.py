"""Columns as formats without nested types want them."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with lists, structs and maps as JSON, bytes as hex, and moments as RFC 3339 in UTC."""
    columns = [_plain(column) for column in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        form = "%Y-%m-%dT%H:%M:%SZ" if kind.tz else "%Y-%m-%dT%H:%M:%S"
        return pc.strftime(column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False), form)
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else json_text(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())
    if pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column if not pa.types.is_duration(kind) else column.cast(pa.int64()).cast(pa.string())
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def json_text(value: Any) -> str:
    """Any value as JSON."""
    return orjson.dumps(value, default=_other, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


def _other(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
