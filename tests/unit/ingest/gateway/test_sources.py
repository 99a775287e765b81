"""Sources that are asked, through a real gateway into a real hub: what was read is there once, also after the gateway was killed."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from aiohttp import web

from cityhub.hub import Hub, build
from cityhub.settings import Settings
from tests.unit.ingest.gateway.conftest import until

pytestmark = pytest.mark.slow

GAUGE: dict[str, Any] = {
    "type": "Gauge",
    "id": '"urn:ngsi-ld:Gauge:" + name',
    "observed_at": "at",
    "attributes": {"level": {"value": "level", "unit": "m"}},
}


def rows_of(begin: datetime, minutes: int) -> list[dict[str, Any]]:
    return [{"name": "A", "level": n, "at": (begin + timedelta(minutes=n)).isoformat()} for n in range(1, minutes + 1)]


async def values(client: httpx.AsyncClient, name: str) -> list[float]:
    history = await client.get(f"/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Gauge:{name}", params={"options": "temporalValues", "lastN": 30})
    return sorted(value for value, _ in history.json()["level"]["values"]) if history.is_success else []


async def made(client: httpx.AsyncClient, feed: dict[str, Any]) -> None:
    answer = await client.post("/api/feeds", json={"entities": [GAUGE], **feed})
    assert answer.status_code == 201, answer.text


async def test_an_outage_of_a_web_service_is_filled_page_by_page(hub: Hub, client: httpx.AsyncClient) -> None:
    rows = rows_of(datetime(2026, 3, 1, tzinfo=UTC), 28)
    available, asked = rows[:10], []

    async def service(request: web.Request) -> web.Response:
        asked.append(len(available))
        if asked.count(28) == 3:
            os.kill(next(iter(hub_gateway_pids(hub))), signal.SIGKILL)
        start = int(request.query["offset"])
        since = datetime.fromisoformat(request.query["since"])
        found = [row for row in available if datetime.fromisoformat(row["at"]) > since]
        return web.json_response({"data": {"items": found[start : start + 6]}})

    runner = web.ServerRunner(web.Server(service), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        source = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "query": {"since": "{watermark}", "offset": "{offset}"},
                  "paging": {"kind": "offset", "size": 6}, "watermark": "at", "start": "2026-01-01T00:00:00Z", "every_s": 0.2}  # fmt: skip
        await made(client, {"id": "service", "protocol": "web", "source": source, "records": "data.items"})
        async with asyncio.timeout(60):
            while await values(client, "A") != list(range(1, 11)):
                await asyncio.sleep(0.1)
        available = rows
        async with asyncio.timeout(60):
            while await values(client, "A") != list(range(1, 29)):
                await asyncio.sleep(0.1)
    finally:
        await runner.cleanup()


def hub_gateway_pids(hub: Hub) -> list[int]:
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    return [pid for pid in pids if b"gateway" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_a_database_and_a_folder_that_settings_allow(tmp_path: Path) -> None:
    city = tmp_path / "city"
    city.mkdir()
    database = apsw.Connection(str(city / "gauges.db"))
    database.execute("CREATE TABLE gauge (id INTEGER PRIMARY KEY, name TEXT, level REAL, at TEXT)")
    database.execute("INSERT INTO gauge VALUES (1, 'B', 1.5, '2026-03-01T00:00:00Z'), (2, 'B', 2.5, '2026-03-01T00:01:00Z')")
    database.close()
    (city / "c.csv").write_text("name,level,at\nC,7,2026-03-01T00:00:00Z\n")
    hub = await build(Settings(data=tmp_path / "data", dev=True, feeds=False, feed_folders=(str(city),)))
    await hub.start()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.application), base_url="http://127.0.0.1", timeout=30) as client:
            sql = {"url": f"sqlite:{city}/gauges.db", "query": "SELECT * FROM gauge", "watermark": "id", "every_s": 0.2}
            await made(client, {"id": "database", "protocol": "sql", "source": sql})
            await made(client, {"id": "files", "protocol": "folder", "format": "csv", "source": {"folder": str(city), "names": "*.csv", "every_s": 0.1}})
            await made(client, {"id": "outside", "protocol": "sql", "source": {**sql, "url": "sqlite:/etc/passwd"}})
            await until(lambda: (state := hub.gateway.states().get("outside")) and state.state == "stopped" and "feed_folders" in state.detail)
            async with asyncio.timeout(30):
                while await values(client, "B") != [1.5, 2.5] or await values(client, "C") != [7]:
                    await asyncio.sleep(0.1)
    finally:
        await hub.stop()
    assert (city / "done" / "c.csv").exists()
