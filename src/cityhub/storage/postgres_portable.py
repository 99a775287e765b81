"""A PostgreSQL store as a whole: what it holds at one moment, and filling it from a backup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from cityhub.model.change import Change
from cityhub.model.ports import ENTITIES
from cityhub.storage.backup import Block, Item, State, state_of
from cityhub.storage.kept import decode as decode_document
from cityhub.storage.postgres_batch import Batch
from cityhub.storage.postgres_follow import JOURNAL_COLUMNS, RESTORED, change_of
from cityhub.storage.postgres_link import Connection, Link, decode, encode
from cityhub.storage.postgres_rows import Rows, Shape, ValuePath, rows_of
from cityhub.storage.postgres_statements import GATE, LOCKS, PATHS, Statement, additions, value_paths

_ROWS = 200
_TABLES = ("entity", "place", "value", "record", "journal", "reader", "tenant")


class PostgresSnapshot:
    """What a database holds at one moment; writes go on beside it."""

    def __init__(self, connection: Connection, state: State) -> None:
        self._connection = connection
        self.state = state

    async def blocks(self) -> AsyncIterator[Block]:
        """See `cityhub.storage.backup.Snapshot.blocks`."""
        async for rows in self._rows(f"SELECT '{ENTITIES}', tenant, id, document FROM entity ORDER BY seq"):
            yield Block(items=[_item(row) for row in rows])
        async for rows in self._rows("SELECT collection, tenant, id, document FROM record ORDER BY seq"):
            yield Block(items=[_item(row) for row in rows])
        known = {"", *self.state.tenants}
        async for rows in self._rows(f"SELECT {JOURNAL_COLUMNS} FROM journal ORDER BY position"):
            yield Block(changes=[change for change in map(change_of, rows) if change.tenant in known])

    async def _rows(self, query: str) -> AsyncIterator[list[tuple[Any, ...]]]:
        async with self._connection.cursor("snapshot", binary=True) as cursor:
            await cursor.execute(query)
            while rows := await cursor.fetchmany(_ROWS):
                yield rows


@asynccontextmanager
async def postgres_snapshot(link: Link, at: str) -> AsyncIterator[PostgresSnapshot]:
    """What the database holds now."""
    connection = await link.connect()
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield PostgresSnapshot(connection, await _state(connection, at))
    finally:
        await connection.close()


async def _state(connection: Connection, at: str) -> State:
    async def rows(query: str) -> list[tuple[Any, ...]]:
        return await (await connection.execute(query)).fetchall()

    readers = {decode(name): position for name, position in await rows("SELECT name, position FROM reader")}
    tenants = [decode(name) for (name,) in await rows("SELECT name FROM tenant")]
    [(last, newest)] = await rows("SELECT last, coalesce((SELECT max(position) FROM journal), 0) FROM journal_head")
    return state_of(at, newest, last, tenants, readers)


EMPTY = " AND ".join(f"NOT EXISTS (SELECT FROM {table})" for table in ("entity", "record", "journal"))
"""True when there are no items and no journal entries."""

ShapeIds = Callable[[Rows], Awaitable[dict[Shape, int]]]


async def replace_all(connection: Connection, state: State, blocks: Callable[[], Iterator[Block]], shape_ids: ShapeIds) -> None:
    """Puts the contents of a backup in the place of everything, in one transaction."""
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCKS}, {GATE})")
        await connection.execute(f"TRUNCATE {', '.join(_TABLES)}")
        paths = value_paths(await (await connection.execute(PATHS)).fetchall())
        iterator = blocks()
        seq = 0
        while (block := await asyncio.to_thread(next, iterator, None)) is not None:
            await _add(connection, block, seq, paths, shape_ids)
            seq += len(block.items)
        await connection.execute("INSERT INTO tenant (name) SELECT unnest(%b::text[])", ([encode(name) for name in state.tenants],))
        await connection.execute(
            "INSERT INTO reader (name, position) SELECT * FROM unnest(%b::text[], %b::bigint[])",
            ([encode(name) for name in state.readers], list(state.readers.values())),
        )
        await connection.execute("UPDATE journal_head SET last = %s", (max(state.position, seq),))
        await connection.execute("SELECT pg_notify('cityhub', %s)", (RESTORED,))


async def _add(connection: Connection, block: Block, seq: int, paths: list[ValuePath], shape_ids: ShapeIds) -> None:
    batch = Batch("", {})
    for at, (key, document) in enumerate(block.items):
        batch.current[key] = decode_document(seq + at + 1, document, key[0] == ENTITIES)
    rows = rows_of(batch, paths)
    statements = additions(rows, await shape_ids(rows), 0)
    if block.changes:
        statements.append(_journal(block.changes))
    for statement, parameters in statements:
        await connection.execute(statement, parameters)


def _journal(changes: list[Change]) -> Statement:
    rows = [
        (
            change.position, encode(change.collection), encode(change.tenant), encode(change.id), change.kind, change.at,
            encode(change.trace), orjson.dumps(change.attributes) if change.attributes else None,
            None if change.before is None else orjson.dumps(change.before), None if change.after is None else orjson.dumps(change.after),
        )
        for change in changes
    ]  # fmt: skip
    return (
        f"INSERT INTO journal ({JOURNAL_COLUMNS}) SELECT * FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[])",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _item(row: tuple[Any, ...]) -> Item:
    collection, tenant, id, document = row
    return (decode(collection), decode(tenant), decode(id)), document
