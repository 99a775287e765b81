"""The live stream on a real journal: order, resume, bounds, and a cost that does not grow with the clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from cityhub.model.change import Change
from cityhub.model.entity import Entity
from cityhub.model.errors import InvalidRequest
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.storage.tail import Tail
from cityhub.web.events import Selection
from cityhub.web.http import Request
from cityhub.web.stream import Bounds, LiveStream, stream_routes

LEVEL = "https://x.example/level"


class Desk:
    """A store, a stream on it, and the queries of its clients: `type`, and `above` for the level."""

    def __init__(self, store: SqliteStore, bounds: Bounds | None = None, oldest: Any = None) -> None:
        self.store = store
        self.rendered = 0
        self.streams: list[Any] = []
        self.stream = LiveStream(store, self.select, oldest, bounds)

    async def select(self, request: Request) -> Selection:
        query = request.query
        type_, above = query.get("type", ""), float(query.get("above", "-inf"))

        def matches(entity: Entity) -> bool:
            if type_ == "broken":
                raise RuntimeError("a query that fails")
            return (not type_ or type_ in entity["type"]) and entity["attrs"][LEVEL][0]["value"] > above

        return Selection(f"{type_}/{above}", "plain", matches, self.render, request.headers.get("ngsild-tenant", ""))

    def render(self, entity: Entity) -> dict[str, Any]:
        self.rendered += 1
        return {"id": entity["id"], "type": entity["type"], "level": entity["attrs"][LEVEL][0]["value"]}

    async def put(self, id: str, level: float, type_: str = "Gauge", tenant: str = "") -> None:
        def transition(old: Any, now: str) -> tuple[Any, None]:
            entity = {"id": id, "type": [type_], "attrs": {LEVEL: [{"type": "Property", "value": level}]}}
            return {**entity, "createdAt": old["createdAt"] if old else now, "modifiedAt": now}, None

        await self.store.write(tenant, [Write(id, transition)])

    async def drop(self, id: str) -> None:
        await self.store.write("", [Write(id, lambda old, now: (None, None))])

    async def open(self, query: str = "", **headers: str) -> Any:
        request = Request("GET", "/api/stream", query, {name.replace("_", "-"): text for name, text in headers.items()}, b"")
        response = await self.stream.open(request)
        assert response.status == 200
        assert ("content-type", "text/event-stream; charset=utf-8") in response.headers
        self.streams.append(response.chunks)
        return response.chunks

    async def close(self) -> None:
        for stream in self.streams:
            await stream.aclose()
        await self.stream.close()
        await self.store.close()


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    desks: list[Desk] = []

    async def make(**options: Any) -> Desk:
        desk = Desk(await open_sqlite(tmp_path, SystemClock()), **options)
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        await desk.close()


@pytest.fixture
async def desk(make: Callable[..., Any]) -> Desk:
    made: Desk = await make()
    return made


def parse(block: bytes) -> list[dict[str, Any]]:
    """The events of a piece of the stream."""
    events = []
    for text in block.decode().split("\n\n"):
        event: dict[str, Any] = {}
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name in ("id", "event", "data"):
                event[name] = orjson.loads(value) if name == "data" else value.strip()
        if event:
            events.append(event)
    return events


async def collect(stream: Any, count: int, timeout_s: float = 60.0) -> list[dict[str, Any]]:
    """Changes from a stream until there are `count`."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(timeout_s):
        while len(events) < count:
            events += [event for event in parse(await anext(stream)) if event.get("event") is None]
    return events


async def nothing(stream: Any) -> bool:
    """Whether the stream stays silent."""
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait({waiting}, timeout=0.15)
    waiting.cancel()
    return not done


async def test_begins_with_ready_and_then_tells_each_change(desk: Desk) -> None:
    await desk.put("urn:a", 1)
    stream = await desk.open()
    (ready,) = parse(await anext(stream))
    assert ready == {"id": "1", "event": "ready", "data": {"position": 1}}
    task = asyncio.create_task(collect(stream, 3))
    await desk.put("urn:a", 2)
    await desk.put("urn:b", 5)
    await desk.drop("urn:a")
    events = await task
    assert [(event["id"], event["data"]["kind"], event["data"]["id"]) for event in events] == [
        ("2", "updated", "urn:a"), ("3", "created", "urn:b"), ("4", "deleted", "urn:a"),
    ]
    data = events[0]["data"]
    assert data["entity"] == {"id": "urn:a", "type": ["Gauge"], "level": 2}
    assert data["type"] == ["Gauge"]
    assert data["position"] == 2
    assert data["at"].endswith("Z")
    assert events[2]["data"]["entity"] is None


async def test_query_decides_and_leaving_it_is_told(desk: Desk) -> None:
    stream = await desk.open("type=Gauge&above=3")
    await anext(stream)
    task = asyncio.create_task(collect(stream, 2))
    await asyncio.sleep(0.05)
    await desk.put("urn:other", 9, "Meter")
    await desk.put("urn:low", 1)
    await desk.put("urn:a", 4)
    await desk.put("urn:a", 2)
    assert [(event["data"]["id"], event["data"]["kind"]) for event in await task] == [("urn:a", "created"), ("urn:a", "left")]


@pytest.mark.parametrize("way", ["after", "last-event-id"])
async def test_resumes_without_loss_or_repetition_while_writing_goes_on(desk: Desk, way: str) -> None:
    for number in range(700):
        await desk.put(f"urn:{number % 7}", number)
    stop = asyncio.Event()

    async def keep_writing() -> None:
        number = 700
        while not stop.is_set():
            await desk.put(f"urn:{number % 7}", number)
            number += 1

    writer = asyncio.create_task(keep_writing())
    stream = await desk.open("after=40") if way == "after" else await desk.open("after=3", last_event_id="40")
    positions = [int(event["id"]) for event in await collect(stream, 900)]
    stop.set()
    await writer
    assert positions == list(range(41, 41 + len(positions)))


async def test_clients_that_come_and_go_while_others_listen_miss_and_repeat_nothing(desk: Desk) -> None:
    stop = asyncio.Event()

    async def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            await asyncio.gather(*(desk.put(f"urn:{number % 5}", number + more) for more in range(3)))
            number += 3

    async def listen(count: int) -> list[int]:
        stream = await desk.open("after=0")
        positions = [int(event["id"]) for event in await collect(stream, count, 20.0)]
        await stream.aclose()
        return positions

    always = asyncio.create_task(listen(1_500))
    writer = asyncio.create_task(keep_writing())
    others = []
    for turn in range(25):
        await asyncio.sleep(0.01)
        others.append(asyncio.create_task(listen(100 + 20 * turn)))
    heard = [await always, *await asyncio.gather(*others)]
    stop.set()
    await writer
    for positions in heard:
        assert positions == list(range(1, 1 + len(positions)))


class HeldJournal:
    """A journal in memory whose next reads can be held back after they have looked."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.grown = asyncio.Event()
        self.holding: asyncio.Event | None = None

    def add(self) -> None:
        position = len(self.changes) + 1
        entity = {"id": "urn:a", "type": ["Gauge"], "attrs": {LEVEL: [{"type": "Property", "value": position}]}}
        self.changes.append(Change(position, "entity", "", "urn:a", "updated", "2026-11-23T06:00:00.000000Z", entity, entity))
        self.grown.set()
        self.grown = asyncio.Event()

    def last(self) -> int:
        return len(self.changes)

    async def wait(self, after: int) -> None:
        while after >= len(self.changes):
            await self.grown.wait()

    async def read(self, after: int, limit: int = 1000) -> list[Change]:
        holding, found = self.holding, self.changes[after : after + limit]
        if holding is not None:
            self.holding = None
            await holding.wait()
        return found


@pytest.fixture
async def held() -> AsyncIterator[tuple[HeldJournal, Desk]]:
    journal = HeldJournal()
    desk = Desk(journal)  # type: ignore[arg-type]
    yield journal, desk
    for stream in desk.streams:
        await stream.aclose()
    await desk.stream.close()


async def test_change_between_the_last_look_and_the_joining_is_not_missed(held: tuple[HeldJournal, Desk]) -> None:
    journal, desk = held
    first, second = await desk.open(), await desk.open()
    await anext(first)
    await anext(second)
    hearing = asyncio.create_task(collect(first, 1))
    await asyncio.sleep(0.01)
    journal.holding = gate = asyncio.Event()
    late = asyncio.create_task(collect(second, 1, 1.0))
    await asyncio.sleep(0.01)
    journal.add()
    assert len(await hearing) == 1
    gate.set()
    assert [event["id"] for event in await late] == ["1"]


async def test_client_that_has_read_ahead_of_the_tail_hears_nothing_twice(held: tuple[HeldJournal, Desk]) -> None:
    journal, desk = held
    first, second = await desk.open(), await desk.open()
    await anext(first)
    await anext(second)
    hearing = asyncio.create_task(collect(first, 2))
    await asyncio.sleep(0.01)
    journal.holding = gate = asyncio.Event()
    journal.add()
    await asyncio.sleep(0.01)
    assert [event["id"] for event in await collect(second, 1)] == ["1"]
    more = asyncio.create_task(collect(second, 1))
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.sleep(0.01)
    journal.add()
    assert [event["id"] for event in await more] == ["2"]
    assert [event["id"] for event in await hearing] == ["1", "2"]


async def test_position_beyond_the_end_waits_for_what_is_new(desk: Desk) -> None:
    await desk.put("urn:a", 1)
    stream = await desk.open("after=999")
    assert parse(await anext(stream))[0]["data"] == {"position": 1}
    task = asyncio.create_task(collect(stream, 1))
    await asyncio.sleep(0.05)
    await desk.put("urn:a", 2)
    assert (await task)[0]["id"] == "2"


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "9" * 30, "٣"])
async def test_position_must_be_one(desk: Desk, text: str) -> None:
    with pytest.raises(InvalidRequest, match="journal position"):
        await desk.stream.open(Request("GET", "/api/stream", "", {"last-event-id": text}, b""))


async def test_slow_client_is_cut_with_its_position_and_may_come_back(make: Callable[..., Any]) -> None:
    desk = await make(bounds=Bounds(waiting_events=20))
    slow, quick = await desk.open(), await desk.open()
    await anext(slow)
    await anext(quick)
    reading = asyncio.create_task(collect(quick, 50))
    waiting = asyncio.ensure_future(anext(slow))
    await asyncio.sleep(0.05)
    for number in range(50):
        await desk.put("urn:a", number)
    assert len(await reading) == 50
    rest = parse(await waiting) + [event async for block in slow for event in parse(block)]
    *changes, cut = rest
    assert cut["event"] == "cut"
    assert "slowly" in cut["data"]["reason"]
    assert cut["data"]["position"] == int(changes[-1]["id"]) < 50
    assert desk.stream.cut == 1
    again = await desk.open(f"after={cut['data']['position']}")
    back = await collect(again, 50 - cut["data"]["position"])
    assert [int(event["id"]) for event in changes + back] == list(range(1, 51))


async def test_change_is_written_once_however_many_clients_there_are(desk: Desk) -> None:
    streams = [await desk.open("type=Gauge") for _ in range(40)] + [await desk.open("above=0") for _ in range(10)]
    for stream in streams:
        await anext(stream)
    tasks = [asyncio.create_task(collect(stream, 5)) for stream in streams]
    await asyncio.sleep(0.1)
    for number in range(5):
        await desk.put("urn:a", number + 1)
    assert all(len(events) == 5 for events in await asyncio.gather(*tasks))
    assert desk.rendered == 5
    assert desk.stream.sent == 250


async def test_silence_is_broken_by_a_heartbeat(make: Callable[..., Any]) -> None:
    desk = await make(bounds=Bounds(heartbeat_s=0.05))
    stream = await desk.open()
    await anext(stream)
    assert await asyncio.wait_for(anext(stream), 60) == b": still here\n\n"


async def test_tenants_do_not_hear_of_each_other(desk: Desk) -> None:
    await desk.put("urn:a", 1, tenant="other")
    mine, other = await desk.open("after=0"), await desk.open("after=0", ngsild_tenant="other")
    await anext(mine)
    silence = asyncio.create_task(nothing(mine))
    assert [event["data"]["id"] for event in await collect(other, 1)] == ["urn:a"]
    later = asyncio.create_task(collect(other, 1))
    await asyncio.sleep(0.05)
    await desk.put("urn:a", 2, tenant="other")
    assert [event["data"]["id"] for event in await later] == ["urn:a"]
    assert await silence


async def test_records_are_not_told(desk: Desk) -> None:
    stream = await desk.open()
    await anext(stream)
    silence = asyncio.create_task(nothing(stream))
    await asyncio.sleep(0.05)
    await desk.store.write("", [Write("urn:s", lambda old, now: ({"id": "urn:s"}, None), "subscription")])
    assert await silence
    again = await desk.open("after=0")
    await anext(again)
    assert await nothing(again)


async def test_query_that_fails_ends_its_own_clients_only(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = await desk.open("type=broken"), await desk.open()
    await anext(broken)
    await anext(sound)
    hearing, ending = asyncio.create_task(collect(sound, 2)), asyncio.ensure_future(anext(broken))
    await asyncio.sleep(0.05)
    await desk.put("urn:a", 1)
    await desk.put("urn:a", 2)
    assert len(await hearing) == 2
    assert parse(await ending)[0]["event"] == "cut"
    with pytest.raises(StopAsyncIteration):
        await anext(broken)
    assert "a live query failed" in caplog.text


async def test_changes_that_are_no_longer_kept_are_told_as_a_gap(make: Callable[..., Any]) -> None:
    async def oldest() -> int:
        return 30

    desk = await make(oldest=oldest)
    for number in range(40):
        await desk.put("urn:a", number)
    events = parse(await anext(await desk.open("after=5")))
    assert [event.get("event") for event in events] == ["ready", "gap"]
    assert events[1]["data"] == {"from": 5, "to": 30}
    assert [event.get("event") for event in parse(await anext(await desk.open("after=29")))] == ["ready"]


async def test_a_client_that_comes_back_too_late_is_told_so(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path, SystemClock())
    desk = Desk(store, oldest=store.oldest)
    for number in range(40):
        await desk.put("urn:a", number)
    assert await store.compact(keep=10) == 30
    stream = await desk.open(last_event_id="30")
    assert [event["data"]["position"] for event in parse(await anext(stream)) + parse(await anext(stream))] == [30, *range(31, 41)]
    late = await desk.open(last_event_id="29")
    assert parse(await anext(late))[1]["data"] == {"from": 29, "to": 31}
    assert [event["data"]["position"] for event in await collect(late, 10)] == list(range(31, 41))
    await desk.close()


async def test_what_is_removed_while_a_client_catches_up_is_told_as_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_sqlite(tmp_path, SystemClock())
    monkeypatch.setattr(store, "_tail", Tail(bound=1))
    monkeypatch.setattr("cityhub.web.stream.READ_BLOCK", 5)
    desk = Desk(store, oldest=store.oldest)
    for number in range(40):
        await desk.put("urn:a", number)
    stream = await desk.open("after=2")
    assert [event.get("event") for event in parse(await anext(stream))] == ["ready"]
    assert [event["data"]["position"] for event in await collect(stream, 5)] == [3, 4, 5, 6, 7]
    await store.compact(keep=10)
    gap, *changes = parse(await anext(stream))
    assert (gap["event"], gap["data"]) == ("gap", {"from": 7, "to": 31})
    assert [event["data"]["position"] for event in changes] == [31, 32, 33, 34, 35]
    await desk.close()


async def test_streams_are_bounded_and_end_with_the_hub(make: Callable[..., Any]) -> None:
    desk = await make(bounds=Bounds(clients=1))
    stream = await desk.open()
    await anext(stream)
    refused = await desk.stream.open(Request("GET", "/api/stream", "", {}, b""))
    assert refused.status == 503
    assert b"1 streams are open" in refused.body
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    await desk.stream.close()
    assert parse(await waiting)[0]["data"]["reason"] == "the hub stops"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_tail_ends_with_its_last_client_and_begins_with_the_next(desk: Desk) -> None:
    stream = await desk.open()
    await anext(stream)
    assert await nothing(stream)
    await stream.aclose()
    await stream.aclose()
    assert desk.stream.clients == 0
    await desk.put("urn:a", 1)
    later = await desk.open()
    await anext(later)
    task = asyncio.create_task(collect(later, 1))
    await asyncio.sleep(0.05)
    await desk.put("urn:a", 2)
    assert (await task)[0]["data"]["entity"]["level"] == 2


def test_door_names_its_permission(tmp_path: Path) -> None:
    (route,) = stream_routes(LiveStream(None, None))  # type: ignore[arg-type]
    assert (route.method, route.path, route.permission) == ("GET", "/api/stream", "entity.read")
