"""Forgetting over HTTP, on a hub as it is built with its historian: no file of the history has the entity afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings

PERSON, OTHER = "urn:ngsi-ld:Person:gone", "urn:ngsi-ld:Person:stays"
ENTITIES, TEMPORAL, FORGET = "/ngsi-ld/v1/entities", "/ngsi-ld/v1/temporal/entities", "/api/history/forget"
Client = httpx.AsyncClient


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[Client]:
    async with Client(transport=httpx.ASGITransport(hub.application), base_url="http://127.0.0.1", timeout=60) as client:
        yield client


async def live(client: Client, id: str, minutes: int = 3) -> None:
    """A person who is somewhere else each minute."""
    place = [{"type": "Property", "value": f"room {minute}", "observedAt": f"2026-01-01T00:{minute:02}:00Z"} for minute in range(minutes)]
    answer = await client.post(ENTITIES, json={"id": id, "type": "Person", "place": place[0]})
    assert answer.status_code == 201, answer.text
    for one in place[1:]:
        await client.patch(f"{ENTITIES}/{id}/attrs/place", json=one)


async def test_no_file_of_the_history_has_it_afterwards(hub: Hub, client: Client, tmp_path: Path) -> None:
    await live(client, PERSON)
    await live(client, OTHER)
    await hub.historian.call("forget", None)  # lays down what is in memory, so that there are files with it
    parquet = list((tmp_path / "lake").rglob("*.parquet"))
    assert any(PERSON in pq.read_table(path, columns=["entity"]).column("entity").to_pylist() for path in parquet)

    answer = await client.post(FORGET, json={"id": PERSON})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["id"], told["entity"], told["observations"]) == (PERSON, True, 3)
    assert told["versions"] >= 1 and told["files"] >= 1

    assert (await client.get(f"{ENTITIES}/{PERSON}")).status_code == 404
    assert (await client.get(f"{TEMPORAL}/{PERSON}")).status_code == 404
    for path in (tmp_path / "lake").rglob("*"):
        if path.is_file() and path.suffix != ".sqlite":
            assert PERSON.encode() not in path.read_bytes(), path
    for path in (tmp_path / "lake").rglob("*.parquet"):
        assert PERSON not in pq.read_table(path, columns=["entity"]).column("entity").to_pylist()
    found = (await client.get(f"{TEMPORAL}/{OTHER}", params={"options": "temporalValues"})).json()
    assert [value for value, _ in found["place"]["values"]] == ["room 0", "room 1", "room 2"]


async def test_it_may_be_repeated_and_the_entity_may_come_again(client: Client) -> None:
    await live(client, PERSON)
    assert (await client.post(FORGET, json={"id": PERSON})).json()["observations"] == 3
    again = (await client.post(FORGET, json={"id": PERSON})).json()
    assert (again["entity"], again["observations"], again["versions"]) == (False, 0, 0)
    await live(client, PERSON, minutes=1)
    found = (await client.get(f"{TEMPORAL}/{PERSON}", params={"options": "temporalValues"})).json()
    assert [value for value, _ in found["place"]["values"]] == ["room 0"]


async def test_a_history_without_an_entity_is_forgotten_too(client: Client) -> None:
    place = [{"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00Z"}]
    assert (await client.post(TEMPORAL, json={"id": PERSON, "type": "Person", "place": place})).status_code == 201
    told = (await client.post(FORGET, json={"id": PERSON})).json()
    assert (told["entity"], told["observations"]) == (False, 1)
    assert (await client.get(f"{TEMPORAL}/{PERSON}")).status_code == 404


@pytest.mark.parametrize("body", [{}, {"id": 1}, {"id": "no uri"}, {"id": PERSON, "tenant": "x"}, []])
async def test_a_body_that_is_no_question_is_refused(client: Client, body: object) -> None:
    assert (await client.post(FORGET, json=body)).status_code == 400


async def test_an_unknown_tenant_is_refused(client: Client) -> None:
    assert (await client.post(FORGET, json={"id": PERSON}, headers={"NGSILD-Tenant": "nobody"})).status_code == 404
