"""A hub with feeds at its own doors, and the raw peers that treat them badly."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.hub_process import RunningHub

METER: dict[str, Any] = {
    "type": "Meter",
    "id": '"urn:ngsi-ld:Meter:" + topic[2]',
    "observed_at": "at",
    "attributes": {"level": {"value": "level"}},
}
PUSHED: dict[str, Any] = {
    "type": "Meter",
    "id": '"urn:ngsi-ld:Meter:" + string(code)',
    "observed_at": "at",
    "attributes": {"level": {"value": "level"}},
}


def own_broker(port: int, id: str = "meters", **changes: Any) -> dict[str, Any]:
    """A feed by the hub's own broker."""
    source = {"port": port, "topics": changes.pop("topics", ["meters/#"]), "anonymous": True}
    return {"id": id, "protocol": "broker", "source": source, "entities": [METER], **changes}


def pushed(id: str, **changes: Any) -> dict[str, Any]:
    """A feed that is pushed to."""
    return {"id": id, "protocol": "http", "entities": [PUSHED], **changes}


def until(holds: Callable[[], Any], timeout_s: float = 120, what: Callable[[], Any] = lambda: "") -> Any:
    """Waits until something holds, and returns what it gave."""
    end = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < end, what()
        time.sleep(0.1)
    return found


def status(hub: RunningHub, feed: str) -> dict[str, Any]:
    """How a feed stands."""
    answer = hub.get(f"/api/feeds/{feed}")
    return dict(answer.json()["status"]) if answer.status_code == 200 else {"state": answer.text}


def begin(hub: RunningHub, *feeds: dict[str, Any]) -> None:
    """Makes feeds, and waits until they run."""
    for feed in feeds:
        answer = httpx.post(hub.url + "/api/feeds", json=feed, timeout=120)
        assert answer.status_code == 201, answer.text
    names = [feed["id"] for feed in feeds]
    until(lambda: all(status(hub, name)["state"] == "running" for name in names), what=lambda: [status(hub, name) for name in names])


def gateway_pid(hub: RunningHub) -> int:
    """The process of the gateway; 0 while there is none."""
    for child in Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text().split():
        try:
            if b"cityhub.gateway" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        except OSError:
            continue
    return 0


def kill_gateway(hub: RunningHub) -> None:
    """Ends it without warning, and waits until there is another."""
    pid = gateway_pid(hub)
    os.kill(pid, signal.SIGKILL)
    until(lambda: gateway_pid(hub) not in (0, pid))


def rss_mb(pid: int) -> float:
    """Memory of a process that is in use, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process has no memory")


def push(hub: RunningHub, feed: str, body: bytes, media_type: str = "", **headers: str) -> httpx.Response:
    """Sends a body to the door of a feed."""
    all_headers = {**({"content-type": media_type} if media_type else {}), **{name.replace("_", "-"): text for name, text in headers.items()}}
    return httpx.post(f"{hub.url}/api/feeds/{feed}/messages", content=body, headers=all_headers, timeout=120)


def letters(hub: RunningHub, feed: str) -> int:
    """How many dead letters a feed has."""
    return int(hub.get("/api/dead-letters", params={"feed": feed, "limit": 1}).json()["total"])


def level(hub: RunningHub, meter: str) -> Any:
    """The level that is the state of a meter; None when it is not known."""
    answer = hub.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:Meter:{meter}", params={"options": "keyValues"})
    return answer.json().get("level") if answer.status_code == 200 else None


def levels(hub: RunningHub, meters: str = "%") -> list[int]:
    """Every level in the history of meters whose id is like this."""
    statement = f"SELECT number FROM observations WHERE attribute LIKE '%level' AND entity LIKE 'urn:ngsi-ld:Meter:{meters}' ORDER BY number"
    answer = httpx.post(f"{hub.url}/api/sql?limit=1000000", content=statement.encode(), timeout=120)
    return [int(number) for [number] in answer.json()["rows"]] if answer.status_code == 200 else []


# -- MQTT 3.1.1 in bytes -----------------------------------------------------------------------------------------------------


def packet(first: int, body: bytes) -> bytes:
    """A packet with its length."""
    length, digits = len(body), b""
    while True:
        length, digit = length >> 7, length & 0x7F
        digits += bytes([digit | 0x80 if length else digit])
        if not length:
            return bytes([first]) + digits + body


def text(value: str) -> bytes:
    """A text with its length."""
    return struct.pack(">H", len(value.encode())) + value.encode()


def connect_packet(client: str, keep_alive: int) -> bytes:
    """CONNECT."""
    return packet(0x10, text("MQTT") + b"\x04\x02" + struct.pack(">H", keep_alive) + text(client))


def publish_packet(topic: str, body: bytes, number: int) -> bytes:
    """PUBLISH of QoS 1."""
    return packet(0x32, text(topic) + struct.pack(">H", number) + body)


class Device:
    """A well-behaved device: it waits for each acknowledgement."""

    def __init__(self, port: int, name: str, timeout_s: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.name = name
        self._number = 0
        self.socket.sendall(connect_packet(name, 60))
        assert self._read(4) == b"\x20\x02\x00\x00"

    def say(self, body: bytes, topic: str = "") -> float:
        """Publishes; seconds until it was acknowledged."""
        self._number += 1
        began = time.monotonic()
        self.socket.sendall(publish_packet(topic or f"meters/{self.name}", body, self._number))
        assert self._read(4) == b"\x40\x02" + struct.pack(">H", self._number)
        return time.monotonic() - began

    def level(self, level: float) -> float:
        """Tells a level, observed so many milliseconds after New Year's."""
        at = f"2026-01-01T00:{int(level) // 60000:02}:{int(level) // 1000 % 60:02}.{int(level) % 1000:03}Z"
        return self.say(f'{{"level": {level}, "at": "{at}"}}'.encode())

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            data = self.socket.recv(count - len(found))
            assert data, "the broker ended the connection"
            found += data
        return found
