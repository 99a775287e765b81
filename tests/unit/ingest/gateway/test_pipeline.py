"""The pipeline of a feed and the way into the hub: everything is settled once, in order, and never before the hub has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway import outlet as outlets
from cityhub.ingest.gateway.compiling import compile_feed
from cityhub.ingest.gateway.outlet import Outlet
from cityhub.ingest.gateway.pipeline import Pipeline
from cityhub.ingest.gateway.tally import Tally
from cityhub.ingest.gateway.words import Batch, Outcome
from cityhub.ingest.message import Message, Settled
from cityhub.model.errors import BadRequestData, StoreUnavailable, TooLarge
from cityhub.web.wire import WireServer
from cityhub.web.wire_client import WireClient

AT = "2026-01-01T00:00:00.000000Z"
FEED = msgspec.convert(
    {
        "id": "meters", "protocol": "mqtt", "checks": {"level": {"maximum": 100}},
        "entities": [{"type": "Meter", "id": '"urn:ngsi-ld:Meter:" + name', "attributes": {"level": {"value": "level"}}}],
    }, Feed,
)  # fmt: skip


class FakeHub:
    """Takes batches as a hub does, and notes them; ids with "refused" are refused, and a batch with "poison" cannot be kept."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, body: bytes) -> bytes:
        batch = msgspec.msgpack.decode(body, type=Batch)
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable("The disk is full")
        ids = [update.id for part in batch.updates for update in part]
        if any("poison" in id for id in ids):
            raise BadRequestData("A database keeps no such text")
        self.batches.append(batch)
        marks = "".join("x" if "refused" in id else "w" for id in ids).encode()
        return msgspec.msgpack.encode(Outcome(marks, {place: "It is too long" for place, mark in enumerate(marks) if mark == ord("x")}))

    @property
    def ids(self) -> list[str]:
        return [update.id.rpartition(":")[2] for batch in self.batches for part in batch.updates for update in part]

    @property
    def letters(self) -> list[tuple[str, bytes]]:
        return [(letter.stage, letter.body) for batch in self.batches for letter in batch.letters]


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def outlet(tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outlet]:
    monkeypatch.setattr(outlets, "FIRST_PAUSE_S", 0.02)
    server = WireServer("hub", {"take": hub.take})
    await server.start(tmp_path / "s")
    outlet = Outlet(WireClient("hub", tmp_path / "s", patience_s=0.2))
    sending = asyncio.create_task(outlet.run())
    yield outlet
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await server.stop()


@pytest.fixture
def pipeline(outlet: Outlet) -> Pipeline:
    return Pipeline(FEED, compile_feed(FEED, lambda name: f"https://example.org/{name}"), outlet, Tally(lambda: AT))


def message(*records: Any, **members: Any) -> Message:
    body = orjson.dumps(records[0] if len(records) == 1 else records)
    return Message(body, {"topic": ["a"]}, AT, **members)


def meter(name: str, level: float = 1) -> dict[str, Any]:
    return {"name": name, "level": level}


async def test_a_message_is_settled_when_the_hub_has_it(pipeline: Pipeline, hub: FakeHub, outlet: Outlet) -> None:
    hub.gate.clear()
    putting = asyncio.create_task(pipeline.put(message(meter("1"), bookmark={"row": 3})))
    await asyncio.sleep(0.1)
    assert not putting.done() and outlet.messages == 1
    hub.gate.set()
    assert await putting == Settled(1)
    assert hub.ids == ["1"] and hub.batches[0].bookmarks == [("meters", {"row": 3})] and outlet.messages == outlet.bytes == 0


async def test_flags_are_counted(pipeline: Pipeline) -> None:
    assert await pipeline.put(message(meter("1", 3), meter("2", 300))) == Settled(2, flagged=1)


async def test_what_is_wrong_becomes_a_letter_and_the_rest_is_taken(pipeline: Pipeline, hub: FakeHub) -> None:
    settled = await pipeline.put(Message(b"{", {}, AT))
    assert settled.written == 0 and len(settled.refused) == 1
    settled = await pipeline.put(message(meter("1"), {"name": 7}, meter("2")))
    assert settled.written == 2 and settled.refused[0].startswith("Record 1")
    assert hub.letters == [("decode", b"{"), ("map", b'{"name":7}')] and hub.ids == ["1", "2"]
    settled = await pipeline.put_in(Message(b"{", {}, AT), keep=False)
    assert len(settled.refused) == 1 and len(hub.letters) == 2, "it is not kept when nobody wants it to be"


async def test_more_wrong_records_than_a_person_reads_are_one_letter(pipeline: Pipeline, hub: FakeHub) -> None:
    wrong = message(*[{"name": number} for number in range(150)])
    settled = await pipeline.put(wrong)
    assert len(settled.refused) == 20 and hub.letters == [("map", wrong.body)]


async def test_what_the_hub_refuses_is_a_letter_before_it_is_settled(pipeline: Pipeline, hub: FakeHub) -> None:
    settled = await pipeline.put(message(meter("1"), meter("refused")))
    assert settled == Settled(1, refused=["It is too long"])
    assert [stage for stage, _ in hub.letters] == ["take"]


async def test_one_poisonous_message_does_not_stop_the_others(pipeline: Pipeline, hub: FakeHub) -> None:
    hub.gate.clear()
    puts = [asyncio.create_task(pipeline.put(message(meter(name)))) for name in ("1", "2", "poison", "3", "4")]
    await asyncio.sleep(0.1)
    hub.gate.set()
    settled = await asyncio.gather(*puts)
    assert [one.written for one in settled] == [1, 1, 0, 1, 1]
    assert sorted(hub.ids) == ["1", "2", "3", "4"] and [stage for stage, _ in hub.letters] == ["take"]


async def test_a_hub_that_is_away_is_waited_for_and_told_that_it_may_know(pipeline: Pipeline, hub: FakeHub) -> None:
    hub.away = True
    putting = asyncio.create_task(pipeline.put(message(meter("1"))))
    await asyncio.sleep(0.1)
    assert not putting.done()
    hub.away = False
    assert await putting == Settled(1)
    assert [batch.redelivered for batch in hub.batches] == [True]


async def test_messages_that_came_before_go_in_batches_of_their_own(pipeline: Pipeline, hub: FakeHub) -> None:
    hub.gate.clear()
    puts = [asyncio.create_task(pipeline.put(message(meter(f"{number}"), redelivered=number < 3))) for number in range(6)]
    await asyncio.sleep(0.1)
    hub.gate.set()
    await asyncio.gather(*puts)
    assert {id.rpartition(":")[2]: batch.redelivered for batch in hub.batches for part in batch.updates for id in [part[0].id]} == {
        "0": True, "1": True, "2": True, "3": False, "4": False, "5": False,
    }  # fmt: skip


async def test_without_room_nothing_is_taken(pipeline: Pipeline, hub: FakeHub, outlet: Outlet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "QUEUE_MESSAGES", 10)
    hub.gate.clear()
    seen: list[int] = []
    offered = 0
    while pipeline.offer(message(meter(f"{offered}")), lambda outcome, number=offered: seen.append(number)):  # type: ignore[misc]
        offered += 1
    assert offered == 10
    waiting = asyncio.create_task(pipeline.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    hub.gate.set()
    await asyncio.wait_for(waiting, 60)
    await asyncio.sleep(0.1)
    assert seen == list(range(10)), "settled in the order of the offers"


async def test_a_great_message_goes_in_parts_and_is_settled_once(pipeline: Pipeline, hub: FakeHub) -> None:
    great = message(*[meter(f"{number}") for number in range(5001)], bookmark={"page": 2})
    putting = asyncio.create_task(pipeline.put(great))
    await asyncio.sleep(0)
    assert not pipeline.offer(message(meter("x")), lambda outcome: None), "one at a time"
    assert await putting == Settled(5001)
    assert len(hub.ids) == 5001 and hub.batches[-1].bookmarks == [("meters", {"page": 2})] and len(hub.batches) > 1
    assert await pipeline.put(message(meter("y"))) == Settled(1)
    with pytest.raises(TooLarge):
        await pipeline.put(Message(b"x" * (16 * 1024 * 1024 + 1), {}, AT))


async def test_records_that_were_read_already_need_no_decoder(pipeline: Pipeline, hub: FakeHub) -> None:
    settled = await pipeline.put(Message(b"", {}, AT, records=[meter("1"), {"name": object()}]))
    assert (settled.written, len(settled.refused)) == (1, 1)
    assert hub.ids == ["1"] and b"object" in hub.letters[0][1]


@pytest.mark.parametrize("value", [2**70, "\ud800", {"a": [1.5, None]}])
async def test_values_that_cannot_be_written_cost_their_message_only(pipeline: Pipeline, hub: FakeHub, value: Any) -> None:
    settled = await pipeline.put(Message(b"", {}, AT, records=[meter("1", value)]))
    assert settled.written + len(settled.refused) == 1
    assert await pipeline.put(message(meter("2"))) == Settled(1)


async def test_a_codec_that_does_not_come_back_holds_up_nobody_else(outlet: Outlet, hub: FakeHub) -> None:
    code = "function decodeUplink(input) { if (input.bytes[0] === 33) while (true) {} return {data: {name: 'a', level: input.bytes[0]}}; }"
    feed = msgspec.structs.replace(FEED, format="javascript", decoder={"code": code, "timeout_ms": 500})
    pipeline = Pipeline(feed, compile_feed(feed, lambda name: f"https://example.org/{name}"), outlet, Tally(lambda: AT))
    assert (await pipeline.put(Message(b"*", {}, AT))).written == 1
    task = asyncio.create_task(pipeline.put(Message(b"!", {}, AT)))
    beats = 0
    while not task.done():
        beats += 1
        await asyncio.sleep(0.01)
    assert beats > 5
    assert "time" in (await task).refused[0]
    assert hub.letters == [("decode", b"!")]
