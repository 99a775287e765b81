"""HTTP push: a station sends CSV with its own token, and commands reach a device at its address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from cityhub.hub import Hub, build
from cityhub.settings import Settings

FEED: dict[str, Any] = {
    "id": "stations", "protocol": "http", "format": "csv",
    "entities": [{"type": "Station", "id": '"urn:ngsi-ld:Station:" + code', "observed_at": "at", "attributes": {"rain": {"value": "rain", "unit": "mm"}}}],
}  # fmt: skip
ROWS = b"code,at,rain\nW1,2026-01-01 08:00,1.5\nW2,2026-01-01 08:00,0\n"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    yield hub
    await hub.stop()


def caller(hub: Hub, peer: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(hub.application, client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30, headers=headers)


@contextlib.asynccontextmanager
async def serving(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The address of a small device."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_station_sends_rows_with_its_token(hub: Hub) -> None:
    async with caller(hub) as operator:
        assert (await operator.post("/api/feeds", json=FEED)).status_code == 201
        device = (await operator.post("/api/devices", json={"id": "w1", "feed": "stations", "token": True})).json()
    async with caller(hub, "192.0.2.1", authorization=f"Bearer {device['token']}") as station:
        for expected in ({"written": 2, "same": 0}, {"written": 0, "same": 2}):
            sent = await station.post("/api/feeds/stations/messages", content=ROWS, headers={"content-type": "text/csv"})
            assert sent.status_code == 200, sent.text
            assert {name: sent.json()[name] for name in expected} == expected
    async with caller(hub) as operator:
        found = await operator.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Station:W1", params={"options": "keyValues"})
        assert found.json()["rain"] == 1.5
        for _ in range(1200):
            status = (await operator.get("/api/feeds/stations")).json()["status"]
            if status["received"] == 2:
                break
            await asyncio.sleep(0.05)
        assert (status["state"], status["received"], status["written"], status["same"]) == ("running", 2, 2, 2)


async def test_a_command_is_posted_to_the_device(hub: Hub) -> None:
    async def pump(request: web.Request) -> web.Response:
        order = await request.json()
        return web.json_response({"done": order["name"]}) if order["name"] == "open" else web.Response(status=409, text="it is stuck")

    async with serving(pump) as url, caller(hub) as operator:
        assert (await operator.post("/api/feeds", json=FEED)).status_code == 201
        await operator.post("/api/devices", json={"id": "pump", "feed": "stations", "address": {"url": f"{url}/orders"}})
        states = {}
        for name in ("open", "close"):
            given = (await operator.post("/api/devices/pump/commands", json={"name": name, "timeoutS": 10})).json()
            for _ in range(1200):
                states[name] = (await operator.get(f"/api/devices/pump/commands/{given['id']}")).json()
                if states[name]["state"] not in ("queued", "sent"):
                    break
                await asyncio.sleep(0.05)
        assert (states["open"]["state"], states["open"]["value"]) == ("acknowledged", {"done": "open"})
        assert (states["close"]["state"], states["close"]["detail"]) == ("failed", "The device answered 409: it is stuck")
