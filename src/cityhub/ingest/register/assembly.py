"""The registers put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import msgspec

from cityhub.ingest.district import District
from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.register.district_files import DistrictFiles
from cityhub.ingest.register.feed_answers import FeedAnswers
from cityhub.ingest.register.feed_api import FeedApi
from cityhub.ingest.register.feeds import FEEDS, FeedRegister
from cityhub.ingest.register.journal_reader import JournalReader
from cityhub.ingest.register.letter_api import LetterApi
from cityhub.ingest.register.letters import Letters
from cityhub.ingest.register.replay import Replay
from cityhub.model.ports import DEAD_LETTERS, Journal, Store
from cityhub.model.time import Clock
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

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
        self.files = DistrictFiles(around.district.folder, self.feeds) if around.district is not None else None
        self._reader = JournalReader(
            around.journal, {FEEDS: self.feeds.changed, DEAD_LETTERS: self.letters.changed}, lambda changes: None
        )
        self._task: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        """All doors of the registers."""
        around = self._around
        answers = FeedAnswers(
            self.feeds, self.letters, around.gateway, around.store, around.clock, around.district, self.files
        )
        return [
            *FeedApi(self.feeds, answers, around.gateway, around.clock).routes(),
            *LetterApi(self.letters, Replay(self.letters, self.feeds, around.gateway)).routes(),
        ]

    async def start(self) -> None:
        """Reads what is kept, takes the district's feeds, tells the gateway, and follows the journal."""
        position = self._around.journal.last()
        await self.feeds.load()
        await self.letters.load()
        if self.files is not None:
            await self.files.load()
        await self.feeds.arrange()
        self._task = asyncio.create_task(self._reader.run(position))

    async def sweep(self) -> None:
        """Drops letters that are too many or too old; to be called again and again."""
        await self.letters.sweep()

    async def stop(self) -> None:
        """Ends the reading of the journal."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def watch(self, metrics: Metrics) -> None:
        """Adds the registers' gauges."""
        metrics.watch("cityhub_dead_letters", "Dead letters that are kept, by feed.", ("feed",), self._letter_counts)
        metrics.watch("cityhub_dead_letters_dropped", "Dead letters dropped since the start: too many or too old.", (), self._dropped)

    async def _letter_counts(self) -> Mapping[tuple[str, ...], float]:
        return {(feed,): float(count) for feed, count in self.letters.counts_by_feed().items()}

    async def _dropped(self) -> Mapping[tuple[str, ...], float]:
        return {(): float(self.letters.dropped)}
