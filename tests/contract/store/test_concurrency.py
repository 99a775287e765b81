"""Many writers at once: nothing is lost, nothing waits for ever, order is one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from cityhub.model.condition import Anything
from cityhub.model.errors import StoreUnavailable
from tests.contract.store.city import LEVEL, count_up, create, entity, put

IDS = [f"urn:{n}" for n in range(50)]


async def test_200_batch_upserts_over_the_same_50_ids(store: Any) -> None:
    """Orion-LD#1459, Scorpio#653: concurrent batches over the same entities crash or deadlock."""
    chance = random.Random(7)

    async def batch() -> None:
        results = await store.write("", [count_up(id) for id in chance.sample(IDS, len(IDS))])
        assert all(isinstance(one, int) for one in results)

    await asyncio.wait_for(asyncio.gather(*(batch() for _ in range(200))), 120)
    page = await store.find("", Anything(), None, limit=100, count=True)
    assert page.count == 50
    assert [one["attrs"][LEVEL][0]["value"] for one in page.entities] == [200] * 50


async def test_the_journal_has_every_step_in_order(store: Any) -> None:
    await asyncio.gather(*(store.write("", [count_up(id) for id in IDS[:5]]) for _ in range(40)))
    levels: dict[str, int] = {}
    for entry in await store.read(0):
        before = entry.before["attrs"][LEVEL][0]["value"] if entry.before else 0
        assert before == levels.get(entry.id, 0), "each step begins where the one before ended"
        levels[entry.id] = entry.after["attrs"][LEVEL][0]["value"]
    assert levels == dict.fromkeys(IDS[:5], 40)


async def test_of_many_creations_one_wins(store: Any) -> None:
    results = await asyncio.gather(*(store.write("", [create(entity("urn:1", createdBy=str(n)))]) for n in range(100)))
    assert sum(one == ["created"] for one in results) == 1


async def test_an_answered_write_is_read_at_once(store: Any) -> None:
    async def one(n: int) -> None:
        document = entity(f"urn:{n}")
        await store.write("", [put(document)])
        assert store.get("", f"urn:{n}") == document
        assert (await store.find("", Anything(), lambda found: found["id"] == document["id"])).entities == [document]

    await asyncio.gather(*(one(n) for n in range(60)))


async def test_calls_of_one_caller_keep_their_order(store: Any) -> None:
    calls = [asyncio.create_task(store.write("", [put(entity("urn:1", {LEVEL: [{"type": "Property", "value": n}]}))])) for n in range(50)]
    await asyncio.gather(*calls)
    assert [one.after["attrs"][LEVEL][0]["value"] for one in await store.read(0)] == list(range(50))


async def test_a_caller_that_goes_away_harms_nobody(store: Any) -> None:
    calls = [asyncio.create_task(store.write("", [count_up("urn:1")])) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, list) for one in results[1::2])
    assert await store.write("", [count_up("urn:2")]) == [1]


async def test_closing_writes_what_waits(store: Any, open_store: Any) -> None:
    calls = [asyncio.create_task(store.write("", [create(entity(f"urn:{n}"))])) for n in range(30)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*calls) == [["created"]] * 30
    again = await open_store()
    try:
        assert (await again.find("", Anything(), None, limit=0, count=True)).count == 30
    finally:
        await again.close()


async def test_a_closed_store_takes_no_more_writes(store: Any) -> None:
    await store.write("", [create(entity("urn:1"))])
    await store.close()
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(store.write("", [create(entity("urn:2"))]), 60)
