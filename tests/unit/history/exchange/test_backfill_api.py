"""The doors of backfills, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.history.exchange.backfill_api import FOLDER, PATH, BackfillApi
from cityhub.model.ports import HISTORY_EVENTS
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

ID = "0123456789abcdef" * 2
BODY = {"id": ID, "rows": 3, "source": "a.csv", "read": 4, "refused": 1}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_sqlite(tmp_path, SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def client(store: SqliteStore, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    application = Application(BackfillApi(store, tmp_path).routes(), LoopbackAccess(), 100_000)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    path = tmp_path / FOLDER / f"{ID}.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1")
    return path


async def commands(store: SqliteStore) -> list[dict[str, object]]:
    return [dict(entry.after or {}) for entry in await store.read(0, 100) if entry.collection == HISTORY_EVENTS]


async def test_a_backfill_is_journalled_once_however_often_it_is_sent(client: httpx.AsyncClient, store: SqliteStore, staged: Path) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json=BODY) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await commands(store) == [{"event": "backfill", "path": f"{FOLDER}/{ID}.parquet", "rows": 3}]
    again = await client.post(PATH, json=BODY)
    assert (again.status_code, again.json()["state"], again.json()["at"]) == (200, "waiting", answers[0].json()["at"])
    assert len(await commands(store)) == 1


async def test_it_is_done_when_the_history_has_taken_the_file(client: httpx.AsyncClient, store: SqliteStore, staged: Path) -> None:
    await client.post(PATH, json=BODY)
    staged.unlink()
    found = (await client.get(f"{PATH}/{ID}")).json()
    assert (found["state"], found["rows"], found["source"]) == ("done", 3, "a.csv")
    assert (await client.get(PATH)).json() == [found]
    assert (await client.post(PATH, json=BODY)).status_code == 200
    assert len(await commands(store)) == 1


async def test_tenants_are_apart(client: httpx.AsyncClient, store: SqliteStore, staged: Path) -> None:
    assert (await client.post(PATH, json=BODY, headers={"NGSILD-Tenant": "harbour"})).status_code == 201
    assert (await client.get(f"{PATH}/{ID}")).status_code == 404
    assert (await client.get(f"{PATH}/{ID}", headers={"NGSILD-Tenant": "nowhere"})).status_code == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (BODY | {"id": "f" * 32}, "There is no staged file 'backfills/ffffffffffffffffffffffffffffffff.parquet'"),
        (BODY | {"id": "../../etc/passwd"}, "32 hex digits"),
        (BODY | {"rows": 0}, "'rows' must be 1 or more"),
        (BODY | {"path": "x"}, "unknown field"),
        ({}, "id"),
    ],
)
async def test_what_cannot_be_taken_is_refused(
    client: httpx.AsyncClient, store: SqliteStore, staged: Path, body: dict[str, object], message: str
) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["detail"]
    assert await commands(store) == []


async def test_no_json_is_an_invalid_request(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, content=b"{")).status_code == 400
