"""Writing: results, refusals, order, what counts as a change."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cityhub.model.errors import AlreadyExists, NotFound
from cityhub.model.ports import ENTITIES, Document, Write
from tests.contract.store.city import LEVEL, NAME, NOW, change, create, delete, entity, ids, number, put


async def test_written_is_read(store: Any) -> None:
    document = entity("urn:a", {LEVEL: number(3)})
    assert await store.write("", [create(document)]) == ["created"]
    assert store.get("", "urn:a") == document


async def test_what_was_never_written_is_none(store: Any) -> None:
    assert store.get("", "urn:a") is None
    assert store.get("nowhere", "urn:a") is None
    assert store.get("", "urn:a", "subscription") is None


async def test_nothing_to_write(store: Any) -> None:
    assert await store.write("", []) == []
    assert store.last() == 0


async def test_one_result_per_write_in_order(store: Any) -> None:
    results = await store.write(
        "", [create(entity("urn:1")), delete("urn:none"), create(entity("urn:1")), create(entity("urn:2")), delete("urn:2")]
    )
    assert [type(one) for one in results] == [str, NotFound, AlreadyExists, str, str]
    assert [one for one in results if isinstance(one, str)] == ["created", "created", "deleted"]
    assert await ids(store) == ["urn:1"]


async def test_later_writes_of_a_call_see_earlier_ones(store: Any) -> None:
    await store.write("", [create(entity("urn:1", {LEVEL: number(1)})), change("urn:1", level=2), change("urn:1", name="n")])
    assert store.get("", "urn:1")["attrs"] == {LEVEL: number(2), NAME: number("n")}
    changes = await store.read(0)
    assert [(one.kind, one.position) for one in changes] == [
        ("created", changes[0].position), ("updated", changes[1].position), ("updated", changes[2].position)
    ]
    assert changes[0].position < changes[1].position < changes[2].position
    assert changes[2].before == changes[1].after
    assert changes[1].before == changes[0].after


async def test_transitions_get_the_time_of_the_write(store: Any, clock: Any) -> None:
    times: list[str] = []

    def note(current: Document | None, now: str) -> tuple[Document | None, str]:
        times.append(now)
        return current, "noted"

    await store.write("", [Write("urn:1", note)])
    clock.pass_seconds(90)
    await store.write("", [Write("urn:1", note)])
    assert times == [NOW, "2026-11-23T06:06:30.000000Z"]


async def test_the_same_object_is_no_change(store: Any) -> None:
    await store.write("", [create(entity("urn:1"))])
    last = store.last()
    same = Write("urn:1", lambda current, now: (current, "same"))
    missing = Write("urn:2", lambda current, now: (current, "still missing"))
    assert await store.write("", [same, missing]) == ["same", "still missing"]
    assert store.last() == last
    assert await store.read(last) == []
    assert store.get("", "urn:2") is None


async def test_an_equal_document_is_a_change(store: Any) -> None:
    document = entity("urn:1", {LEVEL: number(1)})
    await store.write("", [put(document)])
    await store.write("", [put(orjson.loads(orjson.dumps(document)))])
    changes = await store.read(0)
    assert [one.kind for one in changes] == ["created", "updated"]
    assert changes[1].attributes == {LEVEL: "updated"}


async def test_a_refusal_leaves_no_trace(store: Any) -> None:
    await store.write("", [delete("urn:1")])
    assert store.last() == 0
    assert await store.read(0) == []


async def test_a_faulty_transition_fails_its_own_call_only(store: Any) -> None:
    import asyncio

    def faulty(current: Document | None, now: str) -> tuple[Document | None, str]:
        raise ZeroDivisionError

    calls = [store.write("", [create(entity(f"urn:{n}"))]) for n in range(3)]
    calls.insert(1, store.write("", [create(entity("urn:bad")), Write("urn:worse", faulty)]))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [results[0], *results[2:]] == [["created"]] * 3
    assert isinstance(results[1], ZeroDivisionError)
    assert await ids(store) == ["urn:0", "urn:1", "urn:2"]
    assert {one.id for one in await store.read(0)} == {"urn:0", "urn:1", "urn:2"}


async def test_delete_and_create_again(store: Any) -> None:
    await store.write("", [create(entity("urn:1")), create(entity("urn:2"))])
    await store.write("", [delete("urn:1"), create(entity("urn:1", {LEVEL: number(1)}))])
    assert await ids(store) == ["urn:2", "urn:1"], "it was created anew, after the other"
    assert [one.kind for one in await store.read(0)] == ["created", "created", "deleted", "created"]
    await store.write("", [delete("urn:1")])
    await store.write("", [create(entity("urn:1")), delete("urn:1"), create(entity("urn:1")), delete("urn:1")])
    assert store.get("", "urn:1") is None
    assert await ids(store) == ["urn:2"]


@pytest.mark.parametrize(
    "id",
    [
        "urn:ngsi-ld:Sensor:重庆-黔江",
        "http://example.org/a b?c=d&e=%20#f",
        "quote'\"\\back{slash},NULL",
        "urn:x:\U0001f6b0\u0301",
        "urn:tab\there\nline",
        "urn:%",
        "urn:_",
        "urn:nul\x00end",
        "urn:one\x01end",
        "urn:" + "x" * 1900,
    ],
)
async def test_odd_ids(store: Any, id: str) -> None:
    document = entity(id, {NAME: number("a")})
    assert await store.write("", [create(document), create({"id": id, "odd": True}, "thing")]) == ["created", "created"]
    assert store.get("", id) == document
    assert store.get("", id, "thing") == {"id": id, "odd": True}
    assert await ids(store) == [id]
    assert [one.id for one in await store.read(0)] == [id, id]
    assert await store.write("", [delete(id)]) == ["deleted"]


async def test_text_that_is_no_unicode_names_nothing(store: Any) -> None:
    assert store.get("", "urn:\udc80") is None


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\x01\x02", "\ue000\uffff\U0010ffff", "line\nline", "'; DROP TABLE entity; --", ""])
async def test_odd_texts(store: Any, value: str) -> None:
    document = entity("urn:1", {NAME: number(value), f"https://example.org/{value}": number(1)}, scope=[f"/{value}x"])
    await store.write("", [put(document)], trace="0" * 32)
    assert store.get("", "urn:1") == document
    assert (await store.read(0))[0].after == document


async def test_numbers_come_back_as_they_were(store: Any) -> None:
    values = [0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, 1e300, -0.1, 1.0, True, False, None, [1, [2.5]], {"a": {"b": 1}}]
    document = entity("urn:1", {LEVEL: number(values)})
    await store.write("", [put(document)])
    after = (await store.find("", _anything(), None)).entities[0]["attrs"][LEVEL][0]["value"]
    assert [(type(one), one) for one in after] == [(type(one), one) for one in values]


async def test_a_large_document(store: Any) -> None:
    document = entity("urn:1", {LEVEL: number(1), NAME: number("水" * 1_700_000)})
    await store.write("", [put(document)])
    assert store.get("", "urn:1") == document
    await store.write("", [change("urn:1", level=2)])
    newest = (await store.read(store.last() - 1))[0]
    assert newest.before == document
    assert newest.after["attrs"][LEVEL] == number(2)
    assert await ids(store) == ["urn:1"]


async def test_a_large_call(store: Any) -> None:
    results = await store.write("", [create(entity(f"urn:{n}")) for n in range(5000)])
    assert results == ["created"] * 5000
    assert (await store.find("", _anything(), None, limit=0, count=True)).count == 5000
    assert [one.id for one in await store.read(0, limit=5000)] == [f"urn:{n}" for n in range(5000)]


async def test_what_was_given_is_not_changed(store: Any) -> None:
    document = entity("urn:1", {LEVEL: number(1)})
    await store.write("", [put(document)])
    before = store.get("", "urn:1")
    await store.write("", [change("urn:1", level=2)])
    assert before["attrs"] == {LEVEL: number(1)}
    assert document == entity("urn:1", {LEVEL: number(1)})


async def test_collections_do_not_mix(store: Any) -> None:
    await store.write("", [create(entity("urn:1")), create({"id": "urn:1", "n": 1}, "a"), create({"id": "urn:1", "n": 2}, "b")])
    assert store.get("", "urn:1", ENTITIES) == entity("urn:1")
    assert store.get("", "urn:1", "a")["n"] == 1
    assert store.get("", "urn:1", "b")["n"] == 2
    await store.write("", [delete("urn:1", "a")])
    assert store.get("", "urn:1", "a") is None
    assert store.get("", "urn:1", "b") is not None


def _anything() -> Any:
    from cityhub.model.condition import Anything

    return Anything()
