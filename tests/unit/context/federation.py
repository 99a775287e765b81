"""Real hubs on loopback, each on a store and a port of its own, and a client for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from cityhub.hub import build
from cityhub.settings import Settings


class Broker:
    """One running hub and a client that speaks to it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self.headers: dict[str, str] = {}

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer; its headers are kept for a look at them."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, f"{self.url}/ngsi-ld/v1{path}", json=body, headers=sent) as response:
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            text = await response.text()
            return response.status, await response.json(content_type=None) if text else None

    async def register(self, source: str, number: int = 1, **members: Any) -> None:
        """Registers a source for Vehicles."""
        document = {
            "id": f"urn:ngsi-ld:ContextSourceRegistration:{number}", "type": "ContextSourceRegistration", "endpoint": source,
            "information": [{"entities": [{"type": "Vehicle"}]}], "operations": ["federationOps", "redirectionOps"], **members,
        }  # fmt: skip
        status, answer = await self("POST", "/csourceRegistrations", document)
        assert status == 201, answer


@contextlib.asynccontextmanager
async def broker(folder: Path, port: int = 0) -> AsyncIterator[Broker]:
    """A hub that listens on a loopback port; 0: on a free one."""
    listening = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    hub = await build(Settings(data=folder, dev=True, feeds=False), url)
    await hub.start()
    config = uvicorn.Config(hub.application, log_level="warning", lifespan="off", http="httptools", access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with aiohttp.ClientSession() as session:
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield Broker(url, session)
        finally:
            await session.close()
            server.should_exit = True
            await serving
            await hub.stop()


def vehicle(number: int = 1, **attributes: Any) -> dict[str, Any]:
    """A Vehicle with Properties of these values."""
    values = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": f"urn:ngsi-ld:Vehicle:{number}", "type": "Vehicle", **values}
