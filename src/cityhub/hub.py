"""Builds one hub from its settings: the only place where the parts meet."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cityhub import __version__
from cityhub.access.loopback import LoopbackAccess
from cityhub.context.batch_api import BatchApi
from cityhub.context.context_api import context_routes
from cityhub.context.contexts import Contexts
from cityhub.context.entities import EntityOperations
from cityhub.context.entity_api import EntityApi
from cityhub.context.query_api import QueryApi
from cityhub.model.time import Clock, SystemClock
from cityhub.settings import Settings
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.application import Application
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.observation import Observation
from cityhub.web.outbound import HttpOutbound

log = logging.getLogger(__name__)

SWEEP_S = 1.0
"""How often expired entities are deleted."""
COMPACT_S = 60.0
"""How often journal entries that all readers have passed are removed."""


class Hub:
    """One running hub.

    Attributes:
        settings: What it was built from.
        store: Store and journal.
        application: The ASGI application.
        base_url: Where the hub is reached; set anew when it listens on a port that was free.
    """

    def __init__(self, settings: Settings, store: SqliteStore, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.journal = store
        self.clock = clock
        self.began = time.monotonic()
        self.base_url = f"http://{settings.host}:{settings.port}"
        self.outbound = HttpOutbound(AddressPolicy(settings.outbound_allow, loopback_allowed=settings.dev))
        self.contexts = Contexts(store, self.outbound, clock, settings.context_preload, lambda: self.base_url)
        self.operations = EntityOperations(store)
        self._tasks: list[asyncio.Task[None]] = []
        self.observation = Observation(settings, __version__, store, store, lambda: store.waiting)
        self.application = Application(self._routes(), LoopbackAccess(), settings.max_body_bytes, self.observation.observers)

    def _routes(self) -> list[Route]:
        return [
            *EntityApi(self.operations, self.contexts, self.store).routes(),
            *BatchApi(self.operations, self.contexts, self.store).routes(),
            *QueryApi(self.operations, self.contexts, self.store).routes(),
            *context_routes(self.contexts),
            *self.observation.routes(),
            Route("GET", "/health", self._health, "public", "Health", tag="hub"),
        ]

    async def _health(self, request: Request) -> Response:
        return json_response({"status": "up", "version": __version__, "journal": self.journal.last(), "uptime_s": self._uptime_s()})

    def _uptime_s(self) -> int:
        return int(time.monotonic() - self.began)

    async def start(self) -> None:
        """Starts the background work."""
        self._tasks = [
            asyncio.create_task(_every(SWEEP_S, self.store.expire), name="expire"),
            asyncio.create_task(_every(COMPACT_S, self.store.compact), name="compact"),
        ]

    async def stop(self) -> None:
        """Stops the background work and closes the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.outbound.close()
        await self.observation.close()
        await self.store.close()


async def _every(seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("background work failed; it will be tried again")


async def build(settings: Settings, clock: Clock | None = None) -> Hub:
    """The hub of these settings, its store opened but its background work not yet started."""
    clock = clock or SystemClock()
    store = await open_sqlite(Path(settings.data), clock)
    return Hub(settings, store, clock)
