"""The MQTT connector against a real broker: versions, qualities of service, back pressure, sessions, commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cityhub.ingest.broker.topics import matches
from cityhub.ingest.decoding.sparkplug_message import payload_class
from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Command, Message, Settled, Surroundings, TroubleAtSource
from cityhub.ingest.protocols import read_settings
from cityhub.ingest.protocols.mqtt import MqttConnector, connect
from cityhub.model.errors import BadRequestData, StoreUnavailable
from tests.services import find_program, free_port, listens, stop, wait_for


class Notes:
    """What a connector said of itself."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.count = 0

    def state(self, state: str, detail: str = "") -> None:
        self.states.append((state, detail))

    def connections(self, count: int) -> None:
        self.count = count


class Bounded:
    """A sink with so much room, which settles when the test says so."""

    def __init__(self, bound: int = 1_000_000, at_once: bool = True) -> None:
        self.messages: list[Message] = []
        self.settles: list[Callable[[Settled | Exception], None]] = []
        self._bound = bound
        self._at_once = at_once
        self._freed = asyncio.Event()

    def offer(self, message: Message, settled: Callable[[Settled | Exception], None]) -> bool:
        if len(self.settles) >= self._bound:
            return False
        self.messages.append(message)
        if self._at_once:
            asyncio.get_running_loop().call_soon(settled, Settled(1))
        else:
            self.settles.append(settled)
        return True

    async def put(self, message: Message) -> Settled:
        raise NotImplementedError

    async def room(self) -> None:
        while len(self.settles) >= self._bound:
            self._freed.clear()
            await self._freed.wait()

    def settle(self, outcome: Settled | Exception = Settled(1)) -> None:  # noqa: B008
        settles, self.settles = self.settles, []
        for settled in settles:
            settled(outcome)
        self._freed.set()

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.messages]


def connector(port: int, notes: Notes | None = None, feed_format: str = "json", **source: Any) -> MqttConnector:
    feed = Feed("meters", "mqtt", format=feed_format, source={"host": "127.0.0.1", "port": port, "topics": ["meters/#"], **source})
    around = Surroundings(notes or Notes(), None, lambda text: Path(text[5:]).read_text() if text.startswith("file:") else text, lambda host, port: ["127.0.0.1"], lambda: "2026-01-01T00:00:00.000000Z")  # type: ignore[arg-type]
    return connect(feed, read_settings(feed), around)


@contextlib.asynccontextmanager
async def running(made: MqttConnector, sink: Bounded) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(made.run(sink))
    try:
        while not task.done() and len(made._open) < made.settings.connections:
            await asyncio.sleep(0.01)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


def publish(port: int, bodies: list[bytes], qos: int = 1, topic: str = "meters/a/1", **options: Any) -> None:
    """Publishes and waits for the acknowledgement of each."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1000 if qos < 2 else 10)
    if "context" in options:
        client.tls_set(options.pop("context"))
    if "user" in options:
        client.username_pw_set(*options.pop("user"))
    client.connect("127.0.0.1", port)
    client.loop_start()
    for told in [client.publish(topic, body, qos, **options) for body in bodies]:
        told.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@contextlib.contextmanager
def broker(folder: Path, *lines: str) -> Any:
    """A Mosquitto with settings of its own."""
    program = find_program("mosquitto", "/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("Mosquitto is not installed")
    port = free_port()
    (folder / "mosquitto.conf").write_text("\n".join([f"listener {port} 127.0.0.1", *lines]) + "\n")
    server = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port), server, "Mosquitto")
        yield port
    finally:
        stop(server)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_messages_of_every_kind_arrive_once(mosquitto: int, version: str, qos: int) -> None:
    sink, bodies = Bounded(), [b"%d" % number for number in range(300)]
    async with running(connector(mosquitto, version=version, qos=qos), sink):
        await asyncio.to_thread(publish, mosquitto, bodies, qos)
        await until(lambda: len(sink.messages) >= 300)
        await asyncio.sleep(0.1)
    assert sink.bodies == bodies
    assert sink.messages[0].about["topic"] == ["meters", "a", "1"]
    assert sink.messages[0].received_at == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_what_is_not_acknowledged_comes_again(mosquitto: int, version: str, qos: int) -> None:
    sink = Bounded(at_once=False)
    async with running(connector(mosquitto, version=version, qos=qos), sink):
        await asyncio.to_thread(publish, mosquitto, [b"1", b"2", b"3"], qos)
        await until(lambda: len(sink.settles) == 3)
        sink.settles.pop(0)(Settled(1))
        await asyncio.sleep(0.2)
    again = Bounded()
    async with running(connector(mosquitto, version=version, qos=qos), again):
        await until(lambda: len(again.messages) == 2)
        await asyncio.sleep(0.2)
    assert again.bodies == [b"2", b"3"] and all(message.redelivered for message in again.messages)
    third = Bounded()
    async with running(connector(mosquitto, version=version, qos=qos), third):
        await asyncio.sleep(0.3)
    assert third.bodies == []


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_without_room_nothing_is_read_on_and_nothing_is_lost(tmp_path: Path, version: str) -> None:
    with broker(tmp_path, "allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 10000") as port:
        sink, bodies = Bounded(50, at_once=False), [b"%d" % number for number in range(1000)]
        async with running(connector(port, version=version), sink) as task:
            await asyncio.to_thread(publish, port, bodies)
            await until(lambda: len(sink.messages) >= 50)
            await asyncio.sleep(0.2)
            assert len(sink.messages) == 50
            while len(sink.messages) < 1000 and not task.done():
                sink.settle()
                await asyncio.sleep(0.01)
        assert sink.bodies == bodies


async def test_a_hub_that_is_away_ends_the_connection_and_acknowledges_nothing(mosquitto: int) -> None:
    sink = Bounded(at_once=False)
    async with running(connector(mosquitto), sink) as task:
        await asyncio.to_thread(publish, mosquitto, [b"1"])
        await until(lambda: sink.settles)
        sink.settle(StoreUnavailable("The hub is away"))
        with pytest.raises(TroubleAtSource, match="away"):
            await task


async def test_several_connections_share(mosquitto: int) -> None:
    sink, notes = Bounded(), Notes()
    async with running(connector(mosquitto, notes, connections=3), sink):
        assert notes.count == 3 and notes.states[-1] == ("running", "")
        await asyncio.to_thread(publish, mosquitto, [b"%d" % number for number in range(100)])
        await until(lambda: len(sink.messages) >= 100)
        await asyncio.sleep(0.1)
    assert sorted(sink.bodies, key=int) == [b"%d" % number for number in range(100)]


async def test_properties_say_format_and_headers(mosquitto: int) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/cbor"
    properties.UserProperty = [("site", "7")]
    sink = Bounded()
    async with running(connector(mosquitto), sink):
        await asyncio.to_thread(publish, mosquitto, [b"\xa0"], properties=properties)
        await until(lambda: sink.messages)
    assert sink.messages[0].format == "application/cbor" and sink.messages[0].about["headers"] == {"site": "7"}


@pytest.mark.parametrize(("retained", "seen"), [(True, [b"old"]), (False, [])])
async def test_retained_messages_are_taken_or_not(mosquitto: int, retained: bool, seen: list[bytes]) -> None:
    await asyncio.to_thread(publish, mosquitto, [b"old"], retain=True)
    sink = Bounded()
    async with running(connector(mosquitto, retained=retained), sink):
        await until(lambda: len(sink.bodies) >= len(seen))
        await asyncio.sleep(0.3)
    assert sink.bodies == seen and all(message.redelivered for message in sink.messages)


async def test_commands_go_down_and_answers_come_up(mosquitto: int) -> None:
    device = paho.Client(CallbackAPIVersion.VERSION2)

    def obey(client: Any, _data: Any, message: Any) -> None:
        told = msgspec.json.decode(message.payload)
        refused = {"error": "the valve is stuck"} if told["name"] == "open" else {"level": 3}
        client.publish("meters/a/7/answers", msgspec.json.encode({"id": told["id"], **refused}), 1)

    device.on_message = obey
    device.on_connect = lambda client, *_: client.subscribe("orders/a/7", 1)
    device.connect("127.0.0.1", mosquitto)
    device.loop_start()
    sink = Bounded()
    try:
        made = connector(mosquitto, command_topic="orders/a/{device}", answer_topic="meters/a/+/answers")
        async with running(made, sink):
            done = await made.command(Command("c1", "7", "read", {"what": "level"}))
            assert (done.state, done.value["level"]) == ("acknowledged", 3)
            failed = await made.command(Command("c2", "7", "open"))
            assert (failed.state, failed.detail) == ("failed", "the valve is stuck")
            silent = await made.command(Command("c3", "8", "read", timeout_s=0.2))
            assert silent.state == "sent" and "No answer" in silent.detail
        assert (await made.command(Command("c4", "7", "read"))).state == "failed"
        assert sink.bodies == [], "an answer is no measurement"
    finally:
        device.disconnect()
        device.loop_stop()


def secured(folder: Path) -> tuple[str, ...]:
    """Settings of a broker with TLS and an account in a folder."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "passwords").touch()
    subprocess.run(["mosquitto_passwd", "-b", folder / "passwords", "hub", "secret"], check=True, capture_output=True)
    for file in folder.iterdir():
        file.chmod(0o644)
    account = "user root" if os.getuid() == 0 else ""
    return (f"certfile {folder}/cert.pem", f"keyfile {folder}/key.pem", f"password_file {folder}/passwords", account)


async def test_a_node_of_sparkplug_whose_names_nobody_knows_is_asked_for_a_rebirth(mosquitto: int) -> None:
    asked: list[tuple[str, Any]] = []
    node = paho.Client(CallbackAPIVersion.VERSION2)
    node.on_message = lambda client, data, message: asked.append((message.topic, payload_class().FromString(message.payload)))
    node.on_connect = lambda client, *_: client.subscribe("spBv1.0/g/NCMD/n", 0)
    node.connect("127.0.0.1", mosquitto)
    node.loop_start()
    sink = Bounded(at_once=False)
    try:
        async with running(connector(mosquitto, feed_format="sparkplug", topics=["spBv1.0/#"]), sink):
            for topic in ("spBv1.0/g/NDATA/n", "spBv1.0/g/DDATA/n/d", "spBv1.0/g/NBIRTH/m"):
                await asyncio.to_thread(publish, mosquitto, [b"x"], topic=topic)
            await until(lambda: len(sink.settles) == 3)
            sink.settle(Settled(refused=["alias 7 is not known"]))
            await until(lambda: asked)
            await asyncio.sleep(0.2)
    finally:
        node.disconnect()
        node.loop_stop()
    [(topic, payload)] = asked
    assert topic == "spBv1.0/g/NCMD/n" and payload.metrics[0].name == "Node Control/Rebirth" and payload.metrics[0].boolean_value


async def test_account_and_encryption(tmp_path: Path) -> None:
    lines = secured(tmp_path)
    with broker(tmp_path, *lines) as port:
        sink, ca = Bounded(), f"file:{tmp_path}/cert.pem"
        made = connector(port, tls=True, ca=ca, username="hub", password="secret")
        async with running(made, sink) as task:
            assert not task.done(), task.exception()
            bodies = [b"x" * 5000 + b"%d" % number for number in range(200)]
            await asyncio.to_thread(publish, port, bodies, context=str(tmp_path / "cert.pem"), user=("hub", "secret"))
            await until(lambda: len(sink.messages) >= 200)
        assert sink.bodies == bodies
        with pytest.raises(TroubleAtSource, match="refused the connection"):
            await connector(port, tls=True, ca=ca, username="hub", password="wrong").run(sink)
        with pytest.raises(TroubleAtSource, match="cannot be reached"):
            await connector(port, tls=True, username="hub", password="secret").run(sink)


async def test_a_broker_that_is_not_there_or_ends_is_a_trouble_that_passes(tmp_path: Path) -> None:
    with pytest.raises(TroubleAtSource, match="cannot be reached"):
        await connector(free_port()).run(Bounded())
    with broker(tmp_path, "allow_anonymous true") as port:
        made = connector(port)
        task = asyncio.create_task(made.run(Bounded()))
        await until(lambda: made._open)
    with pytest.raises(TroubleAtSource, match="broker"):
        await asyncio.wait_for(task, 60)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100, b"\xff" * 100, b"\x20\x02\x00\x00" + b"\x30\xff\xff\xff\x7f"])
async def test_what_is_no_broker_is_told_so(answer: bytes) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await reader.read()  # until the connector hangs up
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(TroubleAtSource):
        await asyncio.wait_for(connector(port, version="3.1.1").run(Bounded()), 60)
    await asyncio.sleep(0.1)
    server.close()


def test_settings_that_are_wrong_are_named() -> None:
    with pytest.raises(BadRequestData, match="topics"):
        read_settings(Feed("a", "mqtt", source={"host": "h", "topics": []}))
    with pytest.raises(BadRequestData, match="'protocol' is 'x'"):
        read_settings(Feed("a", "x"))


@pytest.mark.parametrize(
    ("wanted", "topic", "fits"),
    [("a/+/c", "a/b/c", True), ("a/#", "a/b/c", True), ("a/+", "a/b/c", False), ("a/b", "a", False), ("#", "a", True)],
)
def test_filters(wanted: str, topic: str, fits: bool) -> None:
    assert matches(wanted, topic) is fits
