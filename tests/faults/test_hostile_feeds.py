"""What comes in at the doors of feeds is hostile, too much, too late or too early: memory stays bounded, errors are clear, and others go on."""

from __future__ import annotations

import contextlib
import gzip
import os
import queue
import random
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import httpx
import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.hub_process import RunningHub, running_hub
from tests.faults.gateway_under_attack import (
    Device,
    begin,
    connect_packet,
    gateway_pid,
    kill_gateway,
    letters,
    level,
    levels,
    own_broker,
    packet,
    publish_packet,
    push,
    pushed,
    rss_mb,
    status,
    text,
    until,
)
from tests.faults.test_feeds import Broker, Devices, broker, check
from tests.services import free_port

__all__ = ["broker"]
IDLE = 10_000
GIGABYTE = 1 << 30
BURST_S = float(os.environ.get("CITYHUB_TEST_BURST_S", "4"))
"""How long devices speak at ten times their rate; the store stands still for the first four seconds of it."""
PORTS: dict[str, int] = {}
SYSLOG: dict[str, Any] = {"type": "Log", "id": '"urn:ngsi-ld:Log:" + string(host)', "attributes": {"message": {"value": "message"}}}


def served() -> list[dict[str, Any]]:
    """Feeds at every door that the gateway has, and pushed ones."""
    PORTS.update({name: free_port() for name in ("broker", "coap", "tcp", "udp")})
    return [
        own_broker(PORTS["broker"]),
        own_broker(PORTS["broker"], "spark", format="sparkplug", topics=["spBv1.0/#"]),
        pushed("push"), pushed("spark-http", format="sparkplug"),
        {"id": "coap", "protocol": "coap", "source": {"port": PORTS["coap"]}, "entities": [PUSHED_COAP]},
        {"id": "tcp", "protocol": "syslog", "format": "syslog", "source": {"port": PORTS["tcp"]}, "entities": [SYSLOG]},
        {"id": "udp", "protocol": "syslog", "format": "syslog", "source": {"port": PORTS["udp"], "transport": "udp"}, "entities": [SYSLOG]},
    ]  # fmt: skip


PUSHED_COAP: dict[str, Any] = {"type": "Meter", "id": '"urn:ngsi-ld:Meter:coap"', "attributes": {"level": {"value": "level"}}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub with a feed at each door, for all tests that nothing is to end in."""
    with running_hub(tmp_path_factory.mktemp("data"), "--no-feeds") as hub:
        begin(hub, *served())
        yield hub


@pytest.fixture
def alive(hub: RunningHub) -> Iterator[Device]:
    """A well-behaved device; after the test it still is, with the same gateway, which has not grown much."""
    pid, before = gateway_pid(hub), rss_mb(gateway_pid(hub))
    device = Device(PORTS["broker"], f"good-{time.monotonic_ns()}")
    device.level(1)
    yield device
    assert device.level(2) < 5
    device.socket.close()
    assert gateway_pid(hub) == pid
    print(f"gateway: {before:.0f} MB, then {rss_mb(pid):.0f} MB")
    assert rss_mb(pid) < before + 250
    assert push(hub, "push", b'{"code": "after", "level": 1}').status_code == 200


# -- Bodies ------------------------------------------------------------------------------------------------------------------


def test_a_length_of_a_gigabyte_is_refused_before_it_is_sent(hub: RunningHub, alive: Device) -> None:
    url = httpx.URL(hub.url)
    with socket.create_connection((url.host, url.port or 80), 60) as peer:
        peer.sendall(f"POST /api/feeds/push/messages HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {GIGABYTE}\r\n\r\n{{".encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_without_end_is_refused_early(hub: RunningHub, alive: Device) -> None:
    url, before, piece = httpx.URL(hub.url), rss_mb(hub.process.pid), b"x" * 65536
    sent, answer = 0, b""
    with socket.create_connection((url.host, url.port or 80), 60) as peer:
        peer.sendall(f"POST /api/feeds/push/messages HTTP/1.1\r\nHost: {url.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < GIGABYTE and not answer:
                peer.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
                if select.select([peer], [], [], 0)[0]:
                    answer = peer.recv(4096)
    assert answer.startswith((b"HTTP/1.1 411 ", b"HTTP/1.1 413 ")), (sent, answer)  # no length, no body
    print(f"refused after {sent / 1e6:.0f} MB; the hub has {rss_mb(hub.process.pid) - before:.0f} MB more")
    assert sent < 128 << 20
    assert rss_mb(hub.process.pid) < before + 150


def bodies() -> dict[str, tuple[bytes, str]]:
    """Bodies that are made to break a decoder, and their media types."""
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return {
        "XML bomb": (f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{laughs}]><a>&a9;</a>'.encode(), "application/xml"),
        "XML external": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "application/xml"),
        "XML depth": (b"<a>" * 200_000 + b"</a>" * 200_000, "application/xml"),
        "XML attributes": (b"<a " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/>", "application/xml"),
        "JSON depth": (b"[" * 1_000_000, "application/json"),
        "JSON closed depth": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json"),
        "JSON huge number": (b'{"code": "huge", "level": ' + b"9" * 1_000_000 + b"}", "application/json"),
        "JSON exponent": (b'{"code": "exponent", "level": 1e999999999}', "application/json"),
        "JSON many digits": (b'{"code": "digits", "level": 0.' + b"1" * 500_000 + b"}", "application/json"),
        "JSON beyond 64 bits": (b'{"code": "bits", "level": 123456789012345678901234567890}', "application/json"),
        "JSON many records": (b"[" + b"0," * 2_000_000 + b"0]", "application/json"),
        "JSON half a surrogate": (b'{"code": "\\ud800", "level": 1}', "application/json"),
        "JSON NUL": (b'{"code": "a\\u0000b", "level": 1}', "application/json"),
        "JSON long key": (b'{"' + b"k" * 5_000_000 + b'": 1}', "application/json"),
        "NDJSON depth": ((b"[" * 5000 + b"\n") * 100, "application/x-ndjson"),
        "CBOR depth": (b"\x81" * 1_000_000, "application/cbor"),
        "CBOR tags": (b"\xc1" * 1_000_000 + b"\x00", "application/cbor"),
        "CBOR huge array": (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "application/cbor"),
        "CBOR huge text": (b"\x7b\x00\x00\x00\xff\xff\xff\xff\xff", "application/cbor"),
        "CBOR huge number": (b"\xa2\x64code\x61c\x65level\xc2\x5a\x00\x0f\x42\x40" + b"\xff" * 1_000_000, "application/cbor"),
        "CBOR huge exponent": (b"\xa2\x64code\x61c\x65level\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01", "application/cbor"),
        "CBOR shared": (b"\xd8\x1c\x81\xd8\x1d\x00", "application/cbor"),
        "SenML depth": (b"[" * 100_000, "application/senml+json"),
        "SenML times": (b'[{"bn":"x","bt":1e308,"bv":1e308,"n":"y","v":1e308,"t":1e308}]', "application/senml+json"),
        "CSV endless line": (b"code,level\n" + b"x" * 8_000_000, "text/csv"),
        "CSV open quote": (b'code,level\n"' + b"x\n" * 4_000_000, "text/csv"),
        "CSV columns": (b"," * 4_000_000 + b"\n1", "text/csv"),
        "not text": (bytes(range(256)) * 1000, "application/json"),
    }


@pytest.mark.parametrize("name", bodies())
def test_a_hostile_body_is_told_why(hub: RunningHub, alive: Device, name: str) -> None:
    body, media_type = bodies()[name]
    before, began = letters(hub, "push"), time.monotonic()
    answer = push(hub, "push", body, media_type)
    took = time.monotonic() - began
    document = answer.json()
    if answer.status_code == 200 and document["refused"]:
        assert all(document["refused"])
        until(lambda: letters(hub, "push") > before)
    elif answer.status_code == 200:  # what can be read and kept is kept
        assert name in ("JSON huge number", "JSON many digits", "JSON exponent", "JSON NUL"), document
    else:
        assert 400 <= answer.status_code < 500, answer.text
        assert document["detail"]
    assert took < 60, took


def test_a_compressed_body_is_not_unpacked(hub: RunningHub, alive: Device) -> None:
    answer = push(hub, "push", gzip.compress(b"0" * 100_000_000), "application/json", content_encoding="gzip")
    assert answer.status_code in (413, 415), answer.text


SPARKPLUG_TOPICS = ("spBv1.0/g/DDATA/n/d", "spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDEATH/n", "spBv1.0/x", "spBv1.0/STATE/h", "spBv1.0/g/DDATA/n/d/e")


def test_sparkplug_garbage_becomes_dead_letters(hub: RunningHub, alive: Device) -> None:
    chance, before = random.Random(5), letters(hub, "spark")
    count = 120
    for number in range(count):
        body = chance.randbytes(chance.randint(1, 300)) if number % 4 else b"\x0a\xff\xff\xff\xff\x7f" + chance.randbytes(20)
        alive.say(body, SPARKPLUG_TOPICS[number % len(SPARKPLUG_TOPICS)])
        if number % 10 == 0:
            answer = push(hub, "spark-http", body)
            assert answer.status_code == 200 and answer.json()["refused"], answer.text
    until(lambda: status(hub, "spark")["received"] >= count)
    assert letters(hub, "spark") > before + count // 4
    assert status(hub, "spark")["state"] == "running"


# -- Wrong clocks ------------------------------------------------------------------------------------------------------------


def test_wrong_clocks_touch_nothing_newer(hub: RunningHub) -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    def tell(code: str, number: int, at: datetime) -> dict[str, Any]:
        answer = push(hub, "push", orjson.dumps({"code": code, "level": number, "at": at.isoformat()}))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    assert tell("past", 1, now)["written"] == 1
    far = tell("past", 2, datetime(1971, 1, 1, tzinfo=UTC))
    assert (far["late"], far["written"], far["refused"]) == (1, 0, [])
    assert level(hub, "past") == 1
    ahead = tell("ahead", 3, now + timedelta(days=365))
    assert (ahead["flagged"], ahead["refused"]) == (1, [])
    found = hub.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Meter:ahead").json()["level"]
    assert found["value"] == 3 and "clock" in found["quality"]["value"]
    assert tell("ahead", 4, now)["written"] == 1  # a right clock is not held up by a wrong one
    assert level(hub, "ahead") == 4
    assert tell("ahead", 5, now + timedelta(days=366))["late"] == 1
    assert level(hub, "ahead") == 4
    until(lambda: levels(hub, "past") == [1, 2] and sorted(levels(hub, "ahead")) == [3, 4, 5])


# -- Outage and burst --------------------------------------------------------------------------------------------------------


def test_the_backlog_of_a_day_touches_nothing_newer(hub: RunningHub) -> None:
    """Ten devices were cut off for a day: 288 observations each come out of order and some twice, while they go on speaking."""
    chance = random.Random(4)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    backlog = [(device, slot) for device in range(10) for slot in range(288)]
    sent = backlog + chance.sample(backlog, 600)
    chance.shuffle(sent)
    live = 288
    device = Device(PORTS["broker"], "back-source")
    numbers = {(one, slot): one * 1000 + slot for one in range(10) for slot in range(400)}

    def say(one: int, slot: int) -> bytes:
        at = (midnight + timedelta(minutes=5 * slot)).isoformat()
        return publish_packet(f"meters/back-{one}", orjson.dumps({"level": numbers[one, slot], "at": at}), 1 + slot)

    everything = set(backlog)
    for start in range(0, len(sent), 100):
        lines = [say(one, slot) for one, slot in sent[start : start + 100]]
        if start % 300 == 0:
            lines += [say(one, live) for one in range(10)]
            everything |= {(one, live) for one in range(10)}
            live += 1
        device.socket.sendall(b"".join(lines))
        wanted = 4 * len(lines)
        while wanted:
            data = device.socket.recv(wanted)
            assert data
            wanted -= len(data)
        newest = live - 1
        assert level(hub, "back-3") == numbers[3, newest]  # acknowledged is written, and the backlog never pushes it back
    device.socket.close()
    assert [level(hub, f"back-{one}") for one in range(10)] == [numbers[one, live - 1] for one in range(10)]
    until(lambda: levels(hub, "back-%") == sorted(numbers[one] for one in everything), 30, lambda: len(levels(hub, "back-%")))


@contextlib.contextmanager
def slow_store(data: Path, seconds: float) -> Iterator[None]:
    """Another connection holds the lock for writing for so long."""
    connection = apsw.Connection(str(data / "hub.sqlite"))
    connection.set_busy_timeout(10_000)
    connection.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    try:
        yield
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextlib.contextmanager
def speaking(port: int, rate: float) -> Iterator[Devices]:
    """Devices that fall silent whatever happens."""
    devices = Devices(port, rate)
    try:
        yield devices
    finally:
        devices._end.set()
        devices._client.loop_stop()


def burst(data: Path, port: int, feed: dict[str, Any]) -> None:
    """Devices speak at ten times their rate, and the store stands still meanwhile for seconds."""
    with running_hub(data, "--no-feeds") as hub:
        begin(hub, feed)
        with speaking(port, 150) as devices:
            time.sleep(1)
            pid, before = gateway_pid(hub), rss_mb(gateway_pid(hub))
            most = before
            devices._rate = 1500
            with slow_store(data, 4):
                time.sleep(1.2)  # what was under way before is counted by then
                held = status(hub, feed["id"])["written"]
                rounds = 0
                while rounds < 12 or devices.sent < 3_000:
                    time.sleep(0.2)
                    rounds += 1
                    most = max(most, rss_mb(pid))
                assert status(hub, feed["id"])["written"] == held
            end = time.monotonic() + BURST_S - 4
            while time.monotonic() < end:
                time.sleep(0.2)
                most = max(most, rss_mb(pid))
            devices._rate = 150
            time.sleep(0.5)
            sent = devices.stop()
        print(f"{sent} messages; gateway {before:.0f} MB, at most {most:.0f} MB")
        check(hub, sent)
        assert gateway_pid(hub) == pid
        assert most < before + 150


@pytest.mark.slow
def test_a_burst_at_the_own_broker_meets_a_slow_store(tmp_path: Path) -> None:
    port = free_port()
    burst(tmp_path / "data", port, own_broker(port))


@pytest.mark.slow
def test_a_burst_through_mosquitto_meets_a_slow_store(tmp_path: Path, broker: Broker) -> None:
    source = {"host": "127.0.0.1", "port": broker.port, "topics": ["meters/#"]}
    burst(tmp_path / "data", broker.port, {**own_broker(1), "protocol": "mqtt", "source": source})


@pytest.mark.slow
def test_a_gateway_that_is_killed_under_load_loses_nothing_of_its_broker(tmp_path: Path) -> None:
    port = free_port()
    with running_hub(tmp_path / "data", "--no-feeds") as hub:
        begin(hub, own_broker(port))
        chance = random.Random(7)
        with speaking(port, 400) as devices:
            for _ in range(3):
                time.sleep(chance.uniform(0.8, 2.0))
                until(lambda: status(hub, "meters")["state"] == "running")
                kill_gateway(hub)
            until(lambda: status(hub, "meters")["state"] == "running")
            check(hub, devices.stop())


# -- Idle and half-open connections ------------------------------------------------------------------------------------------


class Line:
    """A line to a port that can be cut without either end hearing of it, as when a cable is pulled: nothing more passes, no end is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._dead: set[socket.socket] = set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Cuts what is connected now; later connections pass."""
        self._dead = {one for pair in self._pairs for one in pair}

    def close(self) -> None:
        """Ends."""
        self._end = True
        self._thread.join()
        for one in [self._listener, *(one for pair in self._pairs for one in pair)]:
            one.close()

    def _run(self) -> None:
        while not self._end:
            ends = {one: other for pair in self._pairs for one, other in (pair, pair[::-1])}
            ready, _, _ = select.select([self._listener, *(one for one in ends if one not in self._dead)], [], [], 0.05)
            for one in ready:
                if one is self._listener:
                    self._pairs.append((self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._port))))
                    self.connections += 1
                elif one not in self._dead:
                    self._pass(one, ends[one])

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        try:
            data = one.recv(65536)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._pairs = [pair for pair in self._pairs if one not in pair]
            one.close()
            other.close()


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A line to a port."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()


@pytest.mark.slow
def test_devices_that_vanish_without_a_word_are_found_out(hub: RunningHub, alive: Device) -> None:
    """Their cable is cut: no FIN comes. The broker ends them after one and a half times their keep-alive and tells their will."""
    told: queue.Queue[bytes] = queue.Queue()
    with line_to(PORTS["broker"]) as line:
        watcher = paho.Client(CallbackAPIVersion.VERSION2)
        watcher.on_connect = lambda client, *rest: client.subscribe("meters/vanished", 1)
        watcher.on_subscribe = lambda *rest: told.put(b"subscribed")
        watcher.on_message = lambda client, data, message: told.put(message.payload)
        watcher.connect("127.0.0.1", PORTS["broker"])
        watcher.loop_start()
        assert told.get(timeout=30) == b"subscribed"
        device = paho.Client(CallbackAPIVersion.VERSION2)
        device.will_set("meters/vanished", b'{"level": 0, "at": "2026-01-01T00:00:00Z"}', 1)
        device.connect("127.0.0.1", line.port, keepalive=2)
        device.loop_start()
        until(device.is_connected)
        line.cut()
        assert b'"level": 0' in told.get(timeout=30)
        for client in (device, watcher):
            client.loop_stop()
            client.disconnect()


@pytest.mark.slow
def test_a_broker_behind_a_cut_line_is_found_again(tmp_path: Path, broker: Broker) -> None:
    with line_to(broker.port) as line, running_hub(tmp_path / "data", "--no-feeds") as hub:
        source = {"host": "127.0.0.1", "port": line.port, "topics": ["meters/#"], "keep_alive_s": 5}
        begin(hub, {**own_broker(1), "protocol": "mqtt", "source": source})
        with speaking(broker.port, 50) as devices:
            time.sleep(1)
            before = line.connections
            line.cut()
            until(lambda: line.connections > before, 60)
            until(lambda: status(hub, "meters")["state"] == "running")
            time.sleep(1)
            check(hub, devices.stop())


@pytest.mark.slow
def test_ten_thousand_idle_connections(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 2000:
        pytest.skip(f"this machine allows {hard} open files; the test needs {IDLE + 2000}")
    port = free_port()
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # what services and shells are given by custom
    try:
        with running_hub(tmp_path / "data", "--no-feeds") as hub:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            begin(hub, own_broker(port))
            _idle(hub, port)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _idle(hub: RunningHub, port: int) -> None:
    good, pid = Device(port, "good"), gateway_pid(hub)
    good.level(1)
    before, peers = rss_mb(pid), []
    try:
        for number in range(IDLE):
            peer = socket.create_connection(("127.0.0.1", port), 60)
            peers.append(peer)
            match number % 4:
                case 0:
                    pass  # says nothing
                case 1:
                    peer.sendall(connect_packet(f"half-{number}", 5)[:-3])  # never ends its first packet
                case 2:
                    peer.sendall(connect_packet(f"idle-{number}", 4))  # is silent beyond its keep-alive
                case _:
                    peer.sendall(connect_packet(f"torn-{number}", 4) + publish_packet("meters/torn", b"x" * 900, 1)[:-1])
        slowest = max(good.level(number) for number in range(2, 22))
        after = rss_mb(pid)
        print(f"{IDLE} connections: gateway {before:.0f} MB, then {after:.0f} MB; slowest acknowledgement {slowest * 1000:.0f} ms")
        assert after - before < 300
        assert slowest < 10
        until(lambda: status(hub, "meters")["connections"] <= 2, 120, lambda: status(hub, "meters"))
        assert good.level(30) < 10
        assert gateway_pid(hub) == pid
    finally:
        for peer in peers:
            peer.close()
        good.socket.close()


def test_before_it_says_who_it_is_a_client_may_send_little(hub: RunningHub, alive: Device) -> None:
    """Otherwise ten thousand strangers could have a megabyte each."""
    with socket.create_connection(("127.0.0.1", PORTS["broker"]), 60) as peer:
        whole = packet(0x10, text("MQTT") + b"\x04\x06\x00\x3c" + text("big") + text("meters/w") + struct.pack(">H", 60000) + b"x" * 60000)
        peer.sendall(whole[:40000])
        assert peer.recv(100) == b""


# -- Noise at every door -----------------------------------------------------------------------------------------------------


def noise(chance: random.Random) -> bytes:
    """Bytes that a door may get, some of them nearly right."""
    valid = connect_packet(f"c{chance.random()}", 5)
    frame = publish_packet("meters/noise", chance.randbytes(20), chance.randint(0, 65535))
    coap = bytes([0x40 | chance.randint(0, 15), chance.choice((1, 2, 3, 4, 69, 255)), 1, chance.randint(0, 255)]) + b"\xb4data\xff"
    syslog = b"<34>1 2026-01-01T00:00:00Z noisy app - - - x\n"
    base = chance.choice((valid + frame, valid, frame, coap, syslog, b"99999 <1>", b"\x10\xff\xff\xff\x7f", b""))
    changed = bytearray(base + chance.randbytes(chance.choice((0, 1, 10, 2000))))
    for _ in range(chance.randint(0, 6)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def test_noise_at_the_streams(hub: RunningHub, alive: Device) -> None:
    chance, slowest = random.Random(11), 0.0
    for number in range(400):
        port = PORTS["broker"] if number % 2 else PORTS["tcp"]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as peer:
            peer.sendall(noise(chance))
            if chance.random() < 0.5:
                peer.shutdown(socket.SHUT_WR)
        if number % 20 == 0:
            slowest = max(slowest, alive.level(number + 10))
    assert slowest < 3
    with socket.create_connection(("127.0.0.1", PORTS["tcp"]), 60) as peer:
        peer.sendall(b"<34>1 2026-01-01T00:00:00Z good app - - - fine\n")
        until(lambda: hub.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Log:good").status_code == 200)
    assert status(hub, "tcp")["state"] == status(hub, "meters")["state"] == "running"


def test_noise_in_datagrams(hub: RunningHub, alive: Device) -> None:
    chance = random.Random(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(60)
        for number in range(1500):
            with contextlib.suppress(OSError):
                peer.sendto(noise(chance)[:60000], ("127.0.0.1", PORTS["coap"] if number % 2 else PORTS["udp"]))
            if number % 100 == 0:
                assert alive.level(number + 10) < 3

        def says(line: bytes, entity: str, door: str) -> bool:
            peer.sendto(line, ("127.0.0.1", PORTS[door]))
            return hub.get(f"/ngsi-ld/v1/entities/{entity}").status_code == 200

        until(lambda: says(b"<34>1 2026-01-01T00:00:00Z good-udp app - - - fine", "urn:ngsi-ld:Log:good-udp", "udp"))
        body = b'{"level": 7}'
        until(lambda: says(b"\x50\x02" + chance.randbytes(2) + b"\xb4data\x11\x32\xff" + body, "urn:ngsi-ld:Meter:coap", "coap"))
    assert status(hub, "coap")["state"] == status(hub, "udp")["state"] == "running"
