"""The temporal interface over HTTP, on a hub as it is built. Source: GS CIM 009 V1.9.1 clauses 5.6.11 to 5.6.16, 5.7.3, 5.7.4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.hub import build
from cityhub.settings import Settings

E1 = "urn:ngsi-ld:Vehicle:1"
TEMPORAL = "/ngsi-ld/v1/temporal/entities"
BEFORE = {"timerel": "before", "timeAt": "2030-01-01T00:00:00Z"}
Client = httpx.AsyncClient


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    async with Client(transport=httpx.ASGITransport(hub.application), base_url="http://127.0.0.1") as client:
        yield client
    await hub.stop()


def measured(value: Any, minute: int, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": f"2026-01-01T00:{minute:02}:00Z", **members}


async def fill(client: Client, id: str = E1, **attributes: Any) -> None:
    answer = await client.post(TEMPORAL, json={"id": id, "type": "Vehicle", **attributes})
    assert answer.status_code == 201, answer.text
    assert {name.lower(): value for name, value in answer.headers.items()}["location"] == f"{TEMPORAL}/{id}"


async def test_what_the_context_was_told_is_in_the_history_at_once(client: Client) -> None:
    entities = "/ngsi-ld/v1/entities"
    await client.post(entities, json={"id": E1, "type": "Vehicle", "speed": measured(1, 1)})
    for minute in range(2, 6):
        await client.patch(f"{entities}/{E1}/attrs/speed", json=measured(minute, minute))
        found = (await client.get(f"{TEMPORAL}/{E1}", params={"lastN": 1})).json()
        assert [one["value"] for one in found["speed"]] == [minute]
    await client.delete(f"{entities}/{E1}")
    found = (await client.get(f"{TEMPORAL}/{E1}", params={"timeproperty": "deletedAt"})).json()
    assert found["speed"][0]["value"] == "urn:ngsi-ld:null"
    assert found["deletedAt"] == found["speed"][0]["deletedAt"]
    found = (await client.get(f"{TEMPORAL}/{E1}", params={**BEFORE, "options": "temporalValues"})).json()
    assert found["speed"]["values"] == [[minute, f"2026-01-01T00:0{minute}:00Z"] for minute in range(1, 6)]


async def test_provision_and_instances(client: Client) -> None:
    await fill(client, speed=[measured(1, 1), measured(2, 2, unitCode="KMH")])
    again = await client.post(TEMPORAL, json={"id": E1, "type": ["Vehicle", "Truck"], "speed": measured(9, 1)})
    assert (again.status_code, again.content) == (204, b"")
    assert (await client.post(f"{TEMPORAL}/{E1}/attrs", json={"fuel": measured(50, 1)})).status_code == 204
    found = (await client.get(f"{TEMPORAL}/{E1}")).json()
    assert found["type"] == ["Vehicle", "Truck"]
    assert [one["value"] for one in found["speed"]] == [9, 2]
    instance = found["speed"][1]["instanceId"]
    path = f"{TEMPORAL}/{E1}/attrs/speed/{instance}"
    assert (await client.patch(path, json={"speed": [{"value": 3}]})).status_code == 204
    found = (await client.get(f"{TEMPORAL}/{E1}", params={"options": "sysAttrs"})).json()["speed"][1]
    assert (found["value"], found["unitCode"], found["instanceId"]) == (3, "KMH", instance)
    assert found["createdAt"] < found["modifiedAt"]
    assert (await client.patch(path, json={"type": "Relationship", "object": "urn:x:1"})).status_code == 400
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await client.delete(f"{TEMPORAL}/{E1}/attrs/fuel")).status_code == 204
    assert set((await client.get(f"{TEMPORAL}/{E1}")).json()) == {"id", "type", "speed"}
    assert (await client.delete(f"{TEMPORAL}/{E1}")).status_code == 204
    assert (await client.get(f"{TEMPORAL}/{E1}")).status_code == 404


async def test_an_attribute_of_an_entity_without_current_state_can_be_deleted(client: Client) -> None:
    await fill(client, speed=[measured(1, 1)], scope="/a")
    for name in ("speed", "scope"):
        path = f"/ngsi-ld/v1/entities/{E1}/attrs/{name}"
        assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 404]
        found = (await client.get(f"{TEMPORAL}/{E1}", params={"timeproperty": "deletedAt"})).json()
        assert found[name][0]["deletedAt"]
    assert (await client.delete(f"/ngsi-ld/v1/entities/{E1}/attrs/other")).status_code == 404
    assert (await client.delete("/ngsi-ld/v1/entities/urn:x:9/attrs/speed")).status_code == 404


async def test_filters_see_only_the_span_of_time(client: Client) -> None:
    await fill(client, speed=[measured(10, 1), measured(90, 30)])
    await fill(client, "urn:ngsi-ld:Vehicle:2", speed=[measured(50, 1)])
    span = {"type": "Vehicle", "timerel": "between", "timeAt": "2026-01-01T00:00:00Z", "endTimeAt": "2026-01-01T00:10:00Z"}

    async def ids(**parameters: Any) -> list[str]:
        answer = await client.get(TEMPORAL, params={**span, **parameters})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()]

    assert await ids(q="speed>40") == ["urn:ngsi-ld:Vehicle:2"]
    assert await ids(q="speed<20") == [E1]
    assert await ids(orderBy="id;desc") == ["urn:ngsi-ld:Vehicle:2", E1]
    assert await ids(orderBy="id", limit="1", offset="1") == ["urn:ngsi-ld:Vehicle:2"]
    assert await ids(timeAt="2026-01-01T00:05:00Z") == []
    answer = await client.get(TEMPORAL, params={**span, "count": "true", "limit": "0"})
    assert (answer.headers["ngsild-results-count"], answer.json()) == ("2", [])


async def test_a_long_answer_comes_in_pages_of_time(client: Client) -> None:
    await fill(client, speed=[measured(minute, minute) for minute in range(40)])
    seen: list[int] = []
    start = "2026-01-01T00:00:00Z"
    while True:
        answer = await client.get(f"{TEMPORAL}/{E1}", params={"timerel": "after", "timeAt": start})
        seen += [one["value"] for one in answer.json()["speed"] if one["value"] not in seen]
        if answer.status_code == 200:
            break
        assert answer.status_code == 206
        span = answer.headers["content-range"].removeprefix("date-time ").removesuffix("/*")
        assert span.startswith(f"{start}-")
        start = span[len(start) + 1 :]
    assert seen == list(range(40))


async def test_a_page_over_many_entities_covers_one_span_of_all(client: Client) -> None:
    for number in range(8):
        await fill(client, f"urn:ngsi-ld:Vehicle:{number}", a=[measured(m, m) for m in range(number, 60, 8)], b=[measured(m, m) for m in range(50, 60)])
    seen: set[tuple[str, str, int]] = set()
    for last_n in ({}, {"lastN": "60"}):
        answer = await client.get(TEMPORAL, params={"type": "Vehicle", "timerel": "after", "timeAt": "2026-01-01T00:00:00Z", **last_n})
        assert answer.status_code == 206
        seen = {(one["id"], name, instance["value"]) for one in answer.json() for name in "ab" for instance in one[name]}
        values = {value for _, _, value in seen}
        assert 0 < len(seen) <= 30
        expected = {(f"urn:ngsi-ld:Vehicle:{m % 8}", "a", m) for m in values} | {(f"urn:ngsi-ld:Vehicle:{n}", "b", m) for n in range(8) for m in values if m >= 50}
        assert seen == expected


async def test_scopes_choose_before_the_last_are_counted(client: Client) -> None:
    scopes = [{"type": "Property", "value": "/a", "observedAt": "2026-01-01T00:00:00Z"}, {"type": "Property", "value": "/b", "observedAt": "2026-01-01T00:10:00Z"}]
    await fill(client, speed=[measured(m, m) for m in range(20)], scope=scopes)
    answer = await client.get(TEMPORAL, params={**BEFORE, "type": "Vehicle", "scopeQ": "/a", "lastN": "2"})
    assert [one["value"] for one in answer.json()[0]["speed"]] == [8, 9]


async def test_posted_queries_and_aggregation(client: Client) -> None:
    await fill(client, speed=[measured(10, 1), measured(20, 2)], name=[measured("a", 1)])
    query = {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": BEFORE, "aggrParams": {"aggrMethods": ["avg", "totalCount"]}}
    [found] = (await client.post("/ngsi-ld/v1/temporal/entityOperations/query", json=query)).json()
    assert found["speed"]["avg"] == [[15, "2026-01-01T00:01:00Z", "2030-01-01T00:00:00Z"]]
    assert (found["name"]["avg"], found["name"]["totalCount"][0][0]) == ([], 1)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 400),
        ({"type": "Vehicle"}, 400),
        ({**BEFORE, "id": E1}, 400),
        ({**BEFORE, "type": "Vehicle", "timeproperty": "expiresAt"}, 400),
        ({**BEFORE, "type": "Vehicle", "lastN": "0"}, 400),
        ({**BEFORE, "type": "Vehicle", "options": "aggregatedValues"}, 400),
        ({**BEFORE, "type": "Vehicle", "options": "aggregatedValues,temporalValues"}, 400),
        ({**BEFORE, "type": "Vehicle", "pick": "a{b}"}, 400),
        ({**BEFORE, "type": "Vehicle", "q": "a{b}==1"}, 400),
        ({**BEFORE, "type": "Vehicle", "csf": "))("}, 400),
        ({**BEFORE, "type": "Vehicle", "orderBy": "speed"}, 400),
        ({**BEFORE, "type": "Vehicle", "nonsense": "1"}, 400),
        ({**BEFORE, "local": "true"}, 200),
    ],
)
async def test_queries_that_are_refused(client: Client, parameters: dict[str, str], status: int) -> None:
    assert (await client.get(TEMPORAL, params=parameters)).status_code == status


async def test_other_media_types_tenants_and_methods(client: Client) -> None:
    geo = {"accept": "application/geo+json"}
    assert (await client.get(TEMPORAL, params={**BEFORE, "type": "Vehicle"}, headers=geo)).status_code == 406
    assert (await client.get(f"{TEMPORAL}/{E1}", headers={"ngsild-tenant": "north"})).status_code == 404
    north = {"ngsild-tenant": "north"}
    assert (await client.post(TEMPORAL, json={"id": E1, "type": "V", "a": measured(1, 1)}, headers=north)).status_code == 201
    assert (await client.get(f"{TEMPORAL}/{E1}", headers=north)).status_code == 200
    assert (await client.get(f"{TEMPORAL}/{E1}")).status_code == 404
    assert (await client.delete(TEMPORAL)).status_code == 405


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.sampled_from(["urn:ngsi-ld:null", "Property", "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "value", "values", "object", "observedAt", "scope", "datasetId", "deletedAt", "x"]), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(["type", "speed", "scope", "expiresAt"]), JSON, max_size=3))
async def test_bad_bodies_never_break_the_hub(client: Client, body: dict[str, Any]) -> None:
    answer = await client.post(TEMPORAL, json={"id": E1, "type": "T", **body})
    assert answer.status_code in (201, 204, 400), answer.text
    if answer.status_code < 300:
        for form in ("normalized", "concise", "temporalValues"):
            assert (await client.get(f"{TEMPORAL}/{E1}", params={"format": form})).status_code in (200, 206)
        answer = await client.get(f"{TEMPORAL}/{E1}", params={"format": "aggregatedValues", "aggrMethods": "avg,max,stddev,sumsq,distinctCount"})
        assert answer.status_code == 200
