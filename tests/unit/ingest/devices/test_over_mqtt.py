"""A command goes down to a device by MQTT and is acknowledged, and what the device sends is its sign of life."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest

from cityhub.hub import build
from cityhub.settings import Settings


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
    await hub.start()
    transport = httpx.ASGITransport(hub.application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
        yield client
    await hub.stop()


def pump(port: int) -> mqtt.Client:
    """A pump that does what it is told, and says so."""

    def told(device: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        order = json.loads(message.payload)
        answer = {"id": order["id"], **({"valve": order["parameters"]["valve"]} if order["name"] == "open" else {"error": "unknown order"})}
        device.publish("pumps/1/answer", json.dumps(answer), 1)

    device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    device.on_connect = lambda device, *more: device.subscribe("pumps/1/orders", 1)
    device.on_message = told
    device.connect("127.0.0.1", port)
    device.loop_start()
    return device


async def until(client: httpx.AsyncClient, path: str, holds: Any) -> Any:
    shown: Any = None
    for _ in range(1200):
        answer = await client.get(path)
        shown = answer.json()
        if answer.status_code == 200 and holds(shown):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


async def test_a_command_is_acknowledged_or_refused_by_the_device(client: httpx.AsyncClient, mosquitto: int) -> None:
    source = {"host": "127.0.0.1", "port": mosquitto, "topics": ["pumps/+/data"], "answer_topic": "pumps/+/answer"}
    entity = {"type": "Pump", "id": '"urn:ngsi-ld:Pump:" + topic[2]', "attributes": {"flow": {"value": "flow"}}}
    feed = await client.post("/api/feeds", json={"id": "pumps", "protocol": "mqtt", "source": source, "entities": [entity]})
    assert feed.status_code == 201, feed.text
    body = {"id": "pump-1", "feed": "pumps", "address": {"topic": "pumps/1/orders"}, "entities": ["urn:ngsi-ld:Pump:1"], "interval_s": 60}
    assert (await client.post("/api/devices", json=body)).status_code == 201
    await until(client, "/api/feeds/pumps", lambda shown: shown["status"]["state"] == "running")
    device = pump(mosquitto)
    try:
        commands = "/api/devices/pump-1/commands"
        opened = (await client.post(commands, json={"name": "open", "parameters": {"valve": 0.5}, "timeoutS": 20})).json()
        closed = (await client.post(commands, json={"name": "explode", "parameters": {}, "timeoutS": 20})).json()
        done = await until(client, f"{commands}/{opened['id']}", lambda shown: shown["state"] not in ("queued", "sent"))
        assert done["state"] == "acknowledged" and done["value"]["valve"] == 0.5, done
        done = await until(client, f"{commands}/{closed['id']}", lambda shown: shown["state"] not in ("queued", "sent"))
        assert done["state"] == "failed" and "unknown order" in done["detail"], done
        device.publish("pumps/1/data", '{"flow": 2}', 1)
        await until(client, "/api/devices/pump-1", lambda shown: shown["health"] == "ok")
    finally:
        device.disconnect()
        device.loop_stop()
