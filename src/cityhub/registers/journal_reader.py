"""Reads the journal for registers: each hears of the changes of its own collection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from cityhub.model.change import Change
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import ENTITIES, Journal

BLOCK: Final = 2_000
"""So many changes are read at a time."""
REST_S: Final = 0.1
"""Between two looks: at high rates many changes come with one."""
AGAIN_S: Final = 2.0
PATIENCE_S: Final = 2.0

log = logging.getLogger(__name__)


class JournalReader:
    """Tells the registers of changes, in the journal's order.

    Attributes:
        position: Up to where they have heard.

    Args:
        journal: The journal.
        records: By collection of records, what hears of its changes.
        entities: What hears of the changes of entities, many at once; it must be quick.
    """

    def __init__(
        self, journal: Journal, records: Mapping[str, Callable[[Change], Awaitable[None]]], entities: Callable[[Sequence[Change]], None]
    ) -> None:
        self._journal = journal
        self._records = records
        self._entities = entities
        self.position = 0

    async def run(self, position: int) -> None:
        """Reads from behind a position until it is cancelled."""
        self.position = position
        while True:
            try:
                await self._journal.wait(self.position)
                await self._step()
            except StoreUnavailable as error:
                log.warning("the registers wait for the store: %s", error.detail)
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(REST_S)

    async def keep(self, name: str, every_s: float) -> None:
        """Keeps again and again how far the journal was heard, under the name of a durable reader, until it is cancelled."""
        kept = 0
        while True:
            await asyncio.sleep(every_s)
            position = self.position
            if position != kept:
                with contextlib.suppress(StoreUnavailable):  # it is kept the next time
                    await self._journal.advance(name, position)
                    kept = position

    async def caught_up(self) -> None:
        """Returns when what was acknowledged by now has been heard, or after `PATIENCE_S`: a busy journal keeps nobody waiting for long."""
        wanted = self._journal.last()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self.position < wanted:
                    await asyncio.sleep(REST_S / 10)

    async def _step(self) -> None:
        """Reads what there is."""
        while changes := await self._journal.read(self.position, BLOCK):
            self._entities([change for change in changes if change.collection == ENTITIES])
            for change in changes:
                hear = self._records.get(change.collection)
                if hear is not None:
                    await self._hear(hear, change)
            self.position = changes[-1].position
            await asyncio.sleep(0)  # others come in between two blocks

    async def _hear(self, hear: Callable[[Change], Awaitable[None]], change: Change) -> None:
        try:
            await hear(change)
        except StoreUnavailable:
            raise
        except Exception:  # one record that cannot be taken in must not keep all others out
            log.exception("a change of %s %s was not taken in", change.collection, change.id)
