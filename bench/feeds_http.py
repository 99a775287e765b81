"""HTTP batches at speed: attribute updates a second pushed to a feed, and by NGSI-LD batch upsert, into state and journal.

    python -m bench.feeds_http --batches 120

Each request has 1,000 entities of five attributes; four connections send one after the other. The load shares the cores of the machine;
processor time is that of each process, in microseconds an attribute.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.feeds import Site
from bench.machine import facts

ATTRIBUTES = "abcde"
ENTITIES = 1_000
CONNECTIONS = 4
FEED: dict[str, Any] = {
    "id": "meters",
    "protocol": "http",
    "entities": [
        {
            "type": "Meter",
            "id": '"urn:ngsi-ld:Meter:" + string(id)',
            "observed_at": "at",
            "attributes": {name: {"value": name, "unit": "m"} for name in ATTRIBUTES},
        }
    ],
}


def moment(number: int) -> str:
    """A time for each batch, a second after that of the one before."""
    return f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


def records(number: int) -> bytes:
    """A batch as a device platform would push it."""
    values = {name: number + place for place, name in enumerate(ATTRIBUTES)}
    return orjson.dumps([{"id": one, "at": moment(number), **values} for one in range(ENTITIES)])


def entities(number: int) -> bytes:
    """A batch as NGSI-LD, of other entities."""
    values = {
        name: {"type": "Property", "value": number + place, "unitCode": "MTR", "observedAt": moment(number)}
        for place, name in enumerate(ATTRIBUTES)
    }
    return orjson.dumps([{"id": f"urn:ngsi-ld:Sensor:{one}", "type": "Sensor", **values} for one in range(ENTITIES)])


def send(url: str, path: str, bodies: Iterator[bytes], good: Callable[[int, bytes], bool]) -> None:
    """Sends all bodies over the connections. Raises SystemExit when an answer is not as it should be."""
    lock, wrong = threading.Lock(), []

    def work() -> None:
        connection = http.client.HTTPConnection(url.partition("//")[2])
        while not wrong:
            with lock:
                body = next(bodies, None)
            if body is None:
                return
            connection.request("POST", path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if not good(answer.status, content):
                wrong.append(f"{answer.status} {content[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(wrong[0])


def measured(site: Site, path: str, bodies: list[bytes], good: Callable[[int, bytes], bool]) -> dict[str, Any]:
    """How fast batches are taken."""
    before, began = site.processor(), time.perf_counter()
    send(site.url, path, iter(bodies), good)
    seconds = time.perf_counter() - began
    updates = len(bodies) * ENTITIES * len(ATTRIBUTES)
    used = {name: (now - before.get(name, 0.0)) / updates * 1e6 for name, now in site.processor().items()}
    return {"attribute_updates_per_s": updates / seconds, "processor_us": used}


def taken(status: int, content: bytes) -> bool:
    """Whether a feed took all of a batch."""
    answer = orjson.loads(content) if status == 200 else {}
    return bool(answer and answer["written"] + answer["late"] == ENTITIES)


def main() -> None:
    """Runs it and prints the result as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--batches", type=int, default=120)
    count = options.parse_args().batches
    result: dict[str, Any] = {"machine": facts()}
    with tempfile.TemporaryDirectory(prefix="bench-feeds-") as folder:
        site = Site(Path(folder))
        try:
            site.call("POST", "/api/feeds", FEED)
            site.until(lambda status: status["state"] == "running")
            result["push"] = measured(site, "/api/feeds/meters/messages", [records(number) for number in range(count)], taken)
            upsert = "/ngsi-ld/v1/entityOperations/upsert?options=update"
            bodies = [entities(number) for number in range(count)]
            result["ngsi_ld"] = measured(site, upsert, bodies, lambda status, _: status in (201, 204))
        finally:
            site.close()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
