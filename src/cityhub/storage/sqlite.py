"""The embedded store: one SQLite file with the current state, its indexes and the journal.

Reads of single items and of plain lists run in the event loop (microseconds, mostly from memory); searches run in
reader threads with connections of their own; all writing is the business of one thread (`sqlite_writer`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw
import orjson

from cityhub.model.change import Change
from cityhub.model.condition import Anything, Condition, TypeIs
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, Conflict, NotFound
from cityhub.model.indexing import satisfies
from cityhub.model.ports import ENTITIES, INTERNAL, Document, Page, Shape, Write
from cityhub.model.time import Clock, to_text
from cityhub.storage.backup import Block, State
from cityhub.storage.kept import Kept, Memory, alive, decode, is_text
from cityhub.storage.sqlite_checkpoint import Checkpoints, move
from cityhub.storage.sqlite_file import connect, migrate
from cityhub.storage.sqlite_journal import delete_passed, journal_rows, oldest
from cityhub.storage.sqlite_portable import SqliteSnapshot, is_empty, replace_all, sqlite_snapshot
from cityhub.storage.sqlite_query import PLACES, Planner, Source, Wanted
from cityhub.storage.sqlite_schema import STEPS
from cityhub.storage.sqlite_search import (
    Numbers,
    Search,
    box_block,
    delete_expired,
    drop_tenant_rows,
    index_block,
    rows_of,
)
from cityhub.storage.sqlite_writer import Writer
from cityhub.storage.tail import Tail

AT_ONCE = 50
"""A search among so few candidates runs in the event loop: handing it to a thread would take longer."""
FAR = 2_000
"""A page that begins behind so many entities is read in a thread: all before it must be stepped over."""
WORTH_AN_INDEX = 200
"""A value index is built when a query would have to look at so many entities without it."""

PAGES = 64
"""Pages of plain lists that are remembered until the next commit, each of at most so many entities as `PAGE` says."""
PAGE = 100

MAX_PATHS = 64
"""Value indexes per tenant: each costs something on every write of its attribute, and whoever may query can ask for one."""

log = logging.getLogger(__name__)

T = TypeVar("T")


async def open_sqlite(folder: Path, clock: Clock) -> SqliteStore:
    """The store in `folder/hub.sqlite`, made or migrated as needed.

    Raises:
        RuntimeError: The file was written by a newer version of the hub.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "hub.sqlite")
    connection = connect(path)
    version = connection.pragma("user_version")
    migrate(connection, STEPS, "store")
    if version != len(STEPS):  # the tables at least must be there if the log is ever lost
        move(connection)
    return SqliteStore(path, connection, clock)


class SqliteStore:
    """Store and journal on one SQLite file."""

    def __init__(self, path: str, connection: apsw.Connection, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._memory = Memory()
        self._tail = Tail()
        self._grown = asyncio.Event()
        self._reading = connect(path, readonly=True)
        self._thread = threading.get_ident()
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="cityhub-reader")
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="cityhub-journal")
        self._checkpoints = Checkpoints(path)
        self._checkpoints.watch(connection)
        self._writer = Writer(connection, self._memory, clock, self._on_commit, self._grown.set, self._checkpoints.finish)
        self._catalogue = self._writer.catalogue
        self._last = self._writer.last
        self._reading_here: set[str] = set()
        self._built: dict[int, dict[tuple[str, tuple[str, ...]], int]] = {}
        self._placed: set[int] | None = None
        self._building: dict[tuple[int, Wanted], asyncio.Future[None]] = {}
        self._expiry: tuple[int, str | None] = (-1, None)
        self._pages: tuple[int, dict[tuple[Any, ...], Page]] = (-1, {})
        self._connection = connection
        self._checkpoints.start()
        self._writer.start()

    async def close(self) -> None:
        """Writes what is queued, moves the log into the file and closes it; closing again does nothing."""
        if not self._writer.is_alive():
            return
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._checkpoints.stop)
        for threads in (self._threads, self._journal_thread):
            await asyncio.to_thread(threads.shutdown)
        self._reading.close()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as error:  # the log stays as it is; the next start finds it
            log.warning("the log could not be moved into the file: %s", error)
        self._connection.close()

    # -- Store ---------------------------------------------------------------------------------------------------

    async def write(self, tenant: str, writes: Sequence[Write], trace: str = "") -> list[Any | CityHubError]:
        """See `cityhub.model.ports.Store.write`."""
        if not writes:
            return []
        return await self._writer.submit(tenant, writes, trace)

    def get(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """See `cityhub.model.ports.Store.get`."""
        key = (collection, tenant, id)
        kept = self._memory.get(key)
        if kept is None:
            published = self._memory.published
            kept = self._read(key)
            if kept is None:
                return None
            self._memory.add(key, kept, published)
        return kept if kept.expires is None else alive(kept, to_text(self._clock.now()))

    async def fetch(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """See `cityhub.model.ports.Store.fetch`."""
        return self.get(tenant, id, collection)

    def _read(self, key: tuple[str, str, str]) -> Kept | None:
        collection, tenant, id = key
        number = self._catalogue.tenants.get(tenant)
        if number is None or not is_text(key):
            return None
        reading = self._reading if threading.get_ident() == self._thread else self._own_connection()
        if collection == ENTITIES:
            found = reading.execute("SELECT number, document FROM entity WHERE tenant = ? AND id = ?", (number, id))
        else:
            found = reading.execute(
                "SELECT number, document FROM record WHERE collection = ? AND tenant = ? AND id = ?", (collection, number, id)
            )
        row = found.fetchone()
        return decode(row[0], row[1], collection == ENTITIES) if row else None

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
        number = self._catalogue.tenants.get(tenant)
        if number is None:
            return Page([], 0 if count else None)
        if matches is None and order is None and isinstance(condition, TypeIs | Anything) and not self._has_expired():
            if offset <= FAR and not (count and isinstance(condition, Anything)):
                return self._page(tenant, number, condition, offset, limit, count)
            return await self._in_thread(partial(self._list, tenant, number, condition, offset, limit, count))
        exact = matches or (lambda entity: satisfies(condition, entity))
        source = await self._source(number, condition)
        search = Search(self._clock, exact, offset, limit, count, order)
        if source.size <= AT_ONCE:
            return search.run(self._fetch(self._reading, tenant, number, source))
        return await self._in_thread(lambda connection: search.run(self._fetch(connection, tenant, number, source)))

    def _has_expired(self) -> bool:
        """Whether there is something that the next sweep will take away."""
        published, first = self._expiry
        if published != self._memory.published:
            published = self._memory.published
            first = self._reading.execute("SELECT min(expires) FROM entity WHERE expires IS NOT NULL").get
            self._expiry = (published, first)
        return first is not None and first <= to_text(self._clock.now())

    def _page(self, tenant: str, number: int, condition: Condition, offset: int, limit: int, count: bool) -> Page:
        """A page of a plain list; remembered until something is committed, since most callers ask for the same ones."""
        published, pages = self._pages
        if published != self._memory.published:
            published, pages = self._pages = (self._memory.published, {})
        key = (number, condition, offset, limit, count)
        page = pages.get(key)
        if page is None:
            page = self._list(tenant, number, condition, offset, limit, count, self._reading)
            if limit <= PAGE and len(pages) < PAGES:
                pages[key] = page
        return Page(page.entities.copy(), page.count)

    def _list(
        self, tenant: str, number: int, condition: Condition, offset: int, limit: int, count: bool, connection: apsw.Connection
    ) -> Page:
        counted: tuple[str, tuple[Any, ...]]
        if isinstance(condition, TypeIs):
            column, rows = "t.entity", "entity_type t WHERE t.tenant = ? AND t.type = ?"
            bindings: tuple[Any, ...] = (number, self._catalogue.names.find(condition.type))
            counted = ("SELECT count FROM shape WHERE tenant = ? AND type = ? AND attribute = '' AND kind = ''", (number, condition.type))
        else:
            column, rows, bindings = "e.number", "entity e WHERE e.tenant = ?", (number,)
            counted = ("SELECT count(*) FROM entity WHERE tenant = ?", bindings)
        published = self._memory.published
        found: list[Entity] = []
        for (row,) in connection.execute(f"SELECT {column} FROM {rows} ORDER BY 1 LIMIT ? OFFSET ?", (*bindings, limit, offset)):
            kept = self._memory.entity(row) or self._read_number(connection, tenant, row, published)
            if kept is not None:
                found.append(kept)
        return Page(found, (connection.execute(*counted).get or 0) if count else None)

    def _read_number(self, connection: apsw.Connection, tenant: str, number: int, published: int) -> Kept | None:
        row = connection.execute("SELECT id, document FROM entity WHERE number = ?", (number,)).fetchone()
        if row is None:
            return None
        kept = decode(number, row[1])
        self._memory.add((ENTITIES, tenant, row[0]), kept, published)
        return kept

    def _fetch(self, connection: apsw.Connection, tenant: str, number: int, source: Source) -> Iterator[Kept]:
        numbers = Numbers(connection, source)
        after = 0
        while block := numbers.after(connection, after):
            yield from self._decoded(tenant, rows_of(connection, number, block))
            after = block[-1]

    def _decoded(self, tenant: str, rows: list[tuple[int, str, bytes]]) -> list[Kept]:
        found = []
        for number, id, document in rows:
            kept = self._memory.get((ENTITIES, tenant, id))
            found.append(kept if kept is not None and kept.encoded == document else decode(number, document))
        return found

    async def scan(self, tenant: str, condition: Condition) -> AsyncIterator[list[Entity]]:
        """See `cityhub.model.ports.Store.scan`."""
        number = self._catalogue.tenants.get(tenant)
        if number is None:
            return
        planner = self._planner(number)
        numbers = await self._in_thread(partial(self._numbers, condition, planner))
        after = 0
        while block := await self._in_thread(partial(self._block_after, tenant, number, numbers, after)):
            after = block[-1].number
            now = to_text(self._clock.now())
            yield [entity for kept in block if (entity := alive(kept, now)) is not None and satisfies(condition, entity)]

    def _numbers(self, condition: Condition, planner: Planner, connection: apsw.Connection) -> Numbers:
        planner = planner.on(connection)
        return Numbers(connection, planner.source(condition) or planner.everything())

    def _block_after(self, tenant: str, number: int, numbers: Numbers, after: int, connection: apsw.Connection) -> list[Kept]:
        while block := numbers.after(connection, after):
            found = self._decoded(tenant, rows_of(connection, number, block))
            if found:  # else all of them were deleted meanwhile
                return found
            after = block[-1]
        return []

    async def records(self, tenant: str | None, collection: str) -> list[tuple[str, Document]]:
        """See `cityhub.model.ports.Store.records`."""
        select = (
            "SELECT t.name, r.document FROM record r JOIN tenant t ON t.number = r.tenant WHERE r.collection = ?"
            + ("" if tenant is None else " AND t.name = ?")
            + " ORDER BY r.number"
        )
        bindings = (collection,) if tenant is None else (collection, tenant)
        return await self._in_thread(
            lambda connection: [(name, orjson.loads(document)) for name, document in connection.execute(select, bindings)]
        )

    async def shapes(self, tenant: str) -> list[Shape]:
        """See `cityhub.model.ports.Store.shapes`."""
        rows = self._reading.execute(
            "SELECT type, attribute, kind, count FROM shape WHERE tenant = ? AND count > 0", (self._catalogue.tenants.get(tenant, -1),)
        )
        return [Shape(*row) for row in rows]

    async def entity_count(self) -> int:
        """How many entities there are in all tenants."""
        return await self._in_thread(lambda connection: int(connection.execute("SELECT count(*) FROM entity").get))

    def tenants(self) -> set[str]:
        """See `cityhub.model.ports.Store.tenants`."""
        return {tenant for tenant in self._catalogue.tenants if not tenant.startswith(INTERNAL)}

    async def create_tenant(self, tenant: str) -> None:
        """See `cityhub.model.ports.Store.create_tenant`."""
        if tenant not in self._catalogue.tenants:
            await self._writer.submit_job(
                lambda connection: connection.execute("INSERT INTO tenant (name) VALUES (?) ON CONFLICT DO NOTHING", (tenant,)),
                self._writer.reload,
            )

    async def drop_tenant(self, tenant: str) -> None:
        """See `cityhub.model.ports.Store.drop_tenant`."""
        number = self._catalogue.tenants.get(tenant)
        if number is not None:
            await self._writer.submit_job(lambda connection: drop_tenant_rows(connection, number, tenant), self._forget_everything)
            self._built.clear()
            self._placed = None

    def _forget_everything(self) -> None:
        # Before the next group: it must neither meet a document of the dropped tenant nor write under its number.
        self._writer.reload()
        self._memory.clear()
        self._tail.clear()

    async def expire(self) -> int:
        """Deletes the entities and attributes whose expiresAt has passed, journalled like any deletion; how many entities it met."""
        now = to_text(self._clock.now())
        rows = list(
            self._reading.execute(
                "SELECT t.name, e.id FROM entity e JOIN tenant t ON t.number = e.tenant WHERE e.expires <= ? LIMIT 10000", (now,)
            )
        )
        gone = 0
        for tenant in {row[0] for row in rows}:
            writes = [Write(id, delete_expired) for name, id in rows if name == tenant]
            gone += sum(await self._writer.submit(tenant, writes, "", sees_expired=True))
        return gone

    # -- As a whole (see `cityhub.storage.backup`) ----------------------------------------------------------------

    def snapshot(self) -> AbstractAsyncContextManager[SqliteSnapshot]:
        """The store at this moment."""
        return sqlite_snapshot(self._path, to_text(self._clock.now()))

    async def is_empty(self) -> bool:
        """Whether there are no items and no journal entries."""
        return is_empty(self._reading)

    async def load(self, state: State, blocks: Callable[[], Iterator[Block]]) -> None:
        """Replaces everything by the contents of a backup, wholly or not at all."""
        await self._writer.submit_job(lambda connection: replace_all(connection, self._writer, state, blocks), self._forget_everything)
        self._built.clear()
        self._placed = None
        self._last = self._writer.last

    # -- Value indexes come by use -------------------------------------------------------------------------------

    def _built_paths(self, tenant: int) -> dict[tuple[str, tuple[str, ...]], int]:
        built = self._built.get(tenant)
        if built is None:
            rows = self._reading.execute("SELECT attribute, path, number FROM value_path WHERE tenant = ? AND built", (tenant,))
            built = self._built[tenant] = {(attribute, tuple(orjson.loads(path))): number for attribute, path, number in rows}
        return built

    def _planner(self, tenant: int) -> Planner:
        if self._placed is None:
            self._placed = {number for (number,) in self._reading.execute("SELECT tenant FROM place_index WHERE built")}
        return Planner(self._reading, tenant, self._built_paths(tenant), tenant in self._placed)

    async def _source(self, tenant: int, condition: Condition) -> Source:
        """The candidates for a condition; builds the indexes that it could use instead of looking at many entities."""
        planner = self._planner(tenant)
        source = planner.source(condition) or planner.everything()
        if source.size < WORTH_AN_INDEX or not planner.wanted:
            return source
        for wanted in planner.wanted[:4]:
            known = sum(map(len, self._catalogue.paths.get(tenant, {}).values()))
            if wanted == PLACES or known < MAX_PATHS or self._is_begun(tenant, wanted):
                await self._build_index(tenant, wanted)
        planner = self._planner(tenant)
        return planner.source(condition) or planner.everything()

    def _is_begun(self, tenant: int, wanted: Wanted) -> bool:
        known = self._catalogue.paths.get(tenant, {}).get(wanted.attribute, ())
        return any(path == wanted.path for _, path in known)

    async def _build_index(self, tenant: int, wanted: Wanted) -> None:
        key = (tenant, wanted)
        building = self._building.get(key)
        if building is None:
            work = self._build_places(tenant) if wanted == PLACES else self._build(tenant, wanted.attribute, wanted.path)
            building = self._building[key] = asyncio.ensure_future(work)
            building.add_done_callback(lambda _: self._building.pop(key, None))
        await asyncio.shield(building)

    async def _build(self, tenant: int, attribute: str, path: tuple[str, ...]) -> None:
        log.info("building an index on %s %s, because queries ask for it", attribute, "/".join(path))
        await self._writer.submit_job(
            lambda connection: connection.execute(
                "INSERT INTO value_path (tenant, attribute, path, built) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
                (tenant, attribute, orjson.dumps(path).decode()),
            ),
            self._writer.reload,
        )
        known = self._catalogue.paths.get(tenant, {}).get(attribute, ())
        index = next((number for number, known_path in known if known_path == path), None)
        if index is None:  # the tenant is gone
            return
        after: int | None = 0
        while after is not None:
            after = await self._writer.submit_job(partial(index_block, tenant, index, attribute, path, after))
        await self._writer.submit_job(lambda connection: connection.execute("UPDATE value_path SET built = 1 WHERE number = ?", (index,)))
        self._built.clear()

    async def _build_places(self, tenant: int) -> None:
        """Begins to keep the bounding boxes of a tenant's entities, those that are there included."""
        log.info("building an index on places, because queries ask for it")
        await self._writer.submit_job(
            lambda connection: connection.execute("INSERT INTO place_index VALUES (?, 0) ON CONFLICT DO NOTHING", (tenant,)),
            self._writer.reload,
        )
        after: int | None = 0
        while after is not None:
            after = await self._writer.submit_job(partial(box_block, tenant, self._catalogue.names, after))
        await self._writer.submit_job(lambda connection: connection.execute("UPDATE place_index SET built = 1 WHERE tenant = ?", (tenant,)))
        self._placed = None

    @property
    def waiting(self) -> int:
        """How many calls wait for the writer."""
        return self._writer.waiting()

    # -- Journal -------------------------------------------------------------------------------------------------

    def _on_commit(self, changes: list[Change]) -> None:
        self._tail.extend(changes)
        self._last = changes[-1].position

    async def read(self, after: int, limit: int = 1000) -> list[Change]:
        """See `cityhub.model.ports.Journal.read`."""
        if after >= self._last:
            return []
        recent = self._tail.read(after, limit)
        if recent is not None:
            return recent
        # In a thread of its own, so that the journal's readers never wait for long searches.
        work = partial(self._with_connection, lambda connection: journal_rows(connection, after, limit))
        return await self._loop.run_in_executor(self._journal_thread, work)

    async def wait(self, after: int) -> None:
        """See `cityhub.model.ports.Journal.wait`."""
        while self._last <= after:
            self._grown.clear()
            await self._grown.wait()

    def last(self) -> int:
        """See `cityhub.model.ports.Journal.last`."""
        return self._last

    async def position(self, reader: str) -> int:
        """See `cityhub.model.ports.Journal.position`."""

        def read_or_begin(connection: apsw.Connection) -> int:
            connection.execute("INSERT INTO reader VALUES (?, ?) ON CONFLICT DO NOTHING", (reader, self._last))
            return int(connection.execute("SELECT position FROM reader WHERE name = ?", (reader,)).get)

        self._reading_here.add(reader)
        return cast(int, await self._writer.submit_job(read_or_begin))

    async def advance(self, reader: str, position: int) -> None:
        """See `cityhub.model.ports.Journal.advance`."""
        self._reading_here.add(reader)
        await self._writer.submit_job(
            lambda connection: connection.execute(
                "INSERT INTO reader VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)",
                (reader, position),
            )
        )

    async def readers(self) -> dict[str, int]:
        """Every durable reader and how far it has come."""
        return dict(self._reading.execute("SELECT name, position FROM reader"))

    async def forget_reader(self, name: str) -> None:
        """Lets go of a durable reader that is not coming back, so that the journal need not wait for it.

        Raises NotFound when there is none, Conflict for one that reads in this process.
        """
        if name in self._reading_here:
            raise Conflict(f"The reader '{name[:200]}' is at work in this hub and cannot be forgotten")

        def forget(connection: apsw.Connection) -> int:
            connection.execute("DELETE FROM reader WHERE name = ?", (name,))
            return connection.changes()

        if not await self._writer.submit_job(forget):
            raise NotFound(f"The journal has no reader '{name[:200]}'")

    async def oldest(self) -> int:
        """See `cityhub.model.ports.Journal.oldest`."""
        return oldest(self._reading) or self._last + 1

    async def compact(self, keep: int = 0) -> int:
        """See `cityhub.model.ports.Journal.compact`."""
        removed, end = 0, self._last  # what comes meanwhile is for the next time, or it would never end under writing
        while portion := cast(int, await self._writer.submit_job(partial(delete_passed, keep, end))):
            removed += portion
        return removed

    # -- Threads -------------------------------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._loop.run_in_executor(self._threads, self._with_connection, work)

    def _with_connection(self, work: Callable[[apsw.Connection], T]) -> T:
        return work(self._own_connection())

    def _own_connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, readonly=True)
        return connection
