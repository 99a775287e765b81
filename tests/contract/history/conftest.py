"""The history of each backend as the hub has it: a store, a lake that reads its journal, and the wire between them, all real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cityhub.historian import answering
from cityhub.history.lake.lake import Lake, open_lake
from cityhub.history.lake.place import Place
from cityhub.history.lake_history import LakeHistory
from cityhub.settings import Settings
from cityhub.storage.journal_file import open_journal
from cityhub.web.wire_client import WireClient
from tests.contract.store import conftest as stores
from tests.unit.history.conftest import TickingClock

backend = stores.backend
store_template = stores.store_template
new_database = stores.new_database
store_database = stores.store_database


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
async def store(backend: str, request: pytest.FixtureRequest, tmp_path: Path, clock: TickingClock) -> AsyncIterator[Any]:
    if backend == "sqlite":
        from cityhub.storage.sqlite import open_sqlite

        store: Any = await open_sqlite(tmp_path, clock)
        store.address = "sqlite"
    else:
        from cityhub.storage.postgres import open_postgres

        address = request.getfixturevalue("store_database")
        store = await open_postgres(address, clock)
        store.address = address
    yield store
    await store.close()


@pytest.fixture
async def site(store: Any, tmp_path: Path, clock: TickingClock) -> AsyncIterator[Site]:
    site = Site(store, tmp_path, clock)
    await site.start()
    yield site
    await site.stop()


@pytest.fixture
def history(site: Site) -> LakeHistory:
    return site.history


class Site:
    """A historian in this process."""

    def __init__(self, store: Any, folder: Path, clock: TickingClock) -> None:
        self.store = store
        self.folder = folder
        self.clock = clock
        self.client = WireClient("historian", folder / "historian.sock", store.last, patience_s=60)
        self.history = LakeHistory(self.client, store)
        self.lake: Lake

    async def start(self) -> None:
        place = Place(warehouse=str(self.folder / "lake"), data=str(self.folder))
        self._journal = open_journal(self.store.address, self.folder)
        self.lake = open_lake(place, self._journal, self.clock)
        self._answering = answering(self.lake, Settings(data=self.folder), self.folder / "historian.sock")
        await self._answering.__aenter__()

    async def stop(self) -> None:
        """Ends without laying anything down, as a crash does."""
        await self._answering.__aexit__(None, None, None)
        self.lake.close()
        self._journal.close()

    async def restart(self) -> None:
        """What was in memory only must come again from the journal."""
        await self.stop()
        await self.start()
