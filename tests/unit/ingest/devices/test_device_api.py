"""Devices over HTTP: added, claimed, changed, and speaking as themselves."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.ingest.devices.device import Device
from cityhub.ingest.devices.words import DEVICE
from cityhub.model.ports import Write
from cityhub.storage.sqlite import open_sqlite
from tests.unit.ingest.register.conftest import Hub, SetClock
from tests.unit.ingest.register.test_feed_api import TANK
from tests.unit.ingest.register.test_letter_api import settled

API = "/api/devices"
RAIN = "urn:ngsi-ld:Device:rain-1"
BODY: dict[str, Any] = {
    "id": "rain-1", "name": "城东雨量计", "serialNumber": "SN001", "category": ["sensor"], "controlledProperty": ["precipitation"],
    "feed": "tank", "interval_s": 60, "owner": "water", "controlledAsset": ["urn:ngsi-ld:RainGauge:1"],
    "entities": ["urn:ngsi-ld:RainGauge:1"], "location": {"type": "Point", "coordinates": [108.77, 29.53]},
}  # fmt: skip


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = SetClock()
    store = await open_sqlite(tmp_path / "data", clock)
    made = Hub(store, clock, tmp_path)
    await made.registers.start()
    async with made.client() as client:
        assert (await client.post("/api/feeds", json=TANK)).status_code == 201
    yield made
    await made.registers.stop()
    await store.close()


async def add(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post(API, json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def observed(hub: Hub, id: str, at: str = "2026-11-23T06:05:00.000000Z") -> None:
    """An observation of an entity, as a feed would bring it."""
    level = {"type": "Property", "value": 1, "observedAt": at}
    await hub.store.write("", [Write(id, lambda current, now: ({"id": id, "type": ["x"], "attrs": {"urn:x:level": [level]}, "createdAt": now, "modifiedAt": now}, None))])
    await settled(hub)


async def test_a_device_is_an_entity_and_what_only_the_register_sees(hub: Hub) -> None:
    async with hub.client() as client:
        made = await client.post(API, json={**BODY, "token": True})
        assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, f"{API}/{RAIN}", '"1.0"')
        shown = (await client.get(f"{API}/rain-1")).json()
        assert shown["name"] == "城东雨量计" and shown["health"] == "never" and "token" not in shown
        assert shown["credentials"][0].keys() == {"id", "hint", "createdAt", "expiresAt", "by"}
        entity = hub.store.get("", RAIN)
        assert entity is not None and entity["type"] == [DEVICE]
        token = made.json()["token"]
        assert token not in str(entity) and token not in str(hub.store.get("", RAIN, "device"))
        assert (await client.post(API, json=BODY)).status_code == 409
        assert (await client.get(f"{API}/{RAIN}")).json() == shown


async def test_changes_by_merge_patch(hub: Hub) -> None:
    async with hub.client() as client:
        tag = f'"{(await add(client))["version"]}.0"'
        answer = await client.patch(f"{API}/rain-1", json={"name": "城西", "serialNumber": None, "interval_s": None}, headers={"if-match": tag})
        assert (answer.status_code, answer.json()["name"], answer.json()["interval_s"], answer.json()["version"]) == (200, "城西", 0.0, 2)
        assert "serialNumber" not in answer.json()
        assert (await client.patch(f"{API}/rain-1", json={"name": "x"}, headers={"if-match": tag})).status_code == 412
        assert (await client.get(f"{API}/rain-1")).json()["name"] == "城西", "the words of a refused change are not kept either"
        assert (await client.patch(f"{API}/nobody", json={"name": "x"})).status_code == 404
        assert hub.store.get("", "urn:ngsi-ld:Device:nobody") is None
        assert (await client.delete(f"{API}/rain-1")).status_code == 204
        assert (await client.get(f"{API}/rain-1")).status_code == 404
        assert hub.store.get("", RAIN) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "a b"}, "'id'"), ({"id": None}, "'id'"), ({"nothing": 1}, "'nothing'"), ({"interval_s": -1}, "'interval_s'"), ({"feed": 1}, "'feed'"),
        ({"interval_s": True}, "'interval_s'"), ({"address": []}, "'address'"), ({"address": {"a": "x" * 40_000}}, "'address'"),
        ({"batteryLevel": 7}, "'batteryLevel'"), ({"controlledAsset": "no uri"}, "'controlledAsset'"), ({"location": {"type": "Nowhere"}}, "location"),
        ({"dateInstalled": "gestern"}, "'dateInstalled'"), ({"wanted": {"firm": 1}}, "'wanted'"), ({"claimKey": "short"}, "claim key"), ({"name": ""}, "'name'"),
    ],
)  # fmt: skip
async def test_bad_devices_are_refused_by_name(hub: Hub, change: dict[str, Any], named: str) -> None:
    async with hub.client() as client:
        answer = await client.post(API, json={**BODY, **change})
        assert (answer.status_code, named in answer.json()["detail"]) == (400, True), answer.text


async def test_good_rows_are_kept_and_bad_ones_named(hub: Hub) -> None:
    text = "编号,名称,序列号,所属数据源,上报间隔秒,经度,纬度,监测要素,令牌\nrain-1,城东,SN1,tank,60,108.77,29.53,雨量;水位,是\nrain 2,城西,,,,,,,\nrain-3,城南,,,often,,,,\n\nrain-1,重复,,,,,,,\nrain-4,,,,,,,,\n"
    async with hub.client() as client:
        for encoding in ("utf-8-sig", "gb18030"):
            told = (await client.post(f"{API}/bulk", content=text.encode(encoding), headers={"content-type": "text/csv"})).json()
            if encoding == "utf-8-sig":
                assert told["created"] == 2
                assert [(one["row"], one["id"]) for one in told["failed"]] == [(2, "rain 2"), (3, "rain-3"), (4, "rain-1")]
                assert "'interval_s' must be a number" in told["failed"][1]["reason"] and "Row 1 has the same id" in told["failed"][2]["reason"]
                assert [one["id"] for one in told["secrets"]] == [RAIN]
        assert told["created"] == 0 and len(told["failed"]) == 5
        shown = (await client.get(f"{API}/rain-1")).json()
        assert (shown["controlledProperty"], shown["location"]["coordinates"], shown["interval_s"]) == (["雨量", "水位"], [108.77, 29.53], 60.0)
        told = (await client.post(f"{API}/bulk", json={"devices": [{"id": "a", "name": "A"}, 7]})).json()
        assert (told["created"], told["failed"][0]["row"]) == (1, 2)
        for wrong in (b"", b"a,b\n1,2", b"{", b"[]", b'{"devices": 1}', b"\xff\xff\xff"):
            assert (await client.post(f"{API}/bulk", content=wrong)).status_code == 400, wrong


async def test_a_claim_key_is_good_once(hub: Hub) -> None:
    async with hub.client() as client:
        made = await add(client, token=True, claimKey=True)
        key, old = made["claimKey"], made["token"]
        for wrong in ("K7QF2-XXXXX-XXXXX-XXXXX", old):
            assert (await client.post(f"{API}/claim", json={"key": wrong})).status_code == 403
        assert (await client.post(f"{API}/claim", json={"key": 1})).status_code == 400
        got = (await client.post(f"{API}/claim", json={"key": f" {key.lower()} ", "owner": "水利局"})).json()
        assert (got["id"], got["owner"], got["claimable"], got["claimed"]["by"]) == (RAIN, "水利局", False, "local")
        assert hub.registers.devices.authenticate("rain-1", got["token"]) == ("", RAIN)
        assert hub.registers.devices.authenticate("rain-1", old) is None
        assert (await client.post(f"{API}/claim", json={"key": key})).status_code == 403


async def test_credentials_rotate_end_and_are_revoked(hub: Hub) -> None:
    who = hub.registers.devices.authenticate
    async with hub.client() as client:
        first = (await add(client, token=True))["token"]
        second = (await client.post(f"{API}/rain-1/credentials", json={"rotate": True, "graceS": 60})).json()
        assert who("", first) == who("rain-1", second["token"]) == who(RAIN, second["token"]) == ("", RAIN)
        assert who("rain-2", second["token"]) is None and who("?", "nothing") is None
        hub.clock.moment += timedelta(seconds=61)
        assert who("", first) is None and who("", second["token"]) == ("", RAIN)
        third = (await client.post(f"{API}/rain-1/credentials", json={"expiresAt": "2026-11-23T06:10:00Z"})).json()
        assert who("", third["token"]) is not None
        hub.clock.moment += timedelta(minutes=10)
        assert who("", third["token"]) is None
        assert (await client.delete(f"{API}/rain-1/credentials?id={second['id']}")).status_code == 204
        assert who("", second["token"]) is None
        assert (await client.delete(f"{API}/rain-1/credentials?id=x")).status_code == 404
        for wrong in ({"expiresAt": "2020-01-01T00:00:00Z"}, {"graceS": -1}, {"expiresAt": "x"}, {"nothing": 1}):
            assert (await client.post(f"{API}/rain-1/credentials", json=wrong)).status_code == 400
        for _ in range(10):
            await client.post(f"{API}/rain-1/credentials")
        assert (await client.post(f"{API}/rain-1/credentials")).status_code == 400


async def test_a_device_sends_as_itself_from_anywhere_and_to_its_feed_only(hub: Hub) -> None:
    async with hub.client() as client:
        token = (await add(client, token=True))["token"]
        await client.post("/api/feeds", json={**TANK, "id": "other"})
    basic = "Basic " + base64.b64encode(f"rain-1:{token}".encode()).decode()
    for header in (f"Bearer {token}", basic):
        async with hub.client("192.0.2.1", authorization=header) as device:
            sent = await device.post("/api/feeds/tank/messages", content=b'{"level": 1}')
            assert (sent.status_code, sent.json()["written"]) == (200, 1)
            assert hub.gateway.messages[-1].about["device"] == RAIN
            assert (await device.post("/api/feeds/other/messages", content=b'{"level": 1}')).status_code == 403
            assert (await device.get(API)).status_code == 403
            assert (await device.post("/api/feeds", json=TANK)).status_code == 403
    wrong = "Basic " + base64.b64encode(f"rain-2:{token}".encode()).decode()
    for header in ("Bearer chd_wrong", wrong):
        for peer in ("192.0.2.1", "127.0.0.1"):
            async with hub.client(peer, authorization=header) as stranger:
                assert (await stranger.post("/api/feeds/tank/messages", content=b'{"level": 1}')).status_code == 401
    assert (await hub.client().get(f"{API}/rain-1")).json()["health"] == "ok"


async def test_health_follows_what_the_device_tells_of(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await observed(hub, "urn:ngsi-ld:RainGauge:1")
        for seconds, health in ((1, "ok"), (100, "late"), (100, "silent")):
            hub.clock.moment += timedelta(seconds=seconds)
            shown = (await client.get(f"{API}/rain-1")).json()
            assert shown["health"] == health and "expected every 60 s" in shown["why"]
        await hub.registers.sweep()
        entity = hub.store.get("", RAIN)
        assert entity is not None and "silent" in str(entity["attrs"]["https://smartdatamodels.org/dataModel.Device/deviceState"])
        await settled(hub)
        assert (await client.get(f"{API}?health=silent")).json()["byHealth"] == {"silent": 1}, "its own judgement is no sign of life"
        await observed(hub, "urn:ngsi-ld:RainGauge:1")
        await hub.registers.sweep()
        assert (await client.get(f"{API}?health=ok")).json()["total"] == 1


async def test_signs_of_life_outlast_a_restart(hub: Hub) -> None:
    from cityhub.ingest.register.assembly import Around, Registers

    async with hub.client() as client:
        await add(client)
        await observed(hub, "urn:ngsi-ld:RainGauge:1")
        seen = (await client.get(f"{API}/rain-1")).json()["lastSeen"]
    await hub.registers.stop()
    await hub.store.write("", [Write("urn:ngsi-ld:RainGauge:1", lambda current, now: (None, None))])
    again = Registers(Around(hub.store, hub.store, hub.gateway, hub.clock))
    await again.start()
    assert again.seen.health(("", RAIN))[2] == seen
    await again.devices.load_names()
    assert again.devices.index.find("", "城东")[0].key == ("", RAIN)
    await again.stop()


async def test_firmware_and_configuration_are_pending_until_reported(hub: Hub) -> None:
    async with hub.client() as client:
        token = (await add(client, token=True, wanted={"firmware": "2.1", "configuration": {"period_s": 10}}))["token"]
        shown = (await client.get(f"{API}/rain-1")).json()
        assert (shown["firmware"]["state"], shown["configurationState"]) == ("unknown", "unknown")
        async with hub.client("192.0.2.1", authorization=f"Bearer {token}") as device:
            told = await device.post("/api/device/report", json={"firmwareVersion": "2.0", "batteryLevel": 0.5, "configuration": {"period_s": 10}})
            assert told.json() == {"wanted": {"firmware": "2.1", "configuration": {"period_s": 10}}}
            shown = (await client.get(f"{API}/rain-1")).json()
            assert (shown["firmware"]["state"], shown["configurationState"], shown["batteryLevel"]) == ("pending", "same", 0.5)
            await device.post("/api/device/report", json={"firmwareVersion": "2.1"})
            assert (await device.post("/api/device/report", json={"owner": "me"})).status_code == 400
        assert (await client.get(f"{API}/rain-1")).json()["firmware"] == {"wanted": "2.1", "reported": "2.1", "state": "same"}
        assert (await client.post("/api/device/report", json={})).status_code == 403, "the local user is no device"


async def test_pages_of_a_hundred_thousand_devices_come_quickly(hub: Hub) -> None:
    async with hub.client() as client:
        rows = [{"id": f"d-{number:06}", "name": f"Pump {number}", "feed": "tank"} for number in range(1_000)]
        assert (await client.post(f"{API}/bulk", json=rows)).json()["created"] == 1_000
        for number in range(1_000, 100_000):
            device = Device(f"urn:ngsi-ld:Device:e-{number:06}", feed="other")
            hub.registers.devices.index.put("", device)
        await client.get(f"{API}?limit=1")
        for query in ("limit=100", "feed=tank&offset=900&limit=100", "q=PUMP 19", "health=never&limit=100&feed=tank"):
            began = time.perf_counter()
            answer = await client.get(f"{API}?{query}")
            assert answer.status_code == 200 and answer.json()["devices"]
            assert time.perf_counter() - began < 3, query


async def test_tenants_do_not_see_each_other(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        other = {"ngsild-tenant": "east"}
        assert (await client.get(API, headers=other)).json()["total"] == 0
        assert (await client.get(f"{API}/rain-1", headers=other)).status_code == 404
        assert (await client.post(API, json=BODY, headers=other)).status_code == 201
        assert (await client.get(API)).json()["total"] == 1
