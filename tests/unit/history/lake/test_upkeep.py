"""Upkeep changes nothing that anybody sees; broken files are named and the rest answers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.model.history_events import Backfill
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import SENSOR, TEMPERATURE, Journal, rows, sensor

SUMS = "SELECT count(*), sum(number), sum(position), min(observed_at)::VARCHAR, max(observed_at)::VARCHAR FROM observations"


def _lay(lake: Lake, journal: Journal, times: int, month: int = 11) -> None:
    for n in range(times):
        for minute in range(4):
            sensor(journal, n + minute / 4, f"2026-{month:02}-23T{n:02}:{minute:02}:00.000000Z")
        lake.catch_up()
        lake.flush()


def _data(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.parquet")}


def test_compaction_changes_nothing_that_is_seen(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    _lay(lake, journal, 5)
    _lay(lake, journal, 2, month=10)
    before = rows(lake, SUMS)
    assert lake.status().files["observations"] == 7
    with lake.reading("") as reading:
        assert lake.compact() == 5
        assert lake.status().files["observations"] == 3
        lake.expire(keep_s=0)
        lake.clean(grace_s=0)
        assert reading.connection.execute(SUMS).fetchall() == before
    assert rows(lake, SUMS) == before
    lake.clean(grace_s=0)
    assert len(_data(tmp_path)) == sum(lake.status().files.values())
    assert lake.compact(whole=True) == 2
    assert rows(lake, SUMS) == before


def test_files_are_sorted_by_entity_and_time(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    for id in ("urn:b", "urn:a"):
        for minute in (3, 1, 2):
            sensor(journal, minute, f"2026-11-23T06:{minute:02}:00.000000Z", id=id)
    lake.catch_up()
    lake.flush()
    [path] = (tmp_path / "lake").glob("**/observations/data/**/*.parquet")
    table = pq.read_table(path)
    assert table.column("entity").to_pylist() == ["urn:a"] * 3 + ["urn:b"] * 3
    assert table.column("number").to_pylist() == [1, 2, 3, 1, 2, 3]
    assert pq.ParquetFile(path).schema_arrow.field("entity").metadata[b"PARQUET:field_id"] == b"2"


def test_clean_up_takes_only_what_no_snapshot_names(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    _lay(lake, journal, 2)
    before = rows(lake, SUMS)
    [folder] = (tmp_path / "lake").glob("**/observations/data")
    stray = folder / "stray.parquet"
    stray.write_bytes(b"half a file")
    assert lake.clean(grace_s=3600) == 0
    assert lake.clean(grace_s=0) == 1
    assert not stray.exists()
    assert rows(lake, SUMS) == before


def _break(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[4 : 4 + middle] = b"\xff" * middle
    path.write_bytes(content)


@pytest.mark.parametrize("fault", ["corrupt", "short", "missing"])
def test_a_broken_file_is_named_and_the_rest_answers(
    place: Place, lake: Lake, journal: Journal, clock: TickingClock, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    _lay(lake, journal, 2)
    path = next(iter((tmp_path / "lake").glob("**/observations/data/**/*.parquet")))
    content = path.read_bytes()
    if fault == "corrupt":
        _break(path)
    elif fault == "short":
        path.write_bytes(content[:100])
    else:
        path.unlink()
    [named] = lake.examine()
    assert path.name in named
    assert path.name in caplog.text
    assert list(lake.status().set_aside) == [named]
    assert rows(lake, "SELECT count(*) FROM observations") == [(4,)]
    _lay(lake, journal, 3)
    lake.compact()
    again = open_lake(place, journal, clock)
    assert rows(again, "SELECT count(*) FROM observations") == [(16,)]
    path.write_bytes(content)  # put back from a backup
    again.examine()
    assert again.status().set_aside == {}
    assert rows(again, "SELECT count(*) FROM observations") == [(20,)]
    again.close()


def test_backfill_comes_in_once(place: Place, lake: Lake, journal: Journal, clock: TickingClock, tmp_path: Path) -> None:
    sensor(journal, 1, "2026-11-23T06:00:00.000000Z")
    times = pa.array([f"2025-{month:02}-01T00:00:00Z" for month in (1, 1, 2)]).cast(pa.timestamp("us", "UTC"))
    staged = pa.table(
        {
            "entity": [SENSOR, "urn:old", "urn:old"],
            "type": ["urn:t:a", "urn:t:b", "urn:t:b"],
            "attribute": [TEMPERATURE] * 3,
            "observed_at": times,
            "number": [1.0, 2.0, 3.0],
            "kind": ["Property"] * 3,
        }
    )
    pq.write_table(staged, tmp_path / "staged.parquet")
    journal.event(Backfill("staged.parquet", 3))
    journal.event(Backfill("../elsewhere.parquet", 3))
    journal.event(Backfill("missing.parquet", 3))
    sensor(journal, 2, "2026-11-23T06:01:00.000000Z")
    found = rows(lake, "SELECT entity, number, position, ordinal FROM observations ORDER BY observed_at, number")
    assert found == [(SENSOR, 1, 2, 0), ("urn:old", 2, 2, 1), ("urn:old", 3, 2, 2), (SENSOR, 1, 1, 0), (SENSOR, 2, 5, 0)]
    assert not (tmp_path / "staged.parquet").exists()
    known = "SELECT entity, type FROM entity_versions ORDER BY position"
    assert rows(lake, known) == [(SENSOR, "https://smartdatamodels.org/Device"), ("urn:old", "urn:t:b")]
    again = open_lake(place, journal, clock)  # as after a crash: the entities of the backfill were not committed
    assert rows(again, SUMS) == rows(lake, SUMS)
    assert rows(again, known) == rows(lake, known)
    again.close()


def test_another_engine_is_noticed(place: Place, lake: Lake, journal: Journal, clock: TickingClock) -> None:
    _lay(lake, journal, 2)
    other = open_lake(place, journal, clock)
    _lay(other, journal, 2)
    other.compact(whole=True)
    with lake.reading("") as reading:
        assert reading.connection.execute("SELECT count(*) FROM observations").fetchall() == [(16,)]
    other.close()


def test_works_on_a_database_that_is_locked(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    """As it is when others may ask it anything."""
    with lake.reading("") as reading:
        reading.connection.execute("SET allowed_directories = ?", [[str(tmp_path / "lake")]])
        reading.connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    _lay(lake, journal, 5)
    assert lake.compact() == 5
    assert lake.examine() == {}
    assert rows(lake, "SELECT count(*) FROM observations") == [(20,)]
    [path] = (tmp_path / "lake" / "cityhub" / "entity_versions").rglob("*.parquet")
    path.unlink()
    assert len(lake.examine()) == 1
    assert rows(lake, "SELECT count(*) FROM entity_versions") == [(0,)]


def test_what_has_expired_goes_out_of_the_files(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    sensor(journal, 1, "2026-11-23T06:00:00.000000Z", expiresAt="2026-11-23T07:00:00.000000Z")
    sensor(journal, 2, "2026-11-23T06:01:00.000000Z")
    lake.catch_up()
    lake.flush()
    assert lake.compact() == 0
    journal.clock.pass_seconds(3600)
    assert lake.compact() == 1
    assert lake.status().rows["observations"] == 1
    assert lake.compact() == 0
    assert rows(lake, "SELECT number FROM observations") == [(2,)]
