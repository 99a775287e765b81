"""Laying down the tail: sorted files, rewritten files where something was erased, and the position, in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import duckdb
import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema

from cityhub.history.lake.erasing import register
from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.reading import Half, columns_of, read_files
from cityhub.history.lake.schema import OBSERVATIONS
from cityhub.history.lake.tables import POSITION, File, LakeTable, Version

ORDER: Final = {
    True: "entity, attribute, dataset, observed_at, position, ordinal",
    False: "entity, position",
}
_BATCH: Final = 122_880


def lay_down(database: duckdb.DuckDBPyConnection, table: LakeTable, schema: Schema, half: Half, position: int) -> Version:
    """Commits the tail and the erasures of a table with the position up to which it has everything then."""
    connection = database.cursor()
    try:
        writer = FileWriter(table.table.io, table.table.metadata)
        added = list(_tail_files(connection, table.name, schema, half.tail, writer)) if half.tail else []
        removed: list[DataFile] = []
        if half.pending:
            conditions = register(connection, half.pending)
            for file in _touched(connection, half, conditions):
                kept = f"SELECT {columns_of(schema)} FROM {read_files([file])} r WHERE {' AND '.join(conditions)}"
                again = writer.write(file.partition, connection.execute(kept).to_arrow_reader(_BATCH))
                removed.append(file.described)
                if again is not None:
                    added.append(again)
        return table.commit(half.version, added, removed, {POSITION: str(position)})
    finally:
        connection.close()


def _tail_files(
    connection: duckdb.DuckDBPyConnection, name: str, schema: Schema, tail: tuple[pa.Table, ...], writer: FileWriter
) -> Iterator[DataFile]:
    """A file for each partition of the tail."""
    connection.register("tail", pa.concat_tables(tail))
    is_observations = name == OBSERVATIONS
    month = "(year(r.observed_at) - 1970) * 12 + month(r.observed_at) - 1" if is_observations else "0"
    partitions = connection.execute(f"SELECT DISTINCT r.tenant, {month} FROM tail r ORDER BY ALL").fetchall()
    for tenant, number in partitions:
        where = f"r.tenant = ? AND ({month}) IS NOT DISTINCT FROM ?"
        query = f"SELECT {columns_of(schema)} FROM tail r WHERE {where} ORDER BY {ORDER[is_observations]}"
        rows = connection.execute(query, [tenant, number]).to_arrow_reader(_BATCH)
        written = writer.write((tenant, number) if is_observations else (tenant,), rows)
        if written is not None:
            yield written


def _touched(connection: duckdb.DuckDBPyConnection, half: Half, conditions: list[str]) -> list[File]:
    """The files that have rows which are erased."""
    tenants = {one.tenant for one in half.pending.erasures}
    candidates = {file.path.removeprefix("file://"): file for file in half.version.files if file.tenant in tenants}
    if not candidates:
        return []
    files = read_files(list(candidates.values()), ", filename = true")
    rows = connection.execute(f"SELECT DISTINCT r.filename FROM {files} r WHERE NOT ({' AND '.join(conditions)})").fetchall()
    return [candidates[path] for (path,) in rows]
