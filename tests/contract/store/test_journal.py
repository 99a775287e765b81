"""The journal: entries, positions, readers, waiting, compaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cityhub.model.errors import Conflict, NotFound
from cityhub.model.ports import HISTORY_EVENTS
from tests.contract.store.city import LEVEL, NAME, NOW, change, create, delete, entity, number


async def test_entries_say_what_happened(store: Any) -> None:
    first = entity("urn:1", {LEVEL: number(1), NAME: number("a")})
    await store.write("north", [create(first)], trace="11")
    await store.write("north", [change("urn:1", level=2, extra=3)], trace="22")
    await store.write("north", [delete("urn:1")], trace="33")
    created, updated, deleted = await store.read(0)

    assert (created.kind, created.id, created.tenant, created.collection) == ("created", "urn:1", "north", "entity")
    assert (created.trace, created.at) == ("11", NOW)
    assert (created.before, created.after) == (None, first)
    assert created.attributes == {LEVEL: "created", NAME: "created"}

    assert (updated.kind, updated.trace, updated.before) == ("updated", "22", first)
    assert updated.after["attrs"][LEVEL] == number(2)
    assert updated.attributes == {LEVEL: "updated", "https://example.org/extra": "created"}, "what is shared was not touched"

    assert (deleted.kind, deleted.trace, deleted.after, deleted.before) == ("deleted", "33", None, updated.after)
    assert deleted.attributes == {LEVEL: "deleted", NAME: "deleted", "https://example.org/extra": "deleted"}


async def test_what_is_only_journalled_is_not_kept(store: Any) -> None:
    for step in (1, 2):
        assert await store.write("", [create({"id": "urn:s", "step": step}, HISTORY_EVENTS)]) == ["created"]
    first, second = await store.read(0)
    assert (first.kind, first.collection, first.after, second.after) == ("created", HISTORY_EVENTS, {"id": "urn:s", "step": 1}, {"id": "urn:s", "step": 2})
    assert second.before is None
    assert store.get("", "urn:s", HISTORY_EVENTS) is None
    assert await store.records("", HISTORY_EVENTS) == []


async def test_records_are_journalled(store: Any) -> None:
    await store.write("", [create({"id": "urn:s", "endpoint": "x"}, "subscription")])
    (entry,) = await store.read(0)
    assert (entry.collection, entry.id, entry.kind) == ("subscription", "urn:s", "created")
    assert entry.after == {"id": "urn:s", "endpoint": "x"}
    assert entry.attributes == {}


async def test_positions_increase_and_blocks_join(store: Any) -> None:
    for n in range(30):
        await store.write("", [create(entity(f"urn:{n}:{m}")) for m in range(3)])
    everything = await store.read(0)
    positions = [one.position for one in everything]
    assert positions == sorted(set(positions))
    assert positions[0] > 0
    assert positions[-1] == store.last()
    after, blocks = 0, []
    while block := await store.read(after, limit=7):
        assert len(block) <= 7
        blocks += block
        after = block[-1].position
    assert blocks == everything
    assert await store.read(store.last()) == []
    assert await store.read(store.last() + 1000) == []


async def test_reading_from_the_middle(store: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}")) for n in range(10)])
    everything = await store.read(0)
    assert await store.read(everything[4].position, limit=2) == everything[5:7]


async def test_last_is_zero_before_all_changes(store: Any) -> None:
    assert store.last() == 0
    assert await store.read(0) == []


async def test_a_new_reader_begins_at_the_newest_change(store: Any) -> None:
    await store.write("", [create(entity("urn:1"))])
    assert await store.position("history") == store.last()
    before = store.last()
    await store.write("", [create(entity("urn:2"))])
    assert await store.position("history") == before, "known from the first call on"
    assert [one.id for one in await store.read(before)] == ["urn:2"]


async def test_readers_have_durable_positions(store: Any, open_store: Any) -> None:
    await store.position("rules")
    await store.write("", [create(entity(f"urn:{n}")) for n in range(5)])
    third = (await store.read(0))[2].position
    await store.advance("rules", third)
    await store.advance("other", third - 1)
    assert await store.readers() == {"rules": third, "other": third - 1}
    await store.close()
    again = await open_store()
    try:
        assert await again.position("rules") == third
        assert [one.id for one in await again.read(third)] == ["urn:3", "urn:4"]
    finally:
        await again.close()


async def test_a_reader_never_goes_back(store: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}")) for n in range(5)])
    await store.advance("rules", store.last())
    await store.advance("rules", 1)
    assert await store.position("rules") == store.last()


async def test_wait_returns_at_once_when_there_is_something(store: Any) -> None:
    await store.write("", [create(entity("urn:1"))])
    await asyncio.wait_for(store.wait(0), 60)


async def test_wait_returns_when_something_comes(store: Any) -> None:
    waiting = [asyncio.create_task(store.wait(store.last())) for _ in range(3)]
    later = asyncio.create_task(store.wait(store.last() + 1))
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    await store.write("", [create(entity("urn:1"))])
    await asyncio.wait_for(asyncio.gather(*waiting), 60)
    assert not later.done(), "there is no second change yet"
    await store.write("", [create(entity("urn:2"))])
    await asyncio.wait_for(later, 60)


async def test_a_waiting_reader_misses_nothing_under_load(store: Any) -> None:
    seen: list[str] = []

    async def reader() -> None:
        position = 0
        while len(seen) < 200:
            await store.wait(position)
            block = await store.read(position, limit=9)
            assert block, "after wait there is something to read"
            seen.extend(one.id for one in block)
            position = block[-1].position

    async def writer(name: int) -> None:
        for n in range(20):
            await store.write("", [create(entity(f"urn:{name}:{n}"))])

    await asyncio.wait_for(asyncio.gather(reader(), *(writer(name) for name in range(10))), 60)
    assert len(set(seen)) == 200


async def test_compaction_keeps_what_a_reader_has_not_read(store: Any) -> None:
    await store.position("slow")
    await store.position("fast")
    await store.write("", [create(entity(f"urn:{n}")) for n in range(10)])
    everything = await store.read(0)
    await store.advance("fast", everything[8].position)
    await store.advance("slow", everything[3].position)
    assert await store.compact() == 4
    assert await store.compact() == 0
    assert await store.read(everything[3].position) == everything[4:]


async def test_compaction_keeps_the_newest_entry_and_its_position(store: Any, open_store: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}")) for n in range(10)])
    last = store.last()
    await store.advance("all", last)
    assert await store.compact() == 9
    await store.close()
    again = await open_store()
    try:
        assert again.last() == last
        await again.write("", [create(entity("urn:new"))])
        assert again.last() > last
        assert [one.id for one in await again.read(last)] == ["urn:new"]
    finally:
        await again.close()


async def test_without_readers_all_but_the_tail_is_removed(store: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}")) for n in range(30)])
    everything = await store.read(0)
    assert await store.oldest() == everything[0].position
    assert await store.compact(keep=10) == 20
    assert await store.compact(keep=10) == 0
    assert await store.oldest() == everything[20].position
    assert await store.read(everything[19].position) == everything[20:]
    assert await store.compact() == 9, "without a tail only the newest stays"
    assert await store.oldest() == store.last()


async def test_the_tail_stays_although_all_readers_have_passed(store: Any) -> None:
    await store.position("rules")
    await store.write("", [create(entity(f"urn:{n}")) for n in range(30)])
    everything = await store.read(0)
    await store.advance("rules", store.last())
    assert await store.compact(keep=12) == 18
    assert await store.oldest() == everything[18].position


async def test_a_reader_holds_more_than_the_tail(store: Any) -> None:
    await store.position("slow")
    await store.write("", [create(entity(f"urn:{n}")) for n in range(30)])
    everything = await store.read(0)
    await store.advance("slow", everything[4].position)
    assert await store.compact(keep=12) == 5
    assert await store.oldest() == everything[5].position


async def test_the_oldest_of_an_empty_journal_is_the_next(store: Any, open_store: Any) -> None:
    assert await store.oldest() == 1
    assert await store.compact() == 0
    await store.write("", [create(entity("urn:1"))])
    assert await store.oldest() == 1


async def test_a_large_compaction_lets_writes_through(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sqlite_journal", "postgres"):
        monkeypatch.setattr(f"cityhub.storage.{module}.PORTION", 10)
    for n in range(10):
        await store.write("", [create(entity(f"urn:{n}:{m}")) for m in range(100)])
    compaction = asyncio.create_task(store.compact())
    written = 0
    while not compaction.done():
        await store.write("", [create(entity(f"urn:between:{written}"))])
        written += 1
    removed = await compaction
    assert written > 5, "a write waits for one portion, not for all"
    assert await store.oldest() == removed + 1
    assert [one.position for one in await store.read(removed)] == list(range(removed + 1, store.last() + 1))


@pytest.mark.parametrize("trace", ["", "0af7651916cd43dd8448eb211c80319c"])
async def test_entries_are_the_same_after_a_restart(store: Any, open_store: Any, trace: str) -> None:
    await store.write("t", [create(entity("urn:1", {LEVEL: number(1)})), create({"id": "r", "x": [1]}, "rec")], trace=trace)
    await store.write("t", [change("urn:1", level=2), delete("r", "rec")], trace=trace)
    before = await store.read(0)
    last = store.last()
    await store.close()
    again = await open_store()
    try:
        assert await again.read(0) == before
        assert again.last() == last
        assert await again.read(before[1].position, limit=1) == before[2:3]
    finally:
        await again.close()


async def test_a_reader_that_is_not_coming_back_holds_nothing_any_more(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.write("", [create(entity("urn:1"))])
    await store.position("gone")
    await store.position("here")
    await store.write("", [create(entity(f"urn:{number}")) for number in range(2, 6)])
    await store.advance("here", store.last())
    with pytest.raises(Conflict):
        await store.forget_reader("here")
    with pytest.raises(NotFound):
        await store.forget_reader("never")
    assert await store.compact() == 1
    monkeypatch.setattr(store, "_reading_here", {"here"})  # as after a restart without that reader
    await store.forget_reader("gone")
    assert set(await store.readers()) == {"here"}
    assert await store.compact() == 3
