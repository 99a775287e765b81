import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from cityhub.context import entity_maps
from tests.unit.context.hub_client import MovedClock, open_hub


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
async def world(tmp_path, clock):
    async with open_hub(tmp_path, clock) as (hub, client):
        for at in range(5):
            entity = {"id": f"urn:v:{at}", "type": "Vehicle", "speed": {"type": "Property", "value": 10 * at}}
            assert (await client.post("/entities", json=entity)).status_code == 201
        yield hub, client


def ids(response):
    return [entity["id"] for entity in response.json()]


async def test_pages_stay_about_the_same_entities(world):
    _, client = world
    first = await client.get("/entities?type=Vehicle&limit=2&entityMap=true")
    assert (first.status_code, ids(first)) == (201, ["urn:v:0", "urn:v:1"])
    along = {"NGSILD-EntityMap": first.headers["ngsild-entitymap"]}
    await client.post("/entities", json={"id": "urn:v:new", "type": "Vehicle"})
    await client.delete("/entities/urn:v:2")
    rest = await client.get("/entities?type=Vehicle&limit=10&offset=2", headers=along)
    assert (rest.status_code, ids(rest)) == (200, ["urn:v:3", "urn:v:4"])
    assert 'rel="next"' not in rest.headers["link"]
    counted = await client.get("/entities?type=Vehicle&limit=0&count=true", headers=along)
    assert counted.headers["ngsild-results-count"] == "4"


async def test_ids_of_one_request_take_nothing_out_of_the_map(world):
    _, client = world
    made = await client.get("/entityMaps?type=Vehicle")
    along = {"NGSILD-EntityMap": made.headers["ngsild-entitymap"]}
    assert ids(await client.get("/entities?type=Vehicle&id=urn:v:3", headers=along)) == ["urn:v:3"]
    assert len((await client.get(made.headers["ngsild-entitymap"].removeprefix("/ngsi-ld/v1"))).json()["entityMap"]) == 5


async def test_order_is_kept_by_the_map(world):
    _, client = world
    made = await client.get("/entityMaps?type=Vehicle&orderBy=speed;desc&local=true")
    page = await client.get("/entities?type=Vehicle&limit=2", headers={"NGSILD-EntityMap": made.headers["ngsild-entitymap"]})
    assert ids(page) == ["urn:v:4", "urn:v:3"]


@pytest.mark.parametrize("query", ["type=Car", "type=Vehicle&q=speed>10", "type=Vehicle&scopeQ=/a"])
async def test_another_query_cannot_use_the_map(world, query):
    _, client = world
    made = await client.get("/entityMaps?type=Vehicle")
    response = await client.get(f"/entities?{query}", headers={"NGSILD-EntityMap": made.headers["ngsild-entitymap"]})
    assert response.status_code == 400
    assert "another query" in response.json()["detail"]


async def test_maps_end(world, clock):
    hub, client = world
    made = await client.get("/entityMaps?type=Vehicle&entityMapLifetime=PT10M")
    place = made.headers["ngsild-entitymap"]
    clock.ahead = timedelta(minutes=11)
    assert (await client.get(place.removeprefix("/ngsi-ld/v1"))).status_code == 404
    assert (await client.get("/entities?type=Vehicle", headers={"NGSILD-EntityMap": place})).status_code == 201
    await hub.maps.expire()
    assert made.json()["id"] not in {record["id"] for _, record in await hub.store.records(None, "entityMap")}


async def test_the_number_of_maps_is_bounded(world, monkeypatch):
    hub, _ = world
    monkeypatch.setattr(entity_maps, "MAX_MAPS", 3)
    made = [await hub.maps.create("", ["urn:v:1"], lifetime=f"PT{minutes}M") for minutes in (5, 1, 7, 9)]
    assert [hub.maps.find("", one.id) is not None for one in made] == [True, False, True, True]


async def test_too_many_entities(world, monkeypatch):
    _, client = world
    monkeypatch.setattr("cityhub.context.entity_map_api.MAX_IDS", 4)
    assert (await client.get("/entityMaps?type=Vehicle")).status_code == 403


async def test_purging_along_a_map(world):
    _, client = world
    made = await client.get("/entityMaps?type=Vehicle&q=speed>20")
    purged = await client.delete("/entities?type=Vehicle", headers={"NGSILD-EntityMap": made.headers["ngsild-entitymap"]})
    assert purged.status_code == 204
    assert ids(await client.get("/entities?type=Vehicle")) == ["urn:v:0", "urn:v:1", "urn:v:2"]


async def test_etags_follow_the_content(world):
    _, client = world
    first = await client.get("/entities/urn:v:1")
    tag = first.headers["etag"]
    assert (await client.get("/entities/urn:v:1", headers={"If-None-Match": tag})).status_code == 304
    concise = await client.get("/entities/urn:v:1?options=concise", headers={"If-None-Match": tag})
    assert concise.status_code == 200
    assert concise.headers["etag"] != tag
    fragment = {"speed": {"type": "Property", "value": 1}}
    assert (await client.patch("/entities/urn:v:1", json=fragment, headers={"If-Match": concise.headers["etag"]})).status_code == 204
    assert (await client.get("/entities/urn:v:1", headers={"If-None-Match": tag})).status_code == 200
    for call in (
        client.patch("/entities/urn:v:1", json=fragment, headers={"If-Match": tag}),
        client.delete("/entities/urn:v:1", headers={"If-Match": tag}),
        client.delete("/entities/urn:v:1/attrs/speed", headers={"If-Match": tag}),
    ):
        assert (await call).status_code == 412
    assert (await client.delete("/entities/urn:v:none", headers={"If-Match": tag})).status_code == 404


async def test_of_many_who_saw_the_same_version_one_may_change_it(world):
    _, client = world
    tag = (await client.get("/entities/urn:v:1")).headers["etag"]
    answers = await asyncio.gather(*(
        client.patch("/entities/urn:v:1/attrs", json={"speed": {"type": "Property", "value": at}}, headers={"If-Match": tag})
        for at in range(20)
    ))
    assert sorted(answer.status_code for answer in answers) == [204] + [412] * 19


async def test_an_inline_context_gets_a_url(world):
    _, client = world
    query = {"@context": {"car": "https://ex.org/Car"}, "type": "Query", "entities": [{"type": "car"}]}
    response = await client.post("/entityOperations/query", json=query, headers={"content-type": "application/ld+json"})
    url = response.headers["link"].partition("<")[2].partition(">")[0]
    assert (await client.get(url)).json() == {"@context": {"car": "https://ex.org/Car"}}


async def test_older_versions_are_told_apart(world):
    _, client = world
    await client.post("/entities", json={"id": "urn:w:1", "type": "W", "a": {"type": "VocabProperty", "vocab": "x"}})
    old = await client.get("/entities?type=W", headers={"Prefer": "ngsi-ld=1.5"})
    assert (old.status_code, old.headers["preference-applied"], old.json()[0]["a"]["type"]) == (203, "ngsi-ld=1.5", "Property")
    new = await client.get("/entities?type=W", headers={"Prefer": "ngsi-ld=2.7"})
    assert (new.status_code, new.headers["preference-applied"]) == (200, "ngsi-ld=1.9")


async def test_changing_maps_takes_a_permission_of_its_own(tmp_path: Path) -> None:
    async with open_hub(tmp_path) as (hub, _):
        doors = {(route.method, route.permission) for route in hub.application.router.routes if "ntityMaps" in route.path}
    assert doors == {("GET", "entity.read"), ("POST", "entity.map"), ("PATCH", "entity.map"), ("DELETE", "entity.map")}
