"""The writer lives on whatever happens, and gives wrong answers to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.condition import AnyOf, TypeIs
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock
from cityhub.storage import sqlite, sqlite_checkpoint
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from tests.contract.store.city import LEVEL, TYPE, change, count_up, create, entity, ids, number


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(tmp_path, SystemClock())
    yield opened
    await opened.close()


def fails_once(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> None:
    """The next call fails, as a disk that cannot be read would make it."""
    original = getattr(place, name)

    def failing(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(place, name, original)
        raise OSError("the disk cannot be read")

    monkeypatch.setattr(place, name, failing)


@pytest.mark.parametrize("where", ["reload", "_give_up", "_committed"])
async def test_no_fault_ends_the_writer(store: SqliteStore, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    await store.write("", [count_up("urn:1")])
    writer = store._writer
    fails_once(monkeypatch, writer, where)
    broken = Write("urn:2", lambda current, now: ({**entity("urn:2"), "attrs": {LEVEL: number(object())}}, None))
    call = store.write("", [broken if where in ("reload", "_give_up") else count_up("urn:1")])
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(call, 60)
    [level] = await asyncio.wait_for(store.write("", [count_up("urn:1")]), 60)
    assert level == (2 if where in ("reload", "_give_up") else 3), "nothing is lost and nothing done twice"
    assert await ids(store) == ["urn:1"]


async def test_a_faulty_write_harms_no_neighbour(store: SqliteStore) -> None:
    broken = Write("urn:2", lambda current, now: ({**entity("urn:2"), "attrs": {LEVEL: number(object())}}, None))
    results = await asyncio.gather(*(store.write("", [broken if n == 5 else count_up("urn:1")]) for n in range(10)), return_exceptions=True)
    assert [isinstance(one, TypeError) for one in results] == [n == 5 for n in range(10)]
    assert [one for one in results if isinstance(one, list)] == [[n] for n in range(1, 10)]


async def test_a_union_of_many_parts(store: SqliteStore) -> None:
    """SQLite takes 500 SELECTs in one statement, and 32,766 parameters."""
    await store.write("", [create(entity(f"urn:{n}", types=[f"https://example.org/T{n}"])) for n in range(700)])
    many = AnyOf(tuple(TypeIs(f"https://example.org/T{n}") for n in range(700)))
    assert len(await ids(store, condition=many)) == 700


async def test_the_number_of_value_indexes_is_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from cityhub.model.condition import ValueIn

    monkeypatch.setattr(sqlite, "MAX_PATHS", 3)
    await store.write("", [create(entity(f"urn:{n}", {LEVEL: number({"x": n})})) for n in range(300)])
    for n in range(6):
        assert await ids(store, condition=ValueIn(LEVEL, 250, None, (f"x{n}",))) == []
    assert len(await ids(store, condition=ValueIn(LEVEL, 250, None, ("x",)))) == 50
    [(count,)] = list(store._reading.execute("SELECT count(*) FROM value_path"))
    assert count == 3


async def test_shapes_that_no_entity_has_any_more_are_not_kept(store: SqliteStore) -> None:
    await store.write("", [create(entity("urn:1", {LEVEL: number(1)}))])
    await store.write("", [change("urn:1", extra=1)])
    for n in range(5):
        await store.write("", [Write("urn:1", lambda now, at, n=n: ({**now, "attrs": {f"https://example.org/a{n}": number(1)}}, None))])
    rows = list(store._reading.execute("SELECT type, attribute, kind, count FROM shape"))
    assert sorted(rows) == [(TYPE, "", "", 1), (TYPE, "https://example.org/a4", "Property", 1)]


async def test_the_log_is_moved_beside_the_writer_and_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_checkpoint, "PAGES", 100)
    store = await open_sqlite(tmp_path, SystemClock())
    log, written, largest = tmp_path / "hub.sqlite-wal", 0, 0
    while (tmp_path / "hub.sqlite").stat().st_size < 3_000_000:  # nothing gets there but by moving the log
        await store.write("", [create(entity(f"urn:{written}:{n}", {LEVEL: number("x" * 500)})) for n in range(50)])
        written += 1
        largest = max(largest, log.stat().st_size)
    assert largest < 3_000_000
    await store.close()
    again = await open_sqlite(tmp_path, SystemClock())
    assert await again.entity_count() == written * 50
    await again.close()
