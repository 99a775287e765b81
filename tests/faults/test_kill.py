"""Kill -9 at random points under concurrent load: what was acknowledged is there once, all else whole or not at all.

CITYHUB_KILLS says how often. A kill of the process does not lose what the system has in its cache, as a power cut does:
that a commit waits for the disk is SQLite's promise under the settings that the last test looks at.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite
from cityhub.storage.sqlite_file import connect, migrate
from cityhub.storage.sqlite_schema import STEPS
from tests.faults.audit import Audit, copied
from tests.faults.hub import Hub
from tests.faults.ledger import API, TYPE, Cell, Client, cells, content, opened

KILLS = int(os.environ.get("CITYHUB_KILLS", "6"))
ROUND = 20
"""Kills on one data folder, before the next begins with an empty one."""
CLIENTS = 8

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 40 * KILLS)]


class Receiver:
    """Takes notifications and remembers every number that came in one."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self.url = ""

    async def __aenter__(self) -> Receiver:
        application = web.Application()
        application.router.add_post("/", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        for (id, name), number in cells((await request.json())["data"]).items():
            self.seen[id, name, number] += 1
        return web.Response()


async def subscribe(session: Any, hub: Hub, receiver: Receiver) -> None:
    body = {
        "id": "urn:ngsi-ld:Subscription:all", "type": "Subscription", "entities": [{"type": TYPE}],
        "notification": {"endpoint": {"uri": receiver.url, "accept": "application/json"}, "format": "keyValues"},
    }  # fmt: skip
    async with session.post(hub.url + API + "/subscriptions", json=body) as answer:
        assert answer.status in (201, 409), await answer.text()


async def test_kills_under_load(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    operations = 0
    for first in range(0, KILLS, ROUND):
        async with Receiver() as receiver:
            one = Round(tmp_path / f"round{first}", receiver, chance)
            for _ in range(min(ROUND, KILLS - first)):
                await one.kill_once()
            await one.finish()
            operations += sum(client.operations for client in one.clients)
        shutil.rmtree(tmp_path / f"round{first}")
    print(f"{KILLS} kills, {operations} acknowledged operations")
    assert operations > 5 * KILLS, "there was hardly any load"


def keep_boxes(data: Path) -> None:
    """Makes the file of the hub, which keeps an index on places from the first write on, as if it had been asked by place."""
    data.mkdir(parents=True, exist_ok=True)
    connection = connect(str(data / "hub.sqlite"))
    migrate(connection, STEPS, "store")
    connection.execute("INSERT INTO place_index VALUES (0, 1)")
    connection.close()


class Round:
    """Kills on one data folder."""

    def __init__(self, data: Path, receiver: Receiver, chance: random.Random) -> None:
        self.hub = Hub(data)
        keep_boxes(data)
        self.clients = [Client(str(number), chance.randrange(2**32)) for number in range(CLIENTS)]
        self._receiver = receiver
        self._chance = chance
        self._audit = Audit()
        self._copy = data.with_name(data.name + "-copy")
        self._acknowledged: set[tuple[str, str, int]] = set()

    async def kill_once(self) -> None:
        """Starts the hub, lets the clients work, kills it somewhere in between, and looks at what is left."""
        if self._chance.random() < 0.15:  # while it starts
            self.hub.spawn()
            await asyncio.sleep(self._chance.random() * 1.2)
            self.hub.kill()
        await self.hub.start()
        async with opened() as session:
            self._settle(await content(session, self.hub.url))
            await subscribe(session, self.hub, self._receiver)
            work = [asyncio.create_task(client.work(session, self.hub.url)) for client in self.clients]
            for _ in range(self._chance.randrange(3)):  # its historian goes first, once or twice
                await asyncio.sleep(self._chance.random() * 1.5)
                self.hub.kill_historian()
            await asyncio.sleep(0.05 + self._chance.random() * 1.5)
            self.hub.kill()
            await asyncio.gather(*work)
        left = await self._audit.look(copied(self.hub.data, self._copy))
        self._settle(left)

    def _settle(self, left: dict[Cell, int]) -> None:
        for client in self.clients:
            client.settle(left)
            self._acknowledged.update((*cell, number) for cell, number in client.acknowledged.items())

    async def finish(self) -> None:
        """The readers of the journal come to its end: each number was told, and is in the history once."""
        await self.hub.start()
        async with opened() as session:
            self._settle(await content(session, self.hub.url))
            written = set(self._audit.steps)
            missing: set[Any] = set()
            for _ in range(300):
                missing = {key for key in written if not self._receiver.seen[key]}
                if not missing:
                    break
                await asyncio.sleep(0.1)
            assert not missing, f"{len(missing)} of {len(written)} changes were never told, such as {min(missing)}"
            assert written >= self._acknowledged
            compared = await self._history(session)
        self.hub.stop()
        print(f"{len(written)} numbers written, all told; {compared} entities compared with their history")

    async def _history(self, session: Any) -> int:
        compared = 0
        ids = sorted({id for id, name, _ in self._audit.steps if name == "n"})
        for id in self._chance.sample(ids, min(20, len(ids))):
            path = f"{API}/temporal/entities/{id}?attrs=n&options=temporalValues&timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=modifiedAt"
            async with session.get(self.hub.url + path) as answer:
                if answer.status == 206:  # a page of a long history
                    continue
                assert answer.status == 200, await answer.text()
                document = await answer.json()
            numbers = [pair[0] for pair in document.get("n", {}).get("values", [])]
            expected = [number for (other, name, number) in self._audit.steps if (other, name) == (id, "n")]
            assert sorted(numbers) == sorted(expected), f"the history of {id}"
            compared += 1
        return compared


async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path, SystemClock())
    assert store._connection.pragma("journal_mode") == "wal"
    assert store._connection.pragma("synchronous") == 2, "FULL: the log is synchronised at each commit"
    await store.close()
