"""All that lets people and machines watch a hub: metrics, spans, readiness, and the doors for looking in."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from cityhub.model.ports import Store
from cityhub.settings import Settings
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.inspection import Flows, Inspection, WatchedJournal
from cityhub.web.metrics import Metrics
from cityhub.web.tracing import Tracer, open_tracer

MIN_FREE_BYTES: Final = 100_000_000
"""With less free space in the data folder the hub is not ready."""

log = logging.getLogger(__name__)

Number = Callable[[], float]


class Observation:
    """Watches one hub.

    Attributes:
        metrics: The hub's metrics; rooms may add gauges of their own.
        observers: Who hears of answered requests, for the application.

    Args:
        settings: The hub's.
        version: The hub's.
        journal: The hub's journal.
        store: The hub's store.
        queue: How many writes wait for the store.
        flows: What each room adds to the routing table.
        troubles: What does not work now although writes can be taken; the hub is ready, but degraded.

    Raises:
        SettingsError: A collector is named but OpenTelemetry is not installed.
    """

    def __init__(
        self, settings: Settings, version: str, journal: WatchedJournal, store: Store, queue: Number,
        flows: Iterable[Flows] = (), troubles: Callable[[], list[str]] = list,
    ) -> None:  # fmt: skip
        self._data = Path(settings.data)
        self._journal = journal
        self._troubles = troubles
        self._inspection = Inspection(journal, store, flows)
        self._tracer = open_tracer(settings.otlp_endpoint, version)
        self.metrics = Metrics()
        self.observers: tuple[Metrics | Tracer, ...] = (self.metrics, self._tracer) if self._tracer else (self.metrics,)
        watch = self.metrics.watch
        watch("cityhub_journal_position", "Newest position of the journal.", (), _single(lambda: float(journal.last())))
        watch("cityhub_journal_reader_lag", "Changes that a reader has not dealt with.", ("reader",), self._lags)
        watch("cityhub_store_waiting_writes", "Writes that wait for the store.", (), _single(queue))
        watch("cityhub_store_bytes", "Size of the files of the store in the data folder.", (), _single(self._store_bytes))
        watch("cityhub_free_bytes", "Free space in the data folder.", (), _single(self._free_bytes))
        watch("cityhub_info", "The hub's version.", ("version",), _constant({(version,): 1.0}))

    def routes(self) -> list[Route]:
        """All doors for watching."""
        ready = Route("GET", "/ready", self._ready, "public", "Readiness", tag="hub")
        return [ready, *self.metrics.routes(), *self._inspection.routes()]

    async def close(self) -> None:
        """Sends the spans that wait."""
        if self._tracer:
            await asyncio.to_thread(self._tracer.close)

    async def _ready(self, request: Request) -> Response:
        """200 when the hub can take writes, else 503 with the reasons; "degraded" says what else does not work."""
        reasons = []
        try:
            await asyncio.wait_for(self._journal.readers(), 2.0)
        except Exception as error:  # whatever the store's library raises: the hub is not ready, and the log says why
            log.warning("not ready: the store does not answer: %s", error)
            reasons.append("The store does not answer; the log says why")
        if self._free_bytes() < MIN_FREE_BYTES:
            reasons.append(f"Less than {MIN_FREE_BYTES // 1_000_000} MB are free in the data folder")
        status = {"status": "not ready" if reasons else "ready", "reasons": reasons, "degraded": self._troubles()}
        return json_response(status, 503 if reasons else 200)

    async def _lags(self) -> Mapping[tuple[str, ...], float]:
        positions = await self._inspection.positions()
        return {(name,): float(reader["lag"]) for name, reader in positions["readers"].items()}

    def _store_bytes(self) -> float:
        return float(sum(file.stat().st_size for file in self._data.glob("*.sqlite*")))

    def _free_bytes(self) -> float:
        return float(shutil.disk_usage(self._data).free)


def _single(number: Number) -> Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]:
    async def values() -> Mapping[tuple[str, ...], float]:
        return {(): number()}

    return values


def _constant(content: Mapping[tuple[str, ...], float]) -> Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]:
    async def values() -> Mapping[tuple[str, ...], float]:
        return content

    return values
