"""The lake on an object store, and tiers in one: the same answers as in folders."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.history.lake.objects import io_of
from cityhub.history.tiers.moving import clean, move
from cityhub.history.tiers.plan import Plan, Policy, Tier
from cityhub.history.tiers.tables import held
from cityhub.model.history_events import DeleteEntity
from cityhub.settings import SettingsError
from tests.engines.object_store import BUCKET, object_store
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import SENSOR, Journal, rows, sensor

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with object_store(tmp_path_factory.mktemp("objects")) as environment:
        if environment is None:
            # Built from source, where Go is there: too much to ask of every machine.
            pytest.skip("MinIO is not installed (go install github.com/minio/minio@latest, or CITYHUB_TEST_MINIO)")
        else:
            yield environment


def fill(lake: Lake, journal: Journal) -> None:
    for month in ("2026-05", "2026-11"):
        for day in range(1, 5):
            sensor(journal, day, f"{month}-{day:02}T00:00:00Z")
        lake.catch_up()
        lake.flush()


def test_the_keys_come_from_the_environment() -> None:
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        io_of({})
    with pytest.raises(SettingsError, match="must be an address"):
        io_of({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "store:9000"})
    assert io_of({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})["s3.region"] == "us-east-1"


@pytest.mark.slow
def test_a_lake_in_an_object_store(
    tmp_path: Path, environment: dict[str, str], clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    journal = Journal(clock)
    place = Place(
        warehouse=f"s3://{BUCKET}/whole", catalog=f"sqlite:///{tmp_path}/catalog.sqlite", io=io_of(environment), data=str(tmp_path),
        keep_s=0, grace_s=0, count_reads=True,
    )  # fmt: skip
    lake = open_lake(place, journal, clock)
    try:
        fill(lake, journal)
        assert rows(lake, "SELECT count(*), sum(number) FROM observations") == [(8, 20.0)]
        assert all(path.startswith("s3://") for file in held(lake) for path in [file.path])
        assert sum(requests for requests, _ in lake.file_reads().values()) > 0
        lake.compact(whole=True)
        journal.event(DeleteEntity(SENSOR))
        lake.catch_up()
        lake.forget()
        assert rows(lake, "SELECT count(*) FROM observations") == [(0,)]
    finally:
        lake.close()
    assert environment["AWS_SECRET_ACCESS_KEY"] not in caplog.text


@pytest.mark.slow
def test_old_files_move_from_a_folder_to_an_object_store(tmp_path: Path, environment: dict[str, str], clock: TickingClock) -> None:
    journal = Journal(clock)
    place = Place(warehouse=str(tmp_path / "lake"), io=io_of(environment), data=str(tmp_path), keep_s=0, grace_s=0)
    plan = Plan(
        tier=(Tier(name="hot"), Tier(name="warm", kind="s3", location=f"s3://{BUCKET}/warm")),
        policy=(Policy(tier="warm", tables=("observations",), older_than_days=90),),
    )
    lake = open_lake(place, journal, clock)
    try:
        fill(lake, journal)
        done = move(lake, plan, None, clock)
        assert (done.files, done.left) == (1, {})
        lake.expire()
        assert rows(lake, "SELECT count(*), sum(number) FROM observations") == [(8, 20.0)]
        assert len([file for file in held(lake) if file.path.startswith(f"s3://{BUCKET}/warm/")]) == 1
        journal.event(DeleteEntity(SENSOR))
        lake.catch_up()
        lake.forget()
        clock.pass_seconds(10 * 86_400)
        assert clean(lake, plan, clock, grace_s=0).files == 1
        assert rows(lake, "SELECT count(*) FROM observations") == [(0,)]
    finally:
        lake.close()
