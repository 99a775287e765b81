"""Another process reads the journal just as the store itself does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.change import change_of
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import ENTITIES, HISTORY_EVENTS, Journal, Store, Write
from cityhub.model.time import SystemClock
from cityhub.storage.journal_file import JournalSource, PostgresJournal, open_journal
from cityhub.storage.postgres import open_postgres
from cityhub.storage.sqlite import open_sqlite


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Any, JournalSource]]:
    """A store, and its journal as another process opens it."""
    if request.param == "sqlite":
        store: Any = await open_sqlite(tmp_path, SystemClock())
        url = "sqlite"
    else:
        url = request.getfixturevalue("postgres_url")
        store = await open_postgres(url, SystemClock())
    source = open_journal(url, tmp_path)
    yield store, source
    source.close()
    await store.close()


async def _write(store: Store, id: str, document: Any, tenant: str = "", collection: str = ENTITIES) -> None:
    await store.write(tenant, [Write(id, lambda _before, _now: (document, None), collection)], trace="t1")


def _entity(value: Any) -> dict[str, Any]:
    return {"id": "urn:a", "type": ["urn:t"], "attrs": {"urn:p": [{"type": "Property", "value": value}]}, "createdAt": "x"}


async def test_gives_every_change(pair: tuple[Any, JournalSource]) -> None:
    store, source = pair
    assert source.last() == 0
    assert source.read(0, 10) == []
    await _write(store, "urn:a", _entity("水 \x00\x01"))
    await _write(store, "urn:a", _entity(2), tenant="north")
    await _write(store, "urn:a", _entity(3))
    await _write(store, "urn:r", {"id": "urn:r"}, collection="subscription")
    await _write(store, "urn:a", {"event": "delete_entity", "entity": "urn:a"}, collection=HISTORY_EVENTS)
    await _write(store, "urn:a", None)
    journal: Journal = store
    wanted = await journal.read(0, 100)
    assert len(wanted) == source.last() == 6
    assert [change_of(entry) for entry in source.read(0, 100)] == wanted
    assert [change_of(entry) for entry in source.read(2, 2)] == wanted[2:4]


@pytest.mark.postgres
async def test_a_lost_connection_is_made_anew(postgres_url: str) -> None:
    store = await open_postgres(postgres_url, SystemClock())
    source = PostgresJournal(postgres_url)
    await _write(store, "urn:a", _entity(1))
    assert source.last() == 1
    assert source._connection is not None
    source._connection.close()
    assert len(source.read(0, 10)) == 1
    await store.close()
    source.close()


def test_a_server_that_is_away_is_said_so() -> None:
    with pytest.raises(StoreUnavailable, match="journal cannot be read"):
        PostgresJournal("postgresql://127.0.0.1:1/none").last()


async def test_it_is_closed_after_a_reading_that_is_under_way(tmp_path: Path) -> None:
    """SQLite refuses to close a connection that another thread is using; a process that ended then died of it."""
    store = await open_sqlite(tmp_path, SystemClock())
    await store.write("", [Write(f"urn:x:{number}", lambda current, at: ({"id": "x", "text": "x" * 2_000}, None), "thing") for number in range(500)])
    for _ in range(50):
        journal = open_journal("sqlite", tmp_path)
        reading = threading.Thread(target=_read_until_closed, args=(journal,))
        reading.start()
        journal.close()
        reading.join(60)
        assert not reading.is_alive()
    await store.close()


def _read_until_closed(journal: JournalSource) -> None:
    with contextlib.suppress(StoreUnavailable):
        while True:
            journal.read(0, 500)
