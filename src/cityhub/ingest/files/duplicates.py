"""Rows of a table that tell of the same entity at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from cityhub.ingest.files.conversion import PLACE, Statement
from cityhub.ingest.files.plan import Duplicates
from cityhub.ingest.files.table import literal, quoted


def dropped_places(connection: duckdb.DuckDBPyConnection, path: Path, statements: Sequence[Statement], policy: Duplicates) -> pa.Table:
    """The places of the rows that are left out: of equal ones all but the first, or all but the "last".

    Rows are compared by a hash of 64 bits first, so that a table of a hundred million rows needs no memory but for those that may be alike.
    """
    parts = []
    for number, statement in enumerate(statements):
        connection.execute("SET TimeZone = ?", [statement.time_zone])
        columns = ", ".join(quoted(name) for name in statement.columns)
        cells = f'SELECT {columns}, file_row_number AS "{PLACE}" FROM read_parquet({literal(str(path))}, file_row_number = true)'
        connection.execute(f"CREATE OR REPLACE TEMP VIEW cells AS {cells}")
        time = "observed" if statement.has_time else "NULL"
        keys = f"SELECT place, id, {time} AS observed, hash(id, {time}) AS code FROM ({statement.select}) WHERE fault IS NULL"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE alike AS SELECT code FROM ({keys}) GROUP BY code HAVING count(*) > 1")
        order = "DESC" if policy == "last" else "ASC"
        number_of = f"row_number() OVER (PARTITION BY id, observed ORDER BY place {order})"
        found = f"SELECT place, {number_of} AS number FROM ({keys}) SEMI JOIN alike USING (code)"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE dropped_{number} AS SELECT place FROM ({found}) WHERE number > 1")
        connection.execute("DROP VIEW cells")
        parts.append(f"SELECT place FROM dropped_{number}")
    return connection.execute(" UNION ".join(parts)).to_arrow_table()
