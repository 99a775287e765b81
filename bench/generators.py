"""What sends the load: `wrk`, which costs little, or where it is missing an asyncio client that costs more.

Both send the requests of a ring over keep-alive connections, one request under way on each, for a number of seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.workloads import MOMENT, SEQUENCE

WRK = shutil.which("wrk")
TIMEOUT_S = 10


class LoadFailed(Exception):
    """The load could not be sent at all."""


@dataclass(frozen=True)
class Totals:
    """What one run came to. Latencies are from sending to the whole answer; any error makes a run void."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


def send(port: int, ring: list[bytes], connections: int, seconds: float) -> Totals:
    """Loads a server on loopback with the ring's requests, by the best generator there is."""
    if WRK:
        return send_with_wrk(port, ring, connections, seconds)
    return asyncio.run(send_with_asyncio(port, ring, connections, seconds))


def split(request: bytes) -> tuple[str, list[bytes]]:
    """The mark in a request ("s", "m", or "-" for none) and the parts around it."""
    for name, mark in (("s", SEQUENCE), ("m", MOMENT)):
        if mark in request:
            return name, request.split(mark)
    return "-", [request]


def send_with_wrk(port: int, ring: list[bytes], connections: int, seconds: float) -> Totals:
    """One wrk thread, for whole seconds. Its latencies are corrected for coordinated omission, as wrk does."""
    with tempfile.TemporaryDirectory() as folder:
        requests, totals = Path(folder, "ring"), Path(folder, "totals.json")
        with requests.open("wb") as file:
            for request in ring:
                mark, parts = split(request)
                file.write(b"%d %b\n" % (len(parts), mark.encode()))
                file.writelines(b"%d\n%b" % (len(part), part) for part in parts)
        script = str(Path(__file__).with_name("ring.lua"))
        duration = f"-d{max(1, round(seconds))}s"
        arguments = ["wrk", "-t1", f"-c{connections}", duration, f"--timeout={TIMEOUT_S}s", "-s", script, f"http://127.0.0.1:{port}/"]
        environment = os.environ | {"BENCH_RING": str(requests), "BENCH_TOTALS": str(totals)}
        finished = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        if finished.returncode or not totals.exists():
            raise LoadFailed(f"wrk ended with {finished.returncode}: {finished.stdout}{finished.stderr}")
        return Totals(**json.loads(totals.read_text()))


async def send_with_asyncio(port: int, ring: list[bytes], connections: int, seconds: float) -> Totals:
    """The fallback: raw HTTP/1.1 over asyncio. It takes as much time as a fast server does, so rates are lower bounds."""
    load = AsyncioLoad([split(request) for request in ring])
    started = time.perf_counter()
    await asyncio.gather(*(load.connection(port, started + seconds) for _ in range(connections)))
    passed = time.perf_counter() - started
    latencies = sorted(load.latencies_ms) or [0.0]
    p50, p99 = (latencies[min(len(latencies) - 1, int(len(latencies) * part))] for part in (0.5, 0.99))
    return Totals(len(load.latencies_ms), passed, p50, p99, load.errors)


class AsyncioLoad:
    """The state that the connections of one run share."""

    def __init__(self, ring: list[tuple[str, list[bytes]]]) -> None:
        self.ring = ring
        self.place = 0
        self.sequence = 0
        self.errors = 0
        self.latencies_ms: list[float] = []

    def next(self) -> bytes:
        """The next request, its mark filled in."""
        self.place = (self.place + 1) % len(self.ring)
        mark, parts = self.ring[self.place]
        if mark == "-":
            return parts[0]
        if mark == "m":
            return (b"%d" % (time.time_ns() // 1000)).join(parts)
        self.sequence += 1
        return (b"%09d" % self.sequence).join(parts)

    async def connection(self, port: int, until: float) -> None:
        """One connection: request, answer, request, ... until the moment given."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while (sent := time.perf_counter()) < until:
                writer.write(self.next())
                status = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
                self.latencies_ms.append((time.perf_counter() - sent) * 1e3)
                self.errors += status >= 400
            writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self.errors += 1


async def read_answer(reader: asyncio.StreamReader) -> int:
    """Reads one answer with its body; its status code."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    elif (at := head.find(b"content-length:")) >= 0:
        await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
    return int(head[9:12])
