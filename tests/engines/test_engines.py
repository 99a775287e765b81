"""Spark and Sail on the tables of the hub: no copy, the same answers, and what one writes the others see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.engine_jars import Missing
from bench.engine_session import Engine, sail, spark
from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.history.tiers.moving import move
from cityhub.model.history_events import DeleteEntity
from tests.services import unavailable
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import Journal, sensor
from tests.unit.history.tiers.tiered import MONTHS, FixedClock, make_lake, make_plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HOURLY = (
    "SELECT entity, date_trunc('hour', observed_at) AS hour, avg(number) AS mean, count(*) AS n FROM observations "
    "WHERE tenant = '' GROUP BY entity, date_trunc('hour', observed_at) ORDER BY entity, hour NULLS FIRST"
)
LAST = (
    "SELECT entity, max(observed_at) AS at, max_by(number, observed_at) AS number FROM observations "
    "WHERE tenant = '' GROUP BY entity ORDER BY entity"
)
COUNT = "SELECT count(*) FROM observations WHERE tenant = ''"
COPY = (
    "INSERT INTO observations SELECT tenant, concat(entity, '-of-spark') AS entity, type, attribute, dataset, observed_at, modified_at, "
    "number, text, json, lon, lat, unit, quality, position, ordinal, kind, rest, created_at, deleted_at, expires_at "
    "FROM observations WHERE entity = 'urn:ngsi-ld:Device:0001'"
)


class Site:
    """A lake with four months of data, its hub's view, and the journal that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_lake(folder, rows=8000, sensors=10).close()
        clock = TickingClock()
        self.journal = Journal(clock)
        place = Place(warehouse=str(folder / "lake"), catalog=f"sqlite:///{folder}/catalog.sqlite", data=str(folder), keep_s=0, grace_s=0)
        self.lake: Lake = open_lake(place, self.journal, clock)
        for position in range(1, max(MONTHS) + 1):  # what the tables say that they have seen
            self.journal.entries.append((position, "other", "", "x", "updated", "", None, None, b"{}", ""))
        self.table = (folder / "lake" / "cityhub" / "observations").as_uri()

    def ask(self, statement: str) -> list[list[Any]]:
        with self.lake.reading("") as reading:
            rows = reading.connection.execute(statement).fetchall()
        return [[round(v.timestamp() * 1e6) if isinstance(v, datetime) else v for v in row] for row in rows]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("engines"))
    yield site
    site.lake.close()


@pytest.fixture(scope="module")
def on_spark(site: Site) -> Iterator[Engine]:
    try:
        with spark(f"jdbc:sqlite:{site.folder}/catalog.sqlite", (site.folder / "lake").as_uri(), workers=2) as engine:
            yield engine
    except Missing as missing:
        unavailable(str(missing))


@pytest.fixture(scope="module")
def on_sail(site: Site) -> Iterator[Engine]:
    with sail(site.table, workers=2) as engine:
        yield engine


@pytest.mark.parametrize("statement", [HOURLY, LAST, COUNT])
def test_the_same_answers(site: Site, on_spark: Engine, on_sail: Engine, statement: str) -> None:
    expected = site.ask(statement)
    assert expected
    assert on_spark.ask(statement).rows == expected
    assert on_sail.ask(statement).rows == expected


def test_what_spark_writes_everybody_sees(site: Site, on_spark: Engine, on_sail: Engine) -> None:
    (before,), = site.ask(COUNT)
    on_spark.ask(COPY)
    assert site.ask(COUNT) == [[before + 3200]]
    assert on_sail.ask(COUNT).rows == [[before + 3200]]
    theirs = "SELECT count(*), avg(number) FROM observations WHERE entity = 'urn:ngsi-ld:Device:0001-of-spark'"
    assert site.ask(theirs) == on_spark.ask(theirs).rows


def test_what_the_hub_writes_everybody_sees(site: Site, on_spark: Engine, on_sail: Engine) -> None:
    (before,), = site.ask(COUNT)
    begin = datetime(2026, 11, 21, tzinfo=UTC)
    for n in range(5):
        sensor(site.journal, n, (begin + timedelta(hours=n)).isoformat().replace("+00:00", "Z"))
    site.lake.catch_up()
    assert site.ask(COUNT) == [[before + 5]]
    assert on_spark.ask(COUNT).rows == [[before]]  # other engines see the tables as of the last commit
    site.lake.flush()
    assert on_spark.ask(COUNT).rows == on_sail.ask(COUNT).rows == site.ask(COUNT) == [[before + 5]]


def test_files_in_other_tiers_are_read_as_before(site: Site, on_spark: Engine, on_sail: Engine) -> None:
    expected = site.ask(HOURLY)
    plan = make_plan(site.folder)
    assert move(site.lake, plan, None, FixedClock()).files >= 3
    site.lake.expire()
    assert on_spark.ask(HOURLY).rows == on_sail.ask(HOURLY).rows == site.ask(HOURLY) == expected


def test_what_the_hub_deletes_nobody_sees(site: Site, on_spark: Engine, on_sail: Engine) -> None:
    for entity in ("urn:ngsi-ld:Device:0001-of-spark", "urn:ngsi-ld:Device:0002"):
        site.journal.event(DeleteEntity(entity))
    site.lake.catch_up()
    site.lake.forget()
    left = "SELECT count(*) FROM observations WHERE entity IN ('urn:ngsi-ld:Device:0001-of-spark', 'urn:ngsi-ld:Device:0002')"
    assert on_spark.ask(left).rows == on_sail.ask(left).rows == site.ask(left) == [[0]]
    assert on_spark.ask(LAST).rows == on_sail.ask(LAST).rows == site.ask(LAST)


def test_rows_that_spark_deletes_are_gone_for_all(site: Site, on_spark: Engine, on_sail: Engine) -> None:
    (before,), = site.ask("SELECT count(*) FROM observations WHERE entity = 'urn:ngsi-ld:Device:0003'")
    assert before > 0
    on_spark.ask("DELETE FROM observations WHERE entity = 'urn:ngsi-ld:Device:0003'")
    assert site.ask(LAST) == on_spark.ask(LAST).rows == on_sail.ask(LAST).rows
