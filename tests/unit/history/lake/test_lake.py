"""The lake shows what the journal said, once, from tail and tables alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.model.errors import StoreUnavailable
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import SENSOR, Journal, rows, sensor

ALL = "SELECT entity, number, observed_at::VARCHAR, position, ordinal, kind, unit FROM observations ORDER BY position, ordinal"


def _observe(journal: Journal, count: int = 5) -> None:
    for n in range(count):
        sensor(journal, 20.5 + n, f"2026-11-23T06:0{n}:00.000000Z")


def test_tail_and_tables_show_the_same(lake: Lake, journal: Journal) -> None:
    _observe(journal)
    in_tail = rows(lake, ALL)
    assert [row[1] for row in in_tail] == [20.5, 21.5, 22.5, 23.5, 24.5]
    assert lake.flush() == 5
    assert rows(lake, ALL) == in_tail
    assert lake.status().tail_rows == 0


def test_goes_on_after_a_restart_where_it_had_committed(place: Place, lake: Lake, journal: Journal, clock: TickingClock) -> None:
    _observe(journal, 3)
    lake.catch_up()
    lake.flush()
    _observe(journal, 5)
    before = rows(lake, ALL)
    again = open_lake(place, journal, clock)
    assert again.position == 3
    assert rows(again, ALL) == before
    again.close()


def test_an_observation_delivered_again_is_there_once(lake: Lake, journal: Journal) -> None:
    for _ in range(2):
        sensor(journal, 20.5, "2026-11-23T06:00:00.000000Z")
    sensor(journal, 21.5, "2026-11-23T06:00:00.000000Z")
    assert [row[1] for row in rows(lake, ALL)] == [20.5, 21.5]


def test_tenants_do_not_see_each_other(lake: Lake, journal: Journal) -> None:
    sensor(journal, 1, "2026-11-23T06:00:00.000000Z", tenant="north")
    sensor(journal, 2, "2026-11-23T06:00:00.000000Z", tenant="it's")
    for _ in range(2):
        assert [row[1] for row in rows(lake, ALL, "north")] == [1]
        assert [row[1] for row in rows(lake, ALL, "it's")] == [2]
        assert rows(lake, ALL) == []
        lake.flush()


def test_versions_come_with_creation_and_deletion(lake: Lake, journal: Journal) -> None:
    _observe(journal, 3)
    journal.write(None, id=SENSOR)
    found = rows(lake, "SELECT kind, document IS NULL, position FROM entity_versions ORDER BY position")
    assert found == [("created", False, 1), ("deleted", True, 4)]
    assert rows(lake, "SELECT deleted_at IS NOT NULL, text FROM observations ORDER BY position")[-1] == (True, "urn:ngsi-ld:null")


@pytest.mark.postgres
def test_catalogue_in_postgres(tmp_path: Path, journal: Journal, clock: TickingClock, postgres_url: str) -> None:
    place = Place(warehouse=str(tmp_path / "a lake 湖"), catalog=postgres_url)
    lake = open_lake(place, journal, clock)
    _observe(journal, 2)
    lake.catch_up()
    lake.flush()
    _observe(journal, 3)
    before = rows(lake, ALL)
    lake.close()
    again = open_lake(place, journal, clock)
    assert again.position == 2
    assert rows(again, ALL) == before
    again.close()
    assert len(list((tmp_path / "a lake 湖").rglob("*.parquet"))) == 2


def test_a_tail_that_grows_too_large_is_laid_down(tmp_path: Path, journal: Journal, clock: TickingClock) -> None:
    lake = open_lake(Place(warehouse=str(tmp_path / "lake"), batch=10, flush_rows=20), journal, clock)
    for n in range(100):
        sensor(journal, n, f"2026-11-23T{n // 60:02}:{n % 60:02}:00.000000Z")
    lake.catch_up()
    assert lake.status().rows["observations"] >= 40
    assert lake.status().tail_rows <= 50
    assert rows(lake, "SELECT count(*) FROM observations") == [(100,)]
    lake.close()


def test_says_when_to_lay_down(tmp_path: Path, journal: Journal, clock: TickingClock) -> None:
    lake = open_lake(Place(warehouse=str(tmp_path / "lake"), flush_age_s=0), journal, clock)
    assert not lake.flush_due()
    _observe(journal, 1)
    lake.catch_up()
    assert lake.flush_due()
    assert lake.status().committed == 0
    lake.flush()
    assert not lake.flush_due()
    assert lake.status().committed == 1
    lake.close()


def test_a_position_that_is_no_more_in_the_journal_is_passed(lake: Lake, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cityhub.history.lake.following.GAP_S", 0.001)
    _observe(journal, 3)
    monkeypatch.setattr(journal, "read", lambda after, limit: [])
    assert lake.catch_up(2) == 3
    with pytest.raises(StoreUnavailable, match="ends at 3"):
        lake.catch_up(9)


def test_goes_on_with_a_store_that_was_replaced_by_an_older_one(
    place: Place, lake: Lake, journal: Journal, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    _observe(journal, 5)
    lake.catch_up()
    lake.flush()
    del journal.entries[2:]
    assert lake.catch_up() == 2
    assert "the store was replaced" in caplog.text
    again = open_lake(place, journal, clock)
    assert again.position == 2
    sensor(journal, 77, "2026-11-23T08:00:00.000000Z")
    for one in (lake, again):
        assert rows(one, "SELECT count(*), max(number) FROM observations") == [(6, 77)]
    again.close()
