"""The store of each backend, empty, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityhub.storage.sqlite import open_sqlite

Open = Callable[[], Awaitable[Any]]


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    """The backend's name."""
    return str(request.param)


@pytest.fixture
def open_store(backend: str, request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Open:
    """Opens the store of this test: the first time an empty one, later the same again."""
    if backend == "sqlite":
        return lambda: open_sqlite(tmp_path / "store", clock)
    url = request.getfixturevalue("postgres_url")
    from cityhub.storage.postgres import open_postgres

    return lambda: open_postgres(url, clock)


@pytest.fixture
async def store(open_store: Open) -> AsyncIterator[Any]:
    """An empty store, closed at the end."""
    opened = await open_store()
    yield opened
    await opened.close()
