"""The work of one group of calls: their transitions one after the other, then the rows that they amount to."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, Final, Protocol

import apsw
import orjson

from cityhub.model.change import AttributeChange, Change, attribute_changes, undo_of
from cityhub.model.errors import CityHubError
from cityhub.model.ports import ENTITIES, JOURNALLED_ONLY, Write
from cityhub.storage.journal_block import BlockBuilder
from cityhub.storage.kept import Kept, Key, Memory, alive, decode
from cityhub.storage.sqlite_names import Catalogue
from cityhub.storage.sqlite_rows import RowChanges, entity_rows, moves_rows, shape_rows
from cityhub.storage.sqlite_statements import with_rows

IDS_PER_QUERY: Final = 512
"""At most so many items are read with one query."""


class Writes(Protocol):
    """A call, as far as its writes go."""

    tenant: str
    writes: Sequence[Write]
    trace: str
    sees_expired: bool


def _size(count: int) -> int:
    """The next power of two, so that there are few different statements to prepare."""
    return 1 << (count - 1).bit_length()


class Transaction:
    """The work of one group: transitions first, then the rows in bulk.

    Attributes:
        staged: What each item that was written becomes; None: it goes.
        changes: The journal entries.
        last: Position of the newest of them, or of the newest before.
    """

    def __init__(self, connection: apsw.Connection, memory: Memory, catalogue: Catalogue, last: int, now: str) -> None:
        self._connection = connection
        self._memory = memory
        self._catalogue = catalogue
        self._now = now
        self._rows = RowChanges()
        self._blocks: list[BlockBuilder] = []
        self._first: dict[Key, Kept | None] = {}
        self._moved: set[Key] = set()
        self.staged: dict[Key, Kept | None] = {}
        self.changes: list[Change] = []
        self.last = last

    def prefetch(self, calls: Iterable[Writes]) -> None:
        """Reads in few queries what the transitions will be given and is not in memory."""
        wanted: dict[tuple[str, str], list[str]] = {}
        first, get = self._first, self._memory.get
        for call in calls:
            tenant = call.tenant
            for write in call.writes:
                key = (write.collection, tenant, write.id)
                if key not in first:
                    kept = first[key] = get(key)
                    if kept is None:
                        wanted.setdefault((write.collection, tenant), []).append(write.id)
        for (collection, tenant), ids in wanted.items():
            number = self._catalogue.tenants.get(tenant)
            if number is not None:
                for start in range(0, len(ids), IDS_PER_QUERY):
                    self._fetch(collection, tenant, number, ids[start : start + IDS_PER_QUERY])

    def _fetch(self, collection: str, tenant: str, number: int, ids: list[str]) -> None:
        padded = ids + ids[-1:] * (_size(len(ids)) - len(ids))
        marks = ",".join("?" * len(padded))
        bindings: tuple[Any, ...] = (number, *padded)
        if collection == ENTITIES:
            select = f"SELECT number, id, document FROM entity WHERE tenant = ? AND id IN ({marks})"
        else:
            select = f"SELECT number, id, document FROM record WHERE collection = ? AND tenant = ? AND id IN ({marks})"
            bindings = (collection, number, *padded)
        rows: list[tuple[Any, ...]] = self._connection.execute(select, bindings).fetchall()
        for row_number, id, document in rows:
            self._first[(collection, tenant, id)] = decode(row_number, document, collection == ENTITIES)

    def apply(self, call: Writes) -> list[Any]:
        """Runs the transitions of a call and stages what they give; the result of each, or the error that it raised.

        What has expired is not there any more for a transition: writing an entity whose time has passed deletes the
        old one and creates a new one. A call that sees what has expired gets everything as it is.
        """
        tenant, sees_expired = call.tenant, call.sees_expired
        now, staged, first, numbers = self._now, self.staged, self._first, self._catalogue.next
        trace, block = call.trace, self._blocks[-1] if self._blocks else None
        indexed = self._catalogue.indexed(tenant)
        results: list[Any] = []
        for write in call.writes:
            collection = write.collection
            key = (collection, tenant, write.id)
            current = staged[key] if key in staged else first[key]
            seen = current if sees_expired or current is None or current.expires is None else alive(current, now)
            try:
                after, result = write.transition(seen, now)
            except CityHubError as error:
                results.append(error)
                continue
            results.append(result)
            if after is seen:
                continue
            if block is None or block.collection != collection or block.tenant != tenant or block.is_full():
                block = BlockBuilder(self.last + 1, collection, tenant)
                self._blocks.append(block)
            if seen is None and current is not None:
                self._record(block, key, current, None, trace, indexed)
                current = None
            is_entity = collection == ENTITIES
            encoded = b"" if after is None else orjson.dumps(after)
            if after is None:
                kept = None
            elif current is not None:
                kept = Kept(after, current.number, encoded, is_entity)
            elif collection in JOURNALLED_ONLY:
                self._record(block, key, None, Kept(after, 0, encoded, False), trace, indexed)
                continue
            else:
                table = "entity" if is_entity else "record"
                number = numbers[table]
                numbers[table] = number + 1
                kept = Kept(after, number, encoded, is_entity)
            staged[key] = kept
            self._record(block, key, current, kept, trace, indexed)
        return results

    def add(self, key: Key, kept: Kept) -> None:
        """Stages an item that is new, as it is and without a journal entry."""
        table = "entity" if key[0] == ENTITIES else "record"
        kept.number = self._catalogue.next[table]
        self._catalogue.next[table] += 1
        self.staged[key] = kept
        self._moved.add(key)

    def _record(
        self, block: BlockBuilder, key: Key, before: Kept | None, after: Kept | None, trace: str, indexed: Container[str]
    ) -> None:
        collection, tenant, id = key
        self.last = position = self.last + 1
        attributes: dict[str, AttributeChange] = {}
        if collection == ENTITIES:
            attributes = attribute_changes(before, after)
            if before is None or after is None or moves_rows(before, after, attributes, indexed):
                self._moved.add(key)
        kind: Any
        if before is None:
            kind = "created"
            block.add(id, "c", None, b"" if after is None else after.encoded, b"", trace)
        elif after is None:
            kind = "deleted"
            block.add(id, "d", None, b"", before.encoded, trace)
        elif collection == ENTITIES and 2 * len(attributes) <= len(before["attrs"]):
            kind = "updated"
            block.add(id, "u", attributes, after.encoded, undo_of(before, after, attributes), trace)
        else:
            kind = "updated"
            block.add(id, "u", attributes, after.encoded, before.encoded, trace)
        self.changes.append(Change(position, collection, tenant, id, kind, self._now, after, before, attributes, trace))

    # -- Rows ------------------------------------------------------------------------------------------------------------

    def lay_down(self) -> None:
        """Writes all staged rows."""
        entities: list[Any] = []
        records: list[Any] = []
        entities_gone: list[int] = []
        records_gone: list[int] = []
        first, catalogue, moved = self._first, self._catalogue, self._moved
        for key, after in self.staged.items():
            collection, tenant, id = key
            before = first.get(key)
            number_of_tenant = catalogue.tenant(tenant)
            is_entity = collection == ENTITIES
            if before is not None and (after is None or before.number != after.number):
                (entities_gone if is_entity else records_gone).append(before.number)
            if is_entity:
                if key in moved:
                    self._index(number_of_tenant, before, after)
                if after is not None:
                    entities += (after.number, number_of_tenant, id, after.encoded, after.expires)
            elif after is not None:
                records += (after.number, collection, number_of_tenant, id, after.encoded)
        self._rows_of("DELETE FROM entity WHERE number IN (VALUES", 1, entities_gone, ")")
        self._rows_of("DELETE FROM record WHERE number IN (VALUES", 1, records_gone, ")")
        self._rows_of(
            "INSERT INTO entity VALUES", 5, entities,
            " ON CONFLICT (number) DO UPDATE SET document = excluded.document, expires = excluded.expires",
        )  # fmt: skip
        self._rows_of("INSERT INTO record VALUES", 5, records, " ON CONFLICT (number) DO UPDATE SET document = excluded.document")
        self._lay_down_indexes()
        self._lay_down_journal()

    def _index(self, tenant: int, before: Kept | None, after: Kept | None) -> None:
        catalogue = self._catalogue
        paths, has_boxes, number_of = catalogue.paths.get(tenant, {}), tenant in catalogue.places, catalogue.names.number
        if before is not None and after is not None and before.number != after.number:
            entity_rows(self._rows, tenant, before.number, before, None, paths, has_boxes, number_of)
            before = None
        one = after if after is not None else before
        if one is not None:
            entity_rows(self._rows, tenant, one.number, before, after, paths, has_boxes, number_of)

    def _lay_down_indexes(self) -> None:
        rows, put = self._rows, self._rows_of
        put("DELETE FROM entity_type WHERE (tenant, type, entity) IN (VALUES", 3, rows.types_gone, ")")
        put("INSERT INTO entity_type VALUES", 3, rows.types_new)
        put("DELETE FROM entity_scope WHERE (tenant, scope, entity) IN (VALUES", 3, rows.scopes_gone, ")")
        put("INSERT OR IGNORE INTO entity_scope VALUES", 3, rows.scopes_new)
        put("DELETE FROM entity_box WHERE slot IN (VALUES", 1, rows.boxes_gone, ")")
        put("INSERT INTO entity_box VALUES", 7, rows.boxes_new)
        put("DELETE FROM entity_value WHERE (path, value, entity) IN (VALUES", 3, rows.values_gone, ")")
        put("INSERT OR IGNORE INTO entity_value VALUES", 3, rows.values_new)
        counted = shape_rows(rows.shapes)
        shapes = [value for key, count in counted.items() if count for value in (*key, count)]
        put(
            "INSERT INTO shape VALUES", 5, shapes,
            " ON CONFLICT (tenant, type, attribute, kind) DO UPDATE SET count = count + excluded.count",
        )  # fmt: skip
        fewer = [value for key, count in counted.items() if count < 0 for value in key]
        put("DELETE FROM shape WHERE count <= 0 AND (tenant, type, attribute, kind) IN (VALUES", 4, fewer, ")")

    def _lay_down_journal(self) -> None:
        rows: list[Any] = []
        for block in self._blocks:
            last = block.first + len(block.items) - 1
            tenant = self._catalogue.tenant(block.tenant)
            rows += (last, block.first, block.collection, tenant, self._now, block.encoded())
        self._rows_of("INSERT INTO journal VALUES", 6, rows)

    def _rows_of(self, head: str, width: int, values: list[Any], tail: str = "") -> None:
        if values:
            with_rows(self._connection, head, width, values, tail)
