"""Duty put together: what the hub builds, hands to others as the port `Duty`, and whose doors it opens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.duty.duty_api import DutyApi
from cityhub.cases.duty.escalation import Escalation
from cityhub.cases.duty.handover import Handovers
from cityhub.cases.duty.matters import Matters
from cityhub.cases.duty.report import Form, Reports, read_form
from cityhub.cases.duty.report_api import ReportApi
from cityhub.cases.duty.rota import Rota
from cityhub.cases.duty.standing import Standing
from cityhub.cases.duty.swaps import Swaps
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import Analysis, Notices, OpenAlerts, People, Store
from cityhub.model.time import Clock
from cityhub.web.http import Route

ESCALATE_S: Final = 5.0
"""How often alerts that wait are looked at."""
GAPS_S: Final = 600.0
"""How often gaps are looked for."""

log = logging.getLogger(__name__)


class Around(msgspec.Struct, frozen=True):
    """What duty stands among.

    Attributes:
        store: Where everything is kept.
        people: Who works with the hub.
        analysis: Answers the statements of the daily report.
        clock: The present time.
        zone: Name of the district's time zone.
        folder: The district's folder; None: none is served.
    """

    store: Store
    people: People
    analysis: Analysis
    clock: Clock
    zone: str = "Asia/Shanghai"
    folder: Path | None = None


class DutyService:
    """Duty in a hub. The rota is there at once; what tells people comes with `join`.

    Attributes:
        rota: The port for others.

    Args:
        around: What it stands among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self.rota = Rota(around.store, around.people, around.clock, ZoneInfo(around.zone), around.folder)
        self.matters = Matters(around.store)
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, notices: Notices, alerts: OpenAlerts | None) -> None:
        """Gives it who tells people, and which alerts wait; to be called once, before `routes` and `start`."""
        around = self._around
        self.escalation = Escalation(around.store, alerts, notices, around.clock, around.folder)
        self.standing = Standing(around.store, self.rota, notices, around.clock)
        self.handovers = Handovers(around.store, self.rota, self.matters, notices, around.clock)
        self.swaps = Swaps(around.store, self.rota, around.clock)
        self.reports = Reports(
            _form(around.folder), self.rota, around.people, self.matters, self.handovers, around.analysis, around.clock
        )

    def routes(self) -> list[Route]:
        """All doors."""
        around = self._around
        api = DutyApi(self.rota, self.swaps, self.handovers, self.escalation, self.standing, around.people, around.clock)
        return [*api.routes(), *ReportApi(self.reports).routes()]

    async def start(self) -> None:
        """Reads what is kept, takes the district's posts and chains, and begins to look."""
        await self.rota.load()
        await self.escalation.load()
        await self.handovers.load()
        looks: tuple[tuple[float, Callable[[], Awaitable[Any]]], ...] = (
            (ESCALATE_S, self.escalation.check), (GAPS_S, self.standing.check),
        )  # fmt: skip
        self._tasks = [asyncio.create_task(_again_and_again(seconds, look)) for seconds, look in looks]

    async def stop(self) -> None:
        """Looks no more; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _form(folder: Path | None) -> Form:
    """The district's form of the daily report; one that cannot be read is logged, and the usual one is taken."""
    try:
        return read_form(folder)
    except (CityHubError, OSError) as error:
        log.warning("the form of the daily report was not taken: %s", error)
        return Form()


async def _again_and_again(seconds: float, look: Callable[[], Awaitable[Any]]) -> None:
    while True:
        try:
            await look()
        except StoreUnavailable as error:
            log.warning("duty waits for the store: %s", error.detail)
        except Exception:  # the next look may succeed
            log.exception("a look at what is due failed")
        await asyncio.sleep(seconds)
