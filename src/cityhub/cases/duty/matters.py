"""What is going on: alerts and cases, as people on duty see them. Read from their entities, so that nobody's name is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.model.alert import ALERT, GRADES, Alert, read_alert
from cityhub.model.condition import AllOf, AnyOf, Condition, TypeIs, ValueIn
from cityhub.model.entity import DEFAULT_VOCAB, Entity, value_of
from cityhub.model.jsonld import CORE
from cityhub.model.ports import Store

CASE: Final = f"{DEFAULT_VOCAB}Case"
OPEN: Final = "open"
"""What the entity of a case that is not closed has as its status."""


class CaseSeen(msgspec.Struct, frozen=True, rename="camel"):
    """A case as its entity shows it; times are RFC 3339 UTC, "" where there is none."""

    id: str
    number: str = ""
    kind: str = ""
    grade: str = ""
    step: str = ""
    opened_at: str = ""
    closed_at: str = ""
    due_at: str = ""

    def is_overdue(self, at: str) -> bool:
        """Whether it was open at a moment, or was closed, later than it was due."""
        return bool(self.due_at) and self.due_at < (self.closed_at or at) and self.due_at < at


class Matters:
    """Alerts and cases of the default tenant.

    Args:
        store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open_alerts(self) -> list[Alert]:
        """Alerts that are not closed, the gravest first."""
        states = AnyOf((_is("state", "open"), _is("state", "acknowledged")))
        return await self._alerts(states, lambda alert: alert.state in ("open", "acknowledged"))

    async def alerts_of(self, start: str, end: str) -> list[Alert]:
        """Alerts that were issued in a span, the gravest first."""
        return await self._alerts(ValueIn(CORE.expand("dateIssued"), start, end), lambda alert: start <= alert.issued < end)

    async def open_cases(self) -> list[CaseSeen]:
        """Cases that are not closed, the oldest first."""
        return await self._cases(_is("status", OPEN), lambda case: not case.closed_at)

    async def cases_of(self, start: str, end: str) -> list[CaseSeen]:
        """Cases that were opened or closed in a span, or are open at its end, the oldest first."""
        condition = AnyOf((_is("status", OPEN), ValueIn(CORE.expand("closedAt"), start)))
        return await self._cases(condition, lambda case: case.opened_at < end and (not case.closed_at or case.closed_at >= start))

    async def _alerts(self, condition: Condition, matches: Callable[[Alert], bool]) -> list[Alert]:
        found = []
        async for block in self._store.scan("", AllOf((TypeIs(ALERT), condition))):
            found += [alert for entity in block if (alert := read_alert(entity)) is not None and matches(alert)]
        return sorted(found, key=lambda alert: (GRADES.index(alert.grade), alert.issued))

    async def _cases(self, condition: Condition, matches: Callable[[CaseSeen], bool]) -> list[CaseSeen]:
        found = []
        async for block in self._store.scan("", AllOf((TypeIs(CASE), condition))):
            found += [case for entity in block if CASE in entity["type"] and matches(case := case_of(entity))]
        return sorted(found, key=lambda case: (case.opened_at, case.id))


def _is(name: str, value: str) -> ValueIn:
    return ValueIn(CORE.expand(name), value, value)


def case_of(entity: Entity) -> CaseSeen:
    """A case from its entity."""
    values = {CORE.compact(name): value_of(instances[0]) for name, instances in entity["attrs"].items() if instances}

    def text(name: str) -> str:
        value: Any = values.get(name)
        return value if isinstance(value, str) else ""

    return CaseSeen(
        entity["id"], text("caseNumber"), text("caseKind"), text("grade"), text("step"), text("openedAt"), text("closedAt"),
        text("dueAt"),
    )  # fmt: skip
