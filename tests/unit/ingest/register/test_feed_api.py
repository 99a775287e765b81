"""Feeds over HTTP: definitions with their versions, trials, and messages."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.ingest.district import read_district
from cityhub.ingest.gateway_port import FeedState
from cityhub.ingest.register.assembly import Around, Registers
from cityhub.web.application import Application
from tests.unit.ingest.register.conftest import Hub

API = "/api/feeds"
QIANJIANG = Path(__file__).parents[4] / "districts/qianjiang"
TANK: dict[str, Any] = {
    "id": "tank", "protocol": "http", "title": {"zh": "水箱", "en": "Tank"}, "interval_s": 10,
    "entities": [{"type": "Tank", "id": '"urn:ngsi-ld:Tank:" + id', "attributes": {"level": {"value": "level", "unit": "m"}}}],
}  # fmt: skip
YAML = b"""
id: rain
protocol: mqtt
source: {url: "mqtt://broker.example", password: "env:RAIN_PASSWORD"}
entities:
  - type: RainGauge
    id: '"urn:ngsi-ld:RainGauge:" + topic[2]'
    attributes:
      precipitation: {value: data.rain, unit: mm}
checks:
  precipitation: {minimum: 0, maximum: 200}
"""


async def add(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    answer = await client.post(API, json={**TANK, **changes})
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_feed_comes_in_yaml_or_json_and_goes_out_as_json(hub: Hub) -> None:
    async with hub.client() as client:
        made = await client.post(f"{API}?why=first", content=YAML)
        assert made.status_code == 201, made.text
        assert (made.headers["location"], made.headers["etag"]) == ("/api/feeds/rain", '"1.0"')
        shown = made.json()
        assert shown["entities"][0]["attributes"]["precipitation"] == {"value": "data.rain", "unit": "mm"}
        assert (shown["changed"]["by"], shown["changed"]["why"], shown["version"]) == ("local", "first", 1)
        await add(client)
        listed = (await client.get(API)).json()
        assert [one["id"] for one in listed["feeds"]] == ["rain", "tank"]
        assert (await client.post(API, content=YAML)).status_code == 409
        assert [feed.id for feed in hub.gateway.arranged[-1]] == ["rain", "tank"]


async def test_each_change_is_a_version_with_who_when_and_why(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        changed = await client.put(f"{API}/tank?why=slower", json={**TANK, "interval_s": 60})
        assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 2, '"2.0"')
        same = await client.put(f"{API}/tank", json={**TANK, "interval_s": 60, "version": 9})
        assert same.json()["version"] == 2, "what is the same is no version"
        stopped = await client.post(f"{API}/tank/stop")
        assert (stopped.json()["enabled"], stopped.json()["version"]) == (False, 3)
        assert hub.gateway.feeds["tank"].enabled is False
        versions = (await client.get(f"{API}/tank/versions")).json()
        assert [(one["version"], one["interval_s"], one["changed"]["why"]) for one in versions["versions"]] == [
            (3, 60.0, ""), (2, 60.0, "slower"), (1, 10.0, ""),
        ]  # fmt: skip
        assert [one["version"] for one in (await client.get(f"{API}/tank/versions?limit=1&offset=1")).json()["versions"]] == [2]


async def test_a_change_of_an_older_version_is_refused(hub: Hub) -> None:
    async with hub.client() as client:
        tag = (await add(client)).headers["etag"]
        body = {**TANK, "interval_s": 60}
        assert (await client.put(f"{API}/tank", json=body, headers={"if-match": tag})).status_code == 200
        assert (await client.put(f"{API}/tank", json=TANK, headers={"if-match": tag})).status_code == 412
        assert (await client.delete(f"{API}/tank", headers={"if-match": tag})).status_code == 412
        assert (await client.put(f"{API}/other", json=TANK)).status_code == 400
        assert (await client.put(f"{API}/nothing", json={**TANK, "id": "nothing"})).status_code == 404


async def test_a_deleted_feed_keeps_its_versions_and_counts_on(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        assert (await client.delete(f"{API}/tank")).status_code == 204
        assert (await client.get(f"{API}/tank")).status_code == 404
        assert hub.gateway.feeds == {}
        assert (await add(client)).json()["version"] == 3
        assert [one.get("deleted", False) for one in (await client.get(f"{API}/tank/versions")).json()["versions"]] == [False, True, False]


async def test_registers_are_there_again_after_a_restart(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
    again = Registers(Around(hub.store, hub.store, hub.gateway, hub.clock))
    await again.start()
    assert [feed.id for feed in again.feeds.all()] == ["tank"]
    await again.stop()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "Tank 1"}, "lower-case"), ({"id": "trial"}, "'trial'"), ({"protocol": ""}, "'protocol'"), ({"nothing": 1}, "nothing"),
        ({"source": {"password": "geheim"}}, "'source.password'"), ({"source": {"url": "mqtt://me:geheim@broker"}}, "'source.url'"),
        ({"source": {"headers": {"Authorization": "Bearer x"}}}, "'source.headers.Authorization'"), ({"interval_s": -1}, "'interval_s'"),
        ({"checks": {"level": {"minimum": 2, "maximum": 1}}}, "'checks.level.minimum'"), ({"checks": {"rain": {}}}, "'rain'"),
        ({"checks": {"level": {"jump": 0}}}, "'checks.level.jump'"), ({"context": "file:///etc/passwd"}, "'context'"),
        ({"entities": [{"type": "Tank", "id": " ", "attributes": {}}]}, "'entities[0].id'"),
        ({"entities": [{"type": "a b", "id": "x", "attributes": {}}]}, "'a b'"),
        ({"entities": [{"type": "Tank", "id": "x", "attributes": {}, "time_zone": "Mars/Base"}]}, "time_zone"),
        ({"entities": [{"type": "Tank", "id": "x", "attributes": {}, "within": {"type": "Point", "coordinates": [1, 2]}}]}, "within"),
        ({"entities": [{"type": "Tank", "id": "x", "attributes": {"level": {"value": "x", "table": [[1, 2], [0, 3]]}}}]}, "table"),
        ({"entities": [{"type": "Tank", "id": "x", "attributes": {"level": {"value": "x", "to": "m"}}}]}, "'unit'"),
        ({"entities": [{"type": "Tank", "id": "1 +", "attributes": {"level": {"value": "x"}}}]}, "line 1, column 4"),
        ({"entities": [{"type": "Tank", "id": "x", "attributes": {"level": {"value": "x", "unit": "furlongs", "to": "m"}}}]}, "furlongs"),
    ],
)  # fmt: skip
async def test_what_cannot_be_right_is_refused_by_name(hub: Hub, change: dict[str, Any], named: str) -> None:
    async with hub.client() as client:
        answer = await client.post(API, json={**TANK, "checks": {}, **change})
        assert answer.status_code == 400, answer.text
        assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"- a", b"\xff\xfe\x00", b"a: [", b"a: &x [1]\nb: *x", b"{a: &x [1], b: *x}", b"[" * 5000, b"a: " + b"[" * 100 + b"]" * 100,
        b"{" + b'"a":{' * 5000, b"id: " + b"x" * 300_000, b"!!python/object/apply:os.system ['true']",
    ],
)  # fmt: skip
async def test_hostile_documents_are_refused(hub: Hub, body: bytes) -> None:
    async with hub.client() as client:
        assert (await client.post(API, content=body)).status_code == 400


async def test_status_says_how_a_feed_stands_and_when_it_fell_silent(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        status = (await client.get(f"{API}/tank")).json()["status"]
        assert status["state"] == "waiting" and status["deadLetters"] == 0
        last = "2026-11-23T06:04:00.000000Z"
        hub.gateway.state["tank"] = FeedState("running", "", "2026-11-23T06:00:00.000000Z", 7, 6, flagged=1, per_second=0.1, last_at=last, score=0.9)
        status = (await client.get(f"{API}/tank")).json()["status"]
        assert status.pop("silentSince") == last
        assert status == {
            "state": "running", "detail": "", "since": "2026-11-23T06:00:00.000000Z", "received": 7, "written": 6, "late": 0, "same": 0,
            "refused": 0, "flagged": 1, "perSecond": 0.1, "lastAt": last, "connections": 0, "score": 0.9, "address": "", "deadLetters": 0,
        }  # fmt: skip
        hub.gateway.state["tank"] = FeedState("running", last_at="2026-11-23T06:04:50.000000Z")
        assert "silentSince" not in (await client.get(f"{API}/tank")).json()["status"]
        stopped = (await client.post(f"{API}/tank/stop")).json()["status"]
        assert (stopped["state"], stopped["detail"]) == ("stopped", "Stopped by local"), "whatever the gateway's last report says"


async def test_a_trial_keeps_nothing(hub: Hub) -> None:
    async with hub.client() as client:
        asked = {"feed": TANK, "sample": '[{"level": 1}, {"level": "x"}]', "about": {"topic": ["a"]}}
        trial = (await client.post(f"{API}/trial", json=asked)).json()
        assert trial["problems"] == [{"record": 1, "stage": "map", "reason": "'level' must be a number"}]
        assert len(trial["records"]) == 2 and trial["entities"][0]["id"] == "urn:ngsi-ld:tank:1"
        asked = {"feed": {"protocol": "http"}, "sampleBase64": base64.b64encode(b'{"level": 2}').decode()}
        assert (await client.post(f"{API}/trial", json=asked)).json()["problems"] == []
        assert (await client.get(API)).json()["total"] == 0
        for wrong in ({"feed": TANK}, {"feed": TANK, "sample": "x", "sampleBase64": "eA=="}, {"sample": "x"}, {"feed": TANK, "sampleBase64": "*"},
                      {"feed": {**TANK, "protocol": 1}, "sample": "x"}, {"feed": "nothing", "sample": "x"}, [], {"feed": TANK, "sample": "x", "about": 1}):  # fmt: skip
            assert (await client.post(f"{API}/trial", json=wrong)).status_code in (400, 404), wrong


async def test_a_pushed_message_is_answered_with_what_became_of_it(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        answer = await client.post(f"{API}/tank/messages?station=7", content=b'[{"level": 1}, {"level": "x"}]', headers={"content-type": "application/json", "authorization": "Bearer x"})
        assert (answer.status_code, answer.json()) == (200, {"written": 1, "late": 0, "same": 0, "flagged": 0, "refused": ["'level' must be a number"]})
        about = hub.gateway.messages[-1].about
        assert about["query"] == {"station": "7"} and "authorization" not in about["headers"]
        for media, format in (("text/csv; charset=utf-8", "csv"), ("application/cbor", "cbor"),
                              ("application/x-ndjson", "ndjson"), ("application/octet-stream", ""), ("application/json", "")):  # fmt: skip
            await client.post(f"{API}/tank/messages", content=b'{"level": 1}', headers={"content-type": media})
            assert hub.gateway.messages[-1].format == format
        assert (await client.post(f"{API}/tank/messages", content=b"x", headers={"content-type": "image/png"})).status_code == 415
        assert (await client.post(f"{API}/tank/messages", content=b"x", headers={"content-encoding": "gzip"})).status_code == 415
        assert (await client.post(f"{API}/tank/messages", content=b"")).status_code == 400
        assert (await client.post(f"{API}/tank/messages", content=b"x" * 17_000_000)).status_code == 413
        assert (await client.post(f"{API}/nothing/messages", content=b"x")).status_code == 404
        hub.gateway.full = True
        full = await client.post(f"{API}/tank/messages", content=b'{"level": 1}')
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        hub.gateway.full = False
        await client.post(f"{API}/tank/stop")
        assert (await client.post(f"{API}/tank/messages", content=b'{"level": 1}')).status_code == 409


async def test_protocols_and_formats_are_told(hub: Hub) -> None:
    async with hub.client() as client:
        assert (await client.get(f"{API}/protocols")).json()["protocols"][0]["name"] == "mqtt"
        assert (await client.get(f"{API}/formats")).json()["formats"][0]["name"] == "json"


async def test_a_stranger_is_not_let_in(hub: Hub) -> None:
    async with hub.client("192.0.2.1") as client:
        for route in hub.registers.routes():
            body = None if route.method in ("GET", "DELETE") else orjson.dumps({})
            answer = await client.request(route.method, route.path.replace("{id}", "tank"), content=body)
            assert answer.status_code == 401, route.path


async def test_the_districts_own_feeds_are_listed_and_not_changed(hub: Hub) -> None:
    registers = Registers(Around(hub.store, hub.store, hub.gateway, hub.clock, district=read_district(QIANJIANG)))
    application = Application(registers.routes(), LoopbackAccess(), 1_000_000)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        listed = {one["id"]: one for one in (await client.get(API)).json()["feeds"]}
        weather = listed["weather"]
        assert (weather["protocol"], weather["readOnly"], weather["simulated"]) == ("district", True, True)
        assert (await client.get(f"{API}/weather")).json() == weather
        assert (await client.post(API, json={**TANK, "id": "weather"})).status_code == 409
        assert (await client.put(f"{API}/weather", json={**TANK, "id": "weather"})).status_code == 409
        assert (await client.post(f"{API}/weather/stop")).status_code == 409
        assert (await client.delete(f"{API}/weather")).status_code == 409
