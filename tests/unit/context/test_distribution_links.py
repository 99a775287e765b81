"""Linked entities over two hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.context.federation import Broker, broker, vehicle

Pair = tuple[Broker, Broker]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b:
        yield a, b


def store(number: int = 1, **members: Any) -> dict[str, Any]:
    """A Store whose relationship leads to vehicle 1, and tells so unless a member says otherwise."""
    link = {"type": "Relationship", "object": "urn:ngsi-ld:Vehicle:1", "objectType": "Vehicle"}
    return {"id": f"urn:ngsi-ld:Store:{number}", "type": "Store", "van": link, **members}


@pytest.mark.parametrize("operations", [["federationOps"], ["retrieveEntity"], ["queryBatch"]])
async def test_a_linked_entity_comes_from_its_source(pair: Pair, operations: list[str]) -> None:
    a, b = pair
    await a.register(b.url, operations=operations)
    await a("POST", "/entities", store())
    await b("POST", "/entities", vehicle(1, speed=7))
    _, entity = await a("GET", "/entities/urn:ngsi-ld:Store:1?join=inline")
    assert entity["van"]["entity"]["speed"]["value"] == 7
    _, found = await a("GET", "/entities?type=Store&join=flat")
    assert [one["id"] for one in found] == ["urn:ngsi-ld:Store:1", "urn:ngsi-ld:Vehicle:1"]
    _, entity = await a("GET", "/entities/urn:ngsi-ld:Store:1?join=inline&local=true")
    assert "entity" not in entity["van"]


async def test_parts_here_and_there_are_one_linked_entity(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    await a("POST", "/entities?local=true", store())
    await a("POST", "/entities?local=true", vehicle(1, brand="BMW"))
    await b("POST", "/entities", vehicle(1, speed=7))
    _, entity = await a("GET", "/entities/urn:ngsi-ld:Store:1?join=inline")
    assert {"brand", "speed"} <= entity["van"]["entity"].keys()


async def test_without_a_type_only_what_is_here_is_linked(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    await a("POST", "/entities", store(van={"type": "Relationship", "object": "urn:ngsi-ld:Vehicle:1"}))
    await b("POST", "/entities", vehicle(1, speed=7))
    _, entity = await a("GET", "/entities/urn:ngsi-ld:Store:1?join=inline")
    assert "entity" not in entity["van"]


async def test_many_links_take_few_questions_and_levels_go_on(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    ids = [f"urn:ngsi-ld:Vehicle:{number}" for number in range(120)]
    fleet = {"type": "Relationship", "object": ids, "objectType": "Vehicle"}
    await a("POST", "/entities", store(van=fleet))
    for number in range(120):
        driver = {"type": "Relationship", "object": "urn:ngsi-ld:Vehicle:0", "objectType": "Vehicle"}
        await b("POST", "/entities", {**vehicle(number, speed=number), "leader": driver})
    _, found = await a("GET", "/entities?type=Store&join=flat&joinLevel=2")
    assert len(found) == 121
    assert {one["id"] for one in found} == {"urn:ngsi-ld:Store:1", *ids}


async def test_a_source_that_is_away_is_warned_about(pair: Pair) -> None:
    a, _ = pair
    await a.register("http://127.0.0.1:9")
    await a("POST", "/entities", store())
    status, entity = await a("GET", "/entities/urn:ngsi-ld:Store:1?join=inline")
    assert status == 200
    assert "entity" not in entity["van"]
    assert "199" in a.headers["ngsild-warning"]
