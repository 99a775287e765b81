"""What follows from alerts: notices, cases and drafts of warnings, each once for a grade that an alert comes to.

A durable reader of the journal asks for them. All that it asks for carries a deterministic key, so reading the same entries again after a
crash changes nothing. What cannot be done for a passing reason is waited for; anything else is written down at the alert, where a
person sees it and can ask for it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cityhub.model.alert import ALERT, GRADES, Alert, reaches, read_alert
from cityhub.model.change import Change
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, NotFound, StoreUnavailable
from cityhub.model.ports import ENTITIES, CaseOpening, Drafts, Journal, Notice, Notices, Openings, Store
from cityhub.rules.alerts.deeds import AlertDeeds, Deed
from cityhub.rules.alerts.hearing import Rules
from cityhub.rules.engine.moments import MOST_JOINING, span
from cityhub.rules.rule import Hearer, Rule

READER: Final = "alert reactions"
BLOCK: Final = 1_000
AGAIN_S: Final = 2.0
ADVANCE_S: Final = 2.0
"""How often the journal hears how far it was read while no alert comes: the rest of the city writes all the time."""
CLEARED: Final = "alert-cleared"
"""The template of the notice that a condition has ended."""
ALERT_LINK: Final = "/alerts/"

log = logging.getLogger(__name__)


class Reactions:
    """Follows the alerts.

    Attributes:
        failed: How many reactions failed for good since the start.
        position: How far the journal was followed.

    Args:
        store: Where notices are asked for.
        journal: Of the same store.
        rules: The rules.
        deeds: Where failures are written down.
        notices: Tells people; None: nobody is told.
        openings: Opens cases; None: none is opened.
        drafts: Drafts warnings; None: none is drafted.
    """

    def __init__(
        self, store: Store, journal: Journal, rules: Rules, deeds: AlertDeeds, notices: Notices | None = None,
        openings: Openings | None = None, drafts: Drafts | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._journal = journal
        self._rules = rules
        self._deeds = deeds
        self._notices = notices
        self._openings = openings
        self._drafts = drafts
        self.failed = 0
        self.position = 0
        self._kept = 0
        self._kept_at = 0.0

    async def begin(self) -> None:
        """Makes the reader known to the journal, so that no alert that comes from now on passes by."""
        await self._journal.position(READER)

    async def run(self) -> None:
        """Reads the journal until it is cancelled."""
        while True:
            try:
                self.position = self._kept = await self._journal.position(READER)
                while True:
                    await self._wait()
                    self.position = await self.step(self.position)
            except StoreUnavailable as error:
                log.warning("what follows from alerts waits: %s", error.detail)
                await asyncio.sleep(AGAIN_S)

    async def _wait(self) -> None:
        """Returns when there is something to read; after a while without, the journal hears how far it was read."""
        try:
            async with asyncio.timeout(ADVANCE_S):
                await self._journal.wait(self.position)
        except TimeoutError:
            await self._keep(self.position)
            await self._journal.wait(self.position)

    async def _keep(self, position: int) -> None:
        if position != self._kept:
            await self._journal.advance(READER, position)
            self._kept, self._kept_at = position, time.monotonic()

    async def step(self, position: int) -> int:
        """Does what follows from the next changes; returns how far it came. Raises StoreUnavailable."""
        changes = await self._journal.read(position, BLOCK)
        alerts = [one for one in changes if one.collection == ENTITIES and one.after is not None and ALERT in one.after["type"]]
        for change in alerts:
            await self._changed(change)
        if changes:
            position = changes[-1].position
            if alerts or time.monotonic() - self._kept_at > ADVANCE_S:
                await self._keep(position)
        return position

    async def _changed(self, change: Change) -> None:
        assert change.after is not None
        alert = read_alert(change.after)
        before = read_alert(change.before) if change.before is not None else None
        if alert is not None and is_due(before, alert):
            await self._react(change.tenant, change.after, alert)

    async def again(self, tenant: str, id: str) -> None:
        """Does once more what follows from an alert. Raises NotFound."""
        entity = await self._store.fetch(tenant, id)
        alert = read_alert(entity) if entity is not None else None
        if entity is None or alert is None:
            raise NotFound(f"There is no alert '{id[:200]}'")
        if alert.state != "suppressed":
            await self._react(tenant, entity, alert)

    async def of(self, tenant: str, alert: Entity) -> dict[str, Any]:
        """What followed from an alert: ids of its case and its warning ("": none), and its notices, each with whether it was seen."""
        said = read_alert(alert)
        assert said is not None
        tells = self._notices
        return {
            "case": await self._openings.case_of(tenant, said.id) if self._openings is not None else "",
            "warning": self._drafts.warning_of(tenant, said.id) if self._drafts is not None else "",
            "notices": [{"key": one.key, "seen": tells.acknowledged(one.key)} for one in await self._notices_of(said)] if tells else [],
        }  # fmt: skip

    async def _notices_of(self, alert: Alert) -> list[Notice]:
        """Those of the present grade."""
        try:
            return notices_of(alert, await self._rules.version(alert.rule, alert.version)) if alert.since else []
        except NotFound:
            return []

    async def _react(self, tenant: str, entity: Entity, alert: Alert) -> None:
        try:
            rule = await self._rules.version(alert.rule, alert.version)
        except NotFound:
            log.warning("the rule %s of the alert %s is not known any more; nobody is told", alert.rule, alert.id)
            return
        # People are told first: whatever else cannot be reached must not keep that up.
        await self._tried(tenant, alert.id, "notices", lambda: self._tell(tenant, alert, rule))
        await self._tried(tenant, alert.id, "opening", lambda: self._open(tenant, entity, alert, rule))
        await self._tried(tenant, alert.id, "warning", lambda: self._draft(tenant, entity, rule))

    async def _tried(self, tenant: str, id: str, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreUnavailable:
            raise
        except Exception as error:
            self.failed += 1
            reason = error.detail if isinstance(error, CityHubError) else f"{type(error).__name__}: {error}"
            log.warning("%s of the alert %s failed: %s", what, id, reason, exc_info=not isinstance(error, CityHubError))
            await self._deeds.note(tenant, id, Deed(f"{what} failed", "hub", reason))

    async def _open(self, tenant: str, entity: Entity, alert: Alert, rule: Rule) -> None:
        opens = rule.opens
        if self._openings is not None and opens is not None and not alert.cleared and reaches(alert.grade, opens.from_severity):
            joins_s = span(opens.joins, "opens.joins", MOST_JOINING) / 1e6
            opening = CaseOpening(opens.process, opens.kind, opens.departments, rule.id, joins_s, tuple(opens.joins_kinds))
            await self._openings.open(tenant, entity, opening)

    async def _draft(self, tenant: str, entity: Entity, rule: Rule) -> None:
        if self._drafts is not None and rule.warning:
            await self._drafts.draft(tenant, entity, rule.warning)

    async def _tell(self, tenant: str, alert: Alert, rule: Rule) -> None:
        if self._notices is None:
            return
        writes = [self._notices.write(notice) for notice in notices_of(alert, rule)]
        for result in await self._store.write("", writes) if writes else []:
            if isinstance(result, CityHubError):
                raise result


def is_due(before: Alert | None, alert: Alert) -> bool:
    """Whether something follows from an alert's change: it became live, came to another grade, or its condition ended."""
    if alert.state == "suppressed" or (before is not None and before.state == "suppressed" and alert.state == "closed"):
        return False
    if before is None or before.state == "suppressed":
        return alert.state == "open"
    return before.grade != alert.grade or before.cleared != alert.cleared or (before.state == "closed" and alert.state == "open")


def notices_of(alert: Alert, rule: Rule) -> list[Notice]:
    """The notices that an alert asks for: of its grade, one for each template of its rule; of its end, one for all who heard of it."""
    if alert.cleared:
        gravest = min((step["severity"] for step in alert.steps), key=GRADES.index, default=alert.grade)
        told = [hearer for hearer in rule.tells if reaches(gravest, hearer.from_severity)]
        return [_notice(alert, rule, CLEARED, told, f"{alert.id}#cleared")] if told and alert.since and alert.outcome != "false" else []
    heard: dict[str, list[Hearer]] = {}
    for hearer in rule.tells:
        if reaches(alert.grade, hearer.from_severity):
            heard.setdefault(hearer.template, []).append(hearer)
    keys = [f"{alert.id}#{alert.grade}" + (f"#{template}" if place else "") for place, template in enumerate(heard)]
    return [_notice(alert, rule, template, hearers, key) for key, (template, hearers) in zip(keys, heard.items(), strict=True)]


def _notice(alert: Alert, rule: Rule, template: str, hearers: Sequence[Hearer], key: str) -> Notice:
    values = {
        "alert": alert.id, "rule": rule.id, "title": alert.title, "description": alert.description, "grade": alert.grade,
        "severity": alert.severity, "event": alert.event, "issued": alert.issued, "cleared": alert.cleared, "subject": alert.subject,
        "note": rule.note,
        "inputs": alert.reason.get("inputs", []), "condition": alert.reason.get("condition", ""),
    }  # fmt: skip
    return Notice(
        key, rule.id, template, values, posts=list(dict.fromkeys(one.post for one in hearers if one.post)),
        departments=list(dict.fromkeys((one.department, one.role) for one in hearers if one.department)),
        urgent=alert.grade in ("red", "orange") and not alert.cleared, link=f"{ALERT_LINK}{alert.id}",
    )  # fmt: skip
