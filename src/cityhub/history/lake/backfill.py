"""Backfills: staged Parquet files that come into the tables as they are, sorted and cut by month, once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile

from cityhub.history.lake.flush import partition_files
from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.place import Place
from cityhub.history.lake.reading import SCHEMAS, Half, State, make_views
from cityhub.history.lake.schema import ENTITY_VERSIONS, OBSERVATIONS, arrow_schema
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tables import POSITION, LakeTable
from cityhub.history.lake.tail import ENTITY_VERSIONS_TAIL, chunk_of, joined
from cityhub.model import history_events as events
from cityhub.model.change import Change, Entry, change_of

AT_ONCE: Final = 1_000_000
"""Rows that are in memory at once."""

log = logging.getLogger(__name__)


def take_backfill(
    place: Place, database: duckdb.DuckDBPyConnection, standing: Standing, tables: dict[str, LakeTable], entry: Entry
) -> None:
    """Brings a staged file into its table, in one commit with the position; for the holder of `commit`, with an empty tail.

    A file that is not there or not as announced is logged and left out: the journal goes on.
    """
    change = change_of(entry)
    with standing.intake:
        if standing.state.position >= change.position:
            return
        event = events.event_of(change.after)
        assert isinstance(event, events.Backfill)
        path = _staged(place, event)
        is_there = event.table in SCHEMAS and standing.half(event.table).version.position >= change.position
        fault = None if is_there else _fault(path, event)
        if fault is not None:
            log.error("the backfill '%s' of the change %s is left out: %s", event.path, change.position, fault)
        elif not is_there:
            assert path is not None
            version = standing.half(event.table).version
            added = _files(database, tables[event.table], path, change)
            version = tables[event.table].commit(version, added, [], {POSITION: str(change.position)})
            half = standing.half(event.table)
            standing.swap_half(event.table, Half(version, half.tail, half.pending))
        state = standing.state
        standing.swap(State(change.position, state.observations, state.versions))
        if fault is None and event.table == OBSERVATIONS:
            _introduce(database, standing, change)
        if path is not None:
            path.unlink(missing_ok=True)


def _staged(place: Place, event: events.Backfill) -> Path | None:
    folder = Path(place.data).resolve()
    path = (folder / event.path).resolve()
    return path if place.data and path.is_relative_to(folder) else None


def _fault(path: Path | None, event: events.Backfill) -> str | None:
    if path is None:
        return "it is not in the data folder"
    if event.table not in SCHEMAS:
        return f"there is no table '{event.table}'"
    try:
        rows = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException) as error:
        return str(error)
    return None if rows == event.rows else f"it has {rows} rows, not {event.rows}"


def _files(database: duckdb.DuckDBPyConnection, table: LakeTable, path: Path, change: Change) -> list[DataFile]:
    """The staged rows as files of the table, a bounded number of them at a time."""
    added: list[DataFile] = []
    writer = FileWriter(table.table.io, table.table.metadata)
    connection = database.cursor()
    try:
        place = 0
        waiting: list[pa.Table] = []
        with pq.ParquetFile(path) as staged:
            for batch in staged.iter_batches(batch_size=100_000):
                waiting.append(_filled(table.name, batch, change, place))
                place += batch.num_rows
                if sum(part.num_rows for part in waiting) >= AT_ONCE:
                    added.extend(partition_files(connection, table.name, waiting, writer))
                    waiting = []
        if waiting:
            added.extend(partition_files(connection, table.name, waiting, writer))
    finally:
        connection.close()
    return added


def _filled(name: str, batch: pa.RecordBatch, change: Change, place: int) -> pa.Table:
    """Staged rows with what the history adds to them."""
    count = batch.num_rows
    given: dict[str, Any] = {
        "tenant": pa.repeat(pa.scalar(change.tenant, pa.string()), count),
        "position": pa.repeat(pa.scalar(change.position, pa.int64()), count),
        "ordinal": pa.array(np.arange(place, place + count, dtype=np.int32)),
    }
    columns = []
    schema = arrow_schema(SCHEMAS[name])
    for field in schema:
        if field.name in given:
            columns.append(given[field.name])
        elif field.name in batch.schema.names:
            columns.append(batch.column(field.name).cast(field.type))
        elif field.name == "modified_at":
            columns.append(pa.repeat(pa.scalar(change.at).cast(field.type), count))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.table(columns, schema=schema)


def _introduce(database: duckdb.DuckDBPyConnection, standing: Standing, change: Change) -> None:
    """Makes entities known that came with a backfill and were never seen before."""
    half = standing.half(ENTITY_VERSIONS)
    if half.version.position >= change.position:
        return
    connection = database.cursor()
    try:
        make_views(connection, standing.state, change.tenant, change.at)
        found = connection.execute(
            "SELECT o.entity, arg_max(o.type, o.ordinal) FROM observations o WHERE o.position = ? "
            "AND NOT EXISTS (SELECT 1 FROM entity_versions v WHERE v.entity = o.entity) GROUP BY o.entity",
            [change.position],
        ).fetchall()
    finally:
        connection.close()
    if found:
        at, position = change.at, change.position
        rows = [(change.tenant, entity, types, "created", None, at, None, position, position) for entity, types in found]
        chunk = chunk_of(ENTITY_VERSIONS_TAIL, rows)
        standing.swap_half(ENTITY_VERSIONS, msgspec.structs.replace(half, tail=joined(half.tail, chunk)))
        standing.note_arrival()
