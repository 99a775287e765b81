"""From a signal to a closed case: rules, warnings, cases, duty and notices of one hub, put together.

    sentinel ─▶ attention (alerts) ─┬▶ notices ─▶ people on duty
                                    ├▶ cases ─▶ tasks ─▶ departments
                                    └▶ warnings (drafts) ─▶ whoever may release them
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cityhub.access.people import Register as People
from cityhub.cases.desk import assembly as cases
from cityhub.cases.duty import assembly as duty
from cityhub.cases.open311 import open311_api as open311
from cityhub.cases.open311.open311_api import Open311Api
from cityhub.cases.open311.pace import Pace
from cityhub.cases.processes import assembly as processes
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Analysis, Journal, Outbound, Store
from cityhub.model.time import Clock
from cityhub.notify.notices import assembly as notices
from cityhub.rules import assembly as rules
from cityhub.rules.sentinel.hub_side import SentinelLink
from cityhub.rules.trial.trials import HistoryTrials
from cityhub.rules.warnings import assembly as warnings
from cityhub.settings import Settings
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

Jobs = tuple[tuple[float, Callable[[], Awaitable[Any]]], ...]


class Around(msgspec.Struct, frozen=True):
    """What all of it stands among.

    Attributes:
        settings: The hub's.
        store: Where everything is kept.
        journal: Of the same store.
        clock: The present time.
        analysis: SQL over the history.
        outbound: The door for requests to other hosts.
        people: Who works with the hub.
        terms_of: The names of an @context ("" is the district's) for a tenant.
        base: Address under which people and other systems reach the hub.
        zone: Name of the district's time zone.
        folder: The district's folder; None: none is served.
        jurisdiction: The district's code; "": none.
        bounds: West, south, east and north of the district in degrees; None: unknown.
    """

    settings: Settings
    store: Store
    journal: Journal
    clock: Clock
    analysis: Analysis
    outbound: Outbound
    people: People
    terms_of: Callable[[str, str], Awaitable[TermMap]]
    base: str
    zone: str = "Asia/Shanghai"
    folder: Path | None = None
    jurisdiction: str = ""
    bounds: tuple[float, float, float, float] | None = None


class Parts:
    """All of it.

    Attributes:
        sentinel: The process that evaluates rules, from the hub's side.
        attention: Rules and alerts.
        warnings: Warnings to the public and to other agencies.
        processes: What cases run.
        cases: The cases.
        open311: Residents' doors to them.
        duty: Who is on duty.
        notices: What people are told.

    Args:
        around: What it stands among.
    """

    def __init__(self, around: Around) -> None:
        store, journal, clock, folder, zone = around.store, around.journal, around.clock, around.folder, around.zone
        settings, people = around.settings, around.people
        self.duty = duty.DutyService(duty.Around(store, people, around.analysis, clock, zone, folder))
        outlets = notices.outlets_of(settings, around.outbound, os.environ)
        self.notices = notices.NoticeService(
            notices.Around(store, journal, people, self.duty.rota, clock, zone, around.base, folder, outlets, settings.messages_keep)
        )
        self.processes = processes.Processes(processes.Around(store, journal, settings, clock, folder))
        self.cases = cases.Cases(
            cases.Around(
                store, journal, self.processes.engine, self.processes.library, people, clock, Path(settings.data), self.notices.notices,
                folder,
            )
        )  # fmt: skip
        self.open311 = Open311Api(
            open311.Around(
                self.cases.desk, self.cases.attachments, store, clock, Pace(settings.open311_per_hour, settings.open311_total_per_hour),
                around.base, around.jurisdiction, around.bounds, terms=lambda: around.terms_of("", ""),
            )
        )  # fmt: skip
        self.warnings = warnings.Warnings(
            warnings.Around(
                store, journal, clock, people, lambda: around.terms_of("", ""), around.outbound, Path(settings.data), lambda: around.base,
                folder, settings.warning_key, settings.warning_certificate, self.notices.notices,
            )
        )  # fmt: skip
        trials = HistoryTrials(around.analysis, store, around.terms_of, zone)
        self.sentinel = SentinelLink(settings, store, journal, around.terms_of, zone, trials.trial)
        self.attention = rules.Attention(
            rules.Around(
                store, journal, self.sentinel, clock, around.terms_of, ZoneInfo(zone), settings.alerts_keep_days, folder,
                self.notices.notices, self.cases.alerts, self.warnings.drafts, around.analysis,
            )
        )  # fmt: skip
        self.sentinel.hearing = self.attention.hearing
        self.duty.join(self.notices.notices, self.attention.index)

    def routes(self) -> list[Route]:
        """All doors."""
        return [
            *self.attention.routes(), *self.warnings.routes(), *self.processes.routes(self.cases.migrations), *self.cases.routes(),
            *self.open311.routes(), *self.duty.routes(), *self.notices.routes(),
        ]  # fmt: skip

    def watch(self, metrics: Metrics) -> None:
        """Adds the gauges."""
        self.attention.watch(metrics)
        self.cases.watch(metrics)
        self.notices.watch(metrics)

    async def start(self) -> None:
        """Starts what is told before those who tell it: alerts come last."""
        await self.notices.start()
        await self.duty.start()
        await self.processes.start()
        await self.cases.start()
        await self.warnings.start()
        await self.attention.start()

    def jobs(self) -> Jobs:
        """What is to be done again and again: seconds, and the work."""
        return (
            (rules.SWEEP_S, self.attention.sweep), (rules.TRAIN_S, self.attention.train),
            (warnings.SWEEP_S, self.warnings.sweep), (notices.SWEEP_S, self.notices.sweep),
        )  # fmt: skip

    def ends(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What ends all of it, in its order."""
        return (
            self.sentinel.stop, self.attention.stop, self.warnings.stop, self.cases.stop, self.processes.stop, self.duty.stop,
            self.notices.stop,
        )  # fmt: skip

    def flows(self) -> list[tuple[str, str]]:
        """Each rule and how it stands, for `cityhub flow`."""
        return self.attention.overview()

    def troubles(self) -> list[str]:
        """What people must be told that does not work."""
        of_parts = (*self.attention.troubles(), *self.processes.troubles(), *self.warnings.polling.troubles())
        return [text for text in (self.sentinel.trouble, *of_parts) if text]
