"""Laying down the tail: sorted files, rewritten files where something was erased, and the position, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile

from cityhub.history.lake.erasing import register
from cityhub.history.lake.following import newer
from cityhub.history.lake.parquet import FileWriter, month_number
from cityhub.history.lake.reading import SCHEMAS, Half, columns_of, file_select, local
from cityhub.history.lake.schema import OBSERVATIONS
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tables import POSITION, File, LakeTable, Version

BATCH: Final = 122_880
FAR: Final = 50_000
"""A table that has nothing new hears of the position all the same when it is so far behind, lest a restart read all of that again."""
_MONTH: Final = "(year(r.observed_at) - 1970) * 12 + month(r.observed_at) - 1"


def order_of(name: str) -> str:
    """The order of the rows in a table's files."""
    return "r.entity, r.attribute, r.dataset, r.observed_at, r.position, r.ordinal" if name == OBSERVATIONS else "r.entity, r.position"


def flush(database: duckdb.DuckDBPyConnection, standing: Standing, tables: dict[str, LakeTable]) -> int:
    """Lays down what is in the tail now, with what is erased; for the holder of `commit`. Returns the position."""
    with standing.intake:
        state, standing.oldest, standing.is_flushing = standing.state, None, True
    try:
        for name, half in state.halves.items():
            if half.tail or half.pending or state.position - half.version.position > FAR:
                version = lay_down(database, tables[name], half, state.position)
                with standing.intake:
                    now = standing.half(name)
                    standing.swap_half(name, Half(version, newer(now.tail, state.position), now.pending.after(state.position)))
    finally:
        with standing.intake:
            standing.is_flushing = False
            if any(half.tail or half.pending for half in standing.state.halves.values()):
                standing.note_arrival()
    return state.position


def lay_down(database: duckdb.DuckDBPyConnection, table: LakeTable, half: Half, position: int) -> Version:
    """Commits the tail and the erasures of a table with the position up to which it has everything then."""
    connection = database.cursor()
    try:
        writer = FileWriter(table.table.io, table.table.metadata)
        added = list(partition_files(connection, table.name, half.tail, writer)) if half.tail else []
        removed: list[DataFile] = []
        if half.pending:
            conditions = register(connection, half.pending)
            for file in _touched(connection, table.name, half, conditions):
                rows = file_select(connection, SCHEMAS[table.name], half.version, [file])
                again = sorted_file(connection, table.name, f"{rows} WHERE {' AND '.join(conditions)}", file.partition, writer)
                removed.append(file.described)
                added.extend(again)
        return table.commit(half.version, added, removed, {POSITION: str(position)})
    finally:
        connection.close()


def partition_files(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[pa.Table], writer: FileWriter) -> Iterator[DataFile]:
    """A file for each partition of rows."""
    whole = pa.concat_tables(rows)
    connection.register("tail", whole)
    columns = columns_of(SCHEMAS[name])
    single = _only_partition(name, whole)
    if single is not None:
        yield from sorted_file(connection, name, f"SELECT {columns} FROM tail r", single, writer)
        return
    month = _MONTH if name == OBSERVATIONS else "0"
    partitions = connection.execute(f"SELECT DISTINCT r.tenant, {month} FROM tail r ORDER BY ALL").fetchall()
    for tenant, number in partitions:
        query = f"SELECT {columns} FROM tail r WHERE r.tenant = ? AND ({month}) IS NOT DISTINCT FROM ?"
        partition = (tenant, number) if name == OBSERVATIONS else (tenant,)
        yield from sorted_file(connection, name, query, partition, writer, [tenant, number])


def _only_partition(name: str, rows: pa.Table) -> tuple[Any, ...] | None:
    """The partition that all rows belong to; None when there are several."""
    tenants = pc.min_max(rows.column("tenant")).as_py()
    if tenants["min"] != tenants["max"]:
        return None
    if name != OBSERVATIONS:
        return (tenants["min"],)
    times = rows.column("observed_at")
    bounds = pc.min_max(times).as_py()
    months = {month_number(bounds["min"]), month_number(bounds["max"])}
    return (tenants["min"], *months) if len(months) == 1 and times.null_count in (0, len(times)) else None


def sorted_file(
    connection: duckdb.DuckDBPyConnection, name: str, query: str, partition: tuple[Any, ...], writer: FileWriter, parameters: Any = None
) -> list[DataFile]:
    """The rows of a query in their order as a file of one partition; none when there are none."""
    ordered = f"SELECT * FROM ({query}) r ORDER BY {order_of(name)}"
    written = writer.write(partition, connection.execute(ordered, parameters).to_arrow_reader(BATCH))
    return [] if written is None else [written]


def _touched(connection: duckdb.DuckDBPyConnection, name: str, half: Half, conditions: list[str]) -> list[File]:
    """The files that have rows which are erased."""
    tenants = {one.tenant for one in half.pending.erasures}
    candidates = {local(file.path): file for file in half.version.files if file.tenant in tenants}
    if not candidates:
        return []
    rows = file_select(connection, SCHEMAS[name], half.version, list(candidates.values()), with_path=True)
    found = connection.execute(f"SELECT DISTINCT r.filename FROM ({rows}) r WHERE NOT ({' AND '.join(conditions)})").fetchall()
    return [candidates[path] for (path,) in found]
