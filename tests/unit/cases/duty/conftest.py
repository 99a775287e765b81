"""Duty on a real store behind a real application, with people that a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.cases.duty.assembly import Around, DutyService
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Document, Notice, Person, Principal, WaitingAlert, Write
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

START = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


def person(name: str, *roles: str) -> Person:
    return Person(f"urn:ngsi-ld:Person:{name}", name, "urn:ngsi-ld:Organization:centre", list(roles), simulated=True)


class SetClock:
    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment


class SomePeople:
    """Implements `cityhub.model.ports.People`."""

    def __init__(self, *people: Person) -> None:
        self.of = {one.id: one for one in people}

    def person(self, id: str) -> Person | None:
        return self.of.get(id)

    def find(self, department: str = "", role: str = "") -> list[Person]:
        return [one for one in self.of.values() if department in ("", one.department) and (not role or role in one.roles)]


class Asked:
    """Implements `cityhub.model.ports.Notices`: remembers which notices came into the store, each key once."""

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}
        self.asked = 0

    def write(self, notice: Notice) -> Write:
        def transition(current: Document | None, at: str) -> tuple[Document, None]:
            self.asked += 1
            if current is not None:
                return current, None
            self.notices[notice.key] = notice
            return {"key": notice.key}, None

        return Write(notice.key, transition, "notice")

    def acknowledged(self, key: str) -> bool:
        return False


class Waiting:
    """Implements `cityhub.model.ports.OpenAlerts`."""

    def __init__(self) -> None:
        self.alerts: list[WaitingAlert] = []

    def unacknowledged(self, before: str, grade: str = "") -> list[WaitingAlert]:
        return sorted((one for one in self.alerts if one.since < before and grade in ("", one.grade)), key=lambda one: one.since)


class NoAnalysis:
    """A history in which there is nothing yet."""

    async def rows(self, tenant: str, statement: str, parameters: Any = (), **bounds: Any) -> Any:
        raise BadRequestData("There is no such table")


class AsPerson:
    """The caller is the person that the header names."""

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        return Principal(headers.get("cityhub-person", "local"))

    def decide(self, principal: Principal, permission: str, tenant: str) -> str:
        return "allow"


class Hub:
    """What a test has in hand."""

    def __init__(self, store: SqliteStore, folder: Path | None = None) -> None:
        self.store = store
        self.clock = SetClock()
        self.people = SomePeople(person("a", "duty"), person("b", "duty"), person("c", "duty"), person("boss", "leader"))
        self.asked = Asked()
        self.waiting = Waiting()
        self.duty = DutyService(Around(store, self.people, NoAnalysis(), self.clock, folder=folder))  # type: ignore[arg-type]
        self.duty.join(self.asked, self.waiting)
        self.application = Application(self.duty.routes(), AsPerson(), 1_000_000)  # type: ignore[arg-type]

    async def ask(self, method: str, path: str, person: str = "", **options: Any) -> httpx.Response:
        headers = {"cityhub-person": f"urn:ngsi-ld:Person:{person}"} if person else {}
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return await client.request(method, f"/api/duty{path}", **options)

    def go_on(self, **span: float) -> None:
        self.clock.moment += timedelta(**span)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    store = await open_sqlite(tmp_path / "data", SetClock())
    made = Hub(store)
    await made.duty.rota.load()
    await made.duty.escalation.load()
    yield made
    await made.duty.stop()
    await store.close()
