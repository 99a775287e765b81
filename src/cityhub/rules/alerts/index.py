"""The alerts in memory: every one of them as far as lists need it, the open ones whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from cityhub.model.alert import ALERT, GRADES, Alert, read_alert
from cityhub.model.change import Change
from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity
from cityhub.model.ports import Store, WaitingAlert

Key = tuple[str, str]
"""Tenant and id."""
LEFT_OUT: Final = ("steps",)
"""What a list does not show of an alert."""
_ORDER: Final = {grade: place for place, grade in enumerate(GRADES)}


class Entry(msgspec.Struct):
    """An alert as the index knows it.

    Attributes:
        key: Tenant and id.
        modified: When the entity was last changed.
        alert: What it says; of a closed one without reason, steps and place.
        text: In which is searched, in lower case.
        shown: The alert in a list's answer, ready made; None for a closed one, which is read when it is asked for.
    """

    key: Key
    modified: str
    alert: Alert
    text: str
    shown: dict[str, Any] | None

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return self.alert.state != "closed"


class Wanted(msgspec.Struct, frozen=True):
    """Which alerts are asked for; "" and None: any.

    Attributes:
        tenant: Whose.
        states: "open", "acknowledged", "suppressed", "closed"; empty: any.
        grades: National grades; empty: any.
        rule: Id of the rule.
        subject: What it is about, or one of the entities that it was worked out of.
        is_open: Whether it is not closed.
        text: In title, reason and subject.
    """

    tenant: str = ""
    states: frozenset[str] = frozenset()
    grades: frozenset[str] = frozenset()
    rule: str = ""
    subject: str = ""
    is_open: bool | None = None
    text: str = ""

    def matches(self, entry: Entry) -> bool:
        """Whether an alert is asked for."""
        alert = entry.alert
        return (
            (self.is_open is None or entry.is_open == self.is_open)
            and (not self.states or alert.state in self.states)
            and (not self.grades or alert.grade in self.grades)
            and (not self.rule or alert.rule == self.rule)
            and (not self.subject or alert.subject == self.subject or self.subject in alert.entities)
            and (not self.text or self.text in entry.text)
            and entry.key[0] == self.tenant
        )


class AlertIndex:
    """All alerts of a hub; the port `OpenAlerts`."""

    def __init__(self) -> None:
        self._open: dict[Key, Entry] = {}
        self._closed: dict[Key, Entry] = {}
        self._by_subject: dict[tuple[str, str, str], set[Key]] = {}
        self._judged: dict[str, Counter[str]] = {}

    async def load(self, store: Store) -> None:
        """Takes every alert of the store."""
        for tenant in store.tenants():
            async for block in store.scan(tenant, TypeIs(ALERT)):
                for entity in block:
                    self.take(tenant, entity)

    def heard(self, changes: Sequence[Change]) -> None:
        """Takes what the journal says."""
        for change in changes:
            item = change.after or change.before
            if item is not None and ALERT in item["type"]:
                self._hear(change)

    def _hear(self, change: Change) -> None:
        if change.after is None:
            known = self.entry(change.tenant, change.id)
            if known is not None and known.modified <= change.at:
                self._forget(known)
        else:
            self.take(change.tenant, change.after)

    def take(self, tenant: str, entity: Entity) -> None:
        """Takes an alert as it was written; an older state than the known one changes nothing."""
        alert = read_alert(entity)
        known = self.entry(tenant, entity["id"])
        if alert is None or (known is not None and known.modified > entity["modifiedAt"]):
            return
        if known is not None:
            self._forget(known)
        self._keep(Entry((tenant, alert.id), entity["modifiedAt"], *_parts(alert)))

    def _keep(self, entry: Entry) -> None:
        alert = entry.alert
        if entry.is_open:
            self._open[entry.key] = entry
            self._by_subject.setdefault((entry.key[0], alert.rule, alert.subject), set()).add(entry.key)
        else:
            self._closed[entry.key] = entry
            self._judged.setdefault(alert.rule, Counter())[alert.outcome] += 1

    def _forget(self, entry: Entry) -> None:
        alert = entry.alert
        if entry.is_open:
            del self._open[entry.key]
            about = (entry.key[0], alert.rule, alert.subject)
            self._by_subject[about].discard(entry.key)
            if not self._by_subject[about]:
                del self._by_subject[about]
        else:
            del self._closed[entry.key]
            self._judged[alert.rule][alert.outcome] -= 1

    def entry(self, tenant: str, id: str) -> Entry | None:
        """An alert; None: there is none."""
        return self._open.get((tenant, id)) or self._closed.get((tenant, id))

    def find(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[Entry], int]:
        """The alerts that are asked for, and how many they are: the open ones first, by grade, and of the same grade the newest first."""
        found = [entry for entry in self._looked_at(wanted) if wanted.matches(entry)]
        found.sort(key=_newest, reverse=True)
        found.sort(key=_grade)
        return found[offset : offset + limit], len(found)

    def _looked_at(self, wanted: Wanted) -> Iterator[Entry]:
        if wanted.is_open is not False and wanted.states != {"closed"}:
            yield from self._open.values()
        if wanted.is_open is not True and (not wanted.states or "closed" in wanted.states):
            yield from self._closed.values()

    def about(self, tenant: str, rule: str, subject: str) -> list[Entry]:
        """The alerts of a rule about a subject that are not closed."""
        return [self._open[key] for key in sorted(self._by_subject.get((tenant, rule, subject), ()))]

    def suppressed(self) -> list[Entry]:
        """The alerts that are kept quiet."""
        return [entry for entry in self._open.values() if entry.alert.state == "suppressed"]

    def precision(self, rule: str) -> dict[str, Any]:
        """How many alerts of a rule people closed as right, how many as false, and the part of the right ones; None: nobody judged one."""
        judged = self._judged.get(rule, Counter())
        right, wrong = judged["true"], judged["false"]
        return {"closed": right, "false": wrong, "value": round(right / (right + wrong), 4) if right + wrong else None}

    def counts(self) -> dict[tuple[str, ...], float]:
        """How many alerts are not closed, by grade and state."""
        counts = Counter((entry.alert.grade, entry.alert.state) for entry in self._open.values())
        return {key: float(count) for key, count in counts.items()}

    def open_of(self, rule: str) -> int:
        """How many alerts of a rule are not closed."""
        return sum(len(keys) for (_, name, _), keys in self._by_subject.items() if name == rule)

    def unacknowledged(self, before: str, grade: str = "") -> list[WaitingAlert]:
        """See `cityhub.model.ports.OpenAlerts.unacknowledged`."""
        found = [
            entry for entry in self._open.values()
            if entry.alert.state == "open" and entry.alert.since < before and (not grade or entry.alert.grade == grade)
        ]  # fmt: skip
        return [_waiting(entry) for entry in sorted(found, key=lambda entry: entry.alert.since)]


def _newest(entry: Entry) -> str:
    return entry.alert.issued


def _grade(entry: Entry) -> int:
    return _ORDER[entry.alert.grade] if entry.is_open else len(_ORDER)


def _parts(alert: Alert) -> tuple[Alert, str, dict[str, Any] | None]:
    """The alert as it is kept, its text, and how a list shows it."""
    text = "\n".join((*alert.title.values(), *alert.description.values(), alert.subject, alert.rule, alert.id)).lower()
    if alert.state != "closed":
        return alert, text, shown(alert)
    return msgspec.structs.replace(alert, reason={}, steps=[], location=None, description={}, entities=alert.entities[:5]), text, None


def shown(alert: Alert) -> dict[str, Any]:
    """An alert as a list shows it."""
    document: dict[str, Any] = msgspec.to_builtins(alert)
    return {name: value for name, value in document.items() if name not in LEFT_OUT}


def _waiting(entry: Entry) -> WaitingAlert:
    alert = entry.alert
    return WaitingAlert(
        *entry.key, alert.rule, alert.version, alert.grade, alert.since, alert.title, alert.description, alert.subject
    )  # fmt: skip
