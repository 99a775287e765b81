"""Backup and restoration, from each backend into each."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.condition import Anything, HasAttribute, InBox, ScopeUnder, TypeIs, ValueIn
from cityhub.model.errors import AlreadyExists, BadRequestData
from cityhub.storage.backup import Block, Summary, backup, restore, verify
from cityhub.storage.sqlite import open_sqlite
from tests.contract.store.city import LEVEL, NAME, PLACE, TYPE, change, create, delete, entity, ids, number, place, put

Make = Callable[[str], Awaitable[Any]]
BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Any) -> AsyncIterator[Make]:
    """Opens a new, empty store of a backend."""
    stores: list[Any] = []
    numbers = itertools.count()
    new_database = request.getfixturevalue("new_database") if "postgres" in str(request.node.name) else None

    async def made(backend: str) -> Any:
        if backend == "sqlite":
            stores.append(await open_sqlite(tmp_path / f"store{next(numbers)}", clock))
        else:
            from cityhub.storage.postgres import open_postgres

            assert new_database is not None
            stores.append(await open_postgres(new_database(), clock))
        return stores[-1]

    yield made
    for store in stores:
        await store.close()


async def fill(store: Any) -> None:
    """A bit of everything, with the order of creation mixed over tenants and a journal of which the head is gone."""
    await store.write("", [create(entity("urn:1", {LEVEL: number(1)})), create({"id": "s1", "deep": [{"a": None}]}, "subscription")])
    await store.write("north", [create(entity("urn:1", {PLACE: place(108.77, 29.53)}, scope=["/a/b"])), create(entity("urn:2"))])
    await store.write("", [create(entity("urn:0", {NAME: number("x")})), create({"id": "s0"}, "subscription")], trace="7" * 32)
    await store.advance("passed", store.last())
    await store.compact()
    await store.position("rules")
    await store.write("", [change("urn:1", level=2), create(entity("urn:gone")), delete("urn:gone"), create({"id": "r"}, "registration")])
    await store.advance("half", store.last() - 2)
    await store.advance("passed", store.last())
    odd = {"n": [2**63, 2**64 - 1, -(2**63), 1.5, 1e300, -0.0, True, None], "t": "\x00\x01\U0010ffff 水 \u2028", "big": "x" * 100_000}
    await store.write("水", [create(entity("urn:odd\x00\x01'\"\\", {NAME: number(odd)}, expiresAt="2099-01-01T00:00:00.000000Z"))])
    await store.create_tenant("empty")


async def contents(store: Any) -> tuple[Any, list[Any], list[Any]]:
    """All that a store holds."""
    items: list[Any] = []
    changes: list[Any] = []
    async with store.snapshot() as snapshot:
        async for block in snapshot.blocks():
            items += block.items
            changes += block.changes
    return snapshot.state, items, changes


@pytest.mark.parametrize("second", BACKENDS)
@pytest.mark.parametrize("first", BACKENDS)
async def test_there_and_back_again(make: Make, tmp_path: Path, first: str, second: str) -> None:
    source, middle, end = await make(first), await make(second), await make(first)
    await fill(source)
    before = await contents(source)
    made = await backup(source, tmp_path / "one.backup")
    assert (made.entities, made.records, made.changes) == (5, 3, 6)
    assert await restore(tmp_path / "one.backup", middle) == made == verify(tmp_path / "one.backup")
    assert await contents(middle) == before
    again = await backup(middle, tmp_path / "two.backup")
    assert again == made, "the same contents have the same checksum"
    await restore(tmp_path / "two.backup", end)
    assert await contents(end) == before
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["one.backup", "two.backup"]

    for store in (middle, end):
        assert store.tenants() == source.tenants()
        assert store.last() == source.last()
        assert await store.readers() == await source.readers()
        assert await store.read(0) == await source.read(await source.oldest() - 1)
        assert await store.records(None, "subscription") == await source.records(None, "subscription")
        for tenant in source.tenants():
            assert sorted(map(str, await store.shapes(tenant))) == sorted(map(str, await source.shapes(tenant)))
            for condition in (Anything(), TypeIs(TYPE), HasAttribute(LEVEL), ValueIn(LEVEL, 2, 2), ScopeUnder("/a"), InBox(PLACE, 108, 29, 109, 30)):
                assert await ids(store, tenant, condition) == await ids(source, tenant, condition)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_life_goes_on_after_a_restoration(make: Make, tmp_path: Path, backend: str) -> None:
    source, target = await make("sqlite"), await make(backend)
    await fill(source)
    await backup(source, tmp_path / "b")
    await restore(tmp_path / "b", target)
    position = await target.position("rules")
    assert [one.id for one in await target.read(position)][:2] == ["urn:1", "urn:gone"], "readers go on where they were"
    last = target.last()
    waiting = asyncio.create_task(target.wait(last))
    assert await target.write("", [create(entity("urn:new")), delete("urn:0"), put(entity("urn:1"))]) == ["created", "deleted", "replaced"]
    await asyncio.wait_for(waiting, 60)
    assert [one.position for one in await target.read(last)] == [last + 1, last + 2, last + 3]
    assert await ids(target) == ["urn:1", "urn:new"]
    assert await ids(target, "", HasAttribute(LEVEL)) == []
    await target.write("north", [delete("urn:1")])
    assert await ids(target, "north", InBox(PLACE, 108, 29, 109, 30)) == []


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_backup_is_of_one_moment(make: Make, tmp_path: Path, backend: str) -> None:
    source, target = await make(backend), await make("sqlite")
    await source.write("", [create(entity(f"urn:{n}", {LEVEL: number(0)})) for n in range(600)])
    ends = False
    rounds = 0

    async def write_on() -> None:
        nonlocal rounds
        while not ends:
            rounds += 1
            await source.write("", [change("urn:0", level=rounds), change("urn:599", level=rounds), create(entity(f"urn:new:{rounds}"))])

    writing = asyncio.create_task(write_on())
    await asyncio.sleep(0.05)
    made = await backup(source, tmp_path / "b")
    ends = True
    await writing
    await restore(tmp_path / "b", target)
    first, last = (target.get("", id)["attrs"][LEVEL] for id in ("urn:0", "urn:599"))
    assert first == last
    level = first[0]["value"]
    assert 0 < level <= rounds
    assert made.entities == 600 + level == len(await ids(target, limit=5000))
    assert target.last() == made.state.position == 600 + 3 * level
    assert (await target.read(target.last() - 1))[0].id == f"urn:new:{level}"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_store_in_use_is_not_replaced_unasked(make: Make, tmp_path: Path, backend: str) -> None:
    source, target = await make("sqlite"), await make(backend)
    await fill(source)
    await backup(source, tmp_path / "b")
    await target.write("old", [create(entity(f"urn:old:{n}", {LEVEL: number(2), PLACE: place(108.7, 29.5)})) for n in range(50)])
    assert target.get("old", "urn:old:1") is not None
    await target.position("old reader")
    with pytest.raises(AlreadyExists, match="not empty"):
        await restore(tmp_path / "b", target)
    assert len(await ids(target, "old")) == 50
    await restore(tmp_path / "b", target, replace=True)
    assert await contents(target) == await contents(source)
    assert target.get("old", "urn:old:1") is None
    assert target.last() == source.last()
    assert await ids(target, "", ValueIn(LEVEL, 2, 2)) == ["urn:1"]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_fails_in_the_middle_changes_nothing(make: Make, tmp_path: Path, backend: str) -> None:
    source, target = await make("sqlite"), await make(backend)
    await fill(source)
    made = await backup(source, tmp_path / "b")
    await target.write("old", [create(entity("urn:old"))])
    before = await contents(target)

    def broken() -> Any:
        yield Block(items=[(("entity", "new", "urn:1"), b'{"id":"urn:1","type":["t"],"attrs":{}}')])
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        await target.load(made.state, broken)
    assert await contents(target) == before
    assert target.get("old", "urn:old") is not None
    assert await target.write("old", [create(entity("urn:more"))]) == ["created"]
    assert target.last() == 2


async def written(make: Make, path: Path) -> Summary:
    source = await make("sqlite")
    await fill(source)
    return await backup(source, path)


@pytest.mark.parametrize("damage", ["cut", "cut foot", "no foot", "flipped", "changed", "line gone", "not gzip", "empty", "other json", "newer"])
async def test_a_damaged_file_is_refused(make: Make, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "b"
    await written(make, path)
    raw = path.read_bytes()
    lines = gzip.decompress(raw).splitlines(keepends=True)
    damaged = {
        "cut": raw[: len(raw) // 2],
        "cut foot": gzip.compress(b"".join(lines)[:-30]),
        "no foot": gzip.compress(b"".join(lines[:-1])),
        "flipped": raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 255]) + raw[len(raw) // 2 + 1 :],
        "changed": gzip.compress(b"".join(lines).replace(b'"value":2', b'"value":3')),
        "line gone": gzip.compress(b"".join(lines[:3] + lines[4:])),
        "not gzip": b"".join(lines),
        "empty": b"",
        "other json": gzip.compress(b'{"a": 1}\n[2]\n'),
        "newer": gzip.compress(b"".join(lines).replace(b'"format":1', b'"format":2')),
    }[damage]
    path.write_bytes(damaged)
    target = await make("sqlite")
    with pytest.raises(BadRequestData, match=str(path)):
        await restore(path, target)
    assert await target.is_empty()


async def test_a_file_that_is_not_there(make: Make, tmp_path: Path) -> None:
    store = await make("sqlite")
    with pytest.raises(OSError, match="nowhere"):
        await restore(tmp_path / "nowhere", store)
    with pytest.raises(OSError, match="nowhere"):
        await backup(store, tmp_path / "nowhere" / "b")


async def test_an_older_backup_stays_until_the_new_one_is_whole(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b"
    made = await written(make, path)
    store = await make("sqlite")
    await store.write("", [create(entity("urn:1"))])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cityhub.storage.backup._Output.block", full)
    with pytest.raises(OSError, match="No space"):
        await backup(store, path)
    assert verify(path) == made
    assert [one.name for one in tmp_path.glob("b*")] == ["b"]


async def test_an_empty_store(make: Make, tmp_path: Path) -> None:
    source, target = await make("sqlite"), await make("sqlite")
    made = await backup(source, tmp_path / "b")
    assert (made.entities, made.records, made.changes, made.state.position) == (0, 0, 0, 0)
    await restore(tmp_path / "b", target)
    assert await target.is_empty()
    assert await target.write("", [create(entity("urn:1"))]) == ["created"]
