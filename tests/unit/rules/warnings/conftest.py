"""Warnings on a real store with the first district's entities, its list of who may warn, and its people; a fresh part for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.access.people import read_people
from cityhub.model.alert import ALERT, iri
from cityhub.model.entity import NGSI_LD, Entity
from cityhub.model.jsonld import TermMap, term_map
from cityhub.model.ngsild.parse import parse_entity
from cityhub.model.ports import Notice, Person, Write
from cityhub.rules.warnings.assembly import Around, Warnings
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.application import Application
from cityhub.web.outbound import HttpOutbound

DISTRICT = Path(__file__).parents[4] / "districts/qianjiang"
PEOPLE = "urn:ngsi-ld:Person:500114:"
METEOROLOGY = "urn:ngsi-ld:Organization:500114:meteorology"
WATER = "urn:ngsi-ld:Organization:500114:water-resources"
ZHUOSHUI = "urn:ngsi-ld:Township:500114112000"
FENGJIA = "urn:ngsi-ld:Township:500114006000"
AT = "2026-07-01T00:00:00.000000Z"


class SetClock:
    """A clock that tests set; it goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


class DistrictPeople:
    """The people of the district's file (the port `People`)."""

    def __init__(self) -> None:
        self.known = {person.id: person for person in read_people((DISTRICT / "people.yaml").read_bytes())}

    def person(self, id: str) -> Person | None:
        return self.known.get(id)

    def find(self, department: str = "", role: str = "") -> list[Person]:
        return [one for one in self.known.values() if (not department or one.department == department) and (not role or role in one.roles)]


class KeptNotices:
    """Keeps notices as records, each key once (the port `Notices`)."""

    def write(self, notice: Notice) -> Write:
        def asked(current: Any, at: str) -> tuple[Any, None]:
            return ({"notice": msgspec.to_builtins(notice)} if current is None else current), None

        return Write(notice.key, asked, "notice")

    def acknowledged(self, key: str) -> bool:
        return False


class City:
    """What a test has in hand."""

    def __init__(self, store: SqliteStore, clock: SetClock, warnings: Warnings, terms: TermMap) -> None:
        self.store = store
        self.clock = clock
        self.warnings = warnings
        self.terms = terms
        self.people = DistrictPeople()
        self.application = Application(warnings.routes(), LoopbackAccess(self.people.person), 2_000_000)

    async def ask(self, method: str, path: str, body: Any = None, by: str = "meteorology-duty", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.application, client=("127.0.0.1", 1))
        if by:
            headers["CityHub-Person"] = PEOPLE + by
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return await client.request(method, path, content=None if body is None else orjson.dumps(body))

    async def put(self, *entities: Entity) -> None:
        def keep(entity: Entity) -> Callable[[Any, str], tuple[Any, Any]]:
            return lambda current, at: (entity, None)

        for result in await self.store.write("", [Write(entity["id"], keep(entity)) for entity in entities]):
            assert result is None, result


def district_entities(terms: TermMap) -> list[Entity]:
    found = []
    for file in sorted((DISTRICT / "entities").glob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            found.append({**parse_entity(orjson.loads(line), terms), "createdAt": AT, "modifiedAt": AT})
    return found


@pytest.fixture(scope="session")
def terms() -> TermMap:
    return term_map(orjson.loads((DISTRICT / "context.jsonld").read_bytes())["@context"])


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, terms: TermMap) -> Path:
    """A data folder with the district's entities; tests get copies."""
    import asyncio

    folder = tmp_path_factory.mktemp("district")

    async def load() -> None:
        store = await open_sqlite(folder, SetClock())
        entities = district_entities(terms)
        await store.write("", [Write(one["id"], lambda current, at, one=one: (one, None)) for one in entities])
        await store.close()

    asyncio.run(load())
    return folder


def around(store: SqliteStore, clock: SetClock, data: Path, terms: TermMap, **more: Any) -> Around:
    async def district_terms() -> TermMap:
        return terms

    outbound = HttpOutbound(AddressPolicy(loopback_allowed=True))
    return Around(store, store, clock, DistrictPeople(), district_terms, outbound, data, lambda: "https://hub.example", DISTRICT, **more)


@pytest.fixture
async def city(loaded: Path, tmp_path: Path, terms: TermMap) -> AsyncIterator[City]:
    data = tmp_path / "data"
    shutil.copytree(loaded, data)
    clock = SetClock()
    store = await open_sqlite(data, clock)
    warnings = Warnings(around(store, clock, data, terms, notices=KeptNotices()))
    await warnings.start()
    yield City(store, clock, warnings, terms)
    await warnings.stop()
    await warnings._around.outbound.close()  # type: ignore[attr-defined]
    await store.close()


def rain(**changes: Any) -> dict[str, Any]:
    """The body of a draft: an orange warning of rain over two townships."""
    return {
        "event": "rainstorm", "grade": "orange", "issuer": METEOROLOGY, "where": {"entities": [ZHUOSHUI, FENGJIA]},
        "headline": {"zh": "暴雨橙色预警", "en": "Rainstorm orange warning"}, "description": {"zh": "3 小时雨量已达 62 毫米", "en": "62 mm in 3 h"},
        "instruction": {"zh": "停止户外活动", "en": "Stop outdoor activities"}, "expires": "2026-07-01T14:30:00+08:00", "response": ["Shelter"],
        **changes,
    }  # fmt: skip


def alert(grade: str = "orange", *, cleared: str = "", entities: tuple[str, ...] = (ZHUOSHUI,), id: str = "urn:ngsi-ld:Alert:rain:1") -> Entity:
    """An alert as the alerts' room writes it."""
    values: dict[str, Any] = {
        "rule": "rainstorm-signal", "ruleVersion": 3, "grade": grade, "severity": "high", "state": "open", "subject": entities[0],
        "entities": list(entities), "category": "weather", "dateIssued": "2026-07-01T00:20:00.000000Z",
    }  # fmt: skip
    texts = {name: {"zh": zh, "en": en} for name, zh, en in (
        ("title", "暴雨", "Rainstorm"), ("event", "暴雨", "Rainstorm"), ("description", "雨量超过", "Rain above"))}  # fmt: skip
    if cleared:
        values["validTo"] = cleared
    attrs: dict[str, Any] = {iri(name): [{"type": "Property", "value": value}] for name, value in values.items()}
    attrs |= {iri(name): [{"type": "LanguageProperty", "languageMap": text}] for name, text in texts.items()}
    attrs[iri("entities")] = [{"type": "ListRelationship", "objectList": list(entities)}]
    inputs = [{"name": "precipitation3h", "value": 62.5, "unit": "MMT", "at": ""}]
    attrs[iri("reason")] = [{"type": "JsonProperty", "json": {"rule": "rainstorm-signal", "inputs": inputs}}]
    attrs[f"{NGSI_LD}location"] = [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.78, 29.31]}}]
    return {"id": id, "type": [ALERT], "attrs": attrs, "createdAt": AT, "modifiedAt": AT}
