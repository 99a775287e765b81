"""A store with its journal, a history and the recorder between them, all real, in a folder of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cityhub.history.recorder import Recorder
from cityhub.history.sqlite_history import SqliteHistory, open_history
from cityhub.storage.sqlite import SqliteStore, open_sqlite


class TickingClock:
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
async def store(tmp_path: Path, clock: TickingClock) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path, clock)
    yield store
    await store.close()


@pytest.fixture
async def history(tmp_path: Path, clock: TickingClock) -> AsyncIterator[SqliteHistory]:
    history = open_history(tmp_path, clock)
    yield history
    await history.close()


@pytest.fixture
async def recorder(store: SqliteStore, history: SqliteHistory) -> AsyncIterator[Recorder]:
    recorder = Recorder(store, history)
    await recorder.start()
    yield recorder
    await recorder.stop()
