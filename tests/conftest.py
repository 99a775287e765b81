"""Fixtures for the whole suite: the outside services, each test with a fresh part of them."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests import services

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server with a template database `cityhub_template` that has PostGIS in it.

    CITYHUB_TEST_POSTGRES names one; otherwise a private cluster is started.
    """
    psycopg = pytest.importorskip("psycopg")
    given = os.environ.get("CITYHUB_TEST_POSTGRES")
    with services.postgres_cluster() if given is None else contextlib.nullcontext(given) as url:
        if url is None:
            services.unavailable("PostgreSQL is not installed (on Debian: apt-get install postgresql postgis postgresql-postgis)")
            return
        template = f"cityhub_template_{os.getpid()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {template} TEMPLATE template0 ENCODING 'UTF8'")
            try:
                try:
                    with psycopg.connect(_database(url, template), autocommit=True) as inside:
                        inside.execute("CREATE EXTENSION postgis")
                except psycopg.Error as error:
                    services.unavailable(f"PostgreSQL has no PostGIS: {error}")
                yield url
            finally:
                connection.execute(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database with PostGIS, of this test alone."""
    psycopg = pytest.importorskip("psycopg")
    name = f"cityhub_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE cityhub_template_{os.getpid()}")
        try:
            yield _database(postgres_server, name)
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def mosquitto() -> Iterator[int]:
    """The loopback port of a Mosquitto broker of this test alone."""
    with services.mosquitto_broker() as port:
        if port is None:
            services.unavailable("Mosquitto is not installed (on Debian: apt-get install mosquitto)")
        else:
            yield port


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    path = services.find_program("chromium") or services.find_program("chromium-browser") or services.find_program("google-chrome")
    if path is None:
        services.unavailable("Chromium is not installed (on Debian: apt-get install chromium)")
    assert path is not None
    return path


def _database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()
