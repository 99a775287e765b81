"""What is asked of a server: the entities it holds and the requests of each workload.

A workload is a short ring of ready-made HTTP requests that a load generator sends over and over. Two marks of fixed
width may stand in a request; the generator replaces them as it sends, so that lengths stay true:

- `SEQUENCE` becomes a number that rises with each request (new ids, new values);
- `MOMENT` becomes the present time in microseconds since 1970 (delays at a receiver).

The entities are air-quality stations: five attributes, one of them a GeoProperty, with unit codes and observation
times. Whatever the number of the others, `FEW` of them are hot and stand close together, and `FEW` more are of a
second type: these are what the selective queries look for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import orjson

SEQUENCE = b"@@@@@@@@@"
MOMENT = b"################"
FEW = 10
BATCH = 1000
"""Entities in one batch request."""
SUBSCRIBERS = 10
API = "/ngsi-ld/v1"
COMMON_TYPE, RARE_TYPE = "AirQualityObserved", "AirQualityReference"
OBSERVED_AT = "2026-11-23T06:00:00.000Z"
RING = 2000
"""Different requests of a workload at most; sampled over all entities, always the same."""

Kind = Literal["read", "write"]


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Attributes:
        name: What it is called in results and on the command line.
        title: The same for a reader.
        kind: Reads are run before writes, since writes change what is there; updates stand before creations for the same reason.
        sizes: Numbers of entities in the store at which it is run.
        entities: Entities that travel in one request or answer.
        connections: Keep-alive connections, each with one request under way. Batches have one: some brokers crash
            when batches come at the same time, and their rate is wanted all the same.
        baseline_share: The least part of the baseline's rate that the project wants to keep; None where the baseline
            does not offer it.
        peer_ratio: The least multiple of a peer's rate that the project wants to reach.
        expect: What the probe before the run must find: how many entities in the answer; None for no look.
    """

    name: str
    title: str
    kind: Kind
    sizes: tuple[int, ...]
    entities: int = 1
    connections: int = 32
    baseline_share: float | None = None
    peer_ratio: float = 1.0
    expect: int | None = None


READ_SIZES = (100, 10_000)
QUERY_SIZES = (1_000, 10_000, 100_000, 1_000_000)
WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("get", "GET entity", "read", READ_SIZES, baseline_share=0.6),
        Workload("list", "Query type, limit=20", "read", READ_SIZES, entities=20, baseline_share=0.6, expect=20),
        Workload("q-few", f"Query q, {FEW} match", "read", QUERY_SIZES, entities=FEW, expect=FEW),
        Workload("geo-few", f"Query near, {FEW} match", "read", QUERY_SIZES, entities=FEW, expect=FEW),
        Workload("type-few", f"Query type, {FEW} match", "read", QUERY_SIZES, entities=FEW, expect=FEW),
        Workload("patch", "PATCH one attribute", "write", (10_000,), baseline_share=0.5),
        Workload("notify", f"PATCH, {SUBSCRIBERS} subscribers", "write", (10_000,), connections=8),
        Workload("batch-update", f"Batch upsert of {BATCH}, existing", "write", (10_000,), BATCH, 1, 0.4, 2.0),
        Workload("create", "Create entity", "write", (10_000,), baseline_share=0.5),
        Workload("batch-create", f"Batch upsert of {BATCH}, new", "write", (10_000,), BATCH, 1, 0.4, 2.0),
    )
}


def entity_id(number: int) -> str:
    return f"urn:ngsi-ld:{COMMON_TYPE}:station:{number:07d}"


def station(number: int, id: str | None = None) -> dict[str, Any]:
    """A normalized entity; the first `FEW` are the hot ones, the next `FEW` those of the second type."""
    hot, rare = number < FEW, FEW <= number < 2 * FEW
    longitude, latitude = (109.2, 29.2) if hot else (108.5 + number % 997 / 1700, 29.3 + number % 991 / 1700)
    return {
        "id": id or entity_id(number),
        "type": RARE_TYPE if rare else COMMON_TYPE,
        "temperature": {
            "type": "Property", "value": (90 if hot else 10) + number % 89 / 10, "unitCode": "CEL", "observedAt": OBSERVED_AT,
        },
        "relativeHumidity": {"type": "Property", "value": number % 101 / 100, "unitCode": "P1", "observedAt": OBSERVED_AT},
        "status": {"type": "Property", "value": "working" if number % 17 else "maintenance"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [longitude + number % 7 * 1e-5, latitude]}},
        "operatedBy": {"type": "Relationship", "object": f"urn:ngsi-ld:Organization:{number % 30:03d}"},
    }


def seed_batches(size: int) -> Iterator[bytes]:
    """Bodies of the batch requests that fill a store with `size` entities."""
    for start in range(0, size, BATCH):
        yield orjson.dumps([station(number) for number in range(start, min(size, start + BATCH))])


def request(method: str, target: str, body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as it goes over the wire."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def ring(workload: Workload, size: int, run: str) -> list[bytes]:
    """The requests of a workload on a store of `size` entities; `run` makes the ids that it creates its own."""
    entities = f"{API}/entities"
    chosen = sample(size)
    match workload.name:
        case "get":
            return [request("GET", f"{entities}/{entity_id(number)}") for number in chosen]
        case "list":
            return [request("GET", f"{entities}?type={COMMON_TYPE}&limit=20")]
        case "q-few":
            return [request("GET", f"{entities}?type={COMMON_TYPE}&q={quote('temperature>85')}&limit=20")]
        case "geo-few":
            near = "georel=near;maxDistance==2000&geometry=Point&coordinates=" + quote("[109.2,29.2]")
            return [request("GET", f"{entities}?type={COMMON_TYPE}&{near}&limit=20")]
        case "type-few":
            return [request("GET", f"{entities}?type={RARE_TYPE}&limit=20")]
        case "create":
            return [request("POST", entities, created_one(number, run)) for number in chosen]
        case "patch":
            return [request("PATCH", f"{entities}/{entity_id(number)}/attrs/temperature", reading(b"1." + SEQUENCE)) for number in chosen]
        case "notify":
            return [request("PATCH", f"{entities}/{entity_id(number)}/attrs/temperature", reading(MOMENT)) for number in chosen]
        case "batch-update":
            return [request("POST", f"{API}/entityOperations/upsert", updated_batch(size, part)) for part in range(max(1, size // BATCH))]
        case _:
            return [request("POST", f"{API}/entityOperations/upsert", created_batch(run))]


def sample(size: int) -> list[int]:
    """Numbers of entities in a fixed random order, without the few."""
    numbers = range(2 * FEW, size)
    return random.Random(size).sample(numbers, min(len(numbers), RING))


def reading(value: bytes) -> bytes:
    """The fragment of a partial update."""
    return b'{"type":"Property","value":%b,"unitCode":"CEL","observedAt":"%b"}' % (value, OBSERVED_AT.encode())


def created_one(number: int, run: str) -> bytes:
    return orjson.dumps(station(number, f"urn:ngsi-ld:{COMMON_TYPE}:{run}:{SEQUENCE.decode()}"))


def created_batch(run: str) -> bytes:
    """Entities that no request before it had; the sequence number is part of each id."""
    prefix = f"urn:ngsi-ld:{COMMON_TYPE}:{run}:{SEQUENCE.decode()}"
    return orjson.dumps([station(number, f"{prefix}:{number:04d}") for number in range(2 * FEW, 2 * FEW + BATCH)])


def updated_batch(size: int, part: int) -> bytes:
    """A block of the entities that are there, each with a new temperature at each sending."""
    stations = [station(number) for number in range(part * BATCH, min(size, (part + 1) * BATCH))]
    for entity in stations:
        entity["temperature"]["value"] = f"<{entity['temperature']['value']:.0f}.{SEQUENCE.decode()}>"
    return orjson.dumps(stations).replace(b'"<', b"").replace(b'>"', b"")


def subscription(number: int, endpoint: str) -> dict[str, Any]:
    """A subscription to the temperature of every common station."""
    return {
        "id": f"urn:ngsi-ld:Subscription:bench:{number}",
        "type": "Subscription",
        "entities": [{"type": COMMON_TYPE}],
        "watchedAttributes": ["temperature"],
        "notification": {"endpoint": {"uri": f"{endpoint}/{number}", "accept": "application/json"}},
    }
