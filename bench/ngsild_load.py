"""Fills an NGSI-LD server with entities and measures one workload on it.

    python -m bench.ngsild_load http://127.0.0.1:1026 --workload get --entities 10000 --seconds 4

Only servers on loopback are loaded. Any error, and any lost notification, makes a result void.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench import generators, workloads
from bench.workloads import API, MOMENT, SEQUENCE, SUBSCRIBERS, WORKLOADS, Workload

QUIET_S = 3.0
"""Notifications are waited for until none has come for so long."""


@dataclass(frozen=True)
class Result:
    """What one run of a workload showed.

    Attributes:
        void: Why the figures do not count; empty when they do.
        requests: Requests answered.
        requests_per_s: Requests answered in a second.
        entities_per_s: Entities that travelled in a second.
        p50_ms: Median time from sending a request to having its answer; `p99_ms` is that of the slowest hundredth.
        errors: Error statuses, broken connections, time-outs and lost notifications.
        notifications: Of the workload with subscribers: notifications per second and their delays since the sending
            of the update; empty for others.
    """

    void: str = ""
    requests: int = 0
    requests_per_s: float = 0.0
    entities_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    errors: int = 0
    notifications: dict[str, float] = field(default_factory=dict)


def fill(port: int, size: int) -> None:
    """Puts the first `size` stations into a server by batch requests. Raises LoadFailed when one is refused."""
    for body in workloads.seed_batches(size):
        status, answer = call(port, "POST", f"{API}/entityOperations/upsert", body)
        if status not in (200, 201, 204):
            raise generators.LoadFailed(f"Batch upsert answered {status}: {answer[:300]!r}")


def measure(
    port: int, workload: Workload, size: int, run: str, seconds: float, on_start: Callable[[], None] = lambda: None
) -> Result:
    """Runs a workload once on a server that holds `size` entities; `run` must differ from run to run.

    `on_start` is called after the first request, which may have had something to build, and before the load.
    """
    ring = workloads.ring(workload, size, run)
    refusal = probe(port, workload, ring[0])
    if refusal:
        return Result(void=refusal)
    on_start()
    if workload.name == "notify":
        return measure_notifications(port, workload, ring, seconds)
    return judged(workload, generators.send(port, ring, workload.connections, seconds))


def judged(workload: Workload, totals: generators.Totals, notifications: dict[str, float] | None = None, lost: int = 0) -> Result:
    """The result that the totals of a run amount to."""
    rate = totals.requests / totals.seconds
    errors = totals.errors + lost
    void = f"{totals.errors} errors, {lost} notifications lost" if errors else "" if totals.requests else "no answer"
    return Result(void, totals.requests, rate, rate * workload.entities, totals.p50_ms, totals.p99_ms, errors, notifications or {})


def probe(port: int, workload: Workload, request: bytes) -> str:
    """Sends one request of the workload and looks at its answer: why the server cannot run it, or "" when it can."""
    head, _, body = request.replace(SEQUENCE, b"0" * len(SEQUENCE)).replace(MOMENT, b"%d" % (time.time_ns() // 1000)).partition(b"\r\n\r\n")
    method, target, _ = head.decode().split("\r\n")[0].split(" ")
    try:
        status, answer = call(port, method, target, body)
    except (OSError, http.client.HTTPException) as error:
        return f"not offered: {type(error).__name__}"
    if status >= 300:
        return f"not offered: {status} {answer[:120].decode(errors='replace')}"
    if workload.expect is not None and (found := len(orjson.loads(answer))) != workload.expect:
        return f"wrong answer: {found} entities where {workload.expect} match"
    return ""


def measure_notifications(port: int, workload: Workload, ring: list[bytes], seconds: float) -> Result:
    """The same with subscribers: every update must reach each of them."""
    with receiver() as inbox:
        for number in range(SUBSCRIBERS):
            body = orjson.dumps(workloads.subscription(number, f"http://127.0.0.1:{inbox}/notify"))
            status, answer = call(port, "POST", f"{API}/subscriptions", body)
            if status != 201:
                return Result(void=f"not offered: subscription refused with {status} {answer[:120].decode(errors='replace')}")
        try:
            time.sleep(0.5)
            call(inbox, "DELETE", "/")
            totals = generators.send(port, ring, workload.connections, seconds)
            report = settled(inbox, totals.requests * SUBSCRIBERS)
        finally:
            for number in range(SUBSCRIBERS):
                call(port, "DELETE", f"{API}/subscriptions/urn:ngsi-ld:Subscription:bench:{number}")
    lost = max(0, totals.requests * SUBSCRIBERS - int(report["updates"]))
    report["updates_per_s"] = report["updates"] / max(report["seconds"], 1e-6)
    return judged(workload, totals, report, lost)


def settled(inbox: int, expected: int) -> dict[str, float]:
    """The receiver's report once all that is expected has come, or nothing more comes."""
    seen, since = -1.0, time.monotonic()
    while True:
        report: dict[str, float] = orjson.loads(call(inbox, "GET", "/")[1])
        if report["updates"] != seen:
            seen, since = report["updates"], time.monotonic()
        if seen >= expected or time.monotonic() - since > QUIET_S:
            return report
        time.sleep(0.1)


@contextmanager
def receiver() -> Iterator[int]:
    """A receiver in a process of its own; its port."""
    with subprocess.Popen([sys.executable, str(Path(__file__).with_name("receiver.py"))], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()


def call(port: int, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request on a connection of its own: status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def loopback_port(url: str) -> int:
    """The port of a server on this machine. Raises ValueError for any other address."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        raise ValueError(f"Only http://127.0.0.1:PORT is loaded, not {url!r}")
    return parts.port


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", type=loopback_port, help="http://127.0.0.1:PORT of the server", metavar="URL")
    parser.add_argument("--workload", choices=WORKLOADS, required=True)
    parser.add_argument("--entities", type=int, default=10_000, help="how many to put there first; 0 when they are there")
    parser.add_argument("--size", type=int, help="how many are there (default: --entities)")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    if not generators.WRK:
        print("wrk is not installed: the asyncio client loads the server, which costs more of the machine", file=sys.stderr)
    fill(options.url, options.entities)
    size, run = options.size or options.entities, f"run{time.time_ns()}"
    print(json.dumps(asdict(measure(options.url, WORKLOADS[options.workload], size, run, options.seconds)), indent=2))


if __name__ == "__main__":
    main()
