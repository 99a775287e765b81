"""Histories over two hubs: united when they are read, shared out when they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityhub.context.temporal_merge import Part, read_part, united
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.temporal import TemporalQuery
from tests.unit.context.federation import Broker, broker

ID = "urn:ngsi-ld:Vehicle:1"
V1 = f"/temporal/entities/{ID}"
OPERATIONS = [
    "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal", "updateAttrInstanceTemporal", "deleteAttrInstanceTemporal",
    "deleteTemporal", "retrieveTemporal", "queryTemporal",
]  # fmt: skip
PATIENT = {"timeout": 30_000}
"""In milliseconds."""
ALL = "timerel=after&timeAt=2020-01-01T00:00:00Z"
Pair = tuple[Broker, Broker]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b:
        for hub in (a, b):
            async with asyncio.timeout(60):
                while (await hub("GET", f"{V1}?local=true"))[0] == 503:
                    await asyncio.sleep(0.1)  # the process that keeps the history starts
        yield a, b


def history(number: int = 1, **attributes: dict[int, Any]) -> dict[str, Any]:
    """The history of a vehicle: of each attribute values by minute."""
    return {"id": f"urn:ngsi-ld:Vehicle:{number}", "type": "Vehicle"} | {
        name: [{"type": "Property", "value": value, "observedAt": f"2026-01-01T00:{minute:02}:00Z"} for minute, value in series.items()]
        for name, series in attributes.items()
    }


def values(document: dict[str, Any], name: str = "speed") -> list[Any]:
    return [instance["value"] for instance in document[name]]


async def put(hub: Broker, document: dict[str, Any]) -> None:
    status, answer = await hub("POST", "/temporal/entities?local=true", document)
    assert status in (201, 204), answer


async def test_a_history_is_united_of_its_parts(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await put(a, history(speed={1: 1, 3: 3}))
    await put(b, history(speed={2: 2, 3: 3}, fuel={1: 9}))
    status, document = await a("GET", V1)
    assert status == 200
    assert values(document) == [1, 2, 3]
    assert values(document, "fuel") == [9]
    assert "createdAt" not in document
    assert values((await a("GET", f"{V1}?lastN=2"))[1]) == [2, 3]
    assert (await a("GET", f"{V1}?options=temporalValues&attrs=speed"))[1]["speed"]["values"] == [
        [1, "2026-01-01T00:01:00Z"], [2, "2026-01-01T00:02:00Z"], [3, "2026-01-01T00:03:00Z"]]  # fmt: skip
    assert values((await a("GET", f"{V1}?local=true"))[1]) == [1, 3]
    assert (await a("GET", f"{V1}?pick=fuel"))[1].keys() == {"fuel"}
    found = (await a("GET", f"{V1}?options=aggregatedValues&aggrMethods=sum,totalCount&aggrPeriodDuration=PT0S&{ALL}"))[1]
    assert (found["speed"]["sum"][0][0], found["speed"]["totalCount"][0][0]) == (6, 3)


async def test_an_entity_that_only_a_source_knows(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await put(b, history(speed={2: 2}))
    assert values((await a("GET", V1))[1]) == [2]
    assert (await a("GET", V1.replace("Vehicle:1", "Vehicle:9")))[0] == 404
    assert (await a("GET", f"{V1}?wrong=1"))[0] == 400


async def test_of_one_moment_there_is_one_instance(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=["retrieveTemporal"])
    await put(a, history(speed={1: 1}))
    await put(b, history(speed={1: 100, 2: 2}))
    status, document = await a("GET", V1)
    assert status == 200
    assert values(document) == [100, 2]  # the one modified last


async def test_queries_unite_pages_count_and_filter(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await put(a, history(1, speed={1: 10}))
    await put(b, history(1, speed={2: 90}))
    await put(b, history(2, speed={2: 91}))
    status, found = await a("GET", f"/temporal/entities?type=Vehicle&{ALL}&count=true")
    assert status == 200
    assert {one["id"][-1]: values(one) for one in found} == {"1": [10, 90], "2": [91]}
    assert a.headers["ngsild-results-count"] == "2"
    _, found = await a("GET", f"/temporal/entities?type=Vehicle&{ALL}&limit=1&offset=1")
    assert [one["id"][-1] for one in found] == ["2"]
    _, found = await a("GET", f"/temporal/entities?type=Vehicle&{ALL}&q=speed>50")
    assert {one["id"][-1]: values(one) for one in found} == {"1": [90], "2": [91]}
    body = {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z", "lastN": 1}}
    _, found = await a("POST", "/temporal/entityOperations/query", body)
    assert {one["id"][-1]: values(one) for one in found} == {"1": [90], "2": [91]}
    assert (await a("GET", f"/temporal/entities?type=Vehicle&{ALL}&orderBy=id"))[0] == 400


async def test_filters_hold_for_split_entities_as_a_whole(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await put(a, history(1, speed={1: 60}))
    await put(b, history(1, brand={2: "Tesla"}))
    await put(b, history(2, brand={2: "Tesla"}))
    query = f"/temporal/entities?type=Vehicle&{ALL}&q=speed>50;brand==%22Tesla%22"
    assert (await a("GET", query))[1] == []
    _, found = await a("GET", f"{query}&splitEntities=true")
    assert [one["id"][-1] for one in found] == ["1"]
    assert (await b("GET", f"{query}&splitEntities=true"))[1] == []  # without sources the parameter is known as well


async def test_an_answer_in_pages_is_whole_up_to_its_range(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await put(a, history(speed=dict.fromkeys(range(0, 60, 2), 1)))
    await put(b, history(speed=dict.fromkeys(range(1, 60, 2), 2), fuel={50: 1, 51: 2}))
    status, document = await a("GET", f"{V1}?{ALL}")
    assert status == 206
    assert len(document["speed"]) == 30
    assert a.headers["content-range"].endswith("-2026-01-01T00:29:00Z/*")
    found = (await a("GET", f"{V1}?options=aggregatedValues&aggrMethods=sum&aggrPeriodDuration=PT0S&{ALL}"))[1]
    assert found["speed"]["sum"][0][0] == 90


async def test_writes_are_shared_out(pair: Pair) -> None:
    a, b = pair
    owned = [{"entities": [{"id": ID, "type": "Vehicle"}], "propertyNames": ["speed"]}]
    await a.register(b.url, management=PATIENT, mode="exclusive", operations=OPERATIONS, information=owned)
    status, _ = await a("POST", "/temporal/entities", history(speed={1: 1}, fuel={1: 5}))
    assert status == 201
    assert "speed" not in (await a("GET", f"{V1}?local=true"))[1]
    assert values((await b("GET", V1))[1]) == [1]
    assert "fuel" not in (await b("GET", V1))[1]
    assert {"speed", "fuel"} <= (await a("GET", V1))[1].keys()
    assert (await a("POST", f"{V1}/attrs", {"speed": history(speed={2: 2})["speed"]}))[0] == 204
    [first, second] = (await b("GET", V1))[1]["speed"]
    assert (await a("PATCH", f"{V1}/attrs/speed/{second['instanceId']}", {"speed": [{"type": "Property", "value": 7}]}))[0] == 204
    assert values((await b("GET", V1))[1]) == [1, 7]
    assert (await a("DELETE", f"{V1}/attrs/speed/{first['instanceId']}"))[0] == 204
    assert values((await b("GET", V1))[1]) == [7]
    assert (await a("DELETE", f"{V1}/attrs/speed"))[0] == 204
    assert (await a("DELETE", V1))[0] == 204
    assert (await a("GET", V1))[0] == 404
    assert (await a("DELETE", V1))[0] == 404


async def test_an_owner_that_does_not_offer_it_is_a_conflict(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, mode="redirect", operations=["retrieveTemporal"])
    assert (await a("POST", "/temporal/entities", history(speed={1: 1})))[0] == 409
    assert (await b("GET", V1))[0] == 404


async def test_inclusive_sources_get_copies(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    assert (await a("POST", "/temporal/entities", history(speed={1: 1})))[0] == 201
    assert values((await b("GET", V1))[1]) == [1]
    assert values((await a("GET", f"{V1}?local=true"))[1]) == [1]
    assert (await a("DELETE", V1))[0] == 204
    assert (await b("GET", V1))[0] == 404


async def test_a_source_that_does_not_answer_is_warned_about(pair: Pair) -> None:
    a, _ = pair
    await a.register("http://127.0.0.1:9", operations=OPERATIONS)
    await put(a, history(speed={1: 1}))
    assert values((await a("GET", V1))[1]) == [1]
    assert "199" in a.headers["ngsild-warning"]


async def test_two_hubs_that_know_each_other_answer(pair: Pair) -> None:
    a, b = pair
    await a.register(b.url, management=PATIENT, operations=OPERATIONS)
    await b.register(a.url, management=PATIENT, operations=OPERATIONS)
    await put(a, history(speed={1: 1}))
    await put(b, history(speed={2: 2}))
    assert values((await a("GET", V1))[1]) == [1, 2]
    assert (await a("POST", "/temporal/entities", history(2, speed={1: 1})))[0] == 201


def test_auxiliary_sources_fill_gaps_only() -> None:
    def part(rank: int, series: dict[int, Any]) -> Part:
        found = read_part(history(speed=series), CORE, "2026-02-01T00:00:00.000000Z", None)
        assert found is not None
        return msgspec.structs.replace(found, rank=rank)

    whole = united([part(2, {1: "gap", 2: "other"}), part(1, {2: "mine"}), part(0, {3: "owner"})], TemporalQuery())
    assert whole is not None
    [series] = whole.attrs.values()
    assert [instance["value"] for instance in series] == ["gap", "mine", "owner"]
