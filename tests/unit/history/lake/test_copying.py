"""A lake that was copied or moved is the same lake."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityhub.history.lake.copying import copy_of, restore, stored
from cityhub.history.lake.lake import Lake, open_lake
from cityhub.history.lake.place import Place
from cityhub.model.errors import BadRequestData
from cityhub.model.history_events import DeleteEntity, Put
from tests.unit.history.lake.conftest import SENSOR, Journal, rows, sensor

EVERYTHING = "SELECT * EXCLUDE (modified_at) FROM observations ORDER BY position, ordinal"


def fill(journal: Journal, lake: Lake) -> None:
    """Months, tenants, times and none, an erasure, and a tail that is not laid down."""
    for month in (1, 2, 3):
        sensor(journal, month + 0.5, f"2026-0{month}-01T00:00:00.000000Z")
        lake.catch_up()
        lake.flush()
    journal.event(Put("urn:x:1", ["T"], {"a": [{"type": "Property", "value": "text"}]}), tenant="north")
    journal.event(Put("urn:x:2", ["T"], {"a": [{"type": "Property", "value": 1}]}))
    journal.event(DeleteEntity("urn:x:2"))
    lake.catch_up()
    lake.flush()


def written(lake: Lake, target: Path) -> Path:
    with lake.held() as held, target.open("wb") as file:
        for piece in copy_of(held):
            file.write(piece)
    return target


def seen(lake: Lake) -> Any:
    return [rows(lake, EVERYTHING), rows(lake, EVERYTHING, "north"), rows(lake, "SELECT * FROM entity_versions ORDER BY position"), lake.seed]


def test_a_copy_is_the_same_lake_elsewhere(lake: Lake, journal: Journal, tmp_path: Path, place: Place, clock: Any) -> None:
    fill(journal, lake)
    copy = written(lake, tmp_path / "copy.tar")
    expected = seen(lake)
    sensor(journal, 4.5, "2026-04-01T00:00:00.000000Z")  # after the copy: it comes from the journal
    other = tmp_path / "elsewhere" / "lake"
    other.parent.mkdir()
    assert restore(copy, other) == 6  # four observations, two versions
    lake.close()
    shutil.rmtree(place.warehouse)
    again = open_lake(msgspec.structs.replace(place, warehouse=str(other)), journal, clock)
    assert again.position == len(journal.entries) - 1
    with again.reading("") as reading:
        assert reading.connection.execute(EVERYTHING).fetchall() == expected[0]
    assert len(rows(again, EVERYTHING)) == 4
    assert rows(again, f"SELECT number FROM observations WHERE entity = '{SENSOR}' ORDER BY observed_at") == [(1.5,), (2.5,), (3.5,), (4.5,)]
    again.flush()
    assert again.compact(whole=True) >= 0
    again.close()


def test_a_copy_without_a_process_is_the_same(lake: Lake, journal: Journal, tmp_path: Path, place: Place) -> None:
    fill(journal, lake)
    copy = written(lake, tmp_path / "copy.tar").read_bytes()
    lake.close()
    assert b"".join(stored(Path(place.warehouse))) == copy
    assert list(stored(tmp_path / "nothing")) == []


def test_a_folder_that_was_moved_opens_and_goes_on(lake: Lake, journal: Journal, tmp_path: Path, place: Place, clock: Any) -> None:
    fill(journal, lake)
    expected = seen(lake)
    lake.close()
    home = Path(place.warehouse)
    for number in range(2):
        moved = tmp_path / f"moved{number}" / "lake"
        moved.parent.mkdir()
        shutil.move(home, moved)
        home = moved
        again = open_lake(msgspec.structs.replace(place, warehouse=str(home)), journal, clock)
        assert seen(again) == expected
        with again.held() as held:
            assert all(str(moved) in file.path for table in held for file in table.version.files)
        again.clean(grace_s=0)
        assert seen(again) == expected
        again.close()


@pytest.mark.parametrize("length", [0, 100, 3_000])
def test_what_is_not_whole_is_not_restored(lake: Lake, journal: Journal, tmp_path: Path, length: int) -> None:
    fill(journal, lake)
    copy = written(lake, tmp_path / "copy.tar")
    copy.write_bytes(copy.read_bytes()[:length])
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(BadRequestData):
        restore(copy, target)
    assert (target / "kept").exists()
    assert sorted(one.name for one in tmp_path.iterdir() if "restored" in one.name) == []
