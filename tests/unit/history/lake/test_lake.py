"""The lake shows what the journal said, once, from tail and tables alike."""

from __future__ import annotations

from cityhub.history.lake.lake import Lake, Place, open_lake
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
