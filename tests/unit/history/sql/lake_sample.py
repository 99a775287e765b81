"""A reading of a small lake: the two base views over tables in a DuckDB of its own, locked like the real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from cityhub.history.lake.schema import ENTITY_VERSIONS_SCHEMA, OBSERVATIONS_SCHEMA, arrow_schema
from cityhub.history.sql.engine import Engine
from cityhub.history.sql.limits import Limits, load_spatial, lock
from cityhub.history.sql.questions import Statement

VOCAB = "https://uri.etsi.org/ngsi-ld/default-context/"
START = datetime(2026, 11, 1, tzinfo=UTC)
STATION, PERSON = "urn:ngsi-ld:Station:", "urn:ngsi-ld:Person:"


Ask = Callable[..., list[tuple[object, ...]]]


class SampleReading:
    """A cursor of a sample's database."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, position: int) -> None:
        self.connection = connection
        self.position = position


class Sample:
    """A lake of one tenant. `add` puts rows into it, `reading` gives a new connection with the base views."""

    def __init__(self, folder: Path, limits: Limits | None = None, *, spatial: bool = False) -> None:
        self.database = duckdb.connect()
        if spatial:
            load_spatial(self.database)
        for name, schema in (("observations_rows", OBSERVATIONS_SCHEMA), ("versions_rows", ENTITY_VERSIONS_SCHEMA)):
            empty = arrow_schema(schema).empty_table()
            self.database.register("given", empty)
            self.database.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            self.database.unregister("given")
        self.database.execute("CREATE TABLE secret AS SELECT 'not yours' AS word")
        lock(self.database, [str(folder / "lake")], folder / "spill", limits or Limits())
        self.position = 0
        self._lock = threading.Lock()
        self._waiting: list[dict[str, object]] = []

    def add(self, entity: str, attribute: str, minute: float | None, **values: object) -> None:
        """One observation, `minute` minutes after the start; None: without observedAt."""
        self.position += 1
        at = None if minute is None else START + timedelta(minutes=minute)
        type_ = values.pop("type", VOCAB + entity.split(":")[2])
        row = {
            "tenant": "", "entity": entity, "type": type_, "attribute": attribute if ":" in attribute or attribute == "scope" else VOCAB + attribute,
            "observed_at": at, "modified_at": START + timedelta(days=1, seconds=self.position), "position": self.position, "ordinal": 0,
            "kind": "Property", **values,
        }  # fmt: skip
        self._waiting.append(row)

    def version(self, entity: str, kind: str) -> None:
        """One version of an entity."""
        self.position += 1
        row = {"tenant": "", "entity": entity, "type": VOCAB + entity.split(":")[2], "kind": kind, "modified_at": START, "position": self.position}
        self.insert("versions_rows", ENTITY_VERSIONS_SCHEMA, [row])

    def insert(self, table: str, schema: object, rows: list[dict[str, object]]) -> None:
        """Rows of a base table."""
        self.database.register("given", pa.Table.from_pylist(rows, arrow_schema(schema)))  # type: ignore[arg-type]
        self.database.execute(f"INSERT INTO {table} SELECT * FROM given")
        self.database.unregister("given")

    def reading(self) -> SampleReading:
        """A reading of what there is now."""
        with self._lock:  # a connection is for one thread at a time
            if self._waiting:
                self.insert("observations_rows", OBSERVATIONS_SCHEMA, self._waiting)
                self._waiting = []
        connection = self.database.cursor()
        connection.execute("CREATE TEMP VIEW observations AS SELECT * FROM observations_rows")
        connection.execute("CREATE TEMP VIEW entity_versions AS SELECT * FROM versions_rows")
        return SampleReading(connection, self.position)


def city(folder: Path, limits: Limits | None = None, *, spatial: bool = False) -> Sample:
    """Two stations with levels every 10 minutes of an hour, and a person."""
    sample = Sample(folder, limits, spatial=spatial)
    for number in (1, 2):
        for minute in range(0, 60, 10):
            sample.add(f"{STATION}{number}", "level", minute, number=number + minute / 10, unit="MTR")
        sample.add(f"{STATION}{number}", "name", None, text=f"站 {number}")
        sample.add(f"{STATION}{number}", "location", None, lon=108.77 + number / 100, lat=29.53, kind="GeoProperty")
        sample.add(f"{STATION}{number}", "open", 5, json="true" if number == 1 else "false")
    sample.add(f"{PERSON}1", "https://example.org/person#name", None, text="李")
    return sample


def asker(lake: Sample, engine: Engine | None = None) -> Ask:
    """Runs statements and gives their rows."""
    engine = engine or Engine()

    def run(statement: str, *parameters: object, timeout_s: float = 30.0) -> list[tuple[object, ...]]:
        with engine.answer(lake.reading(), Statement("", statement, list(parameters), timeout_s)) as answer:
            table = answer.reader.read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    return run
