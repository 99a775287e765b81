"""The grown store: state, indexes and journal in one PostgreSQL database, for one hub or several.

Writing is the business of one task per hub (`postgres_write`); searches run on a pool of connections; a listener
(`postgres_follow`) keeps memory as new as the journal, so that most single reads and journal reads need no query.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
import psycopg

from cityhub.model.change import Change
from cityhub.model.condition import Condition
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, Conflict, NotFound, StoreUnavailable
from cityhub.model.expiry import without_expired
from cityhub.model.ports import ENTITIES, INTERNAL, Document, Page, Shape, Write
from cityhub.model.time import Clock, to_text
from cityhub.storage.backup import Block, State
from cityhub.storage.kept import Kept, Key, alive, is_text
from cityhub.storage.kept import decode as decode_document
from cityhub.storage.postgres_find import Search, exactly
from cityhub.storage.postgres_follow import DROPPED, JOURNAL_COLUMNS, NAMES, Follower, change_of
from cityhub.storage.postgres_link import PATIENCE_S, Connection, Link, decode, encode, unavailable
from cityhub.storage.postgres_portable import EMPTY, PostgresSnapshot, postgres_snapshot, replace_all
from cityhub.storage.postgres_query import compile_condition
from cityhub.storage.postgres_schema import migrate
from cityhub.storage.postgres_statements import GATE, LOCKS, READERS
from cityhub.storage.postgres_values import WASTED, ValueIndexes
from cityhub.storage.postgres_write import Writer

_SWEEP = 1_000
PORTION = 5_000
"""Journal entries per transaction of a compaction, so that other work goes on between."""
_RETRY_S = 1.0


async def open_postgres(url: str, clock: Clock, *, wasted: int = WASTED) -> PostgresStore:
    """The store in a PostgreSQL database, its schema made or upgraded as needed.

    Args:
        url: Connection string, "postgresql://user:password@host/database".
        clock: Where the time comes from.
        wasted: How many entities searches read in vain before a path of values gets an index.

    Raises:
        StoreUnavailable: The server cannot be reached, PostGIS is missing, or the schema is newer than this version.
    """
    await asyncio.to_thread(migrate, url)
    store = PostgresStore(Link(url), clock, wasted)
    await store.start()
    return store


class PostgresStore:
    """Store and journal in one PostgreSQL database."""

    def __init__(self, link: Link, clock: Clock, wasted: int = WASTED) -> None:
        self._link = link
        self._clock = clock
        self._follower = Follower(link)
        self._writer = Writer(link, self._follower, clock)
        self._values = ValueIndexes(link, self._follower, wasted)
        self._single = _SingleReads(link)
        self._reading_here: set[str] = set()

    async def start(self) -> None:
        """Connects; called once by `open_postgres`."""
        await self._link.open()
        try:
            await self._follower.start()
        except psycopg.Error as error:
            await self._link.close()
            raise unavailable(error) from error
        self._writer.start()
        await self._values.resume()

    async def close(self) -> None:
        """Writes what is waiting and closes all connections."""
        await self._values.stop()
        await self._writer.stop()
        await self._follower.stop()
        await self._link.close()
        self._single.close()

    # -- Store ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many calls wait for the writer."""
        return self._writer.queued

    async def write(self, tenant: str, writes: Sequence[Write], trace: str = "") -> list[Any | CityHubError]:
        """See `cityhub.model.ports.Store.write`."""
        return await self._writer.submit(tenant, writes, trace) if writes else []

    def get(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """See `cityhub.model.ports.Store.get`.

        From memory where it can be: as new as `last()`. Otherwise one query that blocks the event loop for its round
        trip; `fetch` does not.
        """
        key = (collection, tenant, id)
        memory = self._follower.memory
        kept = memory.get(key) if self._follower.is_current else None
        if kept is None:
            published = memory.published
            kept = self._single.read(key)
            if kept is not None:
                memory.add(key, kept, published)
        return self._alive(kept)

    async def fetch(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """Like `get`, without blocking the event loop."""
        key = (collection, tenant, id)
        memory = self._follower.memory
        kept = memory.get(key) if self._follower.is_current else None
        if kept is None:
            published = memory.published
            kept = _kept(key, await self._link.rows(*_single_row(key)) if is_text(key) else [])
            if kept is not None:
                memory.add(key, kept, published)
        return self._alive(kept)

    def _alive(self, kept: Kept | None) -> Document | None:
        return kept if kept is None or kept.expires is None else alive(kept, self._now())

    async def find(
        self,
        tenant: str,
        condition: Condition,
        matches: Callable[[Entity], bool] | None,
        offset: int = 0,
        limit: int = 20,
        count: bool = False,
        order: Callable[[Entity], Any] | None = None,
    ) -> Page:
        """See `cityhub.model.ports.Store.find`."""
        compiled = compile_condition(tenant, condition, self._follower.paths)
        search = Search(self._link, self._follower.memory, tenant, compiled, self._now())
        await search.begin()
        if matches is None and order is None and compiled.exact and not (compiled.names_attributes and await self._has_expired()):
            return await search.page(offset, limit, count)
        exact = matches or exactly(condition)
        if order is None:
            page = await search.matching(exact, offset, limit, count)
        else:
            page = await search.ordered(exact, order, offset, limit, count)
        self._values.note(compiled.wanted, search.wasted)
        return page

    async def _has_expired(self) -> bool:
        """Whether there is something that the next sweep will take away."""
        return bool(await self._link.rows("SELECT 1 FROM entity WHERE ends_at <= %s LIMIT 1", (self._now(),)))

    async def settled(self) -> None:
        """Returns when this hub is building no index."""
        await self._values.settled()

    async def scan(self, tenant: str, condition: Condition) -> AsyncIterator[list[Entity]]:
        """See `cityhub.model.ports.Store.scan`."""
        compiled = compile_condition(tenant, condition, self._follower.paths)
        exact = None if compiled.exact and not compiled.names_attributes else exactly(condition)
        search = Search(self._link, None, tenant, compiled, self._now())
        await search.begin()
        async for block in search.blocks(0):
            yield [entity for entity in block if exact(entity)] if exact else block

    async def records(self, tenant: str | None, collection: str) -> list[tuple[str, Document]]:
        """See `cityhub.model.ports.Store.records`."""
        rows = await self._link.rows(
            "SELECT tenant, document FROM record WHERE collection = %s AND (%s::text IS NULL OR tenant = %s) ORDER BY seq",
            (encode(collection), *(2 * (None if tenant is None else encode(tenant),))),
        )
        return [(decode(name), orjson.loads(document)) for name, document in rows]

    async def shapes(self, tenant: str) -> list[Shape]:
        """See `cityhub.model.ports.Store.shapes`."""
        rows = await self._link.rows(
            "SELECT s.types, s.kinds, n.count FROM shape s JOIN"
            " (SELECT shape, count(*) FROM entity WHERE tenant = %s AND (expires_at IS NULL OR expires_at > %s) GROUP BY shape) n"
            " ON n.shape = s.id",
            (encode(tenant), self._now()),
        )
        counts: Counter[tuple[str, str, str]] = Counter()
        for types, kinds, count in rows:
            for name in types:
                counts[decode(name), "", ""] += count
                for kind, _, attribute in (decode(text).partition(" ") for text in kinds):
                    counts[decode(name), attribute, kind] += count
        return [Shape(*key, count) for key, count in sorted(counts.items())]

    async def entity_count(self) -> int:
        """How many entities there are in all tenants."""
        rows = await self._link.rows("SELECT count(*) FROM entity")
        return int(rows[0][0])

    def tenants(self) -> set[str]:
        """See `cityhub.model.ports.Store.tenants`."""
        return {tenant for tenant in self._follower.tenants if not tenant.startswith(INTERNAL)}

    async def create_tenant(self, tenant: str) -> None:
        """See `cityhub.model.ports.Store.create_tenant`."""
        if tenant in self._follower.tenants:
            return

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute("INSERT INTO tenant (name) VALUES (%s) ON CONFLICT DO NOTHING", (encode(tenant),))
                await connection.execute("SELECT pg_notify('cityhub', %s)", (NAMES,))

        await self._link.read(work)
        await self._follower.reload()

    async def drop_tenant(self, tenant: str) -> None:
        """See `cityhub.model.ports.Store.drop_tenant`.

        Its journal entries go too, but for the newest entry of the whole journal: readers rely on there being one.
        """

        async def work(connection: Connection) -> None:
            name = (encode(tenant),)
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCKS}, {GATE})")
                await connection.execute("DELETE FROM place WHERE seq IN (SELECT seq FROM entity WHERE tenant = %s)", name)
                await connection.execute("DELETE FROM journal WHERE tenant = %s AND position < (SELECT last FROM journal_head)", name)
                for table in ("value", "entity", "record"):
                    await connection.execute(f"DELETE FROM {table} WHERE tenant = %s", name)
                await connection.execute("DELETE FROM tenant WHERE name = %s", name)
                await connection.execute("SELECT pg_notify('cityhub', %s)", (DROPPED,))

        await self._link.read(work)
        self._follower.forget()
        await self._follower.reload()

    async def expire(self) -> int:
        """Deletes the entities and attributes whose expiresAt has passed, journalled like any deletion; how many entities it met."""
        gone = 0
        while True:
            rows = await self._link.rows(
                f"SELECT tenant, id FROM entity WHERE ends_at <= %s ORDER BY ends_at LIMIT {_SWEEP}", (self._now(),)
            )
            deleted = 0
            for tenant in dict.fromkeys(name for name, _ in rows):
                writes = [Write(decode(id), _delete_expired) for name, id in rows if name == tenant]
                results = await self._writer.submit(decode(tenant), writes, "", sees_expired=True)
                deleted += results.count(True)
            gone += deleted
            if not deleted or len(rows) < _SWEEP:
                return gone

    # -- As a whole (see `cityhub.storage.backup`) ----------------------------------------------------------------

    def snapshot(self) -> AbstractAsyncContextManager[PostgresSnapshot]:
        """The store at this moment."""
        return postgres_snapshot(self._link, self._now())

    async def is_empty(self) -> bool:
        """Whether there are no items and no journal entries."""
        return bool((await self._link.rows(f"SELECT {EMPTY}"))[0][0])

    async def load(self, state: State, blocks: Callable[[], Iterator[Block]]) -> None:
        """Replaces everything by the contents of a backup, wholly or not at all."""
        try:
            async with await self._link.connect() as connection:
                await replace_all(connection, state, blocks, self._writer.shape_ids)
        except psycopg.OperationalError as error:
            raise unavailable(error) from error
        await self._follower.begin_anew()

    # -- Journal -------------------------------------------------------------------------------------------------

    async def read(self, after: int, limit: int = 1000) -> list[Change]:
        """See `cityhub.model.ports.Journal.read`."""
        recent = self._follower.recent(after, limit)
        if recent is not None:
            return recent
        rows = await self._link.rows(
            f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE position > %s ORDER BY position LIMIT %s", (after, limit)
        )
        return [change_of(row) for row in rows]

    async def wait(self, after: int) -> None:
        """See `cityhub.model.ports.Journal.wait`."""
        await self._follower.wait(after)

    def last(self) -> int:
        """See `cityhub.model.ports.Journal.last`. Of other hubs' changes the newest that has been announced."""
        return self._follower.last

    async def position(self, reader: str) -> int:
        """See `cityhub.model.ports.Journal.position`."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                # A compaction between looking at the end and being known could take what the reader is to read.
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCKS}, {READERS})")
                await connection.execute(
                    "INSERT INTO reader (name, position) SELECT %s, last FROM journal_head ON CONFLICT DO NOTHING", (encode(reader),)
                )
                cursor = await connection.execute("SELECT position FROM reader WHERE name = %s", (encode(reader),))
                row = await cursor.fetchone()
                return int(row[0]) if row else 0

        self._reading_here.add(reader)
        rows = await self._link.rows("SELECT position FROM reader WHERE name = %s", (encode(reader),))
        return int(rows[0][0]) if rows else await self._link.read(work)

    async def advance(self, reader: str, position: int) -> None:
        """See `cityhub.model.ports.Journal.advance`. A reader never goes back."""
        self._reading_here.add(reader)
        await self._link.rows(
            "INSERT INTO reader (name, position) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET position = greatest(reader.position, excluded.position) RETURNING position",
            (encode(reader), position),
        )

    async def readers(self) -> dict[str, int]:
        """Every durable reader and how far it has come."""
        return {decode(name): position for name, position in await self._link.rows("SELECT name, position FROM reader")}

    async def forget_reader(self, name: str) -> None:
        """Lets go of a durable reader that is not coming back, so that the journal need not wait for it.

        Raises NotFound when there is none, Conflict for one that reads in this process. Whether another hub on the same
        database reads under that name, this one cannot know.
        """
        if name in self._reading_here:
            raise Conflict(f"The reader '{name[:200]}' is at work in this hub and cannot be forgotten")
        if not await self._link.rows("DELETE FROM reader WHERE name = %s RETURNING name", (encode(name),)):
            raise NotFound(f"The journal has no reader '{name[:200]}'")

    async def oldest(self) -> int:
        """See `cityhub.model.ports.Journal.oldest`."""
        rows = await self._link.rows("SELECT coalesce((SELECT min(position) FROM journal), last + 1) FROM journal_head")
        return int(rows[0][0])

    async def compact(self, keep: int = 0) -> int:
        """See `cityhub.model.ports.Journal.compact`."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCKS}, {READERS})")
                cursor = await connection.execute(
                    "DELETE FROM journal WHERE position IN (SELECT position FROM journal WHERE position <= least("
                    "(SELECT max(position) FROM journal) - %s, (SELECT min(position) FROM reader)) ORDER BY position LIMIT %s)",
                    (max(keep, 1), PORTION),
                )
                return cursor.rowcount

        removed = 0
        while True:
            portion = await self._link.read(work)
            removed += portion
            if portion < PORTION:
                return removed

    def _now(self) -> str:
        return to_text(self._clock.now())


class _SingleReads:
    """Single items, read on a connection that blocks, in any thread. After a failure it is not tried for a second."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._not_before = 0.0

    def read(self, key: Key) -> Kept | None:
        """The item as last committed. Raises StoreUnavailable when the server is away."""
        if not is_text(key):
            return None
        with self._lock:
            if time.monotonic() < self._not_before:
                raise StoreUnavailable("The PostgreSQL server could not be reached less than a second ago")
            return self._read(key)

    def _read(self, key: Key) -> Kept | None:
        began = time.monotonic()
        for attempt in (1, 2):
            try:
                if self._connection is None:
                    self._connection = self._link.connect_blocking()
                query, parameters = _single_row(key)
                return _kept(key, self._connection.execute(query, parameters, prepare=True, binary=True).fetchall())
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                is_worth_another = self._connection is not None and time.monotonic() - began < PATIENCE_S
                self.close()
                if attempt == 2 or not is_worth_another:
                    self._not_before = time.monotonic() + _RETRY_S
                    raise unavailable(error) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Closes the connection; the next read opens another."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _single_row(key: Key) -> tuple[str, tuple[str, ...]]:
    collection, tenant, id = key
    if collection == ENTITIES:
        return "SELECT seq, document FROM entity WHERE tenant = %s AND id = %s", (encode(tenant), encode(id))
    return (
        "SELECT seq, document FROM record WHERE collection = %s AND tenant = %s AND id = %s",
        (encode(collection), encode(tenant), encode(id)),
    )


def _kept(key: Key, rows: list[tuple[Any, ...]]) -> Kept | None:
    return decode_document(rows[0][0], rows[0][1], key[0] == ENTITIES) if rows else None


def _delete_expired(current: Document | None, now: str) -> tuple[Document | None, bool]:
    """Transition of the sweep: takes away what has expired, leaves what was given a later end meanwhile."""
    if current is None:
        return None, False
    left = without_expired(current, now)
    return left, left is not current
