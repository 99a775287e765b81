"""A hub in this process and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from cityhub.hub import Hub, build
from cityhub.settings import Settings


class MovedClock:
    """The machine's clock, some time ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@asynccontextmanager
async def open_hub(data: Path, clock: MovedClock | None = None) -> AsyncIterator[tuple[Hub, httpx.AsyncClient]]:
    """A running hub, and a client whose paths begin at /ngsi-ld/v1."""
    hub = await build(Settings(data=data, dev=True, feeds=False), "http://127.0.0.1", clock)
    await hub.start()
    try:
        transport = httpx.ASGITransport(hub.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/ngsi-ld/v1") as client:
            yield hub, client
    finally:
        await hub.stop()
