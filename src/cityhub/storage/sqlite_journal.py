"""The journal in a SQLite file: its rows, each a block of changes, and what is removed of it.

Other processes may read it here too, on connections of their own that are read-only.
"""

from __future__ import annotations

from typing import Any

import apsw

from cityhub.model.change import Change, Entry, change_of
from cityhub.storage.journal_block import decode_block, encode_change

READ_BYTES = 16_000_000
"""A reading ends with the entry whose documents bring it over so many bytes of JSON."""
PORTION = 1_000
"""Journal entries per transaction of a compaction, so that other writes go on between."""
ROWS = 64
"""Rows fetched at a time, so that a reading does not hold a snapshot of the file while it decodes."""

SELECT = (
    "SELECT j.position, j.first, j.collection, t.name, j.at, j.changes "
    "FROM journal j LEFT JOIN tenant t ON t.number = j.tenant WHERE j.position > ? AND j.position <= ? ORDER BY j.position"
)


def journal_rows(connection: apsw.Connection, after: int, limit: int) -> list[Change]:
    """The next changes behind a position; fewer than `limit` when they are large."""
    return [change_of(entry) for entry in journal_entries(connection, after, limit, READ_BYTES)]


def journal_entries(connection: apsw.Connection, after: int, limit: int, bound: int) -> list[Entry]:
    """The next journal entries behind a position; the last one brings their documents over `bound` bytes if there are more."""
    found: list[Entry] = []
    size = 0
    after = max(after, compacted(connection))
    while rows := _rows(connection, after, limit - len(found)):
        for position, first, collection, tenant, at, block in rows:
            for entry in decode_block(first, collection, tenant, at, block, after):
                found.append(entry)
                size += len(entry[6] or b"") + len(entry[7] or b"")
                if len(found) >= limit or size > bound:
                    return found
            after = position
    return found


def _rows(connection: apsw.Connection, after: int, limit: int) -> list[tuple[Any, ...]]:
    """The next rows, no more than have so many entries: a row may be large, and what is not wanted now would be read again."""
    nearest = "SELECT position FROM journal WHERE position > ? ORDER BY position LIMIT ?"
    ends: list[Any] = [row[0] for row in connection.execute(nearest, (after, min(limit, ROWS)))]
    if not ends:
        return []
    last = next((end for end in ends if end >= after + limit), ends[-1])
    return connection.execute(SELECT, (after, last)).fetchall()


def compacted(connection: apsw.Connection) -> int:
    """The position up to which entries were removed; part of a block may still be in the file."""
    return int(connection.execute("SELECT position FROM compacted").get)


def oldest(connection: apsw.Connection) -> int | None:
    """The position of the oldest change that is kept; None when there is none."""
    first = connection.execute("SELECT first FROM journal ORDER BY position LIMIT 1").get
    return None if first is None else max(first, compacted(connection) + 1)


def delete_passed(keep: int, end: int, connection: apsw.Connection) -> int:
    """Removes the oldest journal entries up to `end` that all readers have passed, one portion of them; how many positions that were."""
    begin = oldest(connection)
    if begin is None:
        return 0
    last: int = connection.execute("SELECT max(position) FROM journal").get
    passed: int | None = connection.execute("SELECT min(position) FROM reader").get
    bound: int = min(end, last - max(keep, 1), last if passed is None else passed, begin - 1 + PORTION)
    if bound < begin:
        return 0
    connection.execute("DELETE FROM journal WHERE position <= ?", (bound,))
    connection.execute("UPDATE compacted SET position = ?", (bound,))
    return bound - begin + 1


def forget_tenant(connection: apsw.Connection, tenant: int, name: str) -> None:
    """Removes the entries of a tenant, but for the newest entry of the journal: that one is emptied.

    The newest position must neither be given out again nor be awaited for ever. The emptied entry has no tenant's number,
    and the name of the dropped one as its id.
    """
    newest = connection.execute(
        "SELECT position, at FROM journal WHERE tenant = ? AND position = (SELECT max(position) FROM journal)", (tenant,)
    ).fetchone()
    connection.execute("DELETE FROM journal WHERE tenant = ?", (tenant,))
    if newest is not None:
        position, at = newest
        insert_change(connection, Change(int(position), "tenant", name, name, "deleted", str(at)), -1)


def insert_change(connection: apsw.Connection, change: Change, tenant: int) -> None:
    """Adds an entry as it is, in a block of its own."""
    row: tuple[Any, ...] = (change.position, change.position, change.collection, tenant, change.at, encode_change(change))
    connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", row)
