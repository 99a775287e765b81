"""A SQLite store as a whole: what it holds at one moment, and filling it from a backup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import apsw

from cityhub.model.ports import ENTITIES
from cityhub.storage.backup import Block, Item, State, state_of
from cityhub.storage.kept import Memory, decode
from cityhub.storage.sqlite_file import connect
from cityhub.storage.sqlite_journal import insert_change, journal_rows
from cityhub.storage.sqlite_transaction import Transaction
from cityhub.storage.sqlite_writer import Writer

_ROWS = 200
_TABLES = (
    "entity", "entity_type", "entity_scope", "entity_box", "entity_value", "shape", "value_path", "place_index", "record", "journal",
    "reader",
)  # fmt: skip


class SqliteSnapshot:
    """What a file holds at one moment; writes go on beside it."""

    def __init__(self, connection: apsw.Connection, at: str) -> None:
        self._connection = connection
        readers = {str(name): int(position) for name, position in connection.execute("SELECT name, position FROM reader")}
        newest = connection.execute("SELECT max(position) FROM journal").get or 0
        tenants = [str(name) for (name,) in connection.execute("SELECT name FROM tenant WHERE name != ''")]
        self.state = state_of(at, newest, newest, tenants, readers)

    async def blocks(self) -> AsyncIterator[Block]:
        """See `cityhub.storage.backup.Snapshot.blocks`."""
        entities = "SELECT ?, t.name, e.id, e.document FROM entity e JOIN tenant t ON t.number = e.tenant ORDER BY e.number"
        async for rows in self._rows(entities, (ENTITIES,)):
            yield Block(items=[_item(row) for row in rows])
        records = "SELECT r.collection, t.name, r.id, r.document FROM record r JOIN tenant t ON t.number = r.tenant ORDER BY r.number"
        async for rows in self._rows(records, ()):
            yield Block(items=[_item(row) for row in rows])
        after = 0
        while changes := await asyncio.to_thread(journal_rows, self._connection, after, _ROWS):
            yield Block(changes=changes)
            after = changes[-1].position

    async def _rows(self, select: str, bindings: tuple[Any, ...]) -> AsyncIterator[list[Any]]:
        cursor = self._connection.execute(select, bindings)
        while rows := await asyncio.to_thread(lambda: list(islice(cursor, _ROWS))):
            yield rows


@asynccontextmanager
async def sqlite_snapshot(path: str, at: str) -> AsyncIterator[SqliteSnapshot]:
    """What the file holds now; it may be another process's, which goes on writing."""
    connection = await asyncio.to_thread(lambda: connect(path, readonly=True))
    try:
        connection.execute("BEGIN")
        yield SqliteSnapshot(connection, at)
    finally:
        connection.close()


def is_empty(connection: apsw.Connection) -> bool:
    """Whether there are no items and no journal entries."""
    return not any(connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").get for table in ("entity", "record", "journal"))


def replace_all(connection: apsw.Connection, writer: Writer, state: State, blocks: Callable[[], Iterator[Block]]) -> None:
    """Puts the contents of a backup in the place of everything, in the writer's thread and transaction."""
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM tenant WHERE number != 0")
    connection.executemany("INSERT INTO tenant (name) VALUES (?)", [(name,) for name in state.tenants])
    connection.executemany("INSERT INTO reader VALUES (?, ?)", list(state.readers.items()))
    writer.read_anew()
    for block in blocks():
        transaction = Transaction(connection, Memory(bound=1), writer.catalogue, 0, state.at)
        for key, document in block.items:
            transaction.add(key, decode(0, document, key[0] == ENTITIES))
        transaction.lay_down()
        for change in block.changes:
            insert_change(connection, change, writer.catalogue.tenants[change.tenant])
    first = connection.execute("SELECT min(first) FROM journal").get
    connection.execute("UPDATE compacted SET position = ?", (0 if first is None else first - 1,))


def _item(row: Any) -> Item:
    collection, tenant, id, document = row
    return (str(collection), str(tenant), str(id)), bytes(document)
