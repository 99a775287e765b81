"""Tenants and records."""

from __future__ import annotations

import asyncio
from typing import Any

from cityhub.model.condition import HasAttribute, InBox, ScopeUnder, TypeIs
from tests.contract.store.city import LEVEL, PLACE, TYPE, create, delete, entity, ids, number, place, put


async def test_tenants_do_not_see_each_other(store: Any) -> None:
    await store.write("a", [create(entity("urn:1", {LEVEL: number(1)}))])
    await store.write("b", [create(entity("urn:1", {LEVEL: number(2)})), create(entity("urn:2"))])
    assert store.get("", "urn:1") is None
    assert store.get("a", "urn:1")["attrs"][LEVEL] == number(1)
    assert store.get("b", "urn:1")["attrs"][LEVEL] == number(2)
    assert await ids(store, "a") == ["urn:1"]
    assert await ids(store, "b", TypeIs(TYPE)) == ["urn:1", "urn:2"]
    assert await ids(store, "") == []
    assert {one.type for one in await store.shapes("")} == set()


async def test_tenants_are_known_once_written_to(store: Any) -> None:
    assert store.tenants() == {""}
    await store.write("a", [create(entity("urn:1"))])
    await store.write("b", [create({"id": "x"}, "thing")])
    await store.create_tenant("c")
    await store.create_tenant("c")
    await store.write("d", [delete("urn:none")])
    assert store.tenants() == {"", "a", "b", "c"}, "a refused write changes nothing"
    assert await ids(store, "c") == []


async def test_a_created_tenant_is_durable(store: Any, open_store: Any) -> None:
    await store.create_tenant("区")
    await store.close()
    again = await open_store()
    try:
        assert again.tenants() == {"", "区"}
    finally:
        await again.close()


async def test_tenants_is_a_copy(store: Any) -> None:
    store.tenants().add("x")
    assert store.tenants() == {""}


async def test_dropping_a_tenant(store: Any) -> None:
    inside = entity("urn:1", {LEVEL: number(1), PLACE: place(108.7, 29.5)}, scope=["/a"])
    for tenant in ("a", "b"):
        await store.write(tenant, [create(inside), create({"id": "s"}, "subscription")])
        assert store.get(tenant, "urn:1") == inside
    await store.drop_tenant("a")
    assert store.tenants() == {"", "b"}
    assert store.get("a", "urn:1") is None
    assert store.get("a", "s", "subscription") is None
    assert await store.records("a", "subscription") == []
    assert await store.records(None, "subscription") == [("b", {"id": "s"})]
    assert await store.shapes("a") == []
    for condition in (TypeIs(TYPE), HasAttribute(LEVEL), InBox(PLACE, 100, 20, 110, 30), ScopeUnder("/a")):
        assert await ids(store, "a", condition) == []
        assert await ids(store, "b", condition) == ["urn:1"]


async def test_a_dropped_tenant_can_begin_anew(store: Any) -> None:
    await store.write("a", [create(entity("urn:1", {LEVEL: number(1)}))])
    await store.drop_tenant("a")
    await store.write("a", [create(entity("urn:1", {LEVEL: number(2)}))])
    assert store.get("a", "urn:1")["attrs"][LEVEL] == number(2)
    assert store.tenants() == {"", "a"}
    assert await ids(store, "a", HasAttribute(LEVEL)) == ["urn:1"]


async def test_dropping_is_not_journalled_and_readers_go_on(store: Any) -> None:
    await store.write("", [create(entity("urn:0"))])
    await store.write("a", [create(entity(f"urn:{n}")) for n in range(10)])
    last = store.last()
    await store.drop_tenant("a")
    assert store.last() == last
    await store.write("", [create(entity("urn:new"))])
    position, seen = 0, []
    while position < store.last():
        block = await store.read(position, limit=3)
        assert block, "below the last position there is something to read"
        seen += block
        position = block[-1].position
    assert [one.id for one in seen if one.tenant == ""] == ["urn:0", "urn:new"]
    assert all(one.kind == "created" for one in seen if one.collection != "tenant"), "the deletion of each is not told"


async def test_dropping_the_default_tenant_empties_it(store: Any) -> None:
    await store.write("", [create(entity("urn:1"))])
    await store.write("a", [create(entity("urn:1"))])
    await store.drop_tenant("")
    assert store.tenants() == {"", "a"}
    assert store.get("", "urn:1") is None
    assert store.get("a", "urn:1") is not None


async def test_dropping_what_is_not_there(store: Any) -> None:
    await store.drop_tenant("nowhere")
    assert store.tenants() == {""}


async def test_records_in_the_order_of_creation(store: Any) -> None:
    await store.write("b", [create({"id": "3"}, "sub")])
    await store.write("a", [create({"id": "2"}, "sub"), create({"id": "9"}, "other")])
    await store.write("b", [create({"id": "1"}, "sub")])
    await store.write("b", [put({"id": "3", "new": True}, "sub")])
    assert await store.records("b", "sub") == [("b", {"id": "3", "new": True}), ("b", {"id": "1"})]
    assert await store.records(None, "sub") == [("b", {"id": "3", "new": True}), ("a", {"id": "2"}), ("b", {"id": "1"})]
    assert await store.records("nowhere", "sub") == []
    assert await store.records(None, "nothing") == []
    await store.write("b", [delete("3", "sub"), create({"id": "3"}, "sub")])
    assert await store.records("b", "sub") == [("b", {"id": "1"}), ("b", {"id": "3"})]


async def test_records_may_have_any_members(store: Any) -> None:
    record = {"id": "x", "expiresAt": "2000-01-01T00:00:00.000000Z", "type": 3, "attrs": None, "deep": [{"a": [None]}]}
    await store.write("", [create(record, "thing")])
    assert store.get("", "x", "thing") == record, "records care for their expiry themselves"
    assert await store.expire() == 0


async def test_positions_go_on_after_a_tenant_was_dropped(store: Any, open_store: Any) -> None:
    await store.write("a", [create(entity(f"urn:{n}")) for n in range(5)])
    last = store.last()
    await store.drop_tenant("a")
    assert store.last() == last
    await asyncio.wait_for(store.wait(last - 1), 60)
    assert len(await store.read(last - 1)) == 1, "what can be waited for can be read"
    assert [one.position for one in await store.read(0)] == [last]
    await store.write("b", [create(entity("urn:1"))])
    assert store.last() == last + 1
    assert [one.tenant for one in await store.read(last)] == ["b"]
    await store.drop_tenant("b")
    await store.close()
    again = await open_store()
    try:
        assert again.last() == last + 1
        await again.write("", [create(entity("urn:2"))])
        assert [one.id for one in await again.read(last + 1)] == ["urn:2"]
    finally:
        await again.close()


async def test_writing_while_a_tenant_is_dropped(store: Any, open_store: Any) -> None:
    """What is written after the drop belongs to a new tenant of the same name: whole, found, and there after a restart."""
    for _ in range(10):
        await store.write("a", [put(entity(f"urn:{n}", {LEVEL: number(n)})) for n in range(3)])
        drop = asyncio.create_task(store.drop_tenant("a"))
        writes = []
        while not drop.done():
            writes.append(asyncio.create_task(store.write("a", [put(entity(f"urn:{n}", {LEVEL: number(n)})) for n in range(3)])))
            await asyncio.sleep(0)
        await asyncio.gather(*writes)
        await store.write("a", [put(entity(f"urn:{n}", {LEVEL: number(n)})) for n in range(3)])
        assert await ids(store, "a") == ["urn:0", "urn:1", "urn:2"]
        assert await ids(store, "a", TypeIs(TYPE)) == ["urn:0", "urn:1", "urn:2"]
    await store.close()
    again = await open_store()
    try:
        assert await ids(again, "a", TypeIs(TYPE)) == ["urn:0", "urn:1", "urn:2"]
        assert again.get("a", "urn:2") is not None
    finally:
        await again.close()
