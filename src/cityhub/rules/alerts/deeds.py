"""What people do with an alert: acknowledge it, mark it as false, close it, comment on it; and what is written down of that.

The alert's entity says who looks after it; the notes stand in a record of their own, as they are for those who work with alerts only.
Doing the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from cityhub.model.alert import Alert, read_alert
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, Conflict, NotFound
from cityhub.model.ports import Document, Store, Write
from cityhub.rules.alerts.index import AlertIndex
from cityhub.rules.alerts.steps import changed, closed, prop

DEEDS: Final = "alert_deed"
"""The collection of what was done with each alert; the id is that of the alert."""
MOST_DEEDS: Final = 500
MOST_NOTE: Final = 2_000
Operation = Literal["acknowledge", "false", "close", "comment"]
Change = Callable[[Entity | None, str], tuple[Entity | None, Entity]]
Attributes = dict[str, dict[str, Any] | None]


class Deed(msgspec.Struct, frozen=True):
    """What somebody does with an alert.

    Attributes:
        what: The operation, or what the hub did: "opening", "warning", "notices" (that failed), "live".
        by: Id of the person; "hub".
        note: In their words.
    """

    what: str
    by: str
    note: str = ""


class AlertDeeds:
    """Does what people want with alerts.

    Args:
        store: Where the alerts are.
        index: Hears of each change at once.
        keep: For how long a closed alert is kept: the moment at which one that is closed at a moment expires.
    """

    def __init__(self, store: Store, index: AlertIndex, keep: Callable[[str], str]) -> None:
        self._store = store
        self._index = index
        self._keep = keep

    async def do(self, tenant: str, id: str, operation: Operation, deed: Deed, trace: str = "") -> Entity:
        """The alert after an operation. Raises NotFound, and Conflict where the alert's state does not allow it."""

        def change(current: Entity | None, now: str) -> tuple[Entity | None, Entity]:
            alert = read_alert(current) if current is not None else None
            if current is None or alert is None:
                raise NotFound(f"There is no alert '{id[:200]}'")
            attributes = self._asked(operation, alert, deed, now)
            entity = changed(current, attributes, now) if attributes else current
            return entity, entity

        return await self._write(tenant, id, change, deed, trace, always=operation == "comment")

    async def note(self, tenant: str, id: str, deed: Deed) -> None:
        """Writes down what the hub did, or could not do, for an alert."""
        await self._store.write(tenant, [Write(id, _noted(id, deed), DEEDS)])

    async def of(self, tenant: str, id: str) -> list[dict[str, Any]]:
        """What was done with an alert, in its order: {"what", "by", "at", "note"}."""
        record = await self._store.fetch(tenant, id, DEEDS)
        return list(record["deeds"]) if record is not None else []

    async def _write(self, tenant: str, id: str, change: Change, deed: Deed, trace: str, *, always: bool) -> Entity:
        pair = _Pair(change, _noted(id, deed), always)
        result, _ = await self._store.write(tenant, [Write(id, pair.first), Write(id, pair.second, DEEDS)], trace)
        if isinstance(result, CityHubError):
            raise result
        entity: Entity = result
        self._index.take(tenant, entity)
        return entity

    def _asked(self, operation: Operation, alert: Alert, deed: Deed, now: str) -> Attributes:
        """The attributes that an operation changes; empty: none. Raises Conflict."""
        if operation == "acknowledge":
            return _acknowledged(alert, deed, now)
        if operation == "comment":
            return {}
        outcome = "false" if operation == "false" else "true"
        if alert.state == "closed" and alert.outcome == outcome:
            return {}
        if alert.state == "closed" and alert.outcome != "ended":
            said = "marked as false" if alert.outcome == "false" else "closed"
            raise Conflict(f"The alert was {said} at {alert.closed_at}; only one that nobody has judged can be closed or marked as false")
        return closed(outcome, now, self._keep)


def _acknowledged(alert: Alert, deed: Deed, now: str) -> Attributes:
    if alert.state == "acknowledged":
        return {}
    if alert.state != "open":
        raise Conflict(f"The alert is {alert.state}; only an open one can be acknowledged")
    return {"state": prop("acknowledged"), "acknowledgedAt": prop(now), "acknowledgedBy": prop(deed.by)}


def _noted(id: str, deed: Deed) -> Callable[[Document | None, str], tuple[Document, None]]:
    def transition(current: Document | None, now: str) -> tuple[Document, None]:
        before = current["deeds"] if current is not None else []
        line = {"what": deed.what, "by": deed.by, "note": deed.note[:MOST_NOTE]}
        if current is not None and before and {name: before[-1][name] for name in line} == line:
            return current, None
        return {"id": id, "deeds": [*before, {**line, "at": now}][-MOST_DEEDS:]}, None

    return transition


class _Pair:
    """A change of an alert and the note of it: the note is written when the alert was changed, or always."""

    def __init__(
        self, change: Change, note: Callable[[Document | None, str], tuple[Document, None]], always: bool
    ) -> None:
        self._change = change
        self._note = note
        self._always = always
        self._is_due = False

    def first(self, current: Entity | None, now: str) -> tuple[Entity | None, Entity]:
        """The alert's transition."""
        self._is_due = False
        entity, result = self._change(current, now)
        self._is_due = self._always or entity is not current
        return entity, result

    def second(self, current: Document | None, now: str) -> tuple[Document | None, None]:
        """The note's transition."""
        return self._note(current, now) if self._is_due else (current, None)
