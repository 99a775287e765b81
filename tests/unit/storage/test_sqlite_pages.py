"""Remembered pages of plain lists: never older than the last answered write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.condition import Anything, TypeIs
from cityhub.model.ngsild import merge
from cityhub.model.ports import Write
from cityhub.storage.sqlite import SqliteStore, open_sqlite

ROOM = "https://a/Room"


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 6, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def store(tmp_path: Path, clock: SetClock) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(tmp_path, clock)
    yield opened
    await opened.close()


async def put(store: SqliteStore, id: str, value: Any, tenant: str = "", **members: Any) -> None:
    attrs = {"https://a/level": [{"type": "Property", "value": value}]}
    document = {"id": id, "type": [ROOM], "attrs": attrs, **members}
    await store.write(tenant, [Write(id, lambda now, at: (merge.create(document, at), None))])


async def listed(store: SqliteStore, tenant: str = "", limit: int = 20) -> list[tuple[str, Any]]:
    pages = [await store.find(tenant, condition, None, 0, limit, count=True) for condition in (TypeIs(ROOM), Anything()) for _ in "ab"]
    assert all(page == pages[0] for page in pages)
    assert pages[0].count is not None and pages[0].count >= len(pages[0].entities)
    return [(entity["id"], entity["attrs"]["https://a/level"][0]["value"]) for entity in pages[0].entities]


async def test_a_page_follows_every_write(store: SqliteStore) -> None:
    for value in range(20):
        await put(store, "urn:a:1", value)
        assert await listed(store) == [("urn:a:1", value)]
    await put(store, "urn:a:2", 7)
    assert await listed(store) == [("urn:a:1", 19), ("urn:a:2", 7)]
    assert await listed(store, limit=1) == [("urn:a:1", 19)]
    await store.write("", [Write("urn:a:1", lambda now, at: (None, None))])
    assert await listed(store) == [("urn:a:2", 7)]


async def test_who_changes_a_page_changes_no_other(store: SqliteStore) -> None:
    await put(store, "urn:a:1", 1)
    (await store.find("", TypeIs(ROOM), None)).entities.clear()
    assert await listed(store) == [("urn:a:1", 1)]


async def test_what_expires_leaves_the_page_without_a_write(store: SqliteStore, clock: SetClock) -> None:
    await put(store, "urn:a:1", 1)
    await put(store, "urn:a:2", 2, expiresAt="2026-11-23T07:00:00.000000Z")
    assert await listed(store) == [("urn:a:1", 1), ("urn:a:2", 2)]
    clock.time += timedelta(hours=2)
    page = await store.find("", TypeIs(ROOM), None)
    assert [entity["id"] for entity in page.entities] == ["urn:a:1"]


async def test_tenants_have_pages_of_their_own(store: SqliteStore) -> None:
    await put(store, "urn:a:1", 1)
    await put(store, "urn:a:1", 2, "other")
    assert (await listed(store), await listed(store, "other")) == ([("urn:a:1", 1)], [("urn:a:1", 2)])
    await store.drop_tenant("other")
    assert (await store.find("other", TypeIs(ROOM), None)).entities == []
    await put(store, "urn:a:3", 3, "other")
    assert await listed(store, "other") == [("urn:a:3", 3)]
