"""Reading many rows: searches over candidates, blocks for scans and index builds."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import orjson

from cityhub.model.entity import Entity
from cityhub.model.expiry import without_expired
from cityhub.model.ports import Document, Page
from cityhub.model.time import Clock, to_text
from cityhub.storage.kept import Kept, alive
from cityhub.storage.sqlite_journal import forget_tenant
from cityhub.storage.sqlite_names import Names
from cityhub.storage.sqlite_query import PROBE, Source
from cityhub.storage.sqlite_rows import box_values, value_rows
from cityhub.storage.sqlite_statements import with_rows

BLOCK = 500
"""Rows read at a time."""
INDEX_BLOCK = 1_000
"""Entities per transaction while a value index is built, so that other writes go on between."""


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
    rows = _block_of(connection, tenant, after)
    values = [
        value
        for number, document in rows
        for row in value_rows(index, path, number, orjson.loads(document)["attrs"].get(attribute))
        for value in row
    ]
    with_rows(connection, "INSERT OR IGNORE INTO entity_value VALUES", 3, values)
    return rows[-1][0] if rows else None


def box_block(tenant: int, names: Names, after: int, connection: apsw.Connection) -> int | None:
    """Adds the next block of entities to the index on places; the last row number seen, or None when it is complete.

    What was written since the tenant's boxes are kept is there already, and put there again.
    """
    rows = _block_of(connection, tenant, after)
    values = [value for number, document in rows for value in box_values(number, orjson.loads(document)["attrs"], names.number)]
    with_rows(connection, "INSERT OR REPLACE INTO entity_box VALUES", 7, values)
    return rows[-1][0] if rows else None


def _block_of(connection: apsw.Connection, tenant: int, after: int) -> list[tuple[int, bytes]]:
    select = "SELECT number, document FROM entity WHERE number > ? AND tenant = ? ORDER BY number LIMIT ?"
    rows: list[tuple[Any, ...]] = connection.execute(select, (after, tenant, INDEX_BLOCK)).fetchall()
    return rows


def delete_expired(current: Document | None, now: str) -> tuple[Document | None, bool]:
    """Transition of the sweep: takes away what has expired, leaves what was given a later end meanwhile."""
    if current is None:
        return None, False
    left = without_expired(current, now)
    return left, left is not current


def drop_tenant_rows(connection: apsw.Connection, tenant: int, name: str) -> None:
    """Removes every row of a tenant, but for an emptied newest entry of the journal (`forget_tenant`)."""
    forget_tenant(connection, tenant, name)
    boxes = "SELECT slot FROM entity_box WHERE entity IN (SELECT number FROM entity WHERE tenant = ?)"
    connection.execute(f"DELETE FROM entity_box WHERE slot IN ({boxes})", (tenant,))
    connection.execute("DELETE FROM entity_value WHERE path IN (SELECT number FROM value_path WHERE tenant = ?)", (tenant,))
    for table in ("value_path", "place_index", "entity_type", "entity_scope", "shape", "entity", "record"):
        connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))
    if tenant:
        connection.execute("DELETE FROM tenant WHERE number = ?", (tenant,))
