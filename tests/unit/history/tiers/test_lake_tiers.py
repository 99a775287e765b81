"""Tiers of a lake that runs: its answers, its upkeep and its deletions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.history.tiers.access import Accesses
from cityhub.history.tiers.moving import clean, move
from cityhub.history.tiers.tables import held
from cityhub.model.history_events import DeleteEntity
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import Journal, rows, sensor
from tests.unit.history.tiers.tiered import FixedClock, make_plan

PERSON = "urn:ngsi-ld:Device:person"
NOW = FixedClock(datetime(2026, 11, 23, tzinfo=UTC))
COUNT = "SELECT count(*), sum(number) FROM observations"


@pytest.fixture
def journal(clock: TickingClock) -> Journal:
    return Journal(clock)


@pytest.fixture
def lake(tmp_path: Path, journal: Journal, clock: TickingClock) -> Iterator[Lake]:
    place = Place(warehouse=str(tmp_path / "lake"), data=str(tmp_path), keep_s=0, grace_s=0, count_reads=True)
    lake = open_lake(place, journal, clock)
    for month in ("2026-05", "2026-06", "2026-11"):
        for day in range(1, 6):
            sensor(journal, day, f"{month}-{day:02}T00:00:00Z")
            sensor(journal, day * 100, f"{month}-{day:02}T00:00:00Z", id=PERSON)
        lake.catch_up()
        lake.flush()
    yield lake
    lake.close()


def paths_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.parquet")}


def test_answers_upkeep_and_new_data_go_on(tmp_path: Path, lake: Lake, journal: Journal) -> None:
    plan, before = make_plan(tmp_path), rows(lake, COUNT)
    done = move(lake, plan, None, NOW)
    assert (done.files, done.left) == (2, {})
    assert rows(lake, COUNT) == before
    cold = paths_in(tmp_path / "cold")
    assert cold <= paths_in(tmp_path / "lake")
    lake.expire()
    assert not cold & paths_in(tmp_path / "lake")  # the hot copies go with the last snapshot that names them
    lake.clean()
    lake.compact(whole=True)
    lake.expire()
    assert paths_in(tmp_path / "cold") == cold  # upkeep leaves what was moved
    sensor(journal, 7, "2026-11-20T00:00:00Z")
    assert rows(lake, COUNT) == [(before[0][0] + 1, before[0][1] + 7)]
    assert clean(lake, plan, FixedClock(datetime(2027, 11, 23, tzinfo=UTC)), grace_s=0).files == 0
    assert rows(lake, COUNT) == [(before[0][0] + 1, before[0][1] + 7)]


def test_a_person_is_forgotten_in_the_archive_too(tmp_path: Path, lake: Lake, journal: Journal) -> None:
    plan = make_plan(tmp_path)
    move(lake, plan, None, NOW)
    archived = paths_in(tmp_path / "cold")
    journal.event(DeleteEntity(PERSON))
    assert rows(lake, f"SELECT count(*) FROM observations WHERE entity = '{PERSON}'") == [(0,)]
    lake.forget()
    cleaned = clean(lake, plan, FixedClock(datetime(2026, 12, 24, tzinfo=UTC)), grace_s=0)
    assert (cleaned.files, cleaned.withheld) == (2, {})
    assert not archived & paths_in(tmp_path)
    assert rows(lake, "SELECT count(*) FROM observations") == [(15,)]
    assert all(PERSON.encode() not in path.read_bytes() for path in tmp_path.rglob("*.parquet"))


def test_files_that_a_question_looks_at_stay(tmp_path: Path, lake: Lake) -> None:
    plan = make_plan(tmp_path)
    with lake.reading("") as reading:
        move(lake, plan, None, NOW)
        lake.expire()
        assert reading.connection.execute("SELECT count(*) FROM observations").fetchone() == (30,)
    assert rows(lake, "SELECT count(*) FROM observations") == [(30,)]


def test_only_what_was_read_is_counted(tmp_path: Path, lake: Lake) -> None:
    rows(lake, "SELECT avg(number) FROM observations")  # the files' descriptions are read once and kept in memory
    assert len(lake.file_reads()) >= 3
    accesses = Accesses(tmp_path, NOW)
    rows(lake, "SELECT avg(number) FROM observations WHERE observed_at >= TIMESTAMPTZ '2026-11-01'")
    reads = lake.file_reads()
    read = {path for path in reads if path.endswith(".parquet")}
    assert len(read) == 1
    assert "data/2026-11" in next(iter(read))
    accesses.note(reads)
    month = [file for file in held(lake) if file.newest is not None and file.newest.month == 11 and file.table == "observations"]
    requests, size = accesses.month(month[0].path)
    assert requests > 0
    assert size > 0
    assert lake.file_reads() == {}


def test_a_tail_that_waits_is_not_lost_by_a_move(tmp_path: Path, lake: Lake, journal: Journal) -> None:
    sensor(journal, 9, "2026-11-21T00:00:00Z")
    lake.catch_up()
    before = msgspec.structs.asdict(lake.status())["tail_rows"]
    move(lake, make_plan(tmp_path), None, NOW)
    assert lake.status().tail_rows == before
    assert rows(lake, "SELECT count(*) FROM observations") == [(31,)]
