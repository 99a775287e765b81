"""How long DuckDB, Sail and Spark take on the same tables, with one worker and with two: `python -m bench.engines`.

Writes a JSON result with the machine. Each statement runs `--runs` times after one run to warm up; the smallest time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.catalog.sql import SqlCatalog

from bench.engine_jars import Missing
from bench.engine_session import Engine, sail, spark
from bench.machine import facts
from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.schema import OBSERVATIONS_SCHEMA, arrow_schema
from cityhub.history.lake.tables import LakeTable, open_tables

STATEMENTS = {
    "hourly mean per sensor": (
        "SELECT count(*) AS n, sum(mean) AS s FROM (SELECT entity, date_trunc('hour', observed_at) AS hour, avg(number) AS mean "
        "FROM observations WHERE tenant = '' GROUP BY entity, date_trunc('hour', observed_at)) q"
    ),
    "last value per sensor": (
        "SELECT count(*) AS n, sum(last) AS s FROM (SELECT entity, max_by(number, observed_at) AS last FROM observations "
        "WHERE tenant = '' GROUP BY entity) q"
    ),
}
MONTHS = 4
EACH_S = 60


def make(folder: Path, rows: int) -> SqlCatalog:
    """A lake of so many observations, one a minute for each sensor, in a file for each month."""
    catalog = SqlCatalog("cityhub", uri=f"sqlite:///{folder}/catalog.sqlite", warehouse=(folder / "lake").as_uri())
    table, _ = open_tables(catalog, 0, "bench")
    for month in range(MONTHS):
        _month(table, 2026, month + 1, rows // MONTHS)
    return catalog


def _month(table: LakeTable, year: int, month: int, rows: int) -> None:
    each = 28 * 86_400 // EACH_S
    at = f"TIMESTAMPTZ '{year}-{month:02}-01 00:00:00+00' + to_seconds((i % {each}) * {EACH_S})"
    known = {
        "tenant": "''", "entity": f"'urn:ngsi-ld:Device:' || lpad((i // {each})::VARCHAR, 6, '0')", "observed_at": at, "modified_at": at,
        "type": "'https://smartdatamodels.org/Device'", "attribute": "'https://smartdatamodels.org/level'", "unit": "'MTR'",
        "number": "round(20 + 5 * sin(i / 500.0) + (hash(i) % 10) / 10.0, 1)", "position": "i", "ordinal": "0", "kind": "'Property'",
    }  # fmt: skip
    schema = arrow_schema(OBSERVATIONS_SCHEMA)
    kinds = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "double": "DOUBLE"}
    columns = ", ".join(
        f'({known.get(field.name, "NULL")})::{kinds.get(str(field.type), "TIMESTAMPTZ")} AS "{field.name}"' for field in schema
    )
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(f"SELECT {columns} FROM range({rows}) r(i)").to_arrow_table().cast(schema)
    file = FileWriter(table.table.io, table.table.metadata).write(("", (year - 1970) * 12 + month - 1), [found])
    assert file is not None
    table.commit(table.version(), [file], [], {})


def _best(ask: Any, statement: str, runs: int) -> tuple[float, list[Any]]:
    times, rows = [], []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        rows = ask(statement)
        times.append(time.perf_counter() - begin)
    return round(min(times[1:]), 3), rows


def measure(folder: Path, catalog: SqlCatalog, runs: int) -> list[dict[str, Any]]:
    """Seconds by engine, workers and statement."""
    files = [task.file.file_path.removeprefix("file://") for task in catalog.load_table("cityhub.observations").scan().plan_files()]
    results: list[dict[str, Any]] = []

    def note(engine: str, workers: int, ask: Any) -> None:
        for name, statement in STATEMENTS.items():
            seconds, rows = _best(ask, statement, runs)
            answer = [rows[0][0], round(rows[0][1], 3)]
            results.append({"engine": engine, "workers": workers, "statement": name, "seconds": seconds, "answer": answer})

    for threads in (1, 2):
        connection = duckdb.connect(config={"threads": threads})
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW observations AS SELECT * FROM read_parquet({files}, hive_partitioning = false)")
        note("DuckDB (threads)", threads, lambda statement, on=connection: on.execute(statement).fetchall())
    table = (folder / "lake" / "cityhub" / "observations").as_uri()
    for workers in (1, 2):
        opened: list[tuple[str, AbstractContextManager[Engine]]] = [
            ("Sail", sail(table, workers=workers)),
            ("Spark", spark(f"jdbc:sqlite:{folder}/catalog.sqlite", (folder / "lake").as_uri(), workers=workers)),
        ]
        for name, context in opened:
            try:
                with context as engine:
                    note(name, workers, lambda statement, on=engine: on.ask(statement).rows)
            except Missing as missing:
                print(f"{name} left out: {missing}")
    return results


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help="the result file; without it the result is printed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cityhub-engines-") as folder:
        catalog = make(Path(folder), given.rows)
        size = sum(task.file.file_size_in_bytes for task in catalog.load_table("cityhub.observations").scan().plan_files())
        results = measure(Path(folder), catalog, given.runs)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": facts(), "load": os.getloadavg(), "rows": given.rows,
        "bytes_per_observation": round(size / given.rows, 2), "results": results,
    }  # fmt: skip
    text = json.dumps(document, indent=1, default=str)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
