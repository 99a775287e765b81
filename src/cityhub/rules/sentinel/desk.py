"""Where the sentinel gets its orders from the hub, answers, and reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

import msgspec

from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.rules.sentinel import words
from cityhub.rules.sentinel.following import Following
from cityhub.rules.sentinel.standing import states, trace
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
        following: What is ordered about.
    """

    def __init__(self, hub: WireClient, following: Following) -> None:
        self._hub = hub
        self._following = following
        self._encode = msgspec.msgpack.Encoder().encode
        self._order = msgspec.msgpack.Decoder(words.Order).decode

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
        """Tells the hub how the rules stand, again and again, and at once when one begins to fail."""
        following = self._following
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(following.news.wait(), REPORT_S)
            following.news.clear()
            try:
                await self._hub.call("report", states(following.engine, following.refused, following.lag_s), fresh=False)
            except CityHubError as error:
                log.debug("a report did not arrive: %s", error.detail)

    async def _follow(self, order: words.Order) -> None:
        if isinstance(order, words.Arrange):
            self._following.order(order)
            return
        try:
            answer = words.Answer(order.job, self._encode(trace(self._following.engine, order.rule, order.entity)))
        except CityHubError as error:
            answer = words.Answer(order.job, problem=Problem(type(error).__name__, error.detail, error.members))
        try:
            await self._hub.call("answer", answer, fresh=False)
        except CityHubError as error:
            log.warning("an answer did not arrive: %s", error.detail)
