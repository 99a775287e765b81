"""What the journal has and the tables have not: rows in memory, as immutable Arrow chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
from pyiceberg.schema import Schema

from cityhub.history.lake.schema import ENTITY_VERSIONS_SCHEMA, OBSERVATIONS_SCHEMA, arrow_schema

SEQUENCE: Final = "sequence"
"""Hidden column of the tail: position of the change that wrote the row."""


def tail_schema(schema: Schema) -> pa.Schema:
    """The columns of a table and `SEQUENCE`."""
    return arrow_schema(schema).append(pa.field(SEQUENCE, pa.int64(), nullable=False))


OBSERVATIONS_TAIL: Final = tail_schema(OBSERVATIONS_SCHEMA)
ENTITY_VERSIONS_TAIL: Final = tail_schema(ENTITY_VERSIONS_SCHEMA)


def chunk_of(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows as a chunk; times may be texts."""
    return chunk_of_columns(schema, list(zip(*rows, strict=True)) if rows else [()] * len(schema))


def chunk_of_columns(schema: pa.Schema, columns: Sequence[Any]) -> pa.Table:
    """Columns as a chunk; times are texts, and a column that is None is null throughout."""
    length = next(len(column) for column in columns if column is not None)
    return pa.table([_array(column, field.type, length) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _array(column: Any, kind: pa.DataType, length: int) -> pa.Array:
    if column is None:
        return pa.nulls(length, kind)
    if pa.types.is_timestamp(kind):
        return pa.array(column, pa.string()).cast(kind)
    return pa.array(column, kind)


def joined(chunks: tuple[pa.Table, ...], new: pa.Table) -> tuple[pa.Table, ...]:
    """The chunks with a new one; small neighbours become one, so that there are never many."""
    if not new.num_rows:
        return chunks
    kept = list(chunks)
    while kept and kept[-1].num_rows <= 2 * new.num_rows and kept[-1].num_rows + new.num_rows <= LARGEST:
        new = pa.concat_tables([kept.pop(), new]).combine_chunks()
    return (*kept, new)


LARGEST: Final = 20_000
"""Chunks are not joined beyond so many rows."""


def rows_in(chunks: Sequence[pa.Table]) -> int:
    """How many rows there are."""
    return sum(chunk.num_rows for chunk in chunks)


def bytes_in(chunks: Sequence[pa.Table]) -> int:
    """How many bytes of memory they take."""
    return sum(chunk.nbytes for chunk in chunks)
