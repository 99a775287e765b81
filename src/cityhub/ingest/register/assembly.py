"""The registers put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from cityhub.ingest.devices.command_api import CommandApi
from cityhub.ingest.devices.commands import Commands
from cityhub.ingest.devices.device import DEVICES
from cityhub.ingest.devices.device_access import DeviceAccess
from cityhub.ingest.devices.device_api import DeviceApi
from cityhub.ingest.devices.device_scores import DeviceScores
from cityhub.ingest.devices.index import Key
from cityhub.ingest.devices.register import DeviceRegister
from cityhub.ingest.devices.seen import KEEP_S, READER, Seen
from cityhub.ingest.district import District
from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.register.feed_answers import FeedAnswers
from cityhub.ingest.register.feed_api import FeedApi
from cityhub.ingest.register.feeds import FEEDS, FeedRegister, feed_files
from cityhub.ingest.register.letter_api import LetterApi
from cityhub.ingest.register.letters import Letters
from cityhub.ingest.register.replay import Replay
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import DEAD_LETTERS, Access, Journal, Store
from cityhub.model.time import Clock
from cityhub.registers.journal_reader import JournalReader
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

ADVANCE_S: Final = 2.0
"""How often the journal may hear how far it was read."""
SWEEP_S: Final = 10.0
"""How often letters that are too many or too old are looked for."""


class Around(msgspec.Struct, frozen=True):
    """What the registers stand among.

    Attributes:
        store: Where everything is kept.
        journal: Of the same store.
        gateway: What runs the feeds.
        clock: The present time.
        letters_keep: So many dead letters are kept.
        letters_days: So long they are kept.
        district: The district; None: none is served.
    """

    store: Store
    journal: Journal
    gateway: Gateway
    clock: Clock
    letters_keep: int = 100_000
    letters_days: float = 90.0
    district: District | None = None


class Registers:
    """The registers of feeds, dead letters and devices of a hub.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self.feeds = FeedRegister(around.store, around.gateway)
        self.letters = Letters(around.store, around.clock, around.letters_keep, around.letters_days)
        self.files = feed_files(around.district.folder, self.feeds) if around.district is not None else None
        self.devices = DeviceRegister(around.store, around.clock)
        self.seen = Seen(around.store, around.journal, self.devices, around.clock)
        self.commands = Commands(around.store, self.devices, around.gateway, around.clock)
        hear = {FEEDS: self.feeds.changed, DEAD_LETTERS: self.letters.changed, DEVICES: self.devices.changed}
        self._reader = JournalReader(around.journal, hear, self.seen.heard)
        self._tasks: list[asyncio.Task[None]] = []

    def access(self, others: Access) -> DeviceAccess:
        """The policy for devices, around that for everybody else."""
        return DeviceAccess(others, self.devices.authenticate, self._feed_of)

    def _feed_of(self, key: Key) -> str:
        known = self.devices.index.get(key)
        return known.feed if known is not None else ""

    def routes(self) -> list[Route]:
        """All doors of the registers."""
        around = self._around
        answers = FeedAnswers(
            self.feeds, self.letters, around.gateway, around.store, around.clock, around.district, self.files
        )
        return [
            *FeedApi(self.feeds, answers, around.gateway, around.clock, self.seen.spoke).routes(),
            *LetterApi(self.letters, Replay(self.letters, self.feeds, around.gateway), self._reader.caught_up).routes(),
            *DeviceApi(self.devices, self.seen, self.commands, around.clock, DeviceScores(around.gateway)).routes(),
            *CommandApi(self.commands, self.devices, self.seen).routes(),
        ]

    async def load(self) -> None:
        """Reads what is kept: enough to answer, and to change what nobody else changes meanwhile."""
        await self.feeds.load()
        await self.letters.load()
        await self.devices.load()
        await self.seen.load()
        await self.commands.load()

    async def start(self) -> None:
        """Reads what is kept, takes the district's feeds, tells the gateway, follows the journal, and sends what waits."""
        position = await self._around.journal.position(READER)
        await self.load()
        if self.files is not None:
            await self.files.load()
        await self.feeds.begin()
        jobs = (self._reader.run(position), self._keep(), self.devices.load_names())
        self._tasks = [asyncio.create_task(job) for job in jobs]
        self.commands.start()

    async def _keep(self) -> None:
        """Keeps how far the journal was heard: at once while no device was heard of, else together with all that was heard."""
        kept_at, position = time.monotonic(), 0
        while True:
            await asyncio.sleep(ADVANCE_S)
            is_due = not self.seen.pending or time.monotonic() - kept_at >= KEEP_S
            if is_due and self._reader.position != position:
                with contextlib.suppress(StoreUnavailable):  # it is kept the next time
                    heard = self._reader.position
                    await self.seen.keep(heard)
                    kept_at, position = time.monotonic(), heard

    async def sweep(self) -> None:
        """Drops letters that are too many or too old, and judges the devices; to be called again and again."""
        await self.letters.sweep()
        await self.seen.judge()

    async def stop(self) -> None:
        """Ends the reading of the journal and the sending, and keeps what was heard; stopping again does nothing."""
        await self.commands.stop()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            await self.seen.keep(self._reader.position)

    def overview(self) -> list[tuple[str, str, str]]:
        """Each feed: its id, its protocol, and how it stands."""
        states = self._around.gateway.states()
        return [(feed.id, feed.protocol, states[feed.id].state if feed.id in states else "stopped") for feed in self.feeds.all()]

    def watch(self, metrics: Metrics) -> None:
        """Adds the registers' gauges."""
        metrics.watch("cityhub_dead_letters", "Dead letters that are kept, by feed.", ("feed",), self._letter_counts)
        metrics.watch("cityhub_dead_letters_dropped", "Dead letters dropped since the start: too many or too old.", (), self._dropped)
        metrics.watch("cityhub_devices", "Devices by health.", ("health",), self._device_counts)
        metrics.watch("cityhub_commands_waiting", "Commands to devices that have not ended.", (), self._waiting)

    async def _letter_counts(self) -> Mapping[tuple[str, ...], float]:
        return {(feed,): float(count) for feed, count in self.letters.counts_by_feed().items()}

    async def _dropped(self) -> Mapping[tuple[str, ...], float]:
        return {(): float(self.letters.dropped)}

    async def _device_counts(self) -> Mapping[tuple[str, ...], float]:
        return {(health,): float(count) for health, count in self.seen.counts().items()}

    async def _waiting(self) -> Mapping[tuple[str, ...], float]:
        return {(): float(self.commands.waiting())}
