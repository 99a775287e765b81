"""The one form that every file is brought into before anything else is done with it: a Parquet file of texts, with its heads."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from cityhub.ingest.files.found import Head
from cityhub.ingest.files.heads import names_of, split_unit
from cityhub.model.errors import BadRequestData

MAX_COLUMNS: Final = 1_000
BATCH: Final = 20_000
"""Rows that Python makes into a batch at once."""
ROW_GROUP: Final = 122_880


def heads_of(texts: Sequence[str], shapes: frozenset[int] = frozenset()) -> list[Head]:
    """Columns of heads. Raises BadRequestData when there are too many."""
    if len(texts) > MAX_COLUMNS:
        raise BadRequestData(f"The table has {len(texts)} columns; at most {MAX_COLUMNS} are read")
    if not texts:
        raise BadRequestData("The table has no columns")
    return [
        Head(name, text.strip(), split_unit(text)[1], place in shapes)
        for place, (name, text) in enumerate(zip(names_of(texts), texts, strict=True))
    ]


def open_database(folder: Path, memory: str = "1GB", spatial: bool = False) -> duckdb.DuckDBPyConnection:
    """A database in memory that opens files of one folder only, and spills into it."""
    connection = duckdb.connect(":memory:", config={"threads": "2", "memory_limit": memory, "temp_directory": str(folder / "spill")})
    if spatial:
        load_spatial(connection)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET max_temp_directory_size = '20GB'")
    connection.execute(f"SET allowed_directories = [{literal(f'{folder.resolve()}/')}]")
    connection.execute("SET enable_external_access = false")
    return connection


def load_spatial(connection: duckdb.DuckDBPyConnection) -> None:
    """Loads DuckDB's spatial functions from the installed package; nothing is downloaded."""
    package = importlib.util.find_spec("duckdb_extension_spatial")
    if package is None or package.origin is None:
        raise RuntimeError("The package 'duckdb-extension-spatial' is not installed; it comes with the hub")
    connection.load_extension(str(Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"))


def copy_rows(connection: duckdb.DuckDBPyConnection, select: str, target: Path) -> int:
    """Writes what a SELECT gives as a table; returns the number of rows."""
    answer = connection.execute(
        f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE {ROW_GROUP})"
    ).fetchone()
    return int(answer[0]) if answer else 0


def write_rows(rows: Iterable[Sequence[Any]], heads: Sequence[Head], target: Path) -> int:
    """Writes rows of Python values as a table; returns their number. Short rows are filled up, long ones cut."""
    schema = pa.schema([(head.name, pa.string()) for head in heads])
    count = 0
    with pq.ParquetWriter(target, schema, compression="lz4") as writer:
        for batch in _batches(rows):
            texts = [[text_of(row[place]) if place < len(row) else None for row in batch] for place in range(len(heads))]
            writer.write_table(pa.table([pa.array(column, pa.string()) for column in texts], schema=schema))
            count += len(batch)
    return count


def text_of(value: Any) -> str | None:
    """A value as text; None for none. Whole numbers have no decimals, times are ISO 8601."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None if value != value else repr(value)
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else str(value)


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | None) -> str:
    """A text in SQL."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def _batches(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    batch: list[Sequence[Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
