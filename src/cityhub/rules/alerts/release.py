"""Lets suppressed alerts become live: when what kept them quiet is over and their condition still holds.

What keeps an alert quiet is worked out anew from what is kept, again and again, so that nothing is forgotten by a crash.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from cityhub.model.alert import Alert, read_alert
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, NotFound
from cityhub.model.ports import Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.rules.alerts.deeds import AlertDeeds, Deed
from cityhub.rules.alerts.hearing import Rules
from cityhub.rules.alerts.index import AlertIndex, Entry
from cityhub.rules.alerts.steps import changed, prop
from cityhub.rules.alerts.suppression import Quiet, Suppression

AT_ONCE: Final = 500
"""So many are looked at in one sweep."""

log = logging.getLogger(__name__)


class Release:
    """Looks after the suppressed alerts.

    Args:
        store: Where the alerts are.
        index: Knows the suppressed ones.
        suppression: What keeps them quiet.
        rules: The rules.
        deeds: Where it is written down.
        clock: The present time, for the windows.
    """

    def __init__(
        self, store: Store, index: AlertIndex, suppression: Suppression, rules: Rules, deeds: AlertDeeds, clock: Clock
    ) -> None:
        self._store = store
        self._index = index
        self._suppression = suppression
        self._rules = rules
        self._deeds = deeds
        self._clock = clock
        self._place = 0

    async def sweep(self) -> int:
        """Makes the alerts live that nothing keeps quiet any more; returns how many. To be called again and again."""
        now = to_text(self._clock.now())
        released = 0
        for entry in self._next():
            if not await self._held(entry, now):
                released += await self._release(entry)
        return released

    def _next(self) -> list[Entry]:
        """The suppressed alerts that are looked at now: those that were not for the longest time."""
        waiting = self._index.suppressed()
        if len(waiting) <= AT_ONCE:
            return waiting
        begin = self._place % len(waiting)
        self._place = begin + AT_ONCE
        return [*waiting, *waiting][begin : begin + AT_ONCE]

    async def _held(self, entry: Entry, now: str) -> bool:
        alert = entry.alert
        try:
            rule = await self._rules.version(alert.rule, alert.version)
        except NotFound:
            return False
        by = alert.suppressed_by or {}
        if by.get("kind") == "parent" and (parent := self._index.entry(entry.key[0], by.get("id", ""))) is not None:
            if parent.is_open and not parent.alert.cleared:
                return True
        return await self._suppression.by(Quiet(rule, alert.subject, alert.entities, alert.location), now) is not None

    async def _release(self, entry: Entry) -> int:
        tenant, id = entry.key
        by = entry.alert.suppressed_by or {}
        result, = await self._store.write(tenant, [Write(id, _live)])
        if isinstance(result, CityHubError) or result is None:
            log.warning("the alert %s could not become live: %s", id, result)
            return 0
        self._index.take(tenant, result)
        await self._deeds.note(tenant, id, Deed("live", "hub", f"{by.get('kind', '')} {by.get('title') or by.get('id', '')}".strip()))
        return 1


def _live(current: Entity | None, now: str) -> tuple[Entity | None, Any]:
    alert: Alert | None = read_alert(current) if current is not None else None
    if current is None or alert is None or alert.state != "suppressed" or alert.cleared:
        return current, current
    entity = changed(current, {"state": prop("open"), "since": prop(now), "suppressedBy": None}, now)
    return entity, entity
