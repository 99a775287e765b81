"""The tables of the history file and its connections."""

from __future__ import annotations

import secrets
from typing import Final

import apsw

from cityhub.storage.sqlite_file import connect, migrate

CACHE_KIB: Final = 16_000

STEPS: Final = (
    """
    CREATE TABLE about (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE name (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE entity (
        number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, types TEXT NOT NULL,
        created INTEGER NOT NULL, modified INTEGER NOT NULL, deleted INTEGER, UNIQUE (tenant, id));
    CREATE TABLE entity_type (type INTEGER NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (type, entity)) WITHOUT ROWID;
    CREATE TABLE instance (
        number INTEGER PRIMARY KEY, entity INTEGER NOT NULL, attribute INTEGER NOT NULL, dataset INTEGER NOT NULL,
        observed INTEGER, created INTEGER, modified INTEGER, deleted INTEGER, expires INTEGER, digest INTEGER NOT NULL,
        body BLOB NOT NULL);
    CREATE UNIQUE INDEX instance_key ON instance (entity, attribute, observed, digest);
    CREATE INDEX instance_expiry ON instance (expires) WHERE expires IS NOT NULL;
    """,
)
"""Step N brings the file from user_version N to N + 1. Steps are never edited after a release, only added.

Times are microseconds since 1970. `digest` tells instances with the same observedAt apart, so that a measurement that
is sent again is not kept twice; instances without observedAt are all different, as NULLs are in an index.
"""


def open_file(path: str) -> apsw.Connection:
    """A writing connection to the history file, made or migrated as needed. Raises RuntimeError for a newer file."""
    connection = connect(path, cache_kib=CACHE_KIB)
    migrate(connection, STEPS, "history")
    # Instance ids are made of it, so that those of two hubs never meet.
    connection.execute("INSERT INTO about VALUES ('seed', ?) ON CONFLICT DO NOTHING", (secrets.token_hex(5),))
    return connection


def open_reading(path: str) -> apsw.Connection:
    """A connection to the history file that only reads."""
    return connect(path, readonly=True, cache_kib=CACHE_KIB)
