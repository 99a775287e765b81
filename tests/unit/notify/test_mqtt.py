"""Messages over MQTT: against a real broker, which also dies and comes back."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.model.ports import Receiver as To
from cityhub.notify import lane as lanes
from cityhub.notify.delivery import MessageDelivery
from cityhub.notify.mqtt_sender import broker_and_topic
from tests.services import free_port
from tests.unit.notify.conftest import Listener
from tests.unit.notify.test_delivery import body, until

METADATA = (("Content-Type", "application/json"), ("Link", "<http://c>"), ("x-key", "v"))


class Subscriber:
    """A real MQTT client that collects what it hears on a topic."""

    def __init__(self, port: int, topic: str) -> None:
        self.got: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ready = queue.SimpleQueue[None]()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.got.put((orjson.loads(message.payload), message.qos))
        self._client.on_subscribe = lambda *arguments: ready.put(None)
        self._client.on_connect = lambda *arguments: self._client.subscribe(topic, 2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        ready.get(timeout=60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("qos", ["0", "1", "2"])
@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0"])
async def test_a_message_has_metadata_and_body(
    delivery: MessageDelivery, listener: Listener, mosquitto: int, qos: str, version: str
) -> None:
    heard = await asyncio.to_thread(Subscriber, mosquitto, "city/#")
    options = (("MQTT-QoS", qos), ("MQTT-Version", version))
    lane = delivery.open(To(f"mqtt://127.0.0.1:{mosquitto}/city/a%20b/c", METADATA, options), listener)
    for number in range(20):
        lane.put(body(number), number)
    await until(lambda: listener.done == list(range(20)))
    got = [await asyncio.to_thread(heard.got.get, True, 5) for _ in range(20)]
    assert [message for message, _ in got] == [{"metadata": dict(METADATA), "body": {"n": number}} for number in range(20)]
    assert {used for _, used in got} == {int(qos)}
    assert {reason for _, reason in listener.answers} == {""}
    heard.close()


async def test_a_broker_that_is_not_there_is_waited_for(
    delivery: MessageDelivery, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_S", (0.1,))
    lane = delivery.open(To(f"mqtt://127.0.0.1:{free_port()}/t", timeout_s=0.3), listener)
    lane.put(b"{}", 1)
    await until(lambda: len(listener.answers) >= 2)
    assert not listener.done
    assert all(reason for _, reason in listener.answers)
    lane.close()


async def test_the_connection_is_shared_and_closed_with_its_last_lane(
    delivery: MessageDelivery, mosquitto: int
) -> None:
    first, second = Listener(), Listener()
    lanes_ = [delivery.open(To(f"mqtt://127.0.0.1:{mosquitto}/{name}"), who) for name, who in (("a", first), ("b", second))]
    for lane in lanes_:
        lane.put(b"{}", 1)
    await until(lambda: first.done == [1] and second.done == [1])
    assert len(delivery._clients._open) == 1
    lanes_[0].close()
    assert len(delivery._clients._open) == 1
    lanes_[1].close()
    assert not delivery._clients._open


def test_the_parts_of_an_mqtt_uri() -> None:
    broker, topic = broker_and_topic(To("mqtts://us%40er:p%3Aw@broker.example/city/level", (), (("MQTT-Version", "mqtt3.1.1"),)))
    assert (broker.host, broker.port, broker.tls, broker.user, broker.password) == ("broker.example", 8883, True, "us@er", "p:w")
    assert topic == "city/level"
    assert broker_and_topic(To("mqtt://broker.example:1888/t"))[0].port == 1888
    for wrong in ("mqtt://broker.example", "mqtt://broker.example/", "mqtt:///t", "mqtt://b/a/+/c", "mqtt://b/a/%23"):
        with pytest.raises(ValueError, match="not an MQTT URI"):
            broker_and_topic(To(wrong))
