"""Reading many rows: searches over candidates, blocks for scans and index builds, journal entries."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import orjson

from cityhub.model.change import Change, Entry, change_of
from cityhub.model.entity import Entity
from cityhub.model.expiry import without_expired
from cityhub.model.ports import Document, Page
from cityhub.model.time import Clock, to_text
from cityhub.storage.kept import Kept, alive
from cityhub.storage.sqlite_query import PROBE, Source
from cityhub.storage.sqlite_rows import value_rows

BLOCK = 500
"""Rows read at a time."""
INDEX_BLOCK = 1_000
"""Entities per transaction while a value index is built, so that other writes go on between."""
READ_BYTES = 16_000_000
"""A block of the journal ends with the entry whose documents bring it over so many bytes of JSON."""
PORTION = 1_000
"""Journal entries per transaction of a compaction, for the same reason."""


class Search:
    """One search: the exact predicate, the window and the order."""

    def __init__(
        self,
        clock: Clock,
        matches: Callable[[Entity], bool],
        offset: int,
        limit: int,
        count: bool,
        order: Callable[[Entity], Any] | None,
    ) -> None:
        self._now = to_text(clock.now())
        self._matches = matches
        self._offset = offset
        self._limit = limit
        self._count = count
        self._order = order

    def run(self, candidates: Iterator[Kept]) -> Page:
        """The page of those candidates that match and have not expired."""
        living = (alive(kept, self._now) for kept in candidates)
        hits = (entity for entity in living if entity is not None and self._matches(entity))
        return self._in_order(hits) if self._order else self._as_they_come(hits)

    def _as_they_come(self, hits: Iterator[Entity]) -> Page:
        found: list[Entity] = []
        total = 0
        end = self._offset + self._limit
        for entity in hits:
            if self._offset <= total < end:
                found.append(entity)
            total += 1
            if total >= end and not self._count:
                break
        return Page(found, total if self._count else None)

    def _in_order(self, hits: Iterator[Entity]) -> Page:
        assert self._order is not None
        total = 0

        def counted() -> Iterator[Entity]:
            nonlocal total
            for entity in hits:
                total += 1
                yield entity

        first = heapq.nsmallest(self._offset + self._limit, counted(), key=self._order)
        total += sum(1 for _ in hits)  # of no smallest ones nothing was taken
        return Page(first[self._offset :], total if self._count else None)


def rows_of(connection: apsw.Connection, tenant: int, numbers: list[int]) -> list[tuple[int, str, bytes]]:
    """(number, id, document) of these entities of a tenant, ascending."""
    marks = ",".join("?" * len(numbers))
    return list(
        connection.execute(
            f"SELECT number, id, document FROM entity WHERE number IN ({marks}) AND +tenant = ? ORDER BY number", (*numbers, tenant)
        )
    )


def numbers_of(connection: apsw.Connection, source: Source) -> array[int]:
    """The numbers of a whole set, ascending; eight bytes each."""
    if source.size < PROBE:
        return array("q", sorted({int(row[0]) for row in connection.execute(source.select, source.bindings)}))
    rows = connection.execute(f"SELECT DISTINCT entity FROM ({source.select}) ORDER BY 1", source.bindings)
    return array("q", (row[0] for row in rows))


def numbers_after(connection: apsw.Connection, source: Source, after: int) -> list[int]:
    """The next numbers of a sorted set behind one; each block is a query of its own, so no long read holds the log."""
    rows = connection.execute(
        f"SELECT entity FROM ({source.select}) WHERE entity > ? ORDER BY 1 LIMIT {BLOCK}", (*source.bindings, after)
    )
    return [int(row[0]) for row in rows]


class Numbers:
    """The numbers of a set in blocks, ascending: one after the other for a sorted set, all read at once for any other.

    To look for the next block of a set that is not sorted would mean to read all of it for each block.
    """

    def __init__(self, connection: apsw.Connection, source: Source) -> None:
        self._source = source
        self._all = None if source.is_sorted and source.size >= PROBE else numbers_of(connection, source)

    def after(self, connection: apsw.Connection, number: int) -> list[int]:
        """The next block behind a number; empty at the end."""
        if self._all is None:
            return numbers_after(connection, self._source, number)
        start = bisect_right(self._all, number)
        return list(self._all[start : start + BLOCK])


def index_block(
    tenant: int, index: int, attribute: str, path: tuple[str, ...], after: int, connection: apsw.Connection
) -> int | None:
    """Adds the next block of entities to a value index; the last row number seen, or None when it is complete."""
    rows = list(
        connection.execute(
            "SELECT number, document FROM entity WHERE number > ? AND tenant = ? ORDER BY number LIMIT ?", (after, tenant, INDEX_BLOCK)
        )
    )
    if not rows:
        return None
    new = [
        row
        for number, document in rows
        for row in value_rows(index, path, number, orjson.loads(document)["attrs"].get(attribute))
    ]
    connection.executemany("INSERT OR IGNORE INTO entity_value VALUES (?, ?, ?)", new)
    return int(rows[-1][0])


def journal_rows(connection: apsw.Connection, after: int, limit: int) -> list[Change]:
    """The next changes behind a position; fewer than `limit` when they are large."""
    return [change_of(entry) for entry in journal_entries(connection, after, limit, READ_BYTES)]


def journal_entries(connection: apsw.Connection, after: int, limit: int, bound: int) -> list[Entry]:
    """The next journal entries behind a position; the last one brings their documents over `bound` bytes if there are more."""
    rows = connection.execute(
        "SELECT j.position, j.collection, coalesce(t.name, j.id), j.id, j.kind, j.at, j.after, j.before, j.attributes, j.trace "
        "FROM journal j LEFT JOIN tenant t ON t.number = j.tenant WHERE j.position > ? ORDER BY j.position LIMIT ?",
        (after, limit),
    )
    found: list[Entry] = []
    size = 0
    for row in rows:
        found.append(row)
        size += len(row[6] or b"") + len(row[7] or b"")
        if size > bound:
            break
    return found


def delete_passed(keep: int, connection: apsw.Connection) -> int:
    """Removes the oldest journal entries that all readers have passed, one portion of them; how many."""
    last = connection.execute("SELECT max(position) FROM journal").get
    if last is None:
        return 0
    passed = connection.execute("SELECT min(position) FROM reader").get
    bound = min(last - max(keep, 1), last if passed is None else passed)
    connection.execute(
        "DELETE FROM journal WHERE position IN (SELECT position FROM journal WHERE position <= ? ORDER BY position LIMIT ?)",
        (bound, PORTION),
    )
    return connection.changes()


def delete_expired(current: Document | None, now: str) -> tuple[Document | None, bool]:
    """Transition of the sweep: takes away what has expired, leaves what was given a later end meanwhile."""
    if current is None:
        return None, False
    left = without_expired(current, now)
    return left, left is not current


def drop_tenant_rows(connection: apsw.Connection, tenant: int, name: str) -> None:
    """Removes every row of a tenant, but for the newest entry of the journal: that one is emptied.

    The newest position must neither be given out again nor be awaited for ever. The emptied entry has no tenant's number,
    and the name of the dropped one as its id.
    """
    slots = connection.execute(
        "SELECT slot FROM entity_box WHERE entity IN (SELECT number FROM entity WHERE tenant = ?)", (tenant,)
    ).fetchall()
    connection.executemany("DELETE FROM entity_box WHERE slot = ?", slots)
    connection.execute("DELETE FROM entity_value WHERE path IN (SELECT number FROM value_path WHERE tenant = ?)", (tenant,))
    connection.execute(
        "UPDATE journal SET collection = 'tenant', tenant = -1, id = ?, kind = 'deleted', after = NULL, before = NULL, attributes = '{}' "
        "WHERE tenant = ? AND position = (SELECT max(position) FROM journal)",
        (name, tenant),
    )
    for table in ("value_path", "entity_type", "entity_scope", "shape", "entity", "record", "journal"):
        connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))
    if tenant:
        connection.execute("DELETE FROM tenant WHERE number = ?", (tenant,))
