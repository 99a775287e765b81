"""Connections to MQTT brokers: one for each broker, user and protocol version, kept while somebody needs it.

Source: GS CIM 009 V1.9.1, clause 7.2; OASIS MQTT 3.1.1 and 5.0.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from cityhub.notify.http_pool import ForbiddenError, look_up, permitted
from cityhub.notify.lane import SENT, Attempt, Done
from cityhub.web.addresses import AddressPolicy

KEEP_ALIVE_S: Final = 30
RETRY_S: Final = (1, 30)
"""Shortest and longest pause before a lost connection is tried again, in seconds."""
CONNECT_S: Final = 5.0


class Broker(NamedTuple):
    """Who is connected to, and as whom."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    version: MQTTProtocolVersion


class _GuardedClient(paho.Client):
    """Connects only to addresses that the policy permits."""

    policy: AddressPolicy
    refusal = ""

    def _create_socket_connection(self) -> socket.socket:
        self.refusal = ""
        host, port = self._host, self._port
        try:
            addresses = permitted(self.policy, host, port, look_up(host, port))
        except ForbiddenError as error:
            self.refusal = str(error)
            raise
        last: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((address, port), timeout=CONNECT_S)
            except OSError as error:
                last = error
        raise last or OSError("the host has no address")


class _Waiting(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    done: Done


class MqttConnection:
    """A connection to one broker. Its own thread talks to the broker; everything else happens in the event loop."""

    def __init__(self, broker: Broker, policy: AddressPolicy) -> None:
        self._loop = asyncio.get_running_loop()
        self._connected = False
        self._waiting: dict[int, _Waiting] = {}
        self._unacknowledged: dict[int, int] = {}
        self._deadlines: dict[int, asyncio.TimerHandle] = {}
        self._last = 0
        self._client = _GuardedClient(CallbackAPIVersion.VERSION2, f"cityhub-{uuid4().hex[:12]}", protocol=broker.version)
        self._client.policy = policy
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._client.tls_set()
        self._client.reconnect_delay_set(*RETRY_S)
        self._client.on_connect = self._in_loop(self._on_connect)
        self._client.on_connect_fail = self._in_loop(self._on_connect_fail)
        self._client.on_disconnect = self._in_loop(self._on_disconnect)
        self._client.on_publish = self._in_loop(self._on_publish)
        self._client.connect_async(broker.host, broker.port, KEEP_ALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, qos: int, timeout_s: float, done: Done) -> None:
        """Publishes; `done` hears when the broker has acknowledged it (QoS 0: when it was sent)."""
        self._last += 1
        number = self._last
        self._waiting[number] = _Waiting(topic, payload, qos, done)
        self._deadlines[number] = self._loop.call_later(timeout_s, self._too_late, number, timeout_s)
        if self._connected:
            self._hand_over(number)

    async def close(self) -> None:
        """Says good-bye to the broker."""
        for number in list(self._waiting):
            self._end(number, Attempt("the hub is closing the connection", again=True))
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _in_loop(self, heard: Callable[..., None]) -> Callable[..., None]:
        def callback(*arguments: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(heard, *arguments)

        return callback

    def _hand_over(self, number: int) -> None:
        message = self._waiting[number]
        try:
            info = self._client.publish(message.topic, message.payload, message.qos)
        except ValueError as error:
            self._loop.call_soon(self._end, number, Attempt(f"the broker cannot be told: {error}"))
            return
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._unacknowledged[info.mid] = number
        else:
            self._loop.call_soon(self._end, number, Attempt(paho.error_string(info.rc), again=True))

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._fail_all(Attempt(f"the broker refused the connection: {reason}", again=True))
            return
        self._connected = True
        handed_over = set(self._unacknowledged.values())
        for number in [number for number in self._waiting if number not in handed_over]:
            self._hand_over(number)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        refusal = self._client.refusal
        self._fail_all(Attempt(refusal or "the broker cannot be reached", again=not refusal))

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._connected = False
        self._fail_all(Attempt(f"the connection to the broker was lost: {reason}", again=True))

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        number = self._unacknowledged.pop(mid, None)
        if number is not None:
            self._end(number, Attempt(f"the broker refused the message: {reason}") if reason.is_failure else SENT)

    def _too_late(self, number: int, timeout_s: float) -> None:
        self._end(number, Attempt(f"no acknowledgement within {timeout_s:g} s", again=True))

    def _fail_all(self, attempt: Attempt) -> None:
        self._unacknowledged.clear()
        for number in list(self._waiting):
            self._end(number, attempt)

    def _end(self, number: int, attempt: Attempt) -> None:
        message = self._waiting.pop(number, None)
        if message is not None:
            self._deadlines.pop(number).cancel()
            message.done(attempt)


class MqttClients:
    """The connections to all brokers."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._open: dict[Broker, tuple[MqttConnection, int]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def acquire(self, broker: Broker) -> MqttConnection:
        """The connection to a broker; to be given back with `release`."""
        found = self._open.get(broker)
        connection, users = found or (MqttConnection(broker, self._policy), 0)
        self._open[broker] = (connection, users + 1)
        return connection

    def release(self, broker: Broker) -> None:
        """Gives a connection back; it is closed when nobody needs it any more."""
        connection, users = self._open.pop(broker)
        if users > 1:
            self._open[broker] = (connection, users - 1)
            return
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Closes all connections."""
        connections = [connection for connection, _ in self._open.values()]
        self._open.clear()
        await asyncio.gather(*(connection.close() for connection in connections), *self._closing, return_exceptions=True)
