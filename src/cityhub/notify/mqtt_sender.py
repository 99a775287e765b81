"""Messages by MQTT: an object with "metadata" and "body".

Source: GS CIM 009 V1.9.1, clause 7.2 and tables 7.2-1, 7.2-2.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import unquote, urlsplit

import orjson
from paho.mqtt.enums import MQTTProtocolVersion

from cityhub.model.ports import Receiver
from cityhub.notify.lane import Attempt, Done
from cityhub.notify.mqtt_client import Broker, MqttClients, MqttConnection

VERSIONS: Final = {"mqtt3.1.1": MQTTProtocolVersion.MQTTv311, "mqtt5.0": MQTTProtocolVersion.MQTTv5}
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class MqttSender:
    """Publishes the messages of one receiver. The broker is connected to when the first message comes."""

    __slots__ = ("_broker", "_clients", "_connection", "_fault", "_head", "_qos", "_timeout_s", "_topic")

    def __init__(self, receiver: Receiver, clients: MqttClients) -> None:
        self._clients = clients
        self._timeout_s = receiver.timeout_s
        self._head = b'{"metadata":' + orjson.dumps(dict(receiver.headers)) + b',"body":'
        self._qos = int(dict(receiver.options).get("MQTT-QoS", "0"))
        self._connection: MqttConnection | None = None
        self._fault = ""
        try:
            self._broker, self._topic = broker_and_topic(receiver)
        except ValueError as error:
            self._fault = str(error)

    def send(self, body: bytes, done: Done) -> None:
        """See `cityhub.notify.lane.Sender`."""
        if self._fault:
            asyncio.get_running_loop().call_soon(done, Attempt(self._fault))
            return
        if self._connection is None:
            self._connection = self._clients.acquire(self._broker)
        self._connection.publish(self._topic, self._head + body + b"}", self._qos, self._timeout_s, done)

    def close(self) -> None:
        """Gives the connection back."""
        if self._connection is not None:
            self._connection = None
            self._clients.release(self._broker)


def broker_and_topic(receiver: Receiver) -> tuple[Broker, str]:
    """Which broker and which topic an MQTT URI names: mqtt[s]://[user[:password]@]host[:port]/topic[/subtopic...].

    Raises:
        ValueError: The URI has no host or no topic, or the topic has a wildcard.
    """
    parts = urlsplit(receiver.uri)
    scheme = parts.scheme.lower()
    topic = unquote(receiver.uri.partition("://")[2].partition("/")[2])
    if not parts.hostname or not topic or any(letter in "+#\0" for letter in topic):
        raise ValueError(f"'{receiver.uri[:200]}' is not an MQTT URI such as 'mqtt://broker.example/topic'")
    version = VERSIONS[dict(receiver.options).get("MQTT-Version", "mqtt5.0")]
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    return Broker(parts.hostname, parts.port or _PORTS[scheme], scheme == "mqtts", user, password, version), topic
