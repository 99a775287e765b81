"""The same lake on S3-compatible storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.history.lake.events import DeleteEntity
from cityhub.history.lake.lake import Place, open_lake
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import SENSOR, Journal, rows, sensor

pytest.importorskip("duckdb_extension_httpfs")
server = pytest.importorskip("moto.server")


@pytest.fixture
def storage() -> Iterator[dict[str, str]]:
    """How an object store of the test alone is reached; it has the bucket "city"."""
    import httpx

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    httpx.put(f"http://{host}:{port}/city", timeout=20)
    yield {
        "s3.endpoint": f"http://{host}:{port}", "s3.access-key-id": "key", "s3.secret-access-key": "secret", "s3.region": "us-east-1",
    }  # fmt: skip
    running.stop()


def test_a_lake_in_a_bucket(storage: dict[str, str], tmp_path: Path, journal: Journal, clock: TickingClock) -> None:
    catalog = f"sqlite:///{tmp_path}/catalog.sqlite"
    place = Place(warehouse="s3://city/lake", catalog=catalog, io=storage, keep_s=0, grace_s=0)
    lake = open_lake(place, journal, clock)
    for n in range(5):
        sensor(journal, n, f"2026-11-23T06:0{n}:00.000000Z", id=SENSOR if n % 2 else "urn:b")
        lake.catch_up()
        lake.flush()
    count = "SELECT count(*), sum(number) FROM observations"
    assert rows(lake, count) == [(5, 10)]
    assert lake.compact() == 5
    assert rows(lake, count) == [(5, 10)]
    journal.event(DeleteEntity(SENSOR))
    lake.catch_up()
    lake.forget()
    assert rows(lake, count) == [(3, 6)]
    assert lake.examine() == {}
    assert lake.clean() >= 0
    lake.close()
    again = open_lake(place, journal, clock)
    assert rows(again, count) == [(3, 6)]
    again.close()
