"""The tables of the history file and its connections."""

from __future__ import annotations

import secrets
from typing import Final

import apsw

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


def connect(path: str, *, readonly: bool = False) -> apsw.Connection:
    """A connection with the settings that every use of the file needs."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags, statementcachesize=100)
    connection.set_busy_timeout(10_000)
    if not readonly:
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8000")
    connection.execute("PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456")
    return connection


def migrate(connection: apsw.Connection) -> None:
    """Brings the file to the newest version, one transaction per step.

    Raises:
        RuntimeError: The file was written by a newer version of the hub.
    """
    version = int(connection.pragma("user_version"))
    if version > len(STEPS):
        raise RuntimeError(f"The history has version {version}; this hub knows versions up to {len(STEPS)}. Use a newer hub.")
    for number in range(version, len(STEPS)):
        with connection:
            connection.execute(STEPS[number])
            connection.pragma("user_version", number + 1)
    # Instance ids are made of it, so that those of two hubs never meet.
    connection.execute("INSERT INTO about VALUES ('seed', ?) ON CONFLICT DO NOTHING", (secrets.token_hex(5),))
