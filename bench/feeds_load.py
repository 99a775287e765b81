"""Devices that speak MQTT, QoS 1, 200 bytes a message: a process of its own, so that its processor time can be counted apart.

    python -m bench.feeds_load --port 1883 --messages 400000 --devices 5000 [--rate 20000]

It prints one line of JSON at its end: messages, seconds, and its processor time. The packets are put together by hand, since any
client library would need more time for them than the hub does.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import struct
import time
from datetime import UTC, datetime, timedelta

BYTES = 200
"""Of each payload."""
WINDOW = 2_000
"""Messages that may be unacknowledged."""
BLOCK = 200
START = datetime(2026, 1, 1, tzinfo=UTC)


def payload(number: int, devices: int) -> bytes:
    """What a device says: each of them a millisecond after its last word."""
    at = (START + timedelta(milliseconds=number // devices)).isoformat(timespec="milliseconds")[:-6] + "Z"
    said = f'{{"at":"{at}","temperature":{number % 997 / 10},"humidity":{number % 89},"battery":{number % 101},"note":"'
    return said.encode().ljust(BYTES - 2, b"x") + b'"}'


def packet(number: int, devices: int, mid: int) -> bytes:
    """A PUBLISH packet of QoS 1."""
    topic = b"meters/%05d/up" % (number % devices)
    body = payload(number, devices)
    length = 2 + len(topic) + 2 + len(body)
    return b"\x32" + bytes([length & 0x7F | 0x80, length >> 7]) + struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + body


def connected(port: int) -> socket.socket:
    """A connection to the broker."""
    link = socket.create_connection(("127.0.0.1", port))
    name = b"load"
    link.sendall(b"\x10" + bytes([12 + len(name)]) + b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(name)) + name)
    if link.recv(4)[3]:
        raise SystemExit("the broker refused the load")
    return link


def publish(port: int, messages: int, devices: int, rate: float, first: int) -> dict[str, float]:
    """Publishes and waits for the acknowledgement of each."""
    link = connected(port)
    began, sent, acknowledged, left = time.perf_counter(), 0, 0, b""
    while acknowledged < messages:
        due = messages if not rate else min(messages, int((time.perf_counter() - began) * rate))
        count = min(BLOCK, due - sent, WINDOW - (sent - acknowledged))
        if count > 0:
            link.sendall(b"".join(packet(first + number, devices, number % 65_535 + 1) for number in range(sent, sent + count)))
            sent += count
        wait_s = 0.0 if count > 0 and sent - acknowledged < WINDOW else 0.005
        if select.select([link], [], [], wait_s)[0]:
            left += link.recv(65_536)
            acknowledged += len(left) // 4
            left = left[len(left) // 4 * 4 :]
    return {"messages": messages, "seconds": time.perf_counter() - began, "processor_s": time.process_time()}


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--devices", type=int, default=5_000)
    options.add_argument("--rate", type=float, default=0.0)
    options.add_argument("--first", type=int, default=0, help="the number of the first message: its devices are not before that")
    given = options.parse_args()
    print(json.dumps(publish(given.port, given.messages, given.devices, given.rate, given.first)))
