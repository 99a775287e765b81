"""Processes and decisions put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from cityhub.cases.bpmn.hub_side import Caseworker
from cityhub.cases.process_port import Migrations
from cityhub.cases.processes.decision_api import DecisionApi
from cityhub.cases.processes.library import PROCESSES, Library, ProcessRegister, process_files
from cityhub.cases.processes.process_api import ProcessApi
from cityhub.model.errors import CityHubError
from cityhub.model.ports import Journal, Store
from cityhub.model.time import Clock
from cityhub.registers.journal_reader import JournalReader
from cityhub.settings import Settings
from cityhub.web.http import Route

READER: Final = "processes"
ADVANCE_S: Final = 5.0

log = logging.getLogger(__name__)


class Around(msgspec.Struct, frozen=True):
    """What processes stand among.

    Attributes:
        store: Where they are kept.
        journal: Of the same store.
        settings: The hub's.
        clock: The present time.
        folder: The district's folder; None: no district is served.
    """

    store: Store
    journal: Journal
    settings: Settings
    clock: Clock
    folder: Path | None = None


class Processes:
    """The processes of a hub.

    Attributes:
        engine: The port `ProcessEngine`, and `DecisionEngine`: a process of its own, started by the first question.
        library: What cases ask for a process in a version.
        faults: Why a process of the district's folder cannot run, by its id.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self.engine = Caseworker(around.settings)
        self.register = ProcessRegister(around.store)
        self.library = Library(self.register)
        self.files = process_files(around.folder, self.register) if around.folder is not None else None
        self.faults: dict[str, str] = {}
        self._reader = JournalReader(around.journal, {PROCESSES: self.register.changed}, lambda changes: None)
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self, migrations: Migrations | None = None) -> list[Route]:
        """All doors. `migrations`: what takes running cases over to another version."""
        return [
            *ProcessApi(self.register, self.engine, self.files, migrations).routes(),
            *DecisionApi(self.engine, self._around.clock).routes(),
        ]

    async def start(self) -> None:
        """Reads what is kept, takes the district's files, and follows the journal. It comes before the start of cases."""
        position = await self._around.journal.position(READER)
        await self.register.load()
        if self.files is not None:
            await self.files.load()
        await self.register.begin()
        self._tasks = [asyncio.create_task(job) for job in (self._reader.run(position), self._reader.keep(READER, ADVANCE_S), self._look())]

    async def stop(self) -> None:
        """Ends the reading and the engine's process; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.engine.stop()

    def troubles(self) -> list[str]:
        """What is wrong: files that could not be taken, and processes of the district that cannot run."""
        files = self.files.faults if self.files is not None else {}
        untaken = [f"The process file {name} was not taken: {fault}" for name, fault in files.items()]
        return untaken + [f"The process '{id}' cannot run: {fault}" for id, fault in self.faults.items()]

    async def _look(self) -> None:
        """Checks what the district's folder brought: a file is not refused at the door as an upload is."""
        brought = [process for process in self.register.all() if (self.register.record(process.id) or {}).get("origin")]
        for process in brought:
            try:
                grave = [finding for finding in await self.engine.check(process.files()) if finding.grave]
            except CityHubError as error:
                log.warning("the process %s could not be checked: %s", process.id, error.detail)
                continue
            if grave:
                self.faults[process.id] = "; ".join(f"{finding.element}: {finding.text}" for finding in grave[:5])
                log.error("the process %s cannot run: %s", process.id, self.faults[process.id])
