"""The feeds that run: a task each, started again after a growing pause, its state always to be seen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cityhub.ingest.gateway.memory import Memory
from cityhub.ingest.gateway.outlet import Outlet
from cityhub.ingest.gateway.pipeline import Pipeline
from cityhub.ingest.gateway.stages import Compile, Stages
from cityhub.ingest.gateway.surroundings import Place
from cityhub.ingest.gateway.tally import Tally
from cityhub.ingest.gateway.words import FeedOrder
from cityhub.ingest.gateway_port import CommandResult, FeedState
from cityhub.ingest.message import Command, Message, Settled, TroubleAtSource
from cityhub.ingest.protocols import connect
from cityhub.model.errors import CityHubError, Conflict, StoreUnavailable, TooBusy

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STEADY_S: Final = 120.0
"""A connector that ran so long is started again without a long pause."""
KEEP_S: Final = 60.0
"""How often it is written down what the checks of feeds remember."""
ROOM_S: Final = 10.0
"""How long a message that was pushed waits for room."""

log = logging.getLogger(__name__)


class RunningFeed:
    """One feed that runs.

    Attributes:
        order: What runs.
        tally: How it stands.

    Args:
        order: The feed and its names.
        stages: What is done with its messages.
        outlet: The way to the hub.
        place: What its connector is given.
        tally: Counters; those of an earlier version go on.
        memory: Where it is kept what its checks remember; what is there already they remember again.
    """

    def __init__(self, order: FeedOrder, stages: Stages, outlet: Outlet, place: Place, tally: Tally, memory: Memory) -> None:
        self.order = order
        self.tally = tally
        self._stages = stages
        self._place = place
        self._memory = memory
        self._kept = tally.received
        memory.recall(order.feed, stages.quality)
        self.pipeline = Pipeline(order.feed, stages, outlet, tally)
        self._connector: Any = None
        self._task = asyncio.create_task(self._run(), name=f"feed {order.feed.id}")

    async def stop(self) -> None:
        """Ends the connector; what it brought already is still taken."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.keep()

    async def keep(self) -> None:
        """Writes down what the checks remember, if a message came since the last time."""
        if self.tally.received != self._kept:
            self._kept = self.tally.received
            await self._memory.keep(self.order.feed, self._stages.quality)

    def state(self) -> FeedState:
        """How it stands."""
        return self.tally.report(self._stages.quality.score())

    def scores(self, things: Sequence[str], most: int) -> list[tuple[str, float, int]]:
        """How good the data of things are; the worst first."""
        return self._stages.quality.scores(things, most)

    async def command(self, command: Command) -> CommandResult:
        """Hands a command to the connector."""
        send = getattr(self._connector, "command", None)
        if send is None:
            return CommandResult("failed", f"By the protocol '{self.order.feed.protocol}' no commands can be sent, or it is not connected")
        result: CommandResult = await send(command)
        return result

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                self.tally.state("connecting")
                self._connector = connect(self.order.feed, self._place.around(self.order.feed, self.tally))
                await self._connector.run(self.pipeline)
                self.tally.state("stopped", "The source has come to its end")
                return
            except (TroubleAtSource, StoreUnavailable) as error:
                if time.monotonic() - began > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                self.tally.state("waiting", f"{error}; tried again every {pause_s:.0f} s")
            except CityHubError as error:
                return self._end(error.detail)
            except Exception as error:
                log.exception("feed '%s' failed", self.order.feed.id)
                return self._end(f"{type(error).__name__}: {error}")
            finally:
                self._connector = None
                self.tally.connections(0)
                self.tally.listens("")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _end(self, why: str) -> None:
        """The feed stays as it is until somebody changes it."""
        log.warning("feed '%s' stops: %s", self.order.feed.id, why)
        self.tally.state("stopped", why)


class RunningFeeds:
    """All feeds of the gateway.

    Args:
        outlet: The way to the hub.
        place: What connectors are given.
        compile: Makes the stages of a feed.
        memory: Where it is kept what their checks remember.
    """

    def __init__(self, outlet: Outlet, place: Place, compile: Compile, memory: Memory) -> None:
        self._outlet = outlet
        self._place = place
        self._compile = compile
        self._memory = memory
        self._running: dict[str, RunningFeed] = {}
        self._broken: dict[str, tuple[FeedOrder, Tally]] = {}

    async def arrange(self, orders: Sequence[FeedOrder]) -> None:
        """Runs these feeds and no others; what is as it was goes on undisturbed."""
        wanted = {order.feed.id: order for order in orders}
        for id, running in list(self._running.items()):
            if wanted.get(id) != running.order:
                await running.stop()
                if id not in wanted:
                    del self._running[id]
        self._broken = {id: broken for id, broken in self._broken.items() if wanted.get(id) == broken[0]}
        for id, order in wanted.items():
            before = self._running.get(id)
            if (before is None or before.order != order) and id not in self._broken:
                self._running.pop(id, None)
                self._begin(order, before.tally if before is not None else Tally(self._place.now))

    def _begin(self, order: FeedOrder, tally: Tally) -> None:
        try:
            stages = self._compile(order.feed, order.terms().expand)
        except (CityHubError, ValueError) as error:
            log.warning("feed '%s' cannot run: %s", order.feed.id, error)
            tally.state("stopped", str(error))
            self._broken[order.feed.id] = (order, tally)
            return
        self._running[order.feed.id] = RunningFeed(order, stages, self._outlet, self._place, tally, self._memory)

    async def keep(self, every_s: float = KEEP_S) -> None:
        """Writes down again and again what the checks remember, until it is cancelled."""
        while True:
            await asyncio.sleep(every_s)
            for running in list(self._running.values()):
                await running.keep()

    def states(self) -> dict[str, FeedState]:
        """How each feed stands."""
        states = {id: self._seen(running.state()) for id, running in self._running.items()}
        return states | {id: tally.report(None) for id, (_, tally) in self._broken.items()}

    def _seen(self, state: FeedState) -> FeedState:
        """The state of a feed, which waits while the hub takes nothing."""
        trouble = self._outlet.trouble
        if not trouble or state.state != "running":
            return state
        return msgspec.structs.replace(state, state="waiting", detail=f"The hub does not take messages now: {trouble}")

    def compile(self, order: FeedOrder) -> Stages:
        """The stages of a feed that need not run. Raises BadRequestData."""
        return self._compile(order.feed, order.terms().expand)

    async def push(self, feed: str, message: Message, keep: bool) -> Settled:
        """Takes a message that came to the hub itself. Raises Conflict, TooBusy or StoreUnavailable."""
        pipeline = self._of(feed).pipeline
        try:
            async with asyncio.timeout(ROOM_S):
                await pipeline.room()
        except TimeoutError:
            raise TooBusy(f"The feed '{feed}' has no room for more now; try again later") from None
        return await pipeline.put_in(message, keep=keep)

    async def command(self, feed: str, command: Command) -> CommandResult:
        """Sends a command down."""
        return await self._of(feed).command(command)

    def scores(self, feed: str, things: Sequence[str], most: int) -> list[tuple[str, float, int]]:
        """How good the data of things of a feed are. Raises Conflict when it does not run."""
        return self._of(feed).scores(things, most)

    async def stop(self) -> None:
        """Ends all connectors, and writes down what the checks remember."""
        await asyncio.gather(*(running.stop() for running in self._running.values()))

    def _of(self, feed: str) -> RunningFeed:
        running = self._running.get(feed)
        if running is None:
            why = self._broken[feed][1].report(None).detail if feed in self._broken else "it is not started"
            raise Conflict(f"The feed '{feed}' does not run: {why}")
        return running
