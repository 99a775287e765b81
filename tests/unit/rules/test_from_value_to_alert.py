"""The whole way in a built hub: a rule by HTTP, values by NGSI-LD, the sentinel's process, an alert, what people do with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.hub import build
from cityhub.model.time import to_text
from cityhub.settings import Settings

RULE = {
    "id": "level", "title": {"zh": "水位超警戒", "en": "Water above the warning level"}, "owner": "urn:ngsi-ld:Organization:water",
    "watch": {"type": "WaterLevelObserved"},
    "levels": [{"severity": "red", "condition": "level > 6"}, {"severity": "yellow", "condition": "level > 4.5", "clear": "level < 4"}],
}  # fmt: skip
WAIT_S = 60.0


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    hub = await build(Settings(data=tmp_path, feeds=False))
    await hub.start()
    transport = httpx.ASGITransport(hub.application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made
    await hub.stop()


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    """What an answer is as soon as it is anything."""
    async with asyncio.timeout(WAIT_S):
        while not (found := await ask()):
            await asyncio.sleep(0.05)
    return found


async def write(client: httpx.AsyncClient, level: float) -> None:
    entity = {
        "id": "urn:ngsi-ld:WaterLevelObserved:apeng", "type": "WaterLevelObserved",
        "level": {"type": "Property", "value": level, "unitCode": "MTR", "observedAt": to_text(datetime.now(UTC))},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.77, 29.53]}},
    }  # fmt: skip
    answer = await client.post("/ngsi-ld/v1/entityOperations/upsert", json=[entity])
    assert answer.status_code in (201, 204), answer.text


async def test_a_level_becomes_an_alert_and_ends(client: httpx.AsyncClient) -> None:
    refused = await client.post("/api/rules", json={**RULE, "levels": [{"severity": "red", "condition": "level >"}]})
    assert refused.status_code == 400 and "levels[0].condition" in refused.json()["detail"]
    assert (await client.post("/api/rules", json=RULE)).status_code == 201

    async def running() -> bool:
        return bool((await client.get("/api/rules/level")).json()["status"]["state"] == "running")

    await until(running)
    await write(client, 3.0)
    await write(client, 4.7)

    async def alerts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get("/api/alerts", params={"open": "true"})).json()["alerts"]
        return found

    alert = (await until(alerts))[0]
    assert alert["description"]["zh"].startswith("水位超警戒（黄色）：urn:ngsi-ld:WaterLevelObserved:apeng，level = 4.7 m")
    assert (alert["grade"], alert["location"]["coordinates"]) == ("yellow", [108.77, 29.53])
    trace = (await client.get("/api/rules/level/trace", params={"entity": "urn:ngsi-ld:WaterLevelObserved:apeng"})).json()
    assert (trace["alert"], trace["values"]["level"]) == (alert["id"], 4.7)
    await client.post(f"/api/alerts/{alert['id']}/acknowledge", json={"note": "已看到"})
    await write(client, 6.5)

    async def graver() -> bool:
        shown = (await client.get(f"/api/alerts/{alert['id']}")).json()
        return bool(shown["grade"] == "red" and shown["state"] == "open")

    await until(graver)
    await write(client, 3.5)

    async def closed() -> bool:
        return bool((await client.get(f"/api/alerts/{alert['id']}")).json()["state"] == "closed")

    await until(closed)
    metrics = (await client.get("/metrics")).text
    assert "cityhub_rules_failing 0.0" in metrics
    entity = (await client.get("/ngsi-ld/v1/entities", params={"type": "Alert", "options": "keyValues"})).json()
    assert [one["state"] for one in entity] == ["closed"]
