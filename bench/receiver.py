"""Where notifications arrive: counts them, and how long after the sending of its update each came.

It listens on loopback, answers every POST with 204, and finds in the body the moment that the load generator put
there (microseconds since 1970). `GET /` answers what came since the last `DELETE /`.

    python -m bench.receiver      prints {"port": N} when it listens
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import cast

import uvloop

MOMENT = re.compile(rb'"value":\s*(1[0-9]{15})(?:\.0)?\b')
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Arrivals:
    """What came so far."""

    def __init__(self) -> None:
        self.notifications = 0
        self.delays_ms: list[float] = []
        self.first_s = self.last_s = 0.0

    def add(self, body: bytes) -> None:
        now = time.time()
        self.first_s = self.first_s or now
        self.last_s = now
        self.notifications += 1
        self.delays_ms.extend(now * 1e3 - int(moment) / 1e3 for moment in MOMENT.findall(body))

    def report(self) -> dict[str, float]:
        """How many notifications with how many updates in them, from the first to the last, and the updates' delays."""
        delays = sorted(self.delays_ms) or [0.0]
        return {
            "notifications": self.notifications,
            "updates": len(self.delays_ms),
            "seconds": self.last_s - self.first_s,
            "delay_p50_ms": delays[len(delays) // 2],
            "delay_p99_ms": delays[min(len(delays) - 1, int(len(delays) * 0.99))],
        }


class Connection(asyncio.Protocol):
    """One sender's connection."""

    def __init__(self, arrivals: list[Arrivals]) -> None:
        self.arrivals = arrivals
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = content_length(self.buffer[:end])
            if len(self.buffer) < end + 4 + length:
                return
            head, body = self.buffer[:end], self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self.transport.write(self.answer(head, body))

    def answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            self.arrivals[0].add(body)
            return NO_CONTENT
        if head.startswith(b"DELETE"):
            self.arrivals[0] = Arrivals()
            return NO_CONTENT
        report = json.dumps(self.arrivals[0].report()).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(report), report)


def content_length(head: bytes) -> int:
    """The length that a request's head declares; 0 without one."""
    for line in head.split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


async def serve() -> None:
    arrivals = [Arrivals()]
    server = await asyncio.get_running_loop().create_server(lambda: Connection(arrivals), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
