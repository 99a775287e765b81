"""Where the gateway gets its orders from the hub, and answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import msgspec

from cityhub.ingest.gateway import words
from cityhub.ingest.gateway.described import described
from cityhub.ingest.gateway.running import RunningFeeds
from cityhub.ingest.gateway.trial import tried
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.web.wire import Problem
from cityhub.web.wire_client import WireClient

LISTEN_S: Final = 10.0 * 365 * 86_400
"""How long the stream of orders may take: for ever."""
REPORT_S: Final = 1.0
PAUSE_S: Final = 0.5

log = logging.getLogger(__name__)


class Desk:
    """Follows orders.

    Args:
        hub: The wire.
        feeds: What is ordered about.
    """

    def __init__(self, hub: WireClient, feeds: RunningFeeds) -> None:
        self._hub = hub
        self._feeds = feeds
        self._encode = msgspec.msgpack.Encoder().encode
        self._order = msgspec.msgpack.Decoder(words.Order).decode
        self._working: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Follows orders until it is cancelled."""
        while True:
            try:
                async for piece in self._hub.stream("orders", None, fresh=False, timeout_s=LISTEN_S):
                    await self._follow(self._order(piece))
            except StoreUnavailable as error:
                log.warning("the hub gives no orders: %s", error.detail)
            await asyncio.sleep(PAUSE_S)

    async def report(self) -> None:
        """Tells the hub how the feeds stand, again and again."""
        while True:
            await asyncio.sleep(REPORT_S)
            try:
                await self._hub.call("report", self._feeds.states(), fresh=False)
            except CityHubError as error:
                log.debug("a report did not arrive: %s", error.detail)

    async def _follow(self, order: words.Order) -> None:
        if isinstance(order, words.Arrange):
            await self._feeds.arrange(order.feeds)
            return
        task = asyncio.create_task(self._do(order))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _do(self, job: words.Job) -> None:
        try:
            answer = words.Answer(job.job, self._encode(await self._result(job)))
        except CityHubError as error:
            answer = words.Answer(job.job, problem=Problem(type(error).__name__, error.detail, error.members))
        except Exception as error:
            log.exception("an order could not be followed")
            answer = words.Answer(job.job, problem=Problem("StoreUnavailable", f"The gateway failed ({type(error).__name__}: {error})"))
        try:
            await self._hub.call("answer", answer, fresh=False)
        except CityHubError as error:
            log.warning("an answer did not arrive: %s", error.detail)

    async def _result(self, job: words.Job) -> Any:
        if isinstance(job, words.Push):
            return await self._feeds.push(job.feed, job.message, job.keep)
        if isinstance(job, words.Try):
            return await asyncio.to_thread(tried, self._feeds.compile(job.order), job.message)
        if isinstance(job, words.Rate):
            return self._feeds.scores(job.feed, job.things, job.most)
        if isinstance(job, words.Instruct):
            return await self._feeds.command(job.feed, job.command)
        return await asyncio.to_thread(described, job.what)
