"""Feeds at speed: MQTT QoS 1 through Mosquitto into state and journal, beside a plain Python subscriber.

    python -m bench.feeds --messages 300000 --rounds 3 --rate 10000 --what name

All of it shares the cores of one machine. So that the load generator does not count, the broker first gathers all messages for the
feed's session while the feed rests; then the feed is started, and what is measured is how fast it has them in state and journal. The
plain subscriber gets the same number in the same way, in turns. A third run sends at a rate while the feed runs, and says how far
behind it ends. At last the devices speak to the hub's own broker, as fast as they are acknowledged. Processor time is that of each process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench.machine import facts
from tests.services import find_program, free_port, listens, stop, wait_for

ROOT = Path(__file__).parents[1]
DEVICES = 5_000
FEED: dict[str, Any] = {
    "id": "meters",
    "protocol": "mqtt",
    "entities": [
        {
            "type": "Meter",
            "id": '"urn:ngsi-ld:Meter:" + topic[2]',
            "observed_at": "at",
            "attributes": {"temperature": {"value": "temperature", "unit": "Cel"}, "relativeHumidity": {"value": "humidity", "unit": "%"}},
        }
    ],
    "checks": {"temperature": {"minimum": -40, "maximum": 120}},
}
"""Two attributes of each message, one of them checked."""


class Site:
    """A broker and a hub of their own."""

    def __init__(self, folder: Path) -> None:
        self.broker_port = free_port()
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n"
            "max_queued_messages 10000000\nmax_queued_bytes 0\n"
        )
        program = find_program("mosquitto", "/usr/sbin/mosquitto")
        if program is None:
            raise SystemExit("Mosquitto is not installed")
        self.broker = subprocess.Popen([program, "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.broker_port), self.broker, "Mosquitto")
        command = [sys.executable, "-m", "cityhub", "run", "--dev", "--no-feeds", "--port", "0", "--data", str(folder / "data")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CITYHUB_LOG_LEVEL": "warning"}
        self.hub = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        assert self.hub.stdout is not None
        self.url = str(json.loads(self.hub.stdout.readline())["url"])

    def close(self) -> None:
        """Ends both."""
        stop(self.hub)
        stop(self.broker)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the hub as JSON."""
        answer = httpx.request(method, self.url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def status(self) -> dict[str, Any]:
        """How the feed stands."""
        status: dict[str, Any] = self.call("GET", "/api/feeds/meters")["status"]
        return status

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The feed's status as soon as it satisfies a condition."""
        while not holds(status := self.status()):
            time.sleep(0.2)
        return status

    def processor(self) -> dict[str, float]:
        """Seconds of processor time of each process by now."""
        times = {"mosquitto": seconds_of(self.broker.pid), "hub": seconds_of(self.hub.pid)}
        for child in Path(f"/proc/{self.hub.pid}/task/{self.hub.pid}/children").read_text().split():
            name = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[2].decode().rpartition(".")[2]
            times[name] = seconds_of(int(child))
        return times


def seconds_of(pid: int) -> float:
    """Processor time of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def done(status: dict[str, Any]) -> int:
    """Updates that are durable."""
    return int(status["written"] + status["late"] + status["same"])


def gathered(site: Site, messages: int, first: int) -> dict[str, Any]:
    """How fast a feed takes what the broker has gathered for it."""
    site.call("POST", "/api/feeds/meters/stop")
    time.sleep(1.5)
    load = run("feeds_load", site.broker_port, "--messages", str(messages), "--first", str(first))
    time.sleep(3)  # the historian is not behind any more
    site.call("POST", "/api/feeds/meters/start")
    early = done(site.until(lambda status: 0 < done(status)))  # reports come once a second: from the first to the last is exact enough
    before, began = site.processor(), time.perf_counter()
    last = done(site.until(lambda status: done(status) >= messages))
    seconds = time.perf_counter() - began
    used = {name: (now - before.get(name, 0.0)) / (last - early) * 1e6 for name, now in site.processor().items()}
    return {"messages_per_s": (last - early) / seconds, "processor_us": used, "load": load}


def live(site: Site, messages: int, first: int, rate: float) -> dict[str, Any]:
    """How a feed keeps up with devices that speak at a rate."""
    before, was = site.processor(), site.status()
    began = time.perf_counter()
    load = run("feeds_load", site.broker_port, "--messages", str(messages), "--first", str(first), "--rate", str(rate))
    behind = messages - (done(site.status()) - done(was))
    site.until(lambda status: done(status) - done(was) >= messages)
    seconds = time.perf_counter() - began
    used = {name: (now - before.get(name, 0.0)) / messages * 1e6 for name, now in site.processor().items()}
    return {"rate": rate, "messages_per_s": messages / seconds, "behind_at_end": behind, "processor_us": used, "load": load}


def own(site: Site, port: int, messages: int, first: int) -> dict[str, Any]:
    """How fast devices are served that speak to the hub's own broker; each message is durable when it is acknowledged."""
    before = site.processor()
    load = run("feeds_load", port, "--messages", str(messages), "--first", str(first))
    used = {name: (now - before.get(name, 0.0)) / messages * 1e6 for name, now in site.processor().items()}
    return {"messages_per_s": messages / load["seconds"], "processor_us": used, "load": load}


def plain(site: Site, messages: int) -> dict[str, Any]:
    """How fast a plain subscriber takes what the broker has gathered for it."""
    run("feeds_plain", site.broker_port)
    run("feeds_load", site.broker_port, "--messages", str(messages))
    took = run("feeds_plain", site.broker_port, "--messages", str(messages))
    return {"messages_per_s": messages / took["seconds"], "processor_us": {"subscriber": took["processor_s"] / messages * 1e6}}


def run(module: str, port: int, *options: str) -> dict[str, Any]:
    """What another process of this benchmark says at its end."""
    command = [sys.executable, "-m", f"bench.{module}", "--port", str(port), *options]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    said: dict[str, Any] = json.loads(out)
    return said


def main() -> None:
    """Runs it and prints the result as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rate", type=float, default=10_000)
    options.add_argument("--what", default="feeds")
    given = options.parse_args()
    result: dict[str, Any] = {"what": given.what, "date": datetime.now(UTC).date().isoformat(), "machine": facts()}
    with tempfile.TemporaryDirectory(prefix="bench-feeds-") as folder:
        site = Site(Path(folder))
        try:
            source = {"host": "127.0.0.1", "port": site.broker_port, "topics": ["meters/#"]}
            site.call("POST", "/api/feeds", {**FEED, "source": source})
            site.until(lambda status: status["state"] == "running")
            result["gathered"] = [gathered(site, given.messages, number * given.messages) for number in range(given.rounds)]
            result["live"] = [live(site, given.messages, given.rounds * given.messages, given.rate)] if given.rate else []
            site.call("DELETE", "/api/feeds/meters")
            port = free_port()
            source = {"port": port, "topics": ["meters/#"], "anonymous": True}
            site.call("POST", "/api/feeds", {**FEED, "protocol": "broker", "source": source})
            site.until(lambda status: status["address"] != "")
            first = (given.rounds + 1) * given.messages
            result["own"] = [own(site, port, given.messages, first + number * given.messages) for number in range(given.rounds)]
            site.call("DELETE", "/api/feeds/meters")
            result["plain"] = [plain(site, given.messages) for _ in range(given.rounds)]
        finally:
            site.close()
    for name in ("gathered", "own", "plain"):
        result[f"{name}_median"] = statistics.median(one["messages_per_s"] for one in result[name])
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
