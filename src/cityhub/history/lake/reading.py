"""The views that a question sees: tables, tail and pending erasures as one, at one position of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb
import msgspec
import pyarrow as pa
from pyiceberg.schema import Schema

from cityhub.history.lake.erasing import Pending, register
from cityhub.history.lake.schema import ENTITY_VERSIONS, ENTITY_VERSIONS_SCHEMA, OBSERVATIONS, OBSERVATIONS_SCHEMA, arrow_schema
from cityhub.history.lake.tables import File, Version

SCHEMAS: Final = {OBSERVATIONS: OBSERVATIONS_SCHEMA, ENTITY_VERSIONS: ENTITY_VERSIONS_SCHEMA}
_EXPIRES_AT: Final = OBSERVATIONS_SCHEMA.find_field("expires_at").field_id


class Half(msgspec.Struct, frozen=True):
    """One table: its version, the chunks of its tail, and the erasures that its files wait for."""

    version: Version
    tail: tuple[pa.Table, ...]
    pending: Pending


class State(msgspec.Struct, frozen=True):
    """All that a question can see at a moment; it never changes, a new one takes its place."""

    position: int
    observations: Half
    versions: Half

    @property
    def halves(self) -> dict[str, Half]:
        """Both tables by name."""
        return {OBSERVATIONS: self.observations, ENTITY_VERSIONS: self.versions}

    @property
    def files(self) -> list[File]:
        """The files of both tables."""
        return [*self.observations.version.files, *self.versions.version.files]


class Reading:
    """One look at the lake.

    Attributes:
        connection: A DuckDB connection of its own with the temporary views `observations` and `entity_versions`.
        position: The journal position up to which the views show everything.
        tenant: Whose rows they are.
        seed: What the instanceIds begin with.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, position: int, tenant: str, seed: str) -> None:
        self.connection = connection
        self.position = position
        self.tenant = tenant
        self.seed = seed


def quoted(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def columns_of(schema: Schema) -> str:
    """The names of a table's columns as a list in SQL."""
    return ", ".join(f'r."{name}"' for name in schema.column_names)


def make_views(connection: duckdb.DuckDBPyConnection, state: State, tenant: str, now: str) -> None:
    """Makes the two views in a connection.

    Args:
        connection: Of the reading alone.
        state: What is seen.
        tenant: Whose rows.
        now: What expired until then is left out.
    """
    for name, half in state.halves.items():
        query = select(connection, name, half, tenant, now)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")


def select(connection: duckdb.DuckDBPyConnection, name: str, half: Half, tenant: str, now: str) -> str:
    """The query behind a view; what it needs beside files is registered in the connection."""
    schema = SCHEMAS[name]
    parts = [*_of_files(connection, name, half, tenant, now), *_of_tail(connection, name, half, tenant, now)]
    if not parts:
        plain = arrow_schema(schema)
        connection.register(f"no_{name}", plain.empty_table())
        return f"SELECT {columns_of(schema)} FROM no_{name} r"
    return " UNION ALL ".join(parts)


def _of_files(connection: duckdb.DuckDBPyConnection, name: str, half: Half, tenant: str, now: str) -> list[str]:
    files = [file for file in half.version.files if file.tenant == tenant]
    pending = half.pending.of(tenant)
    if not files or "tenant" in pending.tables():
        return []
    conditions = register(connection, pending, prefix=f"{name}_erased_")
    if name == OBSERVATIONS and any(_may_expire(file) for file in files):
        conditions.append(f"(r.expires_at IS NULL OR r.expires_at > {quoted(now)}::TIMESTAMPTZ)")
    query = file_select(connection, SCHEMAS[name], half.version, files, prefix=name)
    return [f"SELECT r.* FROM ({query}) r WHERE {' AND '.join(conditions)}" if conditions else query]


def file_select(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    version: Version,
    files: Sequence[File],
    *,
    prefix: str = "",
    with_path: bool = False,
) -> str:
    """The rows of files. Those that another engine deleted rows of come from memory, without these rows.

    Args:
        connection: In which what comes from memory is registered.
        schema: Of the table.
        version: Whose files.
        files: Some of the version's files; at least one.
        prefix: Of the names of what is registered.
        with_path: Whether a column `filename` says where each row is.
    """
    plain = [file for file in files if not file.has_deletes]
    parts = []
    if plain:
        places = ", ".join(quoted(local(file.path)) for file in plain)
        option = ", filename = true" if with_path else ""
        what = f"{columns_of(schema)}, r.filename" if with_path else columns_of(schema)
        parts.append(f"SELECT {what} FROM read_parquet([{places}], hive_partitioning = false{option}) r")
    for number, file in enumerate(file for file in files if file.has_deletes):
        connection.register(f"{prefix}_left_{number}", version.left[file.path])
        what = f"{columns_of(schema)}, {quoted(local(file.path))} AS filename" if with_path else columns_of(schema)
        parts.append(f"SELECT {what} FROM {prefix}_left_{number} r")
    return " UNION ALL ".join(parts)


def local(path: str) -> str:
    """The path as DuckDB opens it. Java's engines write `file:/data`, others `file:///data`."""
    return path.removeprefix("file://").removeprefix("file:")


def _may_expire(file: File) -> bool:
    nulls = (file.described.null_value_counts or {}).get(_EXPIRES_AT)
    return nulls is None or bool(nulls < file.rows)


def _of_tail(connection: duckdb.DuckDBPyConnection, name: str, half: Half, tenant: str, now: str) -> list[str]:
    if not half.tail:
        return []
    connection.register(f"{name}_tail", pa.concat_tables(half.tail))
    expired = f" AND (r.expires_at IS NULL OR r.expires_at > {quoted(now)}::TIMESTAMPTZ)" if name == OBSERVATIONS else ""
    return [f"SELECT {columns_of(SCHEMAS[name])} FROM {name}_tail r WHERE r.tenant = {quoted(tenant)}{expired}"]
