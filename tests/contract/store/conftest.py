"""The store of each backend, empty, with a clock that the test sets."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cityhub.storage.sqlite import open_sqlite

_numbers = itertools.count(1)

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
    url = request.getfixturevalue("store_database")
    from cityhub.storage.postgres import open_postgres

    return lambda: open_postgres(url, clock)


@pytest.fixture(scope="session")
def store_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with the schema of the store and nothing in it; copying it is faster than migrating."""
    import psycopg

    from cityhub.storage.postgres_schema import migrate

    name = f"cityhub_store_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE cityhub_template_{os.getpid()}")
        try:
            migrate(urlsplit(postgres_server)._replace(path=f"/{name}").geturl())
            yield name
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def new_database(postgres_server: str, store_template: str) -> Iterator[Callable[[], str]]:
    """Makes a database with the schema of the store, for this test alone, and gives its URL."""
    import psycopg

    names: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as connection:

        def make() -> str:
            names.append(f"cityhub_contract_{os.getpid()}_{next(_numbers)}")
            connection.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {store_template}")
            return urlsplit(postgres_server)._replace(path=f"/{names[-1]}").geturl()

        try:
            yield make
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def store_database(new_database: Callable[[], str]) -> str:
    """The URL of the database of this test."""
    return new_database()


@pytest.fixture
async def store(open_store: Open) -> AsyncIterator[Any]:
    """An empty store, closed at the end."""
    opened = await open_store()
    yield opened
    await opened.close()
