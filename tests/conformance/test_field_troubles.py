"""What users of other brokers suffered from, over HTTP. Each test names where it was reported."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.hub import Hub

pytestmark = pytest.mark.slow

API = "/ngsi-ld/v1"
JSON_LD = {"content-type": "application/ld+json"}


def link(url: str) -> dict[str, str]:
    return {"link": f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=0)) as opened:
        yield opened


class SilentServer(str):
    """The address of an @context whose server takes connections and never answers.

    Attributes:
        open: The connections.
        ended: How many were given up.
    """

    open: set[asyncio.StreamWriter]
    ended: int


@pytest.fixture
async def silent_server() -> AsyncIterator[SilentServer]:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.open.add(writer)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        silent.open.discard(writer)
        silent.ended += 1
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    silent = SilentServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/context.jsonld")
    silent.open, silent.ended = set(), 0
    yield silent
    server.close()
    for writer in silent.open:
        writer.close()


async def answer(session: aiohttp.ClientSession, method: str, url: str, **more: Any) -> tuple[int, Any, float]:
    """Status, JSON body and seconds."""
    began = time.monotonic()
    async with session.request(method, url, **more) as response:
        body = await response.json(content_type=None) if await response.read() else None
        return response.status, body, time.monotonic() - began


def counter(id: str, value: int) -> dict[str, Any]:
    return {"id": id, "type": "Counter", "n": {"type": "Property", "value": value}, "same": {"type": "Property", "value": value}}


@pytest.mark.parametrize("options", ["", "?options=update", "?options=replace"])
async def test_concurrent_batch_upserts_over_the_same_entities(hub: Hub, session: aiohttp.ClientSession, options: str) -> None:
    """Orion-LD#1459, Scorpio#653: batches over the same entities crash the broker, deadlock or answer 500."""
    ids = [f"urn:ngsi-ld:Counter:{n}" for n in range(50)]
    chance = random.Random(7)

    async def client(number: int) -> None:
        for round_ in range(8):
            batch = [counter(id, 100 * number + round_) for id in chance.sample(ids, len(ids))]
            status, body, _ = await answer(session, "POST", f"{hub.url}{API}/entityOperations/upsert{options}", json=batch)
            assert status in (201, 204), (status, body)

    await asyncio.wait_for(asyncio.gather(*(client(number) for number in range(25))), 60)
    status, found, _ = await answer(session, "GET", f"{hub.url}{API}/entities?type=Counter&limit=100&options=keyValues")
    assert status == 200
    assert sorted(one["id"] for one in found) == sorted(ids)
    assert all(one["n"] == one["same"] for one in found), "an entity is of one batch, not of two"
    assert len({one["n"] for one in found}) == 1, "the last batch had all of them"


async def test_batches_creations_and_deletions_of_the_same_entities_at_once(hub: Hub, session: aiohttp.ClientSession) -> None:
    """Orion-LD#1459: a mix of operations on the same entities; each item gets a right answer, nobody a 5xx."""
    ids = [f"urn:ngsi-ld:Counter:{n}" for n in range(20)]
    chance = random.Random(8)
    operations = f"{hub.url}{API}/entityOperations/"

    async def client(number: int) -> None:
        for round_ in range(10):
            some = chance.sample(ids, 12)
            name = chance.choice(("create", "upsert", "update", "merge", "delete"))
            body = some if name == "delete" else [counter(id, 100 * number + round_) for id in some]
            status, result, _ = await answer(session, "POST", operations + name, json=body)
            assert status in (201, 204, 207), (name, status, result)
            if status == 207:
                told = {*result["success"], *(error["entityId"] for error in result["errors"])}
                assert told == set(some)
                assert {error["error"]["status"] for error in result["errors"]} <= {404, 409}

    await asyncio.wait_for(asyncio.gather(*(client(number) for number in range(20))), 240)
    _, found, _ = await answer(session, "GET", f"{hub.url}{API}/entities?type=Counter&limit=100&options=keyValues")
    assert all(one["n"] == one["same"] for one in found)


async def test_the_same_entity_many_times_in_one_batch(hub: Hub, session: aiohttp.ClientSession) -> None:
    """Scorpio#653: repeated ids in one batch; the order of the array decides."""
    batch = [counter("urn:ngsi-ld:Counter:1", n) for n in range(100)]
    status, body, _ = await answer(session, "POST", f"{hub.url}{API}/entityOperations/upsert", json=batch)
    assert (status, body) == (201, ["urn:ngsi-ld:Counter:1"])
    _, found, _ = await answer(session, "GET", f"{hub.url}{API}/entities/urn:ngsi-ld:Counter:1?options=keyValues")
    assert found["n"] == 99


async def test_a_context_download_holds_up_nobody_else(hub: Hub, session: aiohttp.ClientSession, silent_server: str) -> None:
    """Orion-LD#1899: while an @context is downloaded, the broker answers nobody."""
    waiting = [
        asyncio.create_task(answer(session, "GET", f"{hub.url}{API}/entities?type=T", headers=link(f"{silent_server}?{n}"))) for n in range(30)
    ]
    await asyncio.sleep(0.3)
    for n in range(10):
        status, _, seconds = await answer(session, "POST", f"{hub.url}{API}/entities", json=counter(f"urn:ngsi-ld:Counter:{n}", n))
        assert status == 201
        assert seconds < 4, "less than the download's time-out"
    assert not any(task.done() for task in waiting)
    for status, body, seconds in await asyncio.gather(*waiting):
        assert (status, body["type"]) == (504, "https://uri.etsi.org/ngsi-ld/errors/LdContextNotAvailable")
        assert seconds < 60


async def test_a_context_that_cannot_be_had_does_not_hold_up_the_start(
    hub: Hub, session: aiohttp.ClientSession, silent_server: SilentServer
) -> None:
    """Orion-LD#1899: subscriptions with such an @context are there; the hub starts and serves all the same."""
    subscription = {
        "id": "urn:ngsi-ld:Subscription:1", "type": "Subscription", "entities": [{"type": "Counter"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:1/"}}, "jsonldContext": str(silent_server),
    }  # fmt: skip
    status, body, _ = await answer(session, "POST", f"{hub.url}{API}/subscriptions", json=subscription)
    assert status in (201, 504), body
    hub.kill()
    while silent_server.open:
        await asyncio.sleep(0.01)
    before = silent_server.ended
    await hub.start()
    status, _, _ = await answer(session, "POST", f"{hub.url}{API}/entities", json=counter("urn:ngsi-ld:Counter:1", 1))
    assert status == 201
    assert silent_server.ended == before, "no download was waited for to its end"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/c.jsonld", "http://no-such-host.invalid/c.jsonld", "http:///", "nonsense", "ftp://x/c"])
async def test_a_context_that_cannot_be_had_is_told_fast(hub: Hub, session: aiohttp.ClientSession, url: str) -> None:
    """Orion-LD#952: without internet each request with a user @context waits for minutes, or is answered wrongly."""
    document = {**counter("urn:ngsi-ld:Counter:1", 1), "@context": url}
    requests = (
        ("GET", "/entities?type=T", {"headers": link(url)}),
        ("POST", "/entities", {"json": document, "headers": JSON_LD}),
        ("POST", "/entityOperations/upsert", {"json": [{**document, "id": f"urn:ngsi-ld:Counter:{n}"} for n in range(200)], "headers": JSON_LD}),
    )
    for method, path, more in requests:
        status, body, seconds = await answer(session, method, f"{hub.url}{API}{path}", **more)
        assert seconds < 30, (path, seconds)
        if status == 207:
            assert len(body["errors"]) == 200
            body = body["errors"][0]["error"]
            status = body["status"]
        assert (status, body["type"].rpartition("/")[2]) in ((504, "LdContextNotAvailable"), (400, "BadRequestData"), (400, "InvalidRequest"))


async def test_a_batch_with_many_contexts_that_cannot_be_had_ends_in_time(hub: Hub, session: aiohttp.ClientSession, silent_server: str) -> None:
    """Each of its items names another @context that never comes: the time-outs must not add up."""
    batch = [{**counter(f"urn:ngsi-ld:Counter:{n}", n), "@context": f"{silent_server}?{n}"} for n in range(40)]
    status, body, seconds = await answer(session, "POST", f"{hub.url}{API}/entityOperations/upsert", json=batch, headers=JSON_LD)
    assert (status, len(body["errors"])) == (207, 40)
    assert seconds < 60
    batch = [{**counter(f"urn:ngsi-ld:Counter:{n}", n), "@context": f"{silent_server}?x{n}"} for n in range(500)]
    status, body, seconds = await answer(session, "POST", f"{hub.url}{API}/entityOperations/upsert", json=batch, headers=JSON_LD)
    assert (status, body["type"].rpartition("/")[2]) == (400, "BadRequestData"), "nobody makes the hub ask 500 servers"


def used_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """What a process has in memory."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
async def test_an_idle_hub_is_small_and_starts_fast(tmp_path: Path) -> None:
    """About a second (here: three, for slow machines) and 150 MB. Processor time, as the clock on the wall also shows what else the machine does."""
    times = []
    for run in range(3):
        hub = Hub(tmp_path / str(run))
        began = time.monotonic()
        await hub.start()
        times.append((used_seconds(hub.pid), time.monotonic() - began))
        await asyncio.sleep(1)
        size = memory_mb(hub.pid)
        hub.stop()
    print(f"start: {min(wall for _, wall in times):.2f} s, of that {min(times)[0]:.2f} s of one processor; idle: {size:.0f} MB")
    assert min(used for used, _ in times) < 3
    assert size < 150


async def test_queries_with_very_many_alternatives(hub: Hub, session: aiohttp.ClientSession) -> None:
    """A list of some hundred types or ids is a query like any other, or refused as too complex; never a 5xx."""
    batch = [{"id": f"urn:ngsi-ld:T{n}:1", "type": f"T{n}"} for n in range(700)]
    assert (await answer(session, "POST", f"{hub.url}{API}/entityOperations/create", json=batch))[0] == 201
    types = ",".join(f"T{n}" for n in range(700))
    status, body, _ = await answer(session, "GET", f"{hub.url}{API}/entities?type={types}&limit=1000")
    assert status in (200, 400, 403), body
    if status == 200:
        assert len(body) == 700
    alternatives = "|".join(f"a{n}==1" for n in range(700))
    status, body, _ = await answer(session, "GET", f"{hub.url}{API}/entities?type=T1&q={alternatives}")
    assert status in (200, 400, 403), body


@pytest.mark.parametrize("depth", [20, 60, 100, 127, 200, 1000, 20_000])
async def test_deep_documents(hub: Hub, session: aiohttp.ClientSession, depth: int) -> None:
    """Sub-attributes in sub-attributes, and values in values: kept and given back the same, or refused; never a 5xx."""
    for opening, middle, closing in (('{"type":"Property","value":1,"a":', '{"type":"Property","value":1}', "}"), ("[", "1", "]"), ('{"x":', "1", "}")):
        nested = opening * depth + middle + closing * depth
        value = nested if "Property" in opening else f'{{"type":"Property","value":{nested}}}'
        body = f'{{"id":"urn:ngsi-ld:Deep:{depth}","type":"Deep","a":{value}}}'
        status, told, _ = await answer(session, "POST", f"{hub.url}{API}/entities", data=body, headers={"content-type": "application/json"})
        assert status in (201, 400), (opening, told)
        url = f"{hub.url}{API}/entities/urn:ngsi-ld:Deep:{depth}"
        if status == 201:
            for form in ("", "?options=keyValues", "?options=concise", "?options=sysAttrs"):
                assert (await answer(session, "GET", url + form))[0] == 200
            assert (await answer(session, "GET", f"{hub.url}{API}/entities?type=Deep"))[0] == 200
            assert (await answer(session, "DELETE", url))[0] == 204
