"""The register of people: its doors, the district's file, and that contacts are shown masked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.access.people import Register, read_people
from cityhub.access.people_api import PeopleApi
from cityhub.model.errors import BadRequestData
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

LI = {"id": "urn:p:li", "name": "李", "department": "urn:o:water", "roles": ["handler"], "contacts": {"sms": "13812345678"}}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path, SystemClock())
    yield store
    await store.close()


@pytest.fixture
async def register(store: SqliteStore, tmp_path: Path) -> AsyncIterator[Register]:
    register = Register(store, store)
    await register.start(tmp_path)
    yield register
    await register.stop()


@pytest.fixture
async def client(register: Register) -> AsyncIterator[httpx.AsyncClient]:
    application = Application(PeopleApi(register).routes(), LoopbackAccess(register.person), 1_000_000)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_people_come_change_and_go(client: httpx.AsyncClient, register: Register) -> None:
    assert (await client.post("/api/people", json=LI)).status_code == 201
    assert (await client.post("/api/people", json=LI)).status_code == 409
    shown = (await client.get("/api/people/urn:p:li")).json()
    assert shown["contacts"] == {"sms": "138****5678"}
    known = register.person("urn:p:li")
    assert known is not None and known.contacts["sms"] == "13812345678"
    changed = await client.patch("/api/people/urn:p:li", json={"roles": ["checker"], "active": False})
    assert (changed.json()["roles"], register.find(role="checker")) == (["checker"], [])
    assert (await client.delete("/api/people/urn:p:li")).status_code == 204
    assert (await client.get("/api/people/urn:p:li")).status_code == 404


async def test_lists_are_filtered(client: httpx.AsyncClient) -> None:
    for number, department in enumerate(("urn:o:water", "urn:o:water", "urn:o:fire")):
        await client.post("/api/people", json={**LI, "id": f"urn:p:{number}", "department": department})
    found = (await client.get("/api/people?department=urn:o:water&role=handler&limit=1")).json()
    assert (found["total"], [one["id"] for one in found["people"]]) == (2, ["urn:p:0"])
    assert (await client.get("/api/people?colour=red")).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "li"}, {"name": " "}, {"department": "water"}, {"roles": ["Not A Word"]}, {"contacts": {"pigeon": "grey"}},
        {"language": "fr"}, {"contacts": {"email": "x" * 501}}, {"roles": "handler"},
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, wrong: dict[str, object]) -> None:
    answer = await client.post("/api/people", json={**LI, **wrong})
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["detail"]


async def test_one_acts_for_a_person(client: httpx.AsyncClient) -> None:
    await client.post("/api/people", json=LI)
    me = (await client.get("/api/people/me", headers={"CityHub-Person": "urn:p:li"})).json()
    assert (me["id"], me["person"]["name"]) == ("urn:p:li", "李")
    assert (await client.get("/api/people/me")).json()["id"] == "local"
    assert (await client.get("/api/people/me", headers={"CityHub-Person": "urn:p:nobody"})).status_code == 400


async def test_another_hub_on_the_store_hears_of_them(store: SqliteStore, register: Register, client: httpx.AsyncClient) -> None:
    other = Register(store, store)
    await other.start(None)
    await client.post("/api/people", json=LI)
    while other.person("urn:p:li") is None:
        await asyncio.sleep(0.02)
    await client.delete("/api/people/urn:p:li")
    while other.person("urn:p:li") is not None:
        await asyncio.sleep(0.02)
    await other.stop()


async def test_the_people_of_a_folder_are_taken_once(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("people: [{id: 'urn:p:wu', name: 吴, department: 'urn:o:fire', simulated: true}]")
    register = Register(store, store)
    await register.start(tmp_path)
    await register.amend("urn:p:wu", {"name": "吴二"})
    await register.stop()
    again = Register(store, store)
    await again.start(tmp_path)
    await again.stop()
    assert [person.name for person in again.find()] == ["吴二"]


def test_the_district_has_people_for_trying_out_only() -> None:
    people = read_people((Path(__file__).parents[3] / "districts/qianjiang/people.yaml").read_bytes())
    assert all(person.simulated and not person.contacts for person in people)


@pytest.mark.parametrize("content", [b"people: 3", b"{", b"people: [{id: 1}]", b"x" * 4_000_001])
def test_a_file_that_is_wrong_is_refused(content: bytes) -> None:
    with pytest.raises(BadRequestData):
        read_people(content)
