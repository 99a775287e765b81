"""Parquet as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from cityhub.ingest.files.found import Table
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import copy_rows, heads_of, literal, open_database, quoted
from cityhub.model.errors import BadRequestData

MAX_ROWS: Final = 2_000_000_000
_NESTED: Final = ("STRUCT", "MAP", "UNION")


def parquet_table(path: Path, reading: Reading, target: Path) -> Table:
    """Reads a Parquet file. Raises BadRequestData when it is broken or too long."""
    with open_database(target.parents[1]) as connection:
        source = f"read_parquet({literal(str(path))})"
        try:
            columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            counted = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({literal(str(path))})").fetchone()
            if counted is not None and counted[0] > MAX_ROWS:
                raise BadRequestData(f"The file has {counted[0]} rows; at most {MAX_ROWS} are taken")
            heads = heads_of([str(column[0]) for column in columns])
            pairs = zip(columns, heads, strict=True)
            cells = ", ".join(f"{_cell(str(column[0]), column[1])} AS {quoted(head.name)}" for column, head in pairs)
            rows = copy_rows(connection, f"SELECT {cells} FROM {source}", target)
        except duckdb.Error as error:
            raise BadRequestData(f"The Parquet file is broken or cut short: {str(error).splitlines()[0][:300]}") from None
    return Table(heads, rows, 1, reading=reading)


def _cell(name: str, kind: str) -> str:
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"to_json({quoted(name)})::VARCHAR"
    if kind == "BLOB":
        return f"base64({quoted(name)})"
    return f"nullif(trim({quoted(name)}::VARCHAR), '')"
