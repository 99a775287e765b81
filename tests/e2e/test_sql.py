"""SQL of a hub in processes of its own: written and asked, also by tools, and after a restart."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import httpx
import pandas
import pyarrow.parquet as pq
import pytest

from tests.e2e.hub_process import ROOT, RunningHub, running_hub

OPTIONS = ("--no-feeds",)


def station(number: int, level: float, minute: int) -> dict[str, Any]:
    """An entity with a level, measured at a minute."""
    measured = {"type": "Property", "value": level, "unitCode": "MTR", "observedAt": f"2026-11-01T00:{minute:02}:00Z"}
    return {"id": f"urn:ngsi-ld:Station:{number}", "type": "Station", "level": measured, "名称": {"type": "Property", "value": f"站{number}"}}


def write(hub: RunningHub, number: int, level: float, minute: int) -> None:
    """A station as it is then."""
    answer = httpx.post(f"{hub.url}/ngsi-ld/v1/entityOperations/upsert", json=[station(number, level, minute)], timeout=30)
    assert answer.status_code in (201, 204), answer.text


def ask(hub: RunningHub, statement: str) -> list[list[Any]]:
    """The rows of a statement."""
    answer = httpx.post(f"{hub.url}/api/sql", content=statement.encode(), timeout=60)
    assert answer.status_code == 200, answer.text
    rows: list[list[Any]] = answer.json()["rows"]
    return rows


def command(data: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`cityhub sql` on a data folder."""
    whole = [sys.executable, "-m", "cityhub", "sql", "--data", str(data), *arguments]
    return subprocess.run(whole, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, input=given, capture_output=True, text=True, timeout=120)


def opened(port: int) -> None:
    """Returns as soon as something listens on the port."""
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.mark.slow
def test_written_is_asked_at_once_and_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_hub(data, *OPTIONS) as hub:
        for minute in range(10):
            write(hub, 1, minute / 2, minute)
            # As fresh as the last write that was acknowledged.
            assert ask(hub, "SELECT level FROM Station_now") == [[minute / 2]]
        write(hub, 2, 7.0, 1)
        assert ask(hub, "SELECT entity, count(level), max(level) FROM Station GROUP BY 1 ORDER BY 1") == [
            ["urn:ngsi-ld:Station:1", 10, 4.5], ["urn:ngsi-ld:Station:2", 1, 7.0],
        ]  # fmt: skip
        refused = httpx.post(f"{hub.url}/api/sql", timeout=60, content="SELECT * FROM read_text('/etc/hostname')")
        assert (refused.status_code, "'read_text' is not allowed" in refused.text) == (400, True)
        late = httpx.post(f"{hub.url}/api/sql?timeout=0.5", content="SELECT count(*) FROM range(1000000) a, range(1000000) b", timeout=60)
        assert (late.status_code, "stopped after 0.5 s" in late.text) == (403, True)
        shown = command(data, given="SELECT 名称, level FROM Station_now ORDER BY 2 DESC")
        assert shown.stdout.splitlines() == ["名称  level", "----  -----", "站2     7.0", "站1     4.5", "(2 rows)"]
        assert command(data, "--output", str(tmp_path / "x.parquet"), "FROM Station").returncode == 0
        assert pq.read_table(tmp_path / "x.parquet").num_rows == 22  # the name came anew with each level
        wrong = command(data, "FROM Statoin")
        assert (wrong.returncode, "did you mean 'station'" in wrong.stderr) == (1, True)
    with running_hub(data, *OPTIONS) as hub:
        assert ask(hub, "SELECT entity, count(level), max(level) FROM Station GROUP BY 1 ORDER BY 1")[0] == ["urn:ngsi-ld:Station:1", 10, 4.5]
        deleted = httpx.delete(f"{hub.url}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:1", timeout=60)
        assert deleted.status_code == 204
        assert ask(hub, "SELECT entity FROM Station_now") == [["urn:ngsi-ld:Station:2"]]
        assert ask(hub, "SELECT count(level) FROM Station") == [[11]]


@pytest.mark.slow
def test_pandas_reads_from_a_running_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("CITYHUB_FLIGHT_PORT", str(port))
    with running_hub(tmp_path, *OPTIONS) as hub:
        write(hub, 1, 2.5, 1)
        assert ask(hub, "SELECT 1") == [[1]]
        opened(port)
        with adbc.connect(f"grpc://127.0.0.1:{port}", autocommit=True) as connection:
            frame = pandas.read_sql("SELECT entity, level FROM Station_now", connection)
            write(hub, 1, 3.5, 2)
            later = pandas.read_sql("SELECT level FROM Station_now", connection)
        assert frame.to_dict("records") == [{"entity": "urn:ngsi-ld:Station:1", "level": 2.5}]
        assert later["level"].tolist() == [3.5]
