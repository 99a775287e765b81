"""The desk put together: what the hub builds, starts and stops, and whose doors it opens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cityhub.cases.desk import desk as desks
from cityhub.cases.desk.alerts import AlertCases
from cityhub.cases.desk.attachments import Attachments
from cityhub.cases.desk.case_api import CaseApi
from cityhub.cases.desk.index import CaseIndex
from cityhub.cases.desk.kinds import DistrictCases, plain_district, read_district_cases
from cityhub.cases.desk.ledger import Ledger
from cityhub.cases.desk.lists import CaseLists
from cityhub.cases.desk.migrating import CaseMigrations
from cityhub.cases.desk.operations import Operations
from cityhub.cases.desk.record import CASES, CLOSED
from cityhub.cases.desk.telling import Telling
from cityhub.cases.desk.watch import WATCH_S, Watch
from cityhub.cases.indicators.indicator_api import IndicatorApi
from cityhub.cases.process_port import ProcessEngine
from cityhub.model.change import Change
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import Journal, Notices, People, Store
from cityhub.model.time import Clock
from cityhub.registers.journal_reader import JournalReader
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

READER: Final = "case-desk"
TENANT: Final = ""
"""Cases are the default tenant's."""
FILES: Final = "case-files"
"""The folder of attachments in the data folder."""
TELL_S: Final = 0.2
ADVANCE_S: Final = 2.0

log = logging.getLogger(__name__)


class Around(msgspec.Struct, frozen=True):
    """What the desk stands among.

    Attributes:
        store: Where everything is kept.
        journal: Of the same store.
        engine: Works out steps.
        processes: What cases run.
        people: Who works here.
        clock: The present time.
        data: The data folder.
        notices: Tells people; None: nobody is told.
        district: The district's folder; None: none is served.
    """

    store: Store
    journal: Journal
    engine: ProcessEngine
    processes: desks.Processes
    people: People
    clock: Clock
    data: Path
    notices: Notices | None = None
    district: Path | None = None


class Cases:
    """The cases of a hub.

    Attributes:
        district: What the district says of its cases.
        desk: Opens cases and takes them on.
        operations: What else is done to them.
        alerts: The port `Openings`.
        attachments: The files of cases.
        migrations: Takes cases over to other versions of their processes.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self.district = _district(around.district)
        self.index = CaseIndex()
        settings = self.district.settings
        ledger = Ledger(around.store, TENANT, settings.number, settings.zone)
        telling = Telling(around.notices, self.district)
        self.desk = desks.CaseDesk(
            desks.Around(ledger, self.index, around.engine, around.processes, self.district, around.people, telling, around.clock)
        )
        self.operations = Operations(self.desk)
        self.migrations = CaseMigrations(self.desk)
        self.alerts = AlertCases(self.desk, self.operations, around.store, TENANT)
        self._lists = CaseLists(self.index, ledger, around.store, around.people, TENANT)
        self.attachments = Attachments(around.data / FILES, settings.most_file_bytes)
        self._watch = Watch(self.desk)
        self._ends: list[Change] = []
        self._reader = JournalReader(around.journal, {CASES: self.index.changed, CLOSED: self.index.changed}, self._hear)
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self) -> list[Route]:
        """All doors of cases."""
        api = CaseApi(self.desk, self.operations, self._lists, self.attachments)
        return [*api.routes(), *IndicatorApi(self._around.store, TENANT).routes()]

    async def start(self) -> None:
        """Reads the open cases, follows the journal, and looks after the clocks."""
        position = await self._around.journal.position(READER)
        await self.load()
        self._tasks = [asyncio.create_task(job) for job in (self._reader.run(position), self._tell_cases(), self._look())]

    async def load(self) -> None:
        """Reads the open cases: enough to answer."""
        self.index.fill(await self.desk.around.ledger.open_cases())

    async def stop(self) -> None:
        """Ends all of it; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, changes: Sequence[Change]) -> None:
        """Keeps the ends of alerts for `_tell_cases`: the journal is read on meanwhile."""
        self._ends += [change for change in changes if self.alerts.is_end(change)]

    async def _tell_cases(self) -> None:
        """Tells cases of the ends of their alerts, and keeps how far the journal was dealt with."""
        kept, kept_at = self._reader.position, time.monotonic()
        while True:
            await asyncio.sleep(TELL_S)
            position = self._reader.position
            ends, self._ends = self._ends, []
            await self._tell(ends)
            if position > kept and time.monotonic() - kept_at >= ADVANCE_S:
                with contextlib.suppress(StoreUnavailable):  # it is kept the next time
                    await self._around.journal.advance(READER, position)
                    kept, kept_at = position, time.monotonic()

    async def _tell(self, ends: list[Change]) -> None:
        while ends:
            try:
                await self.alerts.heard(ends[0])
            except StoreUnavailable:
                await asyncio.sleep(ADVANCE_S)
                continue
            except CityHubError as error:
                log.warning("a case could not be told that its alert %s has ended: %s", ends[0].id, error.detail)
            del ends[0]

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self._watch.look()
            except Exception:  # one case must not keep the clocks of all others from being looked after
                log.exception("looking after the clocks of cases failed; it goes on")

    def watch(self, metrics: Metrics) -> None:
        """Adds the gauges."""
        metrics.watch("cityhub_cases_open", "Cases that are open, by kind.", ("kind",), self._open_counts)

    async def _open_counts(self) -> Mapping[tuple[str, ...], float]:
        counts: dict[tuple[str, ...], float] = {}
        for row in self.index:
            counts[(row.shown["kind"],)] = counts.get((row.shown["kind"],), 0.0) + 1
        return counts


def _district(folder: Path | None) -> DistrictCases:
    """What the district says. Raises RuntimeError naming the file that is wrong."""
    try:
        return read_district_cases(folder) if folder is not None else plain_district()
    except CityHubError as error:
        raise RuntimeError(f"The district's folder 'cases' cannot be used: {error.detail}") from error
