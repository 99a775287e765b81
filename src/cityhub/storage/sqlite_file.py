"""A SQLite file of the hub: the settings of its connections, and the numbered steps from each version to the next."""

from __future__ import annotations

from collections.abc import Sequence

import apsw


def connect(path: str, *, readonly: bool = False, cache_kib: int = 24_000) -> apsw.Connection:
    """A connection with the settings that every use of a file needs: WAL, and an fsync with every commit."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags, statementcachesize=200)
    connection.set_busy_timeout(10_000)
    if not readonly:
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8000")
    connection.execute(f"PRAGMA cache_size=-{cache_kib}; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456")
    return connection


def migrate(connection: apsw.Connection, steps: Sequence[str], what: str) -> None:
    """Brings a file to the newest version, one transaction per step.

    Args:
        connection: Of the file.
        steps: Step N brings the file from user_version N to N + 1.
        what: The file's name in messages ("store", "history").

    Raises:
        RuntimeError: The file was written by a newer version of the hub.
    """
    version = int(connection.pragma("user_version"))
    if version > len(steps):
        raise RuntimeError(f"The {what} has version {version}; this hub knows versions up to {len(steps)}. Use a newer hub.")
    for number in range(version, len(steps)):
        with connection:
            connection.execute(steps[number])
            connection.pragma("user_version", number + 1)
