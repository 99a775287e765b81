"""Feeds and letters through the real gateway's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings

FEED: dict[str, Any] = {
    "id": "stations", "protocol": "mqtt", "source": {"host": "127.0.0.1", "port": 1, "topics": ["x"]}, "format": "json", "records": "data.items",
    "entities": [{"type": "Station", "id": '"urn:ngsi-ld:Station:" + code', "observed_at": "at", "attributes": {"rain": {"value": "rain", "unit": "mm"}}}],
}  # fmt: skip
GOOD = {"code": "1", "rain": 1.5, "at": "2026-01-01T00:00:00Z"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    hub: Hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    transport = httpx.ASGITransport(hub.application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
        yield client
    await hub.stop()


async def letters(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    for _ in range(1200):
        found = (await client.get("/api/dead-letters")).json()
        if found["total"] == count:
            break
        await asyncio.sleep(0.05)
    assert found["total"] == count, found
    listed: list[dict[str, Any]] = found["letters"]
    return listed


async def test_a_record_that_was_fixed_goes_past_what_picked_it(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/feeds", json=FEED)).status_code == 201
    sent = await client.post("/api/feeds/stations/messages", json={"data": {"items": [GOOD, {**GOOD, "code": "2", "at": "yesterday"}]}})
    assert sent.status_code == 200, sent.text
    assert sent.json()["written"] == 1 and "yesterday" in sent.json()["refused"][0]
    (letter,) = await letters(client, 1)
    assert letter["stage"] == "map"
    body = (await client.get(f"/api/dead-letters/{letter['id']}")).json()["body"]
    assert (await client.post("/api/dead-letters/replay", json={"ids": [letter["id"]]})).json()["taken"] == 0
    fixed = await client.put(f"/api/dead-letters/{letter['id']}", json={"body": body.replace("yesterday", "2026-01-01T00:00:00Z")})
    assert fixed.status_code == 200
    done = (await client.post("/api/dead-letters/replay", json={"feed": "stations"})).json()
    assert done["taken"] == 1, done
    assert await letters(client, 0) == []
    found = await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Station:2", params={"options": "keyValues"})
    assert found.json()["rain"] == 1.5


async def test_a_changed_mapping_takes_what_the_old_one_could_not(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/feeds", json=FEED)).status_code == 201
    sent = await client.post("/api/feeds/stations/messages", json={"other": [GOOD]})
    assert sent.status_code == 200 and sent.json()["written"] == 0
    (letter,) = await letters(client, 1)
    assert (letter["stage"], letter["version"]) == ("decode", 1)
    assert (await client.put("/api/feeds/stations", json={**FEED, "records": "other"})).status_code == 200
    for _ in range(100):  # the gateway takes the new version over in its own time
        done = (await client.post("/api/dead-letters/replay", json={"feed": "stations"})).json()
        if done["taken"]:
            break
        await asyncio.sleep(0.05)
    assert done["taken"] == 1, done
    assert (await client.get("/api/dead-letters")).json()["total"] == 0
