"""Entities whose time has passed."""

from __future__ import annotations

from typing import Any

from cityhub.model.condition import AllOf, Anything, HasAttribute, TypeIs, ValueIn
from cityhub.model.ports import Document, Write
from tests.contract.store.city import LEVEL, NAME, TYPE, change, create, entity, ids, number, put

SOON = "2026-11-23T06:06:00.000000Z"
LATER = "2026-11-23T07:00:00.000000Z"


async def test_an_expired_entity_is_gone(store: Any, clock: Any) -> None:
    await store.write("", [create(entity("urn:1", expiresAt=SOON)), create(entity("urn:2", expiresAt=LATER)), create(entity("urn:3"))])
    clock.pass_seconds(59.999999)
    assert store.get("", "urn:1") is not None
    assert await ids(store) == ["urn:1", "urn:2", "urn:3"]
    clock.pass_seconds(0.000001)
    assert store.get("", "urn:1") is None
    for condition in (Anything(), TypeIs(TYPE)):
        assert await ids(store, "", condition) == ["urn:2", "urn:3"]
        assert await ids(store, "", condition, matches=lambda _: True) == ["urn:2", "urn:3"]
        assert await ids(store, "", condition, order=lambda found: found["id"]) == ["urn:2", "urn:3"]
        assert (await store.find("", condition, None, limit=0, count=True)).count == 2
        assert [one["id"] async for block in store.scan("", condition) for one in block] == ["urn:2", "urn:3"]


async def test_the_sweep_journals_what_it_deletes(store: Any, clock: Any) -> None:
    dying = entity("urn:1", {LEVEL: number(1)}, expiresAt=SOON)
    await store.write("a", [create(dying), create(entity("urn:3"))])
    await store.write("b", [create(entity("urn:2", expiresAt=LATER)), create(entity("urn:1", expiresAt=SOON))])
    assert await store.expire() == 0
    last = store.last()
    clock.pass_seconds(60)
    assert await store.expire() == 2
    assert await store.expire() == 0
    gone = await store.read(last)
    assert sorted((one.tenant, one.id, one.kind) for one in gone) == [("a", "urn:1", "deleted"), ("b", "urn:1", "deleted")]
    assert next(one for one in gone if one.tenant == "a").before == dying
    assert next(one for one in gone if one.tenant == "a").attributes == {LEVEL: "deleted"}
    assert await ids(store, "a") == ["urn:3"]


async def test_writing_where_one_has_expired(store: Any, clock: Any) -> None:
    await store.write("", [create(entity("urn:1", {LEVEL: number(1)}, expiresAt=SOON))])
    clock.pass_seconds(60)
    seen: list[Document | None] = []

    def look(current: Document | None, now: str) -> tuple[Document | None, str]:
        seen.append(current)
        return current, "looked"

    last = store.last()
    assert await store.write("", [Write("urn:1", look)]) == ["looked"]
    assert seen == [None], "for a transition it is not there any more"
    assert store.last() == last
    assert await store.write("", [create(entity("urn:1"))]) == ["created"]
    assert [(one.kind, one.before is None) for one in await store.read(last)] == [("deleted", False), ("created", True)]
    assert store.get("", "urn:1") == entity("urn:1")
    assert await store.expire() == 0


async def test_an_attribute_that_expires(store: Any, clock: Any) -> None:
    short = [{"type": "Property", "value": 1, "expiresAt": SOON}, {"type": "Property", "value": 2, "datasetId": "urn:d"}]
    gone = [{"type": "Property", "value": "x", "expiresAt": SOON}]
    await store.write("", [create(entity("urn:1", {LEVEL: short, NAME: gone})), create(entity("urn:2", {NAME: number("y")}))])
    assert await ids(store, "", HasAttribute(NAME)) == ["urn:1", "urn:2"]
    clock.pass_seconds(60)
    assert store.get("", "urn:1")["attrs"] == {LEVEL: short[1:]}
    for condition in (HasAttribute(NAME), AllOf((TypeIs(TYPE), HasAttribute(NAME)))):
        assert await ids(store, "", condition) == ["urn:2"]
        assert (await store.find("", condition, None, limit=0, count=True)).count == 1
        assert [one["id"] async for block in store.scan("", condition) for one in block] == ["urn:2"]
    assert await ids(store, "", ValueIn(LEVEL, 1, 1)) == []
    assert (await store.find("", TypeIs(TYPE), None)).entities[0]["attrs"] == {LEVEL: short[1:]}

    last = store.last()
    same = Write("urn:1", lambda current, now: (current, sorted(current["attrs"])))
    assert await store.write("", [same]) == [[LEVEL]], "a transition sees what is left"
    assert store.last() == last
    assert await store.expire() == 1
    (entry,) = await store.read(last)
    assert (entry.kind, entry.attributes) == ("updated", {LEVEL: "updated", NAME: "deleted"})
    assert entry.before["attrs"] == {LEVEL: short, NAME: gone}
    assert entry.after["attrs"] == {LEVEL: short[1:]}
    assert await store.expire() == 0
    assert {(one.attribute, one.count) for one in await store.shapes("")} == {("", 2), (LEVEL, 1), (NAME, 1)}


async def test_a_write_takes_expired_attributes_away(store: Any, clock: Any) -> None:
    await store.write("", [create(entity("urn:1", {NAME: [{"type": "Property", "value": "x", "expiresAt": SOON}]}))])
    clock.pass_seconds(60)
    await store.write("", [change("urn:1", level=1)])
    assert (await store.read(store.last() - 1))[0].attributes == {LEVEL: "created", NAME: "deleted"}
    assert await store.expire() == 0


async def test_an_end_that_was_moved(store: Any, clock: Any) -> None:
    await store.write("", [create(entity("urn:1", expiresAt=SOON)), create(entity("urn:2", expiresAt=LATER))])
    await store.write("", [put(entity("urn:1")), put(entity("urn:2", expiresAt=SOON))])
    clock.pass_seconds(60)
    assert await ids(store) == ["urn:1"]
    assert await store.expire() == 1
    assert await ids(store) == ["urn:1"]


async def test_a_large_sweep(store: Any, clock: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}", expiresAt=SOON)) for n in range(2500)])
    clock.pass_seconds(60)
    assert await store.expire() == 2500
    assert len([one for one in await store.read(0, limit=9999) if one.kind == "deleted"]) == 2500
