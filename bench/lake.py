"""The lake beside PostgreSQL: the same observations in both, the same questions, in turns.

    python -m bench.lake --sensors 5000 --each 10000 --rounds 5 --what name

PostgreSQL has one narrow table with a covering index on (entity, observed_at). A question's answer is taken whole by the client.
The journal's rate into the tables is measured on a journal that a store wrote, one changed attribute an entry, while a thread
asks questions.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from bench.machine import facts
from cityhub.history.lake.lake import Lake, open_lake
from cityhub.history.lake.place import Place
from cityhub.model.history_events import Backfill, document_of
from cityhub.model.ports import HISTORY_EVENTS
from cityhub.model.time import SystemClock
from tests.services import PostgresCluster, find_program

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(minutes=1)
TYPE = "https://uri.example.org/Sensor"
ATTRIBUTE = "https://uri.example.org/level"
ROWS_OF_A_FILE = 1_000_000
Timed = dict[str, list[float]]


def entity(number: int) -> str:
    """The id of a sensor."""
    return f"urn:ngsi-ld:Sensor:qianjiang:{number:05d}"


def observations(sensors: int, each: int) -> Iterator[pa.Table]:
    """What the sensors saw, in the order of time as it would arrive: a walk in hundredths, learned of 0.1 to 3 s late."""
    random = np.random.default_rng(7)
    level = random.integers(0, 10_000, sensors)
    ids = pa.array([entity(n) for n in range(sensors)]).dictionary_encode()
    ticks = max(1, ROWS_OF_A_FILE // sensors)
    for first in range(0, each, ticks):
        count = min(ticks, each - first)
        walk = level + np.cumsum(random.integers(-9, 10, (count, sensors)), axis=0)
        level = walk[-1]
        seconds = np.repeat((np.arange(first, first + count) * TICK.total_seconds()).astype("int64"), sensors)
        observed = seconds * 1_000_000 + int(START.timestamp()) * 1_000_000
        rows = count * sensors
        constant = {"type": TYPE, "attribute": ATTRIBUTE, "unit": "MTR", "kind": "Property"}
        yield pa.table({
            "entity": pa.DictionaryArray.from_arrays(np.tile(np.arange(sensors, dtype="int32"), count), ids.dictionary).cast(pa.string()),
            "observed_at": pa.array(observed, pa.timestamp("us", "UTC")),
            "modified_at": pa.array(observed + random.integers(100_000, 3_000_000, rows), pa.timestamp("us", "UTC")),
            "number": pa.array(np.round(walk.reshape(-1) / 100, 2)),
            **{name: pa.repeat(pa.scalar(value), rows) for name, value in constant.items()},
        })  # fmt: skip


class Backfills:
    """A journal that has nothing but backfills."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def add(self, name: str, rows: int) -> None:
        """One more staged file."""
        body = orjson.dumps(document_of(Backfill(name, rows)))
        at = "2026-02-01T00:00:00Z"
        self.entries.append((len(self.entries) + 1, HISTORY_EVENTS, "", f"urn:backfill:{name}", "created", at, body, None, b"{}", ""))

    def read(self, after: int, limit: int) -> list[Any]:
        return self.entries[after : after + 1]

    def last(self) -> int:
        return len(self.entries)


def fill(folder: Path, sensors: int, each: int, cluster: PostgresCluster) -> tuple[Lake, dict[str, float]]:
    """Both stores with the same observations, and how long that took."""
    source = Backfills()
    lake = open_lake(Place(warehouse=str(folder / "lake"), data=str(folder)), source, SystemClock())
    took = {"lake": 0.0, "postgresql": 0.0}
    with psycopg.connect(cluster.url, autocommit=True) as database:
        database.execute("CREATE UNLOGGED TABLE observations (entity text, observed_at timestamptz, number double precision)")
        for n, table in enumerate(observations(sensors, each)):
            name = f"{n}.parquet"
            pq.write_table(table, folder / name, compression="lz4")
            began = time.perf_counter()
            source.add(name, table.num_rows)
            lake.catch_up()
            lake.flush()
            middle = time.perf_counter()
            copy(database, table)
            took["lake"] += middle - began
            took["postgresql"] += time.perf_counter() - middle
        began = time.perf_counter()
        database.execute("CREATE INDEX ON observations (entity, observed_at) INCLUDE (number)")
        database.execute("VACUUM ANALYZE observations")
        took["postgresql"] += time.perf_counter() - began
    began = time.perf_counter()
    while lake.compact():
        pass
    took["lake compaction"] = time.perf_counter() - began
    return lake, took


def copy(database: psycopg.Connection[Any], table: pa.Table) -> None:
    """The rows of a table into PostgreSQL."""
    import pyarrow.csv as csv

    sink = pa.BufferOutputStream()
    csv.write_csv(table.select(["entity", "observed_at", "number"]), sink, csv.WriteOptions(include_header=False))
    with database.cursor().copy("COPY observations FROM STDIN (FORMAT csv)") as target:
        target.write(sink.getvalue().to_pybytes())


def questions(sensors: int, each: int) -> dict[str, tuple[str, str]]:
    """Each question for DuckDB and for PostgreSQL."""
    day = START + (each // 2) * TICK
    span = f"observed_at >= '{day.isoformat()}' AND observed_at < '{(day + timedelta(days=1)).isoformat()}'"
    one = f"entity = '{entity(sensors // 2)}' AND {span}"
    hourly = "SELECT entity, date_trunc('hour', observed_at) AS hour, avg(number) FROM observations GROUP BY 1, 2"
    return {
        "hourly mean of every sensor": (hourly, hourly),
        "last value of every sensor": (
            "SELECT entity, max(observed_at), arg_max(number, observed_at) FROM observations GROUP BY 1",
            f"SELECT s.entity, l.observed_at, l.number FROM (SELECT 'urn:ngsi-ld:Sensor:qianjiang:' || lpad(n::text, 5, '0') AS entity "
            f"FROM generate_series(0, {sensors - 1}) n) s CROSS JOIN LATERAL (SELECT observed_at, number FROM observations o "
            f"WHERE o.entity = s.entity ORDER BY observed_at DESC LIMIT 1) l",
        ),
        "one sensor's day": (f"SELECT observed_at, number FROM observations WHERE {one} ORDER BY 1",) * 2,
    }  # fmt: skip


def ask(lake: Lake, cluster: PostgresCluster, sensors: int, each: int, rounds: int) -> tuple[dict[str, Timed], dict[str, int]]:
    """Seconds by question and store, in turns, and the rows of each answer, which must agree."""
    timed: dict[str, Timed] = {}
    rows: dict[str, int] = {}
    with psycopg.connect(cluster.url, autocommit=True) as database:
        database.execute("SET jit = off")
        for _ in range(rounds):
            for name, (ours, theirs) in questions(sensors, each).items():
                times = timed.setdefault(name, {"lake": [], "postgresql": []})
                times["lake"].append(seconds(lambda sql=ours: answered(lake, sql), rows, name))
                times["postgresql"].append(seconds(lambda sql=theirs: len(database.execute(sql, binary=True).fetchall()), rows, name))
    return timed, rows


def answered(lake: Lake, statement: str) -> int:
    """The number of rows of an answer that was taken whole."""
    with lake.reading("") as reading:
        return int(reading.connection.execute(statement).to_arrow_table().num_rows)


def seconds(question: Callable[[], int], rows: dict[str, int], name: str) -> float:
    """How long a question took; its rows must be as many as the other store said."""
    began = time.perf_counter()
    found = question()
    took = time.perf_counter() - began
    assert rows.setdefault(name, found) == found, f"{name}: {rows[name]} rows, then {found}"
    return took


async def journal(folder: Path, entries: int, sensors: int) -> None:
    """A journal with so many entries, one changed attribute each."""
    from cityhub.model.ports import Write
    from cityhub.storage.sqlite import open_sqlite

    store = await open_sqlite(folder, SystemClock())
    await store.position("history")

    def step(id: str, value: float, tick: int) -> Write:
        at = (START + tick * TICK).isoformat().replace("+00:00", "Z")

        def transition(current: Any, now: str) -> Any:
            level = {"type": "Property", "value": value, "unitCode": "MTR", "observedAt": at, "createdAt": now, "modifiedAt": now}
            return {"id": id, "type": [TYPE], "attrs": {ATTRIBUTE: [level]}, "createdAt": now, "modifiedAt": now}, None

        return Write(id, transition)

    for first in range(0, entries, 1_000):
        await store.write("", [step(entity(n % sensors), n % 997 / 100, n // sensors) for n in range(first, first + 1_000)])
    await store.close()


def flow(folder: Path, entries: int, sensors: int) -> dict[str, float]:
    """Entries a second from a store's journal into committed tables, while questions run."""
    from cityhub.storage.journal_file import open_journal

    asyncio.run(journal(folder, entries, sensors))
    lake = open_lake(Place(warehouse=str(folder / "flow"), flush_rows=100_000), open_journal("sqlite", folder), SystemClock())
    asked, stop = 0, threading.Event()

    def keep_asking() -> None:
        nonlocal asked
        while not stop.wait(0.2):
            answered(lake, "SELECT entity, avg(number) FROM observations GROUP BY 1")
            asked += 1

    def keep_flushing() -> None:
        while not stop.wait(0.01):
            if lake.flush_due():
                lake.flush()

    threads = [threading.Thread(target=work) for work in (keep_asking, keep_flushing)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    lake.catch_up()
    lake.flush()
    took = time.perf_counter() - began
    stop.set()
    for thread in threads:
        thread.join()
    found = answered(lake, "SELECT 1 FROM observations")
    lake.close()
    assert found == entries, f"{found} observations of {entries} entries"
    return {"entries": entries, "entries_per_s": entries / took, "questions meanwhile": asked}


def main() -> None:
    """Fills, asks, and prints the result as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=5_000)
    parser.add_argument("--each", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--what", default="lake")
    options = parser.parse_args()
    about = facts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        (folder / "flow-data").mkdir()
        print(f"# {options.what}\n\n{about}\n")
        flowed = flow(folder / "flow-data", options.entries, options.sensors)
        print(f"Journal to tables: {flowed}\n", flush=True)
        postgres = find_program("postgres", "/usr/lib/postgresql/*/bin/postgres")
        assert postgres, "PostgreSQL is needed"
        programs = Path(postgres).resolve().parent
        cluster = PostgresCluster(programs, folder / "pg", "shared_buffers=2GB", "work_mem=512MB", "max_wal_size=8GB")
        cluster.start()
        try:
            lake, took = fill(folder, options.sensors, options.each, cluster)
            status = lake.status()
            count = status.rows["observations"]
            print(f"{count:,} observations; filled in seconds: {took}")
            print(f"bytes per observation: {status.size['observations'] / count:.2f} in {status.files['observations']} files\n", flush=True)
            timed, rows = ask(lake, cluster, options.sensors, options.each, options.rounds)
            print("| question | rows | lake s (median; all) | PostgreSQL s (median; all) | ratio |\n| --- | --- | --- | --- | --- |")
            for question, times in timed.items():
                ours, theirs = (statistics.median(times[store]) for store in ("lake", "postgresql"))
                alls = {store: " ".join(f"{value:.3f}" for value in times[store]) for store in times}
                figures = f"{ours:.3f}; {alls['lake']} | {theirs:.3f}; {alls['postgresql']} | {theirs / ours:.1f}"
                print(f"| {question} | {rows[question]:,} | {figures} |")
            lake.close()
        finally:
            cluster.stop()
            shutil.rmtree(folder / "pg", ignore_errors=True)


if __name__ == "__main__":
    main()
