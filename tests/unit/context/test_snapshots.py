import asyncio
from datetime import timedelta

import pytest

from cityhub.context import snapshots
from tests.unit.context.hub_client import MovedClock, location, open_hub

QUERIES = {"type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "Vehicle"}], "q": "speed>15"}]}


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
async def world(tmp_path, clock):
    async with open_hub(tmp_path, clock) as (hub, client):
        for at in range(4):
            entity = {"id": f"urn:v:{at}", "type": "Vehicle", "speed": {"type": "Property", "value": 10 * at}}
            assert (await client.post("/entities", json=entity)).status_code == 201
        yield hub, client


async def made(client, document=QUERIES, path="/snapshots", headers=None):
    """The status of a new snapshot once it is filled."""
    response = await client.post(path, json=document, headers=headers)
    assert response.status_code == 201, response.text
    return await filled(client, location(response), headers)


async def filled(client, place, headers=None):
    for _ in range(2000):
        status = (await client.get(place, headers=headers)).json()
        if status["snapshotStatus"] != "preparing":
            return status
        await asyncio.sleep(0.01)
    raise AssertionError(status)


async def test_a_snapshot_is_frozen_and_can_be_played_with(world):
    _, client = world
    status = await made(client)
    on = {"NGSILD-Snapshot": status["id"]}
    await client.delete("/entities/urn:v:2")
    found = await client.get("/entities", headers=on)
    assert [entity["id"] for entity in found.json()] == ["urn:v:2", "urn:v:3"]
    assert found.headers["ngsild-snapshot"] == status["id"]
    assert (await client.patch("/entities/urn:v:3/attrs", json={"speed": {"type": "Property", "value": 0}}, headers=on)).status_code == 204
    assert (await client.get("/entities/urn:v:3/attrs/speed", headers=on)).json()["value"] == 0
    assert (await client.get("/entities/urn:v:3/attrs/speed")).json()["value"] == 30
    types = (await client.get("/types", headers=on)).json()["typeList"]
    assert types == ["Vehicle"]


async def test_nobody_sees_its_tenant(world):
    hub, client = world
    await made(client)
    assert hub.store.tenants() == {""}
    [(_, record)] = await hub.store.records("", "snapshot")
    assert (await client.get("/types", headers={"NGSILD-Tenant": record["copy"]})).status_code == 400


async def test_snapshots_of_a_tenant(world):
    _, client = world
    water = {"NGSILD-Tenant": "water"}
    await client.post("/entities", json={"id": "urn:p:1", "type": "Vehicle", "speed": {"type": "Property", "value": 99}}, headers=water)
    status = await made(client, headers=water)
    found = await client.get("/entities", headers={**water, "NGSILD-Snapshot": status["id"]})
    assert ([entity["id"] for entity in found.json()], found.headers["ngsild-tenant"]) == (["urn:p:1"], "water")
    assert (await client.get("/entities", headers={"NGSILD-Snapshot": status["id"]})).status_code == 404


async def test_results_are_told_query_by_query(world):
    _, client = world
    bad = {"type": "Query", "entities": [{"type": "Vehicle"}], "q": "speed>1000"}
    status = await made(client, {**QUERIES, "snapshotQueries": [*QUERIES["snapshotQueries"], bad]})
    assert status["snapshotStatus"] == "partial"
    assert [one["resultStatus"] for one in status["snapshotQueriesDetails"]] == ["success", "empty"]


async def test_histories_are_frozen_too(world):
    _, client = world
    await client.patch("/entities/urn:v:3/attrs", json={"speed": {"type": "Property", "value": 31}})
    span = {"timerel": "before", "timeAt": "2999-01-01T00:00:00Z", "timeproperty": "createdAt"}
    query = {"type": "Query", "entities": [{"type": "Vehicle", "id": "urn:v:3"}], "temporalQ": span}
    status = await made(client, {"type": "Snapshot", "snapshotTemporalQueries": [query]})
    assert status["snapshotTemporalQueriesDetails"] == [{"resultStatus": "success"}]
    past = await client.get("/temporal/entities/urn:v:3", headers={"NGSILD-Snapshot": status["id"]})
    assert [instance["value"] for instance in past.json()["speed"]] == [30, 31]


async def test_clones_are_independent(world):
    _, client = world
    source = await made(client)
    clone = await made(client, {"type": "Snapshot", "snapshotPriority": 9}, f"/snapshots/{source['id']}/clone")
    assert (await client.delete(f"/snapshots/{source['id']}")).status_code == 204
    found = await client.get("/entities", headers={"NGSILD-Snapshot": clone["id"]})
    assert [entity["id"] for entity in found.json()] == ["urn:v:2", "urn:v:3"]


async def test_what_is_deleted_is_gone(world):
    hub, client = world
    status = await made(client)
    [(_, record)] = await hub.store.records("", "snapshot")
    await client.delete(f"/snapshots/{status['id']}")
    assert hub.store.get(record["copy"], "urn:v:3") is None
    assert (await client.get("/entities", headers={"NGSILD-Snapshot": status["id"]})).status_code == 404


async def test_it_ends(world, clock):
    hub, client = world
    status = await made(client, {**QUERIES, "snapshotLifetime": "PT1M"})
    clock.ahead = timedelta(minutes=2)
    assert (await client.get(f"/snapshots/{status['id']}")).status_code == 404
    await hub.snapshots.sweep()
    assert await hub.store.records(None, "snapshot") == []


async def test_the_least_important_makes_room(world, monkeypatch):
    _, client = world
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 2)
    for id, priority in (("urn:s:1", 8), ("urn:s:2", 3), ("urn:s:3", 5)):
        await made(client, {**QUERIES, "id": id, "snapshotPriority": priority})
    assert [(await client.get(f"/snapshots/urn:s:{at}")).status_code for at in (1, 2, 3)] == [200, 404, 200]
    refused = await client.post("/snapshots", json={**QUERIES, "snapshotPriority": 1})
    assert refused.status_code == 403


async def test_filling_goes_on_after_a_restart(tmp_path):
    async with open_hub(tmp_path) as (hub, client):
        await client.post("/entities", json={"id": "urn:v:1", "type": "Vehicle", "speed": {"type": "Property", "value": 50}})
        hub.snapshots._begin = lambda tenant, record: None
        place = location(await client.post("/snapshots", json=QUERIES))
        assert (await client.get(place)).json()["snapshotStatus"] == "preparing"
        assert (await client.get("/entities", headers={"NGSILD-Snapshot": place.rpartition("/")[2]})).status_code == 409
    async with open_hub(tmp_path) as (_, client):
        assert (await filled(client, place))["snapshotStatus"] == "success"


@pytest.mark.parametrize("document", [
    {}, {"type": "Snapshot"}, {"type": "X", "snapshotQueries": QUERIES["snapshotQueries"]}, {**QUERIES, "snapshotPriority": 11},
    {**QUERIES, "snapshotPriority": True}, {**QUERIES, "snapshotLifetime": "soon"}, {**QUERIES, "id": "x"}, {**QUERIES, "endpoint": "x"},
    {**QUERIES, "receiverInfo": [{"key": "a", "value": "b\r\nc"}]}, {**QUERIES, "snapshotQueries": []}, {**QUERIES, "snapshotQueries": [{"type": "X"}]},
    {"type": "Snapshot", "snapshotTemporalQueries": QUERIES["snapshotQueries"]},
    {"type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "V"}], "q": "((("}]},
])  # fmt: skip
async def test_what_is_no_snapshot(world, document):
    _, client = world
    assert (await client.post("/snapshots", json=document)).status_code == 400


@pytest.mark.parametrize("path", ["/csourceRegistrations", "/jsonldContexts", "/snapshots/urn:s:1"])
async def test_what_cannot_be_done_on_a_snapshot(world, path):
    _, client = world
    status = await made(client)
    assert (await client.get(path, headers={"NGSILD-Snapshot": status["id"]})).status_code == 422


async def test_the_endpoint_is_told(world, monkeypatch):
    hub, client = world
    told = []

    class Lane:
        def put(self, body, token):
            told.append(body)
            return True

        def close(self):
            pass

    monkeypatch.setattr(hub.delivery, "open", lambda receiver, telling: told.append(receiver) or Lane())
    status = await made(client, {**QUERIES, "endpoint": "http://127.0.0.1:1/x", "receiverInfo": [{"key": "k", "value": "v"}]})
    receiver, body = told
    assert receiver.uri == "http://127.0.0.1:1/x"
    assert ("k", "v") in receiver.headers
    assert status["id"].encode() in body
    assert b'"SnapshotNotification"' in body
    updated = await client.patch(f"/snapshots/{status['id']}", json={"snapshotPriority": 7, "snapshotStatus": "failure"})
    assert (updated.json()["snapshotPriority"], updated.json()["snapshotStatus"]) == (7, "success")
    assert len(told) == 4
