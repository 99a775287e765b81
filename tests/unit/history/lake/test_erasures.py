"""What clients put in, correct and delete: at once in the tail, at the next flush in the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cityhub.history.lake.lake import Lake
from cityhub.model.history_events import DeleteAttribute, DeleteEntity, DeleteInstance, DropTenant, Modify, Put, instance_id
from tests.unit.history.lake.conftest import SENSOR, TEMPERATURE, Journal, rows, sensor

OTHER = "urn:ngsi-ld:Device:sensor-2"
VALUES = "SELECT entity, dataset, number FROM observations ORDER BY entity, dataset NULLS FIRST, observed_at, position, ordinal"


def _given(value: Any, minute: int, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": f"2026-11-23T06:{minute:02}:00.000000Z", **members}


@pytest.fixture(params=["in the tail", "in the tables"])
def lay(request: pytest.FixtureRequest, lake: Lake) -> Any:
    """Lays down, or not, what was written before the erasure."""

    def lay() -> None:
        lake.catch_up()
        if request.param == "in the tables":
            lake.flush()

    return lay


def _both(lake: Lake, statement: str = VALUES, tenant: str = "") -> list[tuple[Any, ...]]:
    """What is seen before a flush, which must also be what is seen after it."""
    before = rows(lake, statement, tenant)
    lake.flush()
    assert lake.status().pending == 0
    assert rows(lake, statement, tenant) == before
    return before


def _observe(journal: Journal) -> None:
    for id in (SENSOR, OTHER):
        for minute in range(3):
            sensor(journal, 20 + minute, f"2026-11-23T06:{minute:02}:00.000000Z", id=id)


def test_put_takes_the_place_of_what_was_observed_then(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    lay()
    given = [_given(1, 1), _given(2, 1), _given(3, 1, datasetId="urn:a")]
    journal.event(Put(SENSOR, ["https://smartdatamodels.org/Old"], {TEMPERATURE: given}))
    assert [row[1:] for row in _both(lake) if row[0] == SENSOR] == [(None, 20), (None, 2), (None, 22), ("urn:a", 3)]
    assert len(rows(lake, VALUES)) == 7


def test_put_adds_types_and_makes_entities_known(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    lay()
    journal.event(Put(SENSOR, ["urn:t:b"], {}))
    journal.event(Put("urn:new", ["urn:t:c"], {TEMPERATURE: [_given(1, 1)]}))
    journal.event(Put("urn:new", ["urn:t:d"], {}))
    found = _both(lake, "SELECT entity, arg_max(type, position), arg_min(kind, position) FROM entity_versions GROUP BY 1 ORDER BY 1")
    assert found[1] == (SENSOR, "https://smartdatamodels.org/Device urn:t:b", "created")
    assert found[0] == ("urn:new", "urn:t:c urn:t:d", "created")


def test_what_is_observed_after_a_put_stays(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    lay()
    journal.event(Put(SENSOR, [], {TEMPERATURE: [_given(1, 5)]}))
    sensor(journal, 9, "2026-11-23T06:05:00.000000Z")
    assert [row[2] for row in _both(lake) if row[0] == SENSOR] == [20, 21, 22, 1, 9]


def test_modify_keeps_place_and_creation(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    lay()
    statement = "SELECT position, ordinal, coalesce(created_at, modified_at) FROM observations WHERE entity = ? AND number = ?"
    before = rows(lake, statement, parameters=[SENSOR, 21])
    place = instance_id(lake.seed, *before[0][:2])
    at = journal.event(Modify(SENSOR, TEMPERATURE, place, _given(99.5, 1)))
    assert [row[2] for row in _both(lake) if row[0] == SENSOR] == [20, 99.5, 22]
    assert rows(lake, statement, parameters=[SENSOR, 99.5]) == before
    assert rows(lake, "SELECT count(*) FROM observations WHERE modified_at = ?::TIMESTAMPTZ", parameters=[at]) == [(1,)]
    journal.event(Modify(SENSOR, TEMPERATURE, place, _given(7, 1)))
    journal.event(DeleteInstance(OTHER, TEMPERATURE, place))  # another entity's: nothing happens
    assert [row[2] for row in _both(lake) if row[0] == SENSOR] == [20, 7, 22]
    journal.event(DeleteInstance(SENSOR, TEMPERATURE, place))
    assert [row[2] for row in _both(lake) if row[0] == SENSOR] == [20, 22]


def test_one_dataset_or_all_of_an_attribute(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    journal.event(Put(SENSOR, [], {TEMPERATURE: [_given(5, 1, datasetId="urn:a"), _given(6, 1, datasetId="urn:b")]}))
    lay()
    journal.event(DeleteAttribute(SENSOR, TEMPERATURE, "urn:a"))
    assert [row[1:] for row in _both(lake) if row[0] == SENSOR] == [(None, 20), (None, 21), (None, 22), ("urn:b", 6)]
    journal.event(DeleteAttribute(SENSOR, TEMPERATURE))
    assert [row[1:] for row in _both(lake) if row[0] == SENSOR] == [("urn:b", 6)]
    journal.event(DeleteAttribute(SENSOR, TEMPERATURE, all=True))
    assert {row[0] for row in _both(lake)} == {OTHER}


def test_a_deleted_entity_may_come_back(lake: Lake, journal: Journal, lay: Any) -> None:
    _observe(journal)
    lay()
    journal.event(DeleteEntity(SENSOR))
    sensor(journal, 50, "2026-11-23T07:00:00.000000Z")
    assert [row[2] for row in _both(lake) if row[0] == SENSOR] == [50]
    assert len([row for row in rows(lake, VALUES) if row[0] == OTHER]) == 3


def test_a_dropped_tenant(lake: Lake, journal: Journal, lay: Any) -> None:
    sensor(journal, 1, "2026-11-23T06:00:00.000000Z", tenant="north")
    sensor(journal, 2, "2026-11-23T06:00:00.000000Z")
    lay()
    journal.event(DropTenant(), tenant="north")
    assert _both(lake, tenant="north") == []
    assert [row[2] for row in _both(lake)] == [2]
    assert rows(lake, "SELECT count(*) FROM entity_versions", "north") == [(0,)]


def test_what_expires_is_left_out(lake: Lake, journal: Journal, lay: Any) -> None:
    sensor(journal, 1, "2026-11-23T06:00:00.000000Z", expiresAt="2026-11-23T07:00:00.000000Z")
    sensor(journal, 2, "2026-11-23T06:01:00.000000Z")
    lay()
    assert [row[2] for row in _both(lake)] == [1, 2]
    journal.clock.pass_seconds(3600)
    assert [row[2] for row in _both(lake)] == [2]


def test_legal_deletion_leaves_no_trace(lake: Lake, journal: Journal, tmp_path: Path) -> None:
    _observe(journal)
    lake.catch_up()
    lake.flush()
    _observe(journal)
    lake.catch_up()
    lake.flush()
    journal.event(DeleteEntity(SENSOR))
    lake.catch_up()
    with lake.reading("") as reading:
        count = "SELECT count(*) FROM observations"
        before = reading.connection.execute(count).fetchall()
        steps: list[int] = []
        lake.forget(lambda progress: steps.append(progress.done))
        assert reading.connection.execute(count).fetchall() == before  # who is looking still can
    assert steps == [0, 1, 2]
    assert lake.clean(grace_s=0) > 0
    files = [path for path in (tmp_path / "lake").rglob("*") if path.is_file() and path.name != "catalog.sqlite"]
    assert files
    for path in files:
        if path.suffix == ".parquet":
            assert SENSOR not in pq.read_table(path, columns=["entity"]).column("entity").to_pylist()
        assert SENSOR.encode() not in path.read_bytes()
    assert [row[2] for row in rows(lake, VALUES)] == [20, 20, 21, 21, 22, 22]
