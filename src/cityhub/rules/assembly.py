"""Rules and alerts put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.ports import Analysis, Drafts, Journal, Notices, Openings, Store
from cityhub.model.time import Clock, to_text
from cityhub.registers.journal_reader import JournalReader
from cityhub.rules.alerts.alert_api import AlertApi
from cityhub.rules.alerts.deeds import AlertDeeds
from cityhub.rules.alerts.hearing import AlertHearing
from cityhub.rules.alerts.index import AlertIndex
from cityhub.rules.alerts.reactions import Reactions
from cityhub.rules.alerts.release import Release
from cityhub.rules.alerts.suppression import Suppression, TermsOf
from cityhub.rules.maintenance.windows import WINDOWS, MaintenanceApi, MaintenanceRegister
from cityhub.rules.models.model import KeptModels
from cityhub.rules.models.model_api import ModelApi
from cityhub.rules.models.training import Training
from cityhub.rules.register.rule_answers import RuleAnswers
from cityhub.rules.register.rule_api import RuleApi
from cityhub.rules.register.rules import RULES, RuleRegister, rule_files
from cityhub.rules.sentinel_port import Sentinel
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

READER: Final = "rules"
ADVANCE_S: Final = 2.0
"""How often the journal may hear how far it was read."""
TRAIN_S: Final = 60.0
"""How often it is looked which models are to be trained."""
SWEEP_S: Final = 1.0
"""How often it is looked which suppressed alerts become live."""


class Around(msgspec.Struct, frozen=True):
    """What rules and alerts stand among.

    Attributes:
        store: Where everything is kept.
        journal: Of the same store.
        sentinel: What runs the rules.
        clock: The present time.
        terms_of: The names that rules use.
        zone: The district's time zone.
        keep_days: For how many days closed alerts are kept.
        folder: The district's folder; None: no district is served.
        notices: Tells people.
        openings: Opens cases.
        drafts: Drafts warnings.
        analysis: Asks the history, for models; None: none are trained.
    """

    store: Store
    journal: Journal
    sentinel: Sentinel
    clock: Clock
    terms_of: TermsOf
    zone: ZoneInfo = ZoneInfo("Asia/Shanghai")
    keep_days: float = 365.0
    folder: Path | None = None
    notices: Notices | None = None
    openings: Openings | None = None
    drafts: Drafts | None = None
    analysis: Analysis | None = None


class Attention:
    """The rules of a hub and their alerts.

    Attributes:
        rules: The register of rules.
        windows: The maintenance windows.
        index: The alerts in memory; the port `OpenAlerts`.
        hearing: Takes the signals of the process that runs the rules.
        reactions: What follows from alerts.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        store = around.store
        self.rules = RuleRegister(store, around.sentinel)
        self.files = rule_files(around.folder, self.rules) if around.folder is not None else None
        self.windows = MaintenanceRegister(store)
        self.index = AlertIndex()
        self._suppression = Suppression(self.windows.all, self.index, store, around.terms_of)
        self.hearing = AlertHearing(store, self.index, self.rules, self._suppression, around.terms_of, around.zone, self._expiry)
        self.deeds = AlertDeeds(store, self.index, self._expiry)
        self._release = Release(store, self.index, self._suppression, self.rules, self.deeds, around.clock)
        self.reactions = Reactions(
            store, around.journal, self.rules, self.deeds, around.notices, around.openings, around.drafts
        )
        self.training = None if around.analysis is None else Training(
            around.analysis, store, KeptModels(), self.rules.all, around.terms_of, around.clock, around.zone.key
        )  # fmt: skip
        self._answers = RuleAnswers(self.rules, around.sentinel, self.index, self.files)
        hear = {RULES: self.rules.changed, WINDOWS: self.windows.changed}
        self._reader = JournalReader(around.journal, hear, self.index.heard)
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        around = self._around
        models = ModelApi(around.store, self.training).routes() if self.training is not None else []
        return [
            *models,
            *RuleApi(self.rules, self._answers, around.sentinel).routes(),
            *AlertApi(around.store, self.index, self.deeds, self.reactions).routes(),
            *MaintenanceApi(self.windows, around.clock).routes(),
        ]

    async def start(self) -> None:
        """Reads what is kept, takes the district's rules, follows the journal, and tells the sentinel which rules there are."""
        position = await self._around.journal.position(READER)
        await self.reactions.begin()
        await self.rules.load()
        await self.windows.load()
        await self.index.load(self._around.store)
        if self.training is not None:
            await self.training.load()
        if self.files is not None:
            await self.files.load()
        jobs = (self._reader.run(position), self._reader.keep(READER, ADVANCE_S), self.reactions.run())
        self._tasks = [asyncio.create_task(job) for job in jobs]
        await self.rules.begin()

    async def train(self) -> None:
        """Trains models that rules ask for and that are not there or old; to be called again and again."""
        if self.training is not None:
            await self.training.renew()

    async def sweep(self) -> None:
        """Makes alerts live that nothing keeps quiet any more; to be called again and again."""
        await self._release.sweep()

    async def stop(self) -> None:
        """Ends the reading of the journal; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def troubles(self) -> list[str]:
        """What is wrong with the rules: those that fail and those that were refused, and the district's files that could not be taken."""
        wrong = [f"The rule '{id}' is {state.state}: {state.detail}" for id, state in self._answers.wrong().items()]
        faults = self.files.faults if self.files is not None else {}
        return wrong + [f"The rule file {name} was not taken: {fault}" for name, fault in faults.items()]

    def overview(self) -> list[tuple[str, str]]:
        """Each rule: its id, and how it stands."""
        states = self._around.sentinel.states()
        return [(rule.id, states[rule.id].state if rule.id in states else "waiting") for rule in self.rules.all()]

    def watch(self, metrics: Metrics) -> None:
        """Adds the gauges."""
        metrics.watch("cityhub_alerts", "Alerts that are not closed, by grade and state.", ("grade", "state"), self._alerts)
        metrics.watch("cityhub_rules_failing", "Rules that fail or were refused.", (), self._failing)
        failed = "Notices, cases and warnings of alerts that failed since the start."
        metrics.watch("cityhub_alert_reactions_failed", failed, (), self._failed)

    async def _alerts(self) -> Mapping[tuple[str, ...], float]:
        return self.index.counts()

    async def _failing(self) -> Mapping[tuple[str, ...], float]:
        return {(): float(len(self._answers.wrong()))}

    async def _failed(self) -> Mapping[tuple[str, ...], float]:
        return {(): float(self.reactions.failed)}

    def _expiry(self, now: str) -> str:
        return to_text(datetime.fromisoformat(now) + timedelta(days=self._around.keep_days))
