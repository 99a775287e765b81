"""Feeds come in through the gateway's process: by MQTT and pushed, mapped, journalled, then acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import paho.mqtt.client as paho
import paho.mqtt.publish as publish
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.hub import Hub
from cityhub.model.errors import StoreUnavailable
from tests.e2e.hub_process import ROOT
from tests.services import free_port
from tests.unit.ingest.gateway.conftest import meters, until

LIBRARIES = (
    "aiocoap", "asyncua", "docx", "duckdb", "google.protobuf", "pandas", "paho.mqtt.publish", "pyarrow", "pymodbus", "py_mini_racer", "pysnmp",
    "SpiffWorkflow", "typst", "websockets",
)  # fmt: skip


def test_neither_hub_nor_gateway_loads_a_library_before_a_feed_needs_it() -> None:
    code = f"import sys, cityhub.hub, cityhub.gateway; print([name for name in {LIBRARIES!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "[]\n", done.stderr


def say(port: int, *levels: tuple[str, float, str]) -> None:
    publish.multiple(
        [(f"meters/a/{name}", f'{{"level": {level}, "at": "{at}"}}', 1, False) for name, level, at in levels], port=port, hostname="127.0.0.1"
    )


async def make(client: httpx.AsyncClient, feed: dict[str, Any]) -> None:
    answer = await client.post("/api/feeds", json=feed)
    assert answer.status_code == 201, answer.text


async def level(client: httpx.AsyncClient, name: str) -> Any:
    answer = await client.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:Meter:{name}", params={"options": "keyValues"})
    return answer.json().get("level") if answer.status_code == 200 else None


async def test_a_message_becomes_state_and_is_counted(hub: Hub, client: httpx.AsyncClient, mosquitto: int) -> None:
    await make(client, meters(mosquitto))
    await until(lambda: hub.gateway.states().get("meters") and hub.gateway.states()["meters"].state == "running")
    await asyncio.to_thread(
        say, mosquitto, ("1", 1.5, "2026-01-01T00:00:01Z"), ("1", 1.7, "2026-01-01T00:00:03Z"), ("1", 1.6, "2026-01-01T00:00:02Z"),
        ("1", 1.7, "2026-01-01T00:00:03Z"), ("2", 9.0, "not a time"),
    )  # fmt: skip
    await until(lambda: hub.gateway.states()["meters"].received == 5)
    await until(lambda: hub.gateway.states()["meters"].refused == 1)
    state = hub.gateway.states()["meters"]
    assert (state.written, state.late, state.same, state.connections) == (2, 1, 1, 1)
    assert await level(client, "1") == 1.7
    letters = (await client.get("/api/dead-letters")).json()
    assert "not a time" in str(letters)
    history = await client.get("/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Meter:1", params={"options": "temporalValues"})
    assert sorted(value for value, _ in history.json()["level"]["values"]) == [1.5, 1.6, 1.7]


async def test_a_message_may_be_pushed_and_tried(hub: Hub, client: httpx.AsyncClient) -> None:
    feed = meters(1)
    pushed = {**feed, "entities": [{**feed["entities"][0], "id": '"urn:ngsi-ld:Meter:" + name'}]}
    await make(client, pushed)
    answer = await client.post("/api/feeds/meters/messages", json={"name": "7", "level": 3, "at": "2026-01-01T00:00:00Z"})
    assert answer.status_code == 200 and answer.json()["written"] == 1, answer.text
    assert await level(client, "7") == 3
    state = await until(lambda: hub.gateway.states().get("meters"))
    assert state.state in ("connecting", "waiting")
    trial = await client.post(
        "/api/feeds/trial", json={"feed": pushed, "sample": '[{"name": "8", "level": 4, "at": "2026-01-01T00:00:00Z"}, {"name": "9"}]'}
    )
    assert trial.status_code == 200, trial.text
    told = trial.json()
    assert told["entities"][0]["level"]["value"] == 4 and [problem["record"] for problem in told["problems"]] == [1]
    assert await level(client, "8") is None
    assert '"name":"mqtt"' in (await client.get("/api/feeds/protocols")).text
    assert '"name":"csv"' in (await client.get("/api/feeds/formats")).text


async def test_a_gateway_that_dies_comes_back_and_nothing_is_lost(hub: Hub, client: httpx.AsyncClient, mosquitto: int) -> None:
    await make(client, meters(mosquitto))
    await until(lambda: "meters" in hub.gateway.states() and hub.gateway.states()["meters"].state == "running")
    first = hub.gateway.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: hub.gateway.pid is None)
    await asyncio.to_thread(say, mosquitto, *[("1", number, f"2026-01-01T00:00:{number:02}Z") for number in range(50)])
    await until(lambda: hub.gateway.pid not in (None, first))
    async with asyncio.timeout(60):
        while await level(client, "1") != 49:
            await asyncio.sleep(0.05)


async def test_a_feed_that_stops_lets_go_of_its_broker(hub: Hub, client: httpx.AsyncClient, mosquitto: int) -> None:
    await make(client, meters(mosquitto))
    await until(lambda: "meters" in hub.gateway.states() and hub.gateway.states()["meters"].state == "running")
    await client.post("/api/feeds/meters/stop")
    await until(lambda: "meters" not in hub.gateway.states())
    assert (await client.post("/api/feeds/meters/messages", json={})).status_code == 409


async def test_a_device_of_the_register_speaks_to_the_hubs_own_broker(hub: Hub, client: httpx.AsyncClient) -> None:
    port = free_port()
    feed = meters(1, protocol="broker") | {"source": {"port": port, "topics": ["meters/#"], "device_publish": ["meters/a/{device}"]}}
    feed["entities"] = [{**feed["entities"][0], "id": '"urn:ngsi-ld:Meter:" + topic[3]'}]
    await make(client, feed)
    added = (await client.post("/api/devices", json={"id": "m7", "token": True})).json()
    await until(lambda: hub.gateway.states().get("meters") and hub.gateway.states()["meters"].state == "running")
    account: Any = {"username": "m7", "password": added["token"]}
    message = b'{"level": 2.5, "at": "2026-01-01T00:00:00Z"}'
    await asyncio.to_thread(publish.single, "meters/a/m7", message, 1, hostname="127.0.0.1", port=port, auth=account)
    assert await level(client, "m7") == 2.5  # it was acknowledged, so it is there


async def test_a_store_that_takes_nothing_is_waited_for_and_seen(
    hub: Hub, client: httpx.AsyncClient, mosquitto: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(client, meters(mosquitto))
    await until(lambda: "meters" in hub.gateway.states() and hub.gateway.states()["meters"].state == "running")

    async def full(*arguments: Any, **options: Any) -> Any:
        raise StoreUnavailable("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(hub.store, "write", full)
        await asyncio.to_thread(say, mosquitto, ("1", 1.5, "2026-01-01T00:00:01Z"))
        state = await until(lambda: next((s for s in [hub.gateway.states()["meters"]] if s.state == "waiting"), None))
        assert "The disk is full" in state.detail and state.written == 0
    await until(lambda: hub.gateway.states()["meters"].written == 1)
    assert hub.gateway.states()["meters"].state == "running" and await level(client, "1") == 1.5


async def test_sensorthings_speaks_mqtt(hub: Hub, client: httpx.AsyncClient) -> None:
    port = free_port()
    await make(client, {"id": "sta", "protocol": "sensorthings", "source": {"port": port, "anonymous": True}})
    named = {"name": "n", "description": "d"}
    stream = {
        **named, "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "metre", "symbol": "m", "definition": "ucum:m"},
        "ObservedProperty": {**named, "definition": "http://example.org/level"},
        "Sensor": {**named, "encodingType": "text/plain", "metadata": "m"},
    }  # fmt: skip
    place = {**named, "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [108.8, 29.5]}}
    made = await client.post("/sta/v1.1/Things", json={**named, "Locations": [place], "Datastreams": [stream]})
    assert made.status_code == 201, made.text
    streams = (await client.get("/sta/v1.1/Datastreams")).json()["value"]
    id = streams[0]["@iot.id"]
    await until(lambda: hub.gateway.states().get("sta") and hub.gateway.states()["sta"].state == "running")
    heard: list[tuple[str, Any]] = []
    listener = paho.Client(CallbackAPIVersion.VERSION2, "listener")
    listener.on_message = lambda _client, _data, message: heard.append((message.topic, json.loads(message.payload)))
    await asyncio.to_thread(listener.connect, "127.0.0.1", port)
    granted: list[Any] = []
    listener.on_subscribe = lambda _client, _data, number, *_: granted.append(number)
    listener.loop_start()
    listener.subscribe([(f"v1.1/Datastreams('{id}')/Observations", 1), ("v1.1/Observations?$select=result", 1)])
    await until(lambda: granted)
    topic = f"v1.1/Datastreams('{id}')/Observations"
    for body in (b'{"result": 4.5, "phenomenonTime": "2026-01-01T00:00:00Z"}', b'{"result": '):
        await asyncio.to_thread(publish.single, topic, body, 1, hostname="127.0.0.1", port=port)
    found = (await client.get(f"/sta/v1.1/Datastreams('{id}')/Observations")).json()["value"]
    assert [one["result"] for one in found] == [4.5]  # it was acknowledged, so it is there
    await until(lambda: len(heard) >= 2)
    assert ("v1.1/Observations?$select=result", {"result": 4.5}) in heard
    assert any(name == topic and document["result"] == 4.5 for name, document in heard)
    letters = (await client.get("/api/dead-letters")).json()
    assert letters["byFeed"] == {"sta": 1}
    settings = (await client.get("/sta/v1.1")).json()["serverSettings"]
    assert {"endpoints": [f"mqtt://127.0.0.1:{port}"]} in settings.values()
    listener.disconnect()
    listener.loop_stop()


async def test_the_data_of_each_device_have_a_score(hub: Hub, client: httpx.AsyncClient) -> None:
    entity = {**meters(1)["entities"][0], "id": '"urn:ngsi-ld:Meter:" + name'}
    await make(client, {**meters(1), "entities": [entity], "checks": {"level": {"minimum": 0, "maximum": 10}}})
    for device, thing in (("d1", "1"), ("d2", "2"), ("d3", "3")):
        answer = await client.post("/api/devices", json={"id": device, "feed": "meters", "entities": [f"urn:ngsi-ld:Meter:{thing}"]})
        assert answer.status_code == 201, answer.text
    shown = (await client.get("/api/devices/d1")).json()
    assert shown["score"] is None  # nothing is known of it yet
    levels = [("1", level) for level in (1, 2, 99, 3)] + [("2", 5)]
    records = [{"name": name, "level": level, "at": f"2026-01-01T00:00:{at:02}Z"} for at, (name, level) in enumerate(levels)]
    assert (await client.post("/api/feeds/meters/messages", json=records)).json()["written"] == 5
    assert (await client.get("/api/devices/d1")).json()["score"] == 0.75
    listed = (await client.get("/api/devices")).json()["devices"]
    assert [device["score"] for device in listed] == [0.75, 1.0, None]
    worst = (await client.get("/api/feeds/meters/scores?limit=1")).json()["scores"]
    assert worst == [{"thing": "urn:ngsi-ld:Meter:1", "score": 0.75, "values": 4}]
    await client.post("/api/feeds/meters/stop")
    assert (await client.get("/api/devices/d1")).json()["score"] is None
    assert (await client.get("/api/feeds/meters/scores")).status_code == 409
