"""The historian's process: it does not keep the hub waiting, comes back when it dies, and dies with the hub."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings
from tests.e2e.hub_process import ROOT, running_hub

ENTITY = "urn:ngsi-ld:Meter:1"
HEAVY = ("duckdb", "pyarrow", "pyiceberg", "sqlalchemy")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    yield hub
    await hub.stop()


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(holds: Any, timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


def client_of(hub: Hub) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(hub.application), base_url="http://127.0.0.1", timeout=60)


async def measure(client: httpx.AsyncClient, value: int) -> None:
    body = {"id": ENTITY, "type": "Meter", "flow": {"type": "Property", "value": value, "observedAt": f"2026-01-01T00:00:{value:02}Z"}}
    answer = await client.post("/ngsi-ld/v1/entityOperations/upsert", json=[body])
    assert answer.status_code in (201, 204), answer.text


async def flows(client: httpx.AsyncClient) -> list[int]:
    answer = await client.get(f"/ngsi-ld/v1/temporal/entities/{ENTITY}", params={"options": "temporalValues"})
    assert answer.status_code == 200, answer.text
    return [value for value, _ in answer.json()["flow"]["values"]]


def test_the_hub_itself_knows_nothing_of_the_lake_s_libraries() -> None:
    code = f"import sys, cityhub.hub; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    assert done.stdout == "[]\n", done.stderr


async def test_it_comes_back_and_knows_everything_once(hub: Hub) -> None:
    async with client_of(hub) as client:
        for value in range(12):
            await measure(client, value)
            if value in (3, 7):
                pid = hub.supervision.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            assert await flows(client) == list(range(value + 1))
        assert hub.supervision.starts == 3


async def test_what_is_laid_down_is_passed_in_the_journal(hub: Hub) -> None:
    async with client_of(hub) as client:
        await measure(client, 1)
        assert await flows(client) == [1]
        first = hub.supervision.pid
        assert first is not None
        os.kill(first, signal.SIGTERM)  # it ends in order and lays down what it has
        await until(lambda: hub.supervision.status is not None and hub.supervision.pid not in (None, first))
        await until(lambda: hub.supervision.status is not None and hub.supervision.status.committed == hub.store.last())
        async with asyncio.timeout(60):
            while (await hub.store.readers())["history"] < hub.store.last():
                await asyncio.sleep(0.05)


async def test_a_question_during_an_outage_is_answered_plainly(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cityhub.web.child.FIRST_PAUSE_S", 60.0)
    monkeypatch.setattr(hub.historian, "_patience_s", 0.2)
    async with client_of(hub) as client:
        hub.historian.missed.set()
        await until(lambda: hub.supervision.status is not None)
        assert hub.supervision.pid is not None
        os.kill(hub.supervision.pid, signal.SIGKILL)
        await until(lambda: hub.supervision.pid is None)
        await measure(client, 1)  # writing goes on
        answer = await client.get(f"/ngsi-ld/v1/temporal/entities/{ENTITY}")
        assert answer.status_code == 503
        assert "historian" in answer.json()["detail"]
        ready = (await client.get("/ready")).json()
        assert (ready["status"], "historian" in ready["degraded"][0]) == ("ready", True)


async def test_it_ends_in_order_with_the_hub(tmp_path: Path) -> None:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    await asyncio.sleep(0.2)
    assert (hub.supervision.pid, hub.supervision.trouble) == (None, ""), "nobody needs it yet"
    hub.historian.missed.set()
    await until(lambda: hub.supervision.status is not None)
    pid = hub.supervision.pid
    assert pid is not None
    await hub.stop()
    assert not is_there(pid)
    assert list(tmp_path.glob("historian.sock")) == []


def test_it_dies_with_a_hub_that_is_killed(tmp_path: Path) -> None:
    with running_hub(tmp_path, "--no-feeds") as hub:
        assert hub.get(f"/ngsi-ld/v1/temporal/entities/{ENTITY}").status_code == 404
        children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text().split()
        [pid] = [int(child) for child in children if b"cityhub.historian" in Path(f"/proc/{child}/cmdline").read_bytes()]
        hub.kill()
        end = time.monotonic() + 20
        while is_there(pid):
            assert time.monotonic() < end, "the historian outlives its hub"
            time.sleep(0.05)


def test_the_hub_is_ready_before_its_historian(tmp_path: Path) -> None:
    with running_hub(tmp_path, "--no-feeds") as hub:
        assert hub.get("/ready").status_code == 200
        assert not (tmp_path / "historian.sock").exists()
        with contextlib.suppress(httpx.HTTPError):
            assert hub.get("/ngsi-ld/v1/temporal/entities/urn:x:1").status_code == 404
        assert (tmp_path / "historian.sock").exists()
