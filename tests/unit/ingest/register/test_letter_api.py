"""Dead letters: seen, fixed, tried again, and not too many of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import httpx
import orjson
import pytest

from cityhub.ingest.message import PICKED
from cityhub.ingest.register import replay as module
from cityhub.ingest.register.letters import Letters
from cityhub.model.dead_letter import MOST_BODY, letter_writes
from cityhub.model.ports import DeadLetter
from tests.unit.ingest.register.conftest import Hub
from tests.unit.ingest.register.test_feed_api import TANK, add

API = "/api/dead-letters"


def letter(number: int, feed: str = "tank", body: bytes = b'{"level": "x"}') -> DeadLetter:
    at = f"2026-11-23T06:00:{number // 1000:02}.{number % 1000:03}000Z"
    return DeadLetter(feed, "'level' must be a number", "map", body, "json", {PICKED: True}, at)


async def settled(hub: Hub) -> None:
    """Waits until the registers have heard of all that the journal has."""
    while hub.registers._reader.position < hub.store.last():
        await asyncio.sleep(0.02)


async def push(hub: Hub, client: httpx.AsyncClient, *bodies: bytes) -> None:
    for body in bodies:
        assert (await client.post("/api/feeds/tank/messages", content=body)).status_code == 200
    await settled(hub)


async def test_letters_are_listed_newest_first_with_counts(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await push(hub, client, b'{"level": "a"}', b'[{"level": 1}, {"level": "b"}]', b"{", b"\xff\xfe")
        found = (await client.get(API)).json()
        assert (found["total"], found["byFeed"]) == (4, {"tank": 4})
        assert [one["stage"] for one in found["letters"]] == ["decode", "decode", "map", "map"]
        assert "body" not in found["letters"][0]
        assert (await client.get(f"{API}?stage=map&limit=1&offset=1")).json()["letters"] == found["letters"][3:]
        assert (await client.get(f"{API}?feed=other")).json() == {"total": 0, "byFeed": {"tank": 4}, "letters": []}
        bodies = [(await client.get(f"{API}/{one['id']}")).json() for one in found["letters"]]
        assert [one.get("body") or one.get("bodyBase64") for one in bodies] == ["//4=", "{", '{"level":"b"}', '{"level":"a"}']
        assert (await client.get("/api/feeds/tank")).json()["status"]["deadLetters"] == 4


async def test_a_fixed_letter_is_taken_and_goes(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await push(hub, client, b'[{"level": 1}, {"level": "b"}]', b"{")
        broken, wrong = [one["id"] for one in (await client.get(API)).json()["letters"]]
        failed = (await client.post(f"{API}/replay", json={"ids": [broken, wrong]})).json()
        assert failed["taken"] == 0 and set(failed["failed"]) == {broken, wrong}
        told = (await client.get(f"{API}/{wrong}")).json()
        assert (told["attempts"], told["reason"]) == (1, "'level' must be a number")
        assert (await client.put(f"{API}/{wrong}", json={"body": '{"level": 7}'})).json()["fixed"]["by"] == "local"
        assert (await client.put(f"{API}/{broken}", json={"body": '[{"level": 8}]'})).status_code == 200
        assert (await client.post(f"{API}/replay", json={"feed": "tank"})).json() == {"taken": 2, "failed": {}, "left": 0, "why": ""}
        assert hub.gateway.taken == [{"level": 1}, {"level": 7}, {"level": 8}]
        assert hub.gateway.messages[-1].redelivered
        assert (await client.get(API)).json()["total"] == 0
        assert (await client.get(f"{API}/{wrong}")).status_code == 404


async def test_a_replay_makes_no_second_letter_and_waits_for_room(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await push(hub, client, b"{", b"[")
        await client.post(f"{API}/replay", json={"feed": "tank"})
        await settled(hub)
        assert (await client.get(API)).json()["total"] == 2
        hub.gateway.full = True
        assert (await client.post(f"{API}/replay", json={"feed": "tank"})).json() == {
            "taken": 0, "failed": {}, "left": 2, "why": "The queue is full"}  # fmt: skip
        await client.delete("/api/feeds/tank")
        hub.gateway.full = False
        told = (await client.post(f"{API}/replay", json={"feed": "tank"})).json()
        assert set(told["failed"].values()) == {"There is no feed 'tank'"}


async def test_of_a_large_body_the_beginning_is_kept_and_it_cannot_be_replayed(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await push(hub, client, b"{" + b" " * (2 * MOST_BODY))
        (one,) = (await client.get(API)).json()["letters"]
        assert (one["size"], one["whole"]) == (2 * MOST_BODY + 1, False)
        assert len((await client.get(f"{API}/{one['id']}")).json()["body"]) == MOST_BODY
        told = (await client.post(f"{API}/replay", json={"ids": [one["id"]]})).json()
        assert f"{MOST_BODY} of its {2 * MOST_BODY + 1} bytes" in told["failed"][one["id"]]
        assert (await client.put(f"{API}/{one['id']}", json={"body": "x" * (MOST_BODY + 1)})).status_code == 400


async def test_bad_orders(hub: Hub) -> None:
    async with hub.client() as client:
        for wrong, status in (({}, 400), ({"ids": "x"}, 400), ({"ids": ["x"]}, 404), ({"nothing": 1}, 400), ([], 400), ({"feed": 1}, 400)):
            assert (await client.post(f"{API}/replay", json=wrong)).status_code == status, wrong
        for path in ("?limit=0", "?limit=x", "?offset=-1", "?order=1"):
            assert (await client.get(f"{API}{path}")).status_code == 400, path
        assert (await client.delete(f"{API}/x")).status_code == 404


async def test_the_oldest_are_dropped_when_there_are_too_many_or_too_old(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    await hub.store.write("", [write for number in range(60) for write in letter_writes(letter(number))])
    await settled(hub)
    await hub.registers.sweep()
    assert (hub.registers.letters.count(), hub.registers.letters.dropped) == (50, 10)
    assert "10 dead letters were dropped" in caplog.text
    assert min(key[1] for key in hub.registers.letters.keys()) > letter(9).received_at
    hub.clock.moment += timedelta(days=91)
    await hub.registers.sweep()
    assert hub.registers.letters.count() == 0
    assert await hub.store.records("", "dead_letter_body") == []


async def test_pages_of_a_hundred_thousand_letters_come_quickly(hub: Hub) -> None:
    await hub.store.write("", [write for number in range(2_000) for write in letter_writes(letter(number, f"feed-{number % 7}"))])
    letters = Letters(hub.store, hub.clock, 100_000, 90)
    await letters.load()
    header = {"feed": "many", "stage": "map"}
    for number in range(98_000):
        letters._add(("", f"2026-11-22T06:00:00.{number:06}Z-{number}"), header)
    began = time.perf_counter()
    assert letters.count("feed-3") == 286
    assert len(await letters.page("feed-3", "map", 100, 100)) == 100
    assert len(await letters.page("", "", 100, 1_900)) == 100
    assert time.perf_counter() - began < 3


async def test_the_same_letter_delivered_twice_is_there_once(hub: Hub) -> None:
    for _ in range(2):
        await hub.store.write("", letter_writes(letter(1)))
    assert len(await hub.store.records("", "dead_letter")) == 1
    body = orjson.dumps(TANK)
    await hub.store.write("", [*letter_writes(letter(1, body=body)), *letter_writes(letter(1, body=body), 1)])
    assert len(await hub.store.records("", "dead_letter")) == 3


async def test_an_order_ends_before_its_request_does(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    async with hub.client() as client:
        await add(client)
        await push(hub, client, b"{", b"[")
        told = (await client.post(f"{API}/replay", json={"feed": "tank"})).json()
        assert (told["taken"], told["left"]) == (0, 2) and "ask again" in told["why"]


async def test_many_letters_are_replayed_by_one_order(hub: Hub) -> None:
    async with hub.client() as client:
        await add(client)
        await hub.store.write("", [write for number in range(130) for write in letter_writes(letter(number, body=b'{"level": 1}' if number % 2 else b"{}"))])
        await settled(hub)
        told = (await client.post(f"{API}/replay", json={"feed": "tank"})).json()
        assert (told["taken"], len(told["failed"]), told["left"]) == (65, 65, 0)
        await settled(hub)
        assert (await client.get(API)).json()["total"] == 65
