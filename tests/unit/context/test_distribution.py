"""Two hubs that share entities over HTTP: every mode of registration, loops, dead sources, pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.context.federation import Broker, broker, vehicle

V1 = "/entities/urn:ngsi-ld:Vehicle:1"
Pair = tuple[Broker, Broker]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b:
        yield a, b


async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a request and waits until the caller gives up."""
    await reader.read()
    writer.close()
    await writer.wait_closed()


def one(*names: str) -> list[dict[str, Any]]:
    """Information about some attributes of vehicle 1."""
    return [{"entities": [{"id": "urn:ngsi-ld:Vehicle:1", "type": "Vehicle"}], "propertyNames": list(names)}]


async def test_inclusive_copies_writes_and_unites_reads(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    assert (await a("POST", "/entities", vehicle(speed=50)))[0] == 201
    assert (await b("GET", V1))[1]["speed"]["value"] == 50
    assert (await b("POST", f"{V1}/attrs", {"fuel": {"type": "Property", "value": 7}}))[0] == 204
    status, entity = await a("GET", V1)
    assert status == 200
    assert {"speed", "fuel"} <= entity.keys()
    assert "fuel" not in (await a("GET", f"{V1}?local=true"))[1]
    assert [item["id"] for item in (await a("GET", "/entities?type=Vehicle"))[1]] == ["urn:ngsi-ld:Vehicle:1"]
    assert (await a("DELETE", V1))[0] == 204
    assert (await b("GET", V1))[0] == 404


async def test_the_newer_instance_wins(pair: Pair) -> None:
    a, b = pair
    await a("POST", "/entities", vehicle(speed=1))
    await b("POST", "/entities", vehicle(speed=2))
    await a.register(b.url)
    assert (await a("GET", V1))[1]["speed"]["value"] == 2
    await a("PATCH", f"{V1}/attrs/speed?local=true", {"value": 3})
    assert (await a("GET", V1))[1]["speed"]["value"] == 3
    observed = {"speed": {"type": "Property", "value": 4, "observedAt": "2099-01-01T00:00:00Z"}}
    await b("POST", f"{V1}/attrs", observed)
    assert (await a("GET", V1))[1]["speed"]["value"] == 4


async def test_an_entity_of_several_types_and_scopes_comes_from_its_source(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    await b("POST", "/entities", {**vehicle(speed=1), "type": ["Vehicle", "Bus"], "scope": ["/x", "/y"]})
    assert (await a("GET", V1))[1]["type"] == ["Vehicle", "Bus"]


async def test_exclusive_attributes_are_at_their_source_only(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, mode="exclusive", information=one("speed"))
    assert (await a("POST", "/entities", vehicle(speed=50, brand="BMW")))[0] == 201
    assert "speed" not in (await a("GET", f"{V1}?local=true"))[1]
    assert "brand" not in (await b("GET", V1))[1]
    assert {"speed", "brand"} <= (await a("GET", V1))[1].keys()
    assert (await a("PATCH", f"{V1}/attrs/speed", {"value": 60}))[0] == 204
    assert (await b("GET", V1))[1]["speed"]["value"] == 60
    assert (await a("PATCH", V1, {"speed": {"type": "Property", "value": 61}, "brand": {"type": "Property", "value": "VW"}}))[0] == 204
    assert (await b("GET", V1))[1]["speed"]["value"] == 61
    assert (await a("DELETE", f"{V1}/attrs/speed"))[0] == 204
    assert "speed" not in (await b("GET", V1))[1]


async def test_an_operation_that_the_owner_does_not_offer_is_a_conflict(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, mode="exclusive", information=one("speed"), operations=["retrieveOps"])
    status, problem = await a("POST", "/entities", vehicle(speed=50))
    assert (status, problem["type"].rsplit("/", 1)[-1]) == (409, "Conflict")
    status, result = await a("POST", "/entities", vehicle(speed=50, brand="BMW"))
    assert status == 207
    assert result["success"] == ["urn:ngsi-ld:Vehicle:1"]
    assert result["errors"][0]["registrationId"] == "urn:ngsi-ld:ContextSourceRegistration:1"


async def test_redirected_entities_are_not_here(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, mode="redirect")
    assert (await a("POST", "/entities", vehicle(speed=50)))[0] == 201
    assert (await a("GET", f"{V1}?local=true"))[0] == 404
    assert (await a("GET", V1))[1]["speed"]["value"] == 50
    batch = [vehicle(2, speed=1), vehicle(3, speed=2)]
    assert (await a("POST", "/entityOperations/upsert", batch))[0] == 207  # the batch operation was not registered
    assert (await a("POST", "/entityOperations/create", batch))[0] == 201  # each is created on its own
    assert (await b("GET", "/entities?type=Vehicle&count=true&limit=0"))[0] == 200
    assert b.headers["ngsild-results-count"] == "3"
    assert (await a("DELETE", "/entities?type=Vehicle"))[0] == 204
    assert (await b("GET", "/entities?type=Vehicle"))[1] == []


async def test_auxiliary_sources_fill_gaps_and_are_never_written(pair: Pair) -> None:
    a, b = pair
    await b("POST", "/entities", vehicle(speed=1, fuel=2))
    await a.register(b.url, mode="auxiliary", operations=["retrieveOps"])
    await a("POST", "/entities", vehicle(speed=50))
    await b("PATCH", f"{V1}/attrs/speed", {"value": 9})
    entity = (await a("GET", V1))[1]
    assert (entity["speed"]["value"], entity["fuel"]["value"]) == (50, 2)
    assert (await a("DELETE", V1))[0] == 204
    assert (await b("GET", V1))[0] == 200


async def test_a_circle_of_registrations_ends(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url)
    await b.register(a.url)
    assert (await a("POST", "/entities", vehicle(speed=50)))[0] == 201
    assert (await b("GET", f"{V1}?local=true"))[0] == 200
    assert len((await a("GET", "/entities?type=Vehicle"))[1]) == 1
    assert (await a("GET", "/entities/urn:ngsi-ld:Vehicle:404"))[0] == 404
    assert (await b("DELETE", V1))[0] == 204
    assert (await a("GET", f"{V1}?local=true"))[0] == 404


async def test_a_circle_of_owners_is_an_error(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, mode="redirect")
    await b.register(a.url, mode="redirect")
    status, problem = await a("POST", "/entities", vehicle(speed=50))
    assert (status, problem["type"].rsplit("/", 1)[-1]) == (508, "LoopDetected")


async def test_pages_over_two_hubs_have_each_entity_once(pair: Pair) -> None:
    a, b = pair
    for number in range(7):
        await a("POST", "/entities", vehicle(number, speed=number))
    for number in range(4, 12):
        await b("POST", "/entities", vehicle(number, fuel=number))
    await a.register(b.url)
    seen: list[str] = []
    for offset in range(0, 15, 3):
        status, page = await a("GET", f"/entities?type=Vehicle&limit=3&offset={offset}&options=keyValues")
        assert status == 200
        seen += [entity["id"] for entity in page]
        for entity in page:
            number = int(entity["id"].rsplit(":", 1)[1])
            assert ("speed" in entity, "fuel" in entity) == (number < 7, number >= 4)
    assert sorted(seen) == sorted({f"urn:ngsi-ld:Vehicle:{number}" for number in range(12)})
    await a("GET", "/entities?type=Vehicle&limit=100&count=true")
    assert a.headers["ngsild-results-count"] == "12"


async def test_filters_hold_for_split_entities_as_a_whole(pair: Pair) -> None:
    a, b = pair
    await a("POST", "/entities", vehicle(1, speed=50))
    await b("POST", "/entities", vehicle(1, fuel=3))
    await b("POST", "/entities", vehicle(2, fuel=3))
    await a.register(b.url)
    assert (await a("GET", "/entities?type=Vehicle&q=speed>10;fuel<9"))[1] == []
    status, found = await a("GET", "/entities?type=Vehicle&q=speed>10;fuel<9&splitEntities=true")
    assert status == 200
    assert [entity["id"] for entity in found] == ["urn:ngsi-ld:Vehicle:1"]


async def test_queries_go_only_where_the_registration_matches(pair: Pair) -> None:
    a, b = pair
    await b("POST", "/entities", vehicle(speed=50))
    await a.register(b.url, purpose="sensors")
    assert len((await a("GET", '/entities?type=Vehicle&csf=purpose=="sensors"'))[1]) == 1
    assert (await a("GET", '/entities?type=Vehicle&csf=purpose=="archive"'))[1] == []
    assert (await a("GET", "/entities?type=Building"))[1] == []
    assert (await a("GET", "/entities?type=Vehicle&orderBy=speed"))[0] == 400
    assert "Vehicle" in (await a("GET", "/types"))[1]["typeList"]
    assert (await a("GET", "/types?local=true"))[1]["typeList"] == []
    kind = (await a("GET", "/types/Vehicle"))[1]
    assert (kind["entityCount"], kind["attributeDetails"][0]["attributeTypes"]) == (1, ["Property"])
    attribute = (await a("GET", "/attributes/speed"))[1]
    assert (attribute["attributeCount"], attribute["typeNames"]) == (1, ["Vehicle"])


async def test_a_dead_source_is_named_and_left_alone(pair: Pair) -> None:
    a, _ = pair
    await a("POST", "/entities", vehicle(speed=50))
    await a.register("http://127.0.0.1:9", management={"timeout": 500, "cooldown": 60_000})
    status, entity = await a("GET", V1)
    assert (status, entity["speed"]["value"]) == (200, 50)
    assert a.headers["ngsild-warning"].startswith("199 127.0.0.1:9 ")
    await a("GET", V1)
    assert "ngsild-warning" not in a.headers
    _, registration = await a("GET", "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:1")
    assert (registration["status"], registration["timesSent"], registration["timesFailed"]) == ("failed", 1, 1)


async def test_one_slow_source_delays_by_its_time_out_only(pair: Pair) -> None:
    a, b = pair
    await b("POST", "/entities", vehicle(speed=50))
    silent = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    async with silent:
        address = silent.sockets[0].getsockname()
        await a.register(f"http://{address[0]}:{address[1]}", 1, management={"timeout": 200})
        await a.register(b.url, 2)
        began = asyncio.get_running_loop().time()
        status, found = await a("GET", "/entities?type=Vehicle")
        assert asyncio.get_running_loop().time() - began < 4
        silent.close()
    assert (status, len(found)) == (200, 1)
    assert "199" in a.headers["ngsild-warning"]


async def test_the_owner_that_is_late_makes_504(pair: Pair) -> None:
    a, _ = pair
    silent = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        await a.register(f"http://127.0.0.1:{port}", mode="redirect", management={"timeout": 200})
        assert (await a("DELETE", V1))[0] == 504
        assert (await a("GET", V1))[0] == 504
        silent.close()


async def test_answers_are_kept_as_long_as_the_registration_allows(pair: Pair) -> None:
    a, b = pair
    await b("POST", "/entities", vehicle(speed=50))
    await a.register(b.url, management={"cacheDuration": "PT1H"})
    assert (await a("GET", V1))[1]["speed"]["value"] == 50
    await b("PATCH", f"{V1}/attrs/speed", {"value": 60})
    assert (await a("GET", V1))[1]["speed"]["value"] == 50


async def test_the_tenant_of_the_registration_is_asked(pair: Pair) -> None:
    a, b = pair
    await b("POST", "/entities", vehicle(speed=50), NGSILD_Tenant="north")
    await a.register(b.url, tenant="north")
    assert (await a("GET", V1))[1]["speed"]["value"] == 50
    await a("POST", "/entities", vehicle(9), NGSILD_Tenant="other")
    assert (await a("GET", V1, NGSILD_Tenant="other"))[0] == 404
