"""Follows the journal for notices and makes messages of them: durably, each notice once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from cityhub.model.change import Change
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Document, Journal, Notice, Write
from cityhub.notify.notices.expansion import Surroundings, expanded
from cityhub.notify.notices.ledger import Ledger, notice_of
from cityhub.notify.notices.message import NOTICES

READER: Final = "notices"
BLOCK: Final = 2_000
REST_S: Final = 0.02
AGAIN_S: Final = 2.0
ADVANCE_S: Final = 1.0
"""How often the journal hears how far it was read; what is read again changes nothing."""

log = logging.getLogger(__name__)


class NoticeWriter:
    """Implements `cityhub.model.ports.Notices`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, notice: Notice) -> Write:
        """See `cityhub.model.ports.Notices.write`."""

        def asked(current: Document | None, at: str) -> tuple[Document | None, None]:
            return ({"notice": msgspec.to_builtins(notice), "at": at} if current is None else current), None

        return Write(notice.key, asked, NOTICES)

    def acknowledged(self, key: str) -> bool:
        """See `cityhub.model.ports.Notices.acknowledged`."""
        return self._ledger.is_read(key)


class Expander:
    """The reader.

    Args:
        journal: What is followed.
        ledger: Where messages go.
        around: People, duty, channels, policy and templates; asked anew for each notice.
    """

    def __init__(self, journal: Journal, ledger: Ledger, around: Callable[[], Surroundings]) -> None:
        self._journal = journal
        self._ledger = ledger
        self._around = around
        self._advanced = 0
        self.position = 0

    async def begin(self) -> None:
        """Finds how far it had come; to be called before anything is asked for."""
        self.position = self._advanced = await self._journal.position(READER)

    async def run(self) -> None:
        """Reads until it is cancelled."""
        while True:
            try:
                await self._journal.wait(self.position)
                await self.step()
            except StoreUnavailable as error:
                log.warning("notices wait for the store: %s", error.detail)
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(REST_S)

    async def step(self) -> None:
        """Reads what there is."""
        while changes := await self._journal.read(self.position, BLOCK):
            for change in changes:
                if change.collection == NOTICES and change.kind == "created":
                    await self._expand(change)
            self.position = changes[-1].position
            await asyncio.sleep(0)

    async def keep(self) -> None:
        """Writes down now and then how far it has come, until it is cancelled."""
        while True:
            await asyncio.sleep(ADVANCE_S)
            try:
                await self.advance()
            except StoreUnavailable:  # it is written the next time
                continue

    async def advance(self) -> None:
        """Writes down how far it has come."""
        position = self.position
        if position != self._advanced:
            await self._journal.advance(READER, position)
            self._advanced = position

    async def _expand(self, change: Change) -> None:
        try:
            notice = notice_of(change.after or {})
            messages = expanded(notice, change.tenant, datetime.fromisoformat(change.at), self._around())
            await self._ledger.expand(change.tenant, change.id, messages, change.trace)
        except StoreUnavailable:
            raise
        except Exception:  # one notice that cannot be told must not keep all others untold
            log.exception("the notice %s could not be told", change.id)
