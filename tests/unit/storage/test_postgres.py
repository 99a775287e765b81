"""What PostgreSQL has beyond the contract of the store: several hubs, a server that goes away, indexes that come by use."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from cityhub.model.condition import AllOf, Anything, HasAttribute, TypeIs, ValueIn
from cityhub.model.errors import StoreUnavailable
from cityhub.model.time import SystemClock
from cityhub.storage import postgres_schema
from cityhub.storage.postgres import PostgresStore, open_postgres
from cityhub.storage.postgres_schema import migrate
from tests.contract.store.city import LEVEL, NAME, TYPE, change, count_up, create, delete, entity, ids, number, put
from tests.unit.storage.proxy import Proxy

pytestmark = pytest.mark.postgres


@pytest.fixture
async def hubs(postgres_url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two stores on one database, as two hubs have them."""
    first = await open_postgres(postgres_url, SystemClock())
    second = await open_postgres(postgres_url, SystemClock())
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    made = Proxy(postgres_url)
    made.open()
    yield made
    made.close()


@pytest.fixture
async def behind(proxy: Proxy) -> AsyncIterator[PostgresStore]:
    """A store behind the proxy."""
    store = await open_postgres(proxy.url, SystemClock())
    yield store
    await store.close()


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


async def eventually(check: Any, seconds: float = 60) -> None:
    """Returns when the check, which may raise StoreUnavailable, gives something true."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            if await check():
                return
        except StoreUnavailable:
            pass
        assert asyncio.get_running_loop().time() < end, "it did not come true in time"
        await asyncio.sleep(0.05)


# -- Several hubs ------------------------------------------------------------------------------------------------


async def test_what_one_hub_writes_the_other_reads(hubs: Any) -> None:
    first, second = hubs
    await first.write("north", [create(entity("urn:1", {LEVEL: number(1)})), create({"id": "s"}, "subscription")])
    await asyncio.wait_for(second.wait(first.last() - 1), 60)
    assert second.last() == first.last()
    assert second.get("north", "urn:1")["attrs"][LEVEL] == number(1)
    assert await second.fetch("north", "urn:1") == first.get("north", "urn:1")
    assert await second.fetch("north", "urn:2") is None
    assert await second.records(None, "subscription") == [("north", {"id": "s"})]
    assert second.tenants() == {"", "north"}
    assert await second.read(0) == await first.read(0)


async def test_memory_follows_the_other_hub(hubs: Any) -> None:
    first, second = hubs
    await first.write("", [create(entity("urn:1", {LEVEL: number(0)}))])
    await second.wait(first.last() - 1)
    for n in range(1, 20):
        assert second.get("", "urn:1")["attrs"][LEVEL] == number(n - 1)
        assert (await second.fetch("", "urn:1"))["attrs"][LEVEL] == number(n - 1)
        await first.write("", [change("urn:1", level=n)])
        await asyncio.wait_for(second.wait(first.last() - 1), 60)
    await first.write("", [delete("urn:1")])
    await asyncio.wait_for(second.wait(first.last() - 1), 60)
    assert second.get("", "urn:1") is None


async def test_both_write_the_same_entities(hubs: Any) -> None:
    keys = [f"urn:{n}" for n in range(50)]

    async def batch(n: int) -> None:
        await hubs[n % 2].write("", [count_up(id) for id in (keys if n % 3 else reversed(keys))])

    await asyncio.wait_for(asyncio.gather(*(batch(n) for n in range(100))), 120)
    found = (await hubs[0].find("", Anything(), None, limit=100)).entities
    assert [one["attrs"][LEVEL][0]["value"] for one in found] == [100] * 50


async def test_a_reader_skips_nothing_while_both_write(hubs: Any) -> None:
    seen: list[int] = []

    async def reader(store: PostgresStore) -> None:
        position = 0
        while len(seen) < 300:
            await store.wait(position)
            block = await store.read(position, limit=7)
            seen.extend(one.position for one in block)
            position = block[-1].position

    async def writer(store: PostgresStore, name: str) -> None:
        for n in range(30):
            await store.write("", [create(entity(f"urn:{name}:{n}"))])

    writers = [writer(store, f"{at}:{n}") for at, store in enumerate(hubs) for n in range(5)]
    await asyncio.wait_for(asyncio.gather(reader(hubs[1]), *writers), 60)
    assert seen == list(range(1, 301))


async def test_readers_and_tenants_are_shared(hubs: Any) -> None:
    first, second = hubs
    await first.write("a", [create(entity("urn:1")), create(entity("urn:2"))])
    assert await first.position("rules") == first.last()
    await second.advance("rules", first.last() + 5)
    assert await first.position("rules") == first.last() + 5
    await eventually(lambda: _true(second.get("a", "urn:1") is not None))
    await first.drop_tenant("a")
    await eventually(lambda: _true(second.tenants() == {""} and second.get("a", "urn:1") is None))
    await second.create_tenant("b")
    await eventually(lambda: _true(first.tenants() == {"", "b"}))
    await second.write("a", [create(entity("urn:1"))])
    await eventually(lambda: _true(first.tenants() == {"", "a", "b"} and first.get("a", "urn:1") is not None))


async def test_compaction_by_another_hub_is_no_gap_for_memory(hubs: Any) -> None:
    first, second = hubs
    await first.write("", [create(entity("urn:1", {LEVEL: number(1)}))])
    await second.wait(0)
    assert second.get("", "urn:1") is not None
    await first.advance("all", 10**9)
    await first.write("", [change("urn:1", level=n) for n in range(2, 9)])
    await first.compact()
    await asyncio.wait_for(second.wait(first.last() - 1), 60)
    assert second.get("", "urn:1")["attrs"][LEVEL] == number(8)
    assert [one.position for one in await second.read(0)][-1] == first.last()


async def test_many_hubs_may_start_at_once(postgres_url: str) -> None:
    stores = await asyncio.gather(*(open_postgres(postgres_url, SystemClock()) for _ in range(3)))
    await asyncio.gather(*(store.write("", [create(entity(f"urn:{n}"))]) for n, store in enumerate(stores)))
    assert sorted(await ids(stores[0])) == ["urn:0", "urn:1", "urn:2"]
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused(postgres_url: str) -> None:
    migrate(postgres_url)
    execute(postgres_url, "UPDATE cityhub.schema_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="update CityHub"):
        await open_postgres(postgres_url, SystemClock())


async def test_a_server_that_is_not_there(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await open_postgres(postgres_url + "x/nowhere", SystemClock())


async def test_a_start_does_not_wait_for_ever_for_another_hub(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "_LOCK_S", 1)
    with psycopg.connect(postgres_url) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({postgres_schema._LOCK})")
        with pytest.raises(StoreUnavailable, match="another hub"):
            await asyncio.wait_for(open_postgres(postgres_url, SystemClock()), 30)


async def test_people_can_read_the_documents(hubs: Any, postgres_url: str) -> None:
    await hubs[0].write("", [create(entity("urn:1", {LEVEL: number(7)}))])
    assert execute(postgres_url, "SELECT document->>'id' FROM cityhub.entities") == [("urn:1",)]


# -- A server that goes away ---------------------------------------------------------------------------------------


async def test_while_the_server_is_away(behind: PostgresStore, proxy: Proxy) -> None:
    await behind.write("", [create(entity("urn:1", {LEVEL: number(1)}))])
    last = behind.last()
    waiting = asyncio.create_task(behind.wait(last))
    proxy.cut()
    with pytest.raises(StoreUnavailable):
        await behind.write("", [create(entity("urn:2"))])
    with pytest.raises(StoreUnavailable):
        await behind.find("", Anything(), None)
    await eventually(lambda: _refused(behind))
    assert behind.last() == last

    proxy.open()
    await eventually(lambda: _true(behind.get("", "urn:1") is not None))
    assert await behind.write("", [create(entity("urn:2"))]) == ["created"]
    assert await ids(behind) == ["urn:1", "urn:2"], "what was refused was not written"
    await asyncio.wait_for(waiting, 60)


async def test_memory_is_not_stale_after_a_cut(behind: PostgresStore, proxy: Proxy, postgres_url: str) -> None:
    other = await open_postgres(postgres_url, SystemClock())
    try:
        await behind.write("", [create(entity("urn:1", {LEVEL: number(1)}))])
        assert behind.get("", "urn:1") is not None
        proxy.cut()
        await other.write("", [change("urn:1", level=2), create(entity("urn:3"))])
        proxy.open()
        await eventually(lambda: _true(behind.get("", "urn:1")["attrs"][LEVEL] == number(2)))  # type: ignore[index]
        await asyncio.wait_for(behind.wait(other.last() - 1), 60)
        assert [one.position for one in await behind.read(0)] == [1, 2, 3]
    finally:
        await other.close()


async def test_lost_connections_are_made_again(behind: PostgresStore, proxy: Proxy) -> None:
    for n in range(5):
        proxy.drop()
        assert await behind.write("", [create(entity(f"urn:{n}"))]) == ["created"]
        proxy.drop()
        assert len(await ids(behind)) == n + 1
        proxy.drop()
        assert behind.get("", "urn:0") is not None


async def test_a_commit_whose_answer_is_lost_counts_once(behind: PostgresStore, proxy: Proxy) -> None:
    await behind.write("", [count_up("urn:1")])
    swallow = asyncio.Event()

    async def cut_after_sending() -> None:
        await swallow.wait()
        await asyncio.sleep(0.3)
        proxy.swallows_answers = False
        proxy.drop()

    send = behind._writer._send

    async def swallowed(*args: Any) -> int:
        proxy.swallows_answers = True
        swallow.set()
        return await send(*args)

    behind._writer._send = swallowed  # type: ignore[method-assign]
    cutting = asyncio.create_task(cut_after_sending())
    assert await behind.write("", [count_up("urn:1"), count_up("urn:2")]) == [2, 1]
    behind._writer._send = send  # type: ignore[method-assign]
    await cutting
    assert await behind.write("", [count_up("urn:1"), count_up("urn:2")]) == [3, 2]
    assert [one.position for one in await behind.read(0)] == [1, 2, 3, 4, 5]


async def test_connections_lost_at_random_moments_lose_and_double_nothing(behind: PostgresStore, proxy: Proxy) -> None:
    chance = random.Random(11)
    answered: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    ends = False

    async def writer(id: str) -> None:
        while not ends:
            try:
                await behind.write("", [count_up(id)])
                answered[id] += 1
            except StoreUnavailable:
                unknown[id] += 1
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(writer(f"urn:{n}")) for n in range(8)]
    for _ in range(40):
        await asyncio.sleep(chance.uniform(0, 0.05))
        proxy.drop()
    ends = True
    await asyncio.wait_for(asyncio.gather(*writers), 60)
    await eventually(lambda: _true(behind.get("", "urn:0") is not None))
    assert sum(answered.values()) > 40
    steps = Counter(one.id for one in await behind.read(0, limit=100_000))
    for found in (await behind.find("", Anything(), None)).entities:
        id, level = found["id"], found["attrs"][LEVEL][0]["value"]
        assert answered[id] <= level <= answered[id] + unknown[id]
        assert steps[id] == level, "each step was journalled once"


async def test_a_transaction_that_was_cut_before_its_commit_is_done_again(behind: PostgresStore, proxy: Proxy) -> None:
    calls: list[str] = []

    def note(current: Any, now: str) -> Any:
        if not calls:
            proxy.drop()
        calls.append(now)
        return entity("urn:1"), "created"

    from cityhub.model.ports import Write

    assert await behind.write("", [Write("urn:1", note)]) == ["created"]
    assert len(calls) == 2
    assert len(await behind.read(0)) == 1


async def test_what_the_database_refuses_harms_no_neighbour(hubs: Any) -> None:
    store, _ = hubs
    calls = [store.write("", [put(entity(f"urn:{n}"))]) for n in range(3)]
    calls.append(store.write("", [create(entity("urn:" + "x" * 3000))]))
    calls.append(store.write("", [create({"id": "r"}, secrets.token_hex(10_000))]))  # a key that no index can hold
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[:3] == [["created"]] * 3
    assert "at most 2,000 bytes" in str(results[3][0])
    assert isinstance(results[4], Exception)
    assert await ids(store) == ["urn:0", "urn:1", "urn:2"]


# -- Indexes that come by use --------------------------------------------------------------------------------------


async def test_an_index_comes_by_use(postgres_url: str) -> None:
    first = await open_postgres(postgres_url, SystemClock(), wasted=500)
    second = await open_postgres(postgres_url, SystemClock(), wasted=10**9)
    try:
        levels = {f"urn:{n}": n for n in range(400)}
        await first.write("", [create(entity(id, {LEVEL: number(level)})) for id, level in levels.items()])
        high = AllOf((TypeIs(TYPE), ValueIn(LEVEL, 390, None)))
        looked_at = 0

        def matches(found: Any) -> bool:
            nonlocal looked_at
            looked_at += 1
            return bool(found["attrs"][LEVEL][0]["value"] >= 390)

        async def search(store: PostgresStore) -> int:
            nonlocal looked_at
            looked_at = 0
            assert await ids(store, "", high, matches=matches) == [id for id, level in levels.items() if level >= 390]
            return looked_at

        assert await search(first) == 400
        assert await search(first) == 400
        await first.settled()
        assert await search(first) == 10
        await eventually(lambda: _true(bool(second._follower.paths)))
        assert await search(second) == 10
        await second.write("", [change("urn:5", level=1000), change("urn:399", level=0), delete("urn:398"), put(entity("urn:397"))])
        levels |= {"urn:5": 1000, "urn:399": 0, "urn:397": 0}
        del levels["urn:398"]
        assert await search(first) == 8
    finally:
        await first.close()
        await second.close()


async def test_writes_go_on_while_an_index_is_built(postgres_url: str) -> None:
    store = await open_postgres(postgres_url, SystemClock(), wasted=1)
    try:
        await store.write("", [create(entity(f"urn:{n}", {LEVEL: number(n)})) for n in range(3000)])

        async def disturb() -> None:
            for n in range(0, 3000, 10):
                await store.write("", [change(f"urn:{n}", level=-n)])

        async def search() -> None:
            for _ in range(5):
                await ids(store, "", ValueIn(LEVEL, -5, -1), matches=lambda found: -5 <= found["attrs"][LEVEL][0]["value"] <= -1)
                await asyncio.sleep(0.05)

        await asyncio.gather(disturb(), search())
        await store.settled()
        assert store._follower.paths
        expected = [f"urn:{n}" for n in range(0, 3000, 10) if n >= 2000]
        assert await ids(store, "", ValueIn(LEVEL, None, -2000), matches=lambda found: found["attrs"][LEVEL][0]["value"] <= -2000) == expected
    finally:
        await store.close()


async def test_an_unfinished_index_is_finished_later(postgres_url: str) -> None:
    store = await open_postgres(postgres_url, SystemClock())
    await store.write("", [create(entity("urn:1", {NAME: number("a")}))])
    await store.close()
    execute(postgres_url, f"INSERT INTO cityhub.value_path (attribute, path) VALUES ('{NAME}', '{{}}')")
    store = await open_postgres(postgres_url, SystemClock())
    try:
        await store.settled()
        assert list(store._follower.paths) == [(NAME, ())]
        assert await ids(store, "", ValueIn(NAME, "a", "a")) == ["urn:1"]
    finally:
        await store.close()


async def test_entities_with_very_many_values_are_found(postgres_url: str) -> None:
    store = await open_postgres(postgres_url, SystemClock(), wasted=1)
    try:
        await store.write("", [create(entity("urn:1", {LEVEL: number(list(range(500)))})), create(entity("urn:2", {LEVEL: number(7)}))])
        for _ in range(2):
            assert await ids(store, "", ValueIn(LEVEL, 499, 499)) == ["urn:1"]
            await store.settled()
        assert store._follower.paths
        await store.write("", [change("urn:1", level=1)])
        assert await ids(store, "", ValueIn(LEVEL, 499, 499)) == []
        assert await ids(store, "", HasAttribute(LEVEL)) == ["urn:1", "urn:2"]
    finally:
        await store.close()


async def _true(value: bool) -> bool:
    return value


async def _refused(store: PostgresStore) -> bool:
    try:
        store.get("", "urn:1")
    except StoreUnavailable:
        return True
    return False
