"""The warnings of a hub put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.ports import Journal, Notices, Outbound, People, Store
from cityhub.model.time import Clock
from cityhub.registers.journal_reader import JournalReader
from cityhub.rules.cap.keys import development_signer, signer_of
from cityhub.rules.cap.signing import Signer
from cityhub.rules.warnings.authority import NOWHERE, read_authority
from cityhub.rules.warnings.drafting import AlertDrafts
from cityhub.rules.warnings.ground import Ground, TermsOf
from cityhub.rules.warnings.impact import Impact
from cityhub.rules.warnings.polling import Polling
from cityhub.rules.warnings.public_api import PublicApi
from cityhub.rules.warnings.received import Received
from cityhub.rules.warnings.register import WarningRegister
from cityhub.rules.warnings.source_api import SourceApi
from cityhub.rules.warnings.sources import KIND, SOURCES, CapSource, SourceRegister
from cityhub.rules.warnings.warning import WARNINGS
from cityhub.rules.warnings.warning_api import WarningApi
from cityhub.web.http import Route

SWEEP_S: Final = 5.0
"""How often warnings whose time has passed are looked for."""


class Around(msgspec.Struct, frozen=True):
    """What the warnings stand among.

    Attributes:
        store: Where everything is kept.
        journal: Of the same store.
        clock: The present time.
        people: Who works with the hub.
        terms: The names of the district's @context.
        outbound: The door to other hosts.
        data: The data folder.
        base: Address under which others reach the hub.
        district: The district's folder; None: none is served, and nobody warns of anything.
        key: PEM file of the key that signs; None: one for development is made in the data folder.
        certificate: PEM file of its certificate.
        notices: Tells people; None: nobody is told.
    """

    store: Store
    journal: Journal
    clock: Clock
    people: People
    terms: TermsOf
    outbound: Outbound
    data: Path
    base: Callable[[], str]
    district: Path | None = None
    key: Path | None = None
    certificate: Path | None = None
    notices: Notices | None = None


class Warnings:
    """The warnings of a hub.

    Attributes:
        register: Of all warnings.
        drafts: Drafts warnings for alerts (the port `Drafts`).
        sources: The feeds of others.
        polling: Reads them.

    Args:
        around: What they stand among.

    Raises:
        RuntimeError: The district's list or the key cannot be used.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        authority = read_authority(around.district) if around.district is not None else NOWHERE
        ground = Ground(around.store, around.terms, authority.impact.townships)
        impact = Impact(around.store, around.terms, authority.impact)
        self.register = WarningRegister(
            around.store, around.clock, authority, _signer(around), around.people, ground, impact, around.notices
        )
        self.drafts = AlertDrafts(self.register, ground, around.clock)
        self.sources = SourceRegister(KIND, around.store, self._arrange)
        received = Received(around.store, around.clock)
        self.polling = Polling(self.sources, received, around.store, around.outbound, around.clock)
        hear = {WARNINGS: self.register.changed, SOURCES: self.sources.changed}
        self._reader = JournalReader(around.journal, hear, lambda changes: None)
        self._arranged: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self) -> list[Route]:
        """All doors."""
        return [
            *SourceApi(self.sources, self.polling).routes(),
            *WarningApi(self.register).routes(),
            *PublicApi(self.register, self._around.clock, self._around.base).routes(),
        ]

    async def _arrange(self, sources: list[CapSource]) -> None:
        """Has every source that is new or has changed read at once."""
        versions = {source.id: source.version for source in sources}
        for id in [id for id, version in versions.items() if self._arranged.get(id) != version]:
            self.polling.hurry(id)
        self._arranged = versions

    async def start(self) -> None:
        """Reads what is kept, follows the journal, and reads the feeds of others."""
        position = self._around.journal.last()
        await self.register.load()
        await self.sources.load()
        await self.sources.begin()
        self._tasks = [asyncio.create_task(job) for job in (self._reader.run(position), self.polling.run())]

    async def sweep(self) -> None:
        """Ends the warnings whose time has passed; to be called again and again."""
        await self.register.sweep()

    async def stop(self) -> None:
        """Ends the reading of the journal and of feeds; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _signer(around: Around) -> Callable[[], Signer]:
    """What signs: a key of the settings is read at once, one for development is made when a first message is released."""
    if around.key is None:
        return cache(lambda: development_signer(around.data, around.clock))
    signer = signer_of(around.key, around.certificate or around.key)
    return lambda: signer
