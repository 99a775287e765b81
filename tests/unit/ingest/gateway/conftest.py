"""A hub whose gateway runs feeds, in this process but for the gateway itself, which is a real process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings

METER: dict[str, Any] = {
    "type": "Meter",
    "id": '"urn:ngsi-ld:Meter:" + topic[3]',
    "observed_at": "at",
    "attributes": {"level": {"value": "level", "unit": "m"}},
}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(hub.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=90) as client:
        yield client


def meters(port: int, **changes: Any) -> dict[str, Any]:
    """A feed of meters that speak MQTT."""
    source = {"host": "127.0.0.1", "port": port, "topics": ["meters/#"], **changes.pop("source", {})}
    return {"id": "meters", "protocol": "mqtt", "source": source, "entities": [METER], **changes}


async def until(holds: Callable[[], Any], timeout_s: float = 90) -> Any:
    """Waits until something holds, and returns what it gave."""
    async with asyncio.timeout(timeout_s):
        while not (found := holds()):
            await asyncio.sleep(0.02)
    return found
