"""A desk in this process: the real store, people, limits and process of the first district, with the engine called directly."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from cityhub.access.loopback import LoopbackAccess
from cityhub.access.people import Register
from cityhub.cases.bpmn.migrating import migrate
from cityhub.cases.bpmn.preparing import prepare
from cityhub.cases.bpmn.running import Prepared, take_step
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.desk.assembly import Around, Cases
from cityhub.cases.process_port import Begin, Complete, Finding, Position, ProcessFiles, Receive, Wake
from cityhub.cases.processes.definition import process_of
from cityhub.cases.processes.library import Library, ProcessRegister, process_files
from cityhub.model.ports import Document, Notice, Write
from cityhub.registers.versioned import Deed
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application
from tests.unit.cases.bpmn.drawing import document, flows

DISTRICT = Path(__file__).parents[4] / "districts" / "qianjiang"
ORGANIZATION = "urn:ngsi-ld:Organization:500114:"
PERSON = "urn:ngsi-ld:Person:500114:"
URBAN, WATER, HOUSING = (ORGANIZATION + name for name in ("urban-management", "water-resources", "housing-construction"))
DISPATCHER, CHECKER, OTHER_CHECKER, LEADER = (
    PERSON + name for name in ("centre-duty-1", "centre-checker-1", "centre-checker-2", "centre-leader")
)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)  # 10:00 in Chongqing, with no holiday near


class SetClock:
    """A clock that a test sets."""

    def __init__(self, moment: datetime = MONDAY) -> None:
        self.moment = moment

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def pass_by(self, **span: float) -> None:
        self.moment += timedelta(**span)


class DirectEngine:
    """The engine as the caseworker runs it, without the process around it."""

    def __init__(self) -> None:
        self._prepared: dict[str, Prepared] = {}
        self.steps = 0

    async def check(self, files: ProcessFiles) -> list[Finding]:
        prepare(files)
        return []

    async def step(self, files: ProcessFiles, state: dict[str, Any] | None, step: Begin | Complete | Wake | Receive, now: str) -> Position:
        prepared = self._prepared.get(files.bpmn) or self._prepared.setdefault(files.bpmn, prepare(files))
        self.steps += 1
        kept = msgspec.json.decode(msgspec.json.encode(state)) if state is not None else None
        return take_step(prepared, kept, step, datetime.fromisoformat(now), Place())

    async def migrate(self, files: ProcessFiles, to: ProcessFiles, state: dict[str, Any], now: str) -> Position:
        return migrate(prepare(files), prepare(to), state, datetime.fromisoformat(now), Place())


class Ledgered:
    """Notices as they are asked for: each is a record of the same transaction."""

    def write(self, notice: Notice) -> Write:
        def kept(current: Document | None, at: str) -> tuple[Document | None, None]:
            return (current or {"id": notice.key, **msgspec.to_builtins(notice)}), None

        return Write(notice.key, kept, "notice")

    def acknowledged(self, key: str) -> bool:
        return False


class Site:
    """A desk with its doors, and ways to walk through the standard process."""

    def __init__(self, data: Path, store: SqliteStore, people: Register, processes: ProcessRegister, clock: SetClock, engine: Any) -> None:
        self.store, self.clock, self.people, self.processes = store, clock, people, processes
        self.cases = Cases(Around(store, store, engine, Library(processes), people, clock, data, Ledgered(), DISTRICT))
        access = LoopbackAccess(people.person)
        application = Application(self.cases.routes(), access, 20_000_000)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://127.0.0.1")

    async def ask(self, method: str, path: str, body: Any = None, by: str = "", key: str = "", expect: int = 200) -> Any:
        headers = {**({"CityHub-Person": by} if by else {}), **({"Idempotency-Key": key} if key else {})}
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def open(self, **more: Any) -> Any:
        body = {"kind": "event.rubbish", "title": "河边有一堆垃圾", **more}
        return await self.ask("POST", "/api/cases", body, DISPATCHER, expect=201)

    async def do(self, case: Any, element: str, outcome: str, by: str, expect: int = 200, department: str = "", **data: Any) -> Any:
        waiting = (await self.ask("GET", f"/api/cases/{case['id']}"))["tasks"]
        task = next(one for one in waiting if one["element"] == element and department in ("", one.get("department")))
        body = {"outcome": outcome, "data": data, "note": f"{element}: {outcome}"}
        return await self.ask("POST", f"/api/cases/{case['id']}/tasks/{task['id']}", body, by, expect=expect)

    async def operate(self, case: Any, operation: str, by: str = DISPATCHER, expect: int = 200, **body: Any) -> Any:
        return await self.ask("POST", f"/api/cases/{case['id']}/{operation}", body, by, expect=expect)

    def handler(self, department: str, which: int = 1) -> str:
        return f"{PERSON}{department.rpartition(':')[2]}-handler-{which}"

    async def to(self, step: str, **more: Any) -> Any:
        """A case that rests at a step of the standard process."""
        case = await self.open(**more)
        for element, outcome, by in (
            ("accept", "accept", DISPATCHER), ("dispatch", "dispatch", DISPATCHER), ("handle", "done", self.handler(URBAN)),
            ("feedback", "done", self.handler(URBAN)), ("check", "pass", CHECKER), ("close", "close", DISPATCHER),
        ):  # fmt: skip
            if case["step"] == step:
                break
            case = await self.do(case, element, outcome, by)
        return case

    async def notices(self, template: str = "") -> list[Document]:
        found = [document for _, document in await self.store.records("", "notice")]
        return [one for one in found if template in ("", one["template"])]


_SEED = TemporaryDirectory()


async def _seed() -> Path:
    """A data folder with the district's people and processes, and with a process that would close a case unchecked; made once."""
    folder = Path(_SEED.name)
    if not (folder / "hub.sqlite").exists():
        store = await open_sqlite(folder, SetClock())
        people, processes = Register(store, store), ProcessRegister(store)
        await people.start(DISTRICT)
        await people.stop()
        await process_files(DISTRICT, processes).load()
        unchecked = document('<startEvent id="s"/><userTask id="handle"/><endEvent id="closed"/>', flows("s > handle", "handle > closed"))
        await processes.create(process_of({"id": "unchecked", "bpmn": unchecked}), Deed("test"))
        await store.close()
    return folder


@asynccontextmanager
async def open_site(data: Path, clock: SetClock | None = None, engine: Any = None) -> AsyncIterator[Site]:
    """A desk that runs."""
    clock = clock or SetClock()
    if not (data / "hub.sqlite").exists():
        shutil.copytree(await _seed(), data, dirs_exist_ok=True)
    store = await open_sqlite(data, clock)
    people, processes = Register(store, store), ProcessRegister(store)
    await people.start(None)
    await processes.load()
    site = Site(data, store, people, processes, clock, engine or DirectEngine())
    await site.cases.start()
    try:
        yield site
    finally:
        await site.cases.stop()
        await site.client.aclose()
        await people.stop()
        await store.close()
