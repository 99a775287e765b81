"""The one writer of a SQLite store: many calls share one transaction and one fsync (group commit).

A thread takes whatever calls are waiting, applies their transitions one after the other, lays the results down with a
few bulk statements, commits, and only then lets the callers go on. What a group does is wholly in the file or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw
import msgspec
import orjson

from cityhub.model.change import Change, attribute_changes
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import ENTITIES, JOURNALLED_ONLY, Write
from cityhub.model.time import Clock, to_text
from cityhub.storage.kept import Kept, Key, Memory, alive, decode
from cityhub.storage.sqlite_rows import RowChanges, entity_rows

GROUP = 20_000
"""At most so many writes go into one transaction."""

IDS_PER_QUERY = 512
"""At most so many items are read with one query."""

log = logging.getLogger(__name__)

_Row = tuple[Any, ...]
Job = Callable[[apsw.Connection], Any]
"""Other work on the writer's connection, in a transaction of its group."""


class _Call(msgspec.Struct):
    tenant: str
    writes: Sequence[Write]
    trace: str
    job: Job | None
    future: asyncio.Future[Any]
    outcome: Any = None
    sees_expired: bool = False
    settled: Callable[[], None] | None = None


class Names:
    """Numbers for IRIs and other long names, so that index rows stay small. Used by the writer alone."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._numbers = self._read()

    def number(self, text: str) -> int:
        """The number of a name, given out at its first use."""
        number = self._numbers.get(text)
        if number is None:
            self._connection.execute("INSERT INTO name (text) VALUES (?) ON CONFLICT DO NOTHING", (text,))
            number = int(self._connection.execute("SELECT number FROM name WHERE text = ?", (text,)).get)
            self._numbers[text] = number
        return number

    def find(self, text: str) -> int:
        """The number of a name, or -1 when no entity has ever used it."""
        return self._numbers.get(text, -1)

    def forget(self) -> None:
        """Reads the numbers anew after a transaction was rolled back."""
        self._numbers = self._read()

    def _read(self) -> dict[str, int]:
        return {str(text): int(number) for text, number in self._connection.execute("SELECT text, number FROM name")}


class Writer(threading.Thread):
    """The writing thread. `committed` is called in it after each commit with the group's changes."""

    def __init__(
        self, connection: apsw.Connection, memory: Memory, clock: Clock, committed: Callable[[list[Change]], None]
    ) -> None:
        super().__init__(name="cityhub-writer", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._memory = memory
        self._clock = clock
        self._committed = committed
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.names = Names(connection)
        self.tenants: dict[str, int] = {}
        self.paths: dict[int, dict[str, list[tuple[int, tuple[str, ...]]]]] = {}
        self._stopping = False
        self._is_stale = False
        self._is_refusing = False
        self.reload()

    def reload(self) -> None:
        """Ends what was begun and reads anew what is kept in memory of the file. Called in the writer's thread."""
        self._is_stale = True
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.read_anew()
        self._is_stale = False

    def read_anew(self) -> None:
        """Reads anew what is kept in memory of the file, within the transaction if there is one."""
        self.names.forget()
        read = self._connection.execute
        self.tenants = {str(name): int(number) for name, number in read("SELECT name, number FROM tenant")}
        self.paths = {}
        for number, tenant, attribute, path in read("SELECT number, tenant, attribute, path FROM value_path"):
            self.paths.setdefault(tenant, {}).setdefault(attribute, []).append((number, tuple(orjson.loads(path))))
        self._next = {table: (read(f"SELECT max(number) FROM {table}").get or 0) + 1 for table in ("entity", "record")}
        last_journal = read("SELECT max(position) FROM journal").get or 0
        self.last = max(last_journal, read("SELECT max(position) FROM reader").get or 0)

    def submit(self, tenant: str, writes: Sequence[Write], trace: str, sees_expired: bool = False) -> asyncio.Future[list[Any]]:
        """Queues writes; the future holds one result per write once they are durable. Called in the event loop."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._put(_Call(tenant, writes, trace, None, future, sees_expired=sees_expired))
        return future

    def submit_job(self, job: Job, settled: Callable[[], None] | None = None) -> asyncio.Future[Any]:
        """Queues other work on the connection; the future holds what it returns once it is durable.

        `settled` is called in the writer's thread after the commit, before the next group is looked at.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self._put(_Call("", (), "", job, future, settled=settled))
        return future

    def _put(self, call: _Call) -> None:
        if self._stopping:
            raise StoreUnavailable("The store is closing and takes no more writes")
        self._calls.put(call)

    def stop(self) -> None:
        """Takes no more calls. What is queued is written; then the thread ends, for which `join` waits."""
        self._stopping = True
        self._calls.put(None)

    def waiting(self) -> int:
        """How many calls are queued."""
        return self._calls.qsize()

    def run(self) -> None:
        ending = False
        while not ending:
            group: list[_Call] = []
            size = 0
            call = self._calls.get()
            while call is not None:
                group.append(call)
                size += len(call.writes) + 1
                if size >= GROUP:
                    break
                try:
                    call = self._calls.get_nowait()
                except queue.Empty:
                    break
            ending = call is None
            if group:
                self._write_or_answer(group)

    def _write_or_answer(self, group: list[_Call]) -> None:
        try:
            self._write_group(group)
        except Exception as error:  # the thread must live: without it every later write would wait for ever
            log.exception("the writer met a fault that it could not undo")
            self._is_stale = True
            failure = StoreUnavailable(f"The store cannot take the write now ({error}); look before trying again")
            self._answer([(call.future, failure) for call in group])

    def _write_group(self, group: list[_Call]) -> None:
        try:
            if self._is_stale:
                self.reload()
            transaction = Transaction(self._connection, self._memory, self, to_text(self._clock.now()))
            self._connection.execute("BEGIN IMMEDIATE")
            transaction.prefetch(group)
            for call in group:
                if call.job is None:
                    call.outcome = [transaction.apply(call.tenant, write, call.trace, call.sees_expired) for write in call.writes]
            transaction.lay_down()
            for call in group:
                if call.job is not None:
                    call.outcome = call.job(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:  # every caller of the group must hear of it, whatever it was
            self._give_up(group, error)
            return
        if self._is_refusing:
            self._is_refusing = False
            log.warning("the store takes writes again")
        if transaction.changes:
            self.last = transaction.last
        self._memory.publish(transaction.staged)
        for call in group:
            if call.settled is not None:
                call.settled()
        if transaction.changes:
            self._committed(transaction.changes)
        self._answer([(call.future, call.outcome) for call in group])

    def _give_up(self, group: list[_Call], error: Exception) -> None:
        self.reload()
        if isinstance(error, apsw.Error | OSError):
            self._note_refusal(error)
            error = StoreUnavailable(f"The store cannot take the write now ({error}); nothing of it was kept. Try again later")
        elif len(group) > 1:  # one faulty transition must not take its neighbours with it
            for call in group:
                self._write_group([call])
            return
        else:
            log.exception("a write failed", exc_info=error)
        self._answer([(call.future, error) for call in group])

    def _note_refusal(self, error: Exception) -> None:
        if not self._is_refusing:  # once, not for each write: the log may lie on the same full disk
            log.error("the store takes no writes: %s", error)
        self._is_refusing = True
        with contextlib.suppress(apsw.Error):
            # What the log holds goes into the file, as far as there is room, so that the log begins anew where it is.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _answer(self, outcomes: list[tuple[asyncio.Future[Any], Any]]) -> None:
        # One wake-up of the event loop per group, not per call.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, outcomes)


def _resolve(outcomes: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _size(count: int) -> int:
    """The next power of two, so that there are few different statements to prepare."""
    return 1 << (count - 1).bit_length()


class Transaction:
    """The work of one group: transitions first, then the rows in bulk."""

    def __init__(self, connection: apsw.Connection, memory: Memory, writer: Writer, now: str) -> None:
        self._connection = connection
        self._memory = memory
        self._writer = writer
        self._now = now
        self._rows = RowChanges()
        self._journal: list[tuple[Any, ...]] = []
        self._read_ahead: dict[Key, Kept | None] = {}
        self._first: dict[Key, Kept | None] = {}
        self.staged: dict[Key, Kept | None] = {}
        self.changes: list[Change] = []
        self.last = writer.last

    def prefetch(self, calls: Iterable[_Call]) -> None:
        """Reads in few queries what the transitions will be given and is not in memory."""
        wanted: dict[tuple[str, str], list[str]] = {}
        for call in calls:
            for write in call.writes:
                key = (write.collection, call.tenant, write.id)
                if key not in self._read_ahead:
                    kept = self._memory.get(key)
                    self._read_ahead[key] = kept
                    if kept is None:
                        wanted.setdefault((write.collection, call.tenant), []).append(write.id)
        for (collection, tenant), ids in wanted.items():
            number = self._writer.tenants.get(tenant)
            if number is not None:
                for start in range(0, len(ids), IDS_PER_QUERY):
                    self._fetch(collection, tenant, number, ids[start : start + IDS_PER_QUERY])

    def _fetch(self, collection: str, tenant: str, number: int, ids: list[str]) -> None:
        padded = ids + ids[-1:] * (_size(len(ids)) - len(ids))
        marks = ",".join("?" * len(padded))
        bindings: _Row = (number, *padded)
        if collection == ENTITIES:
            select = f"SELECT number, id, document FROM entity WHERE tenant = ? AND id IN ({marks})"
        else:
            select = f"SELECT number, id, document FROM record WHERE collection = ? AND tenant = ? AND id IN ({marks})"
            bindings = (collection, number, *padded)
        for row_number, id, document in self._connection.execute(select, bindings):
            self._read_ahead[(collection, tenant, id)] = decode(row_number, document, collection == ENTITIES)

    def apply(self, tenant: str, write: Write, trace: str, sees_expired: bool = False) -> Any:
        """Runs one transition and stages what it gives; returns its result or the error that it raised.

        What has expired is not there any more for a transition: writing an entity whose time has passed deletes the
        old one and creates a new one. With `sees_expired` the transition gets everything as it is.
        """
        key = (write.collection, tenant, write.id)
        current = self._current(key)
        seen = current if sees_expired or current is None else alive(current, self._now)
        try:
            after, result = write.transition(seen, self._now)
        except CityHubError as error:
            return error
        if after is seen:
            return result
        if seen is None and current is not None:
            self._record(key, current, None, trace)
            current = None
        encoded = orjson.dumps(after) if after is not None else b""
        if write.collection in JOURNALLED_ONLY and after is not None:
            self._record(key, None, Kept(after, 0, encoded, False), trace)
            return result
        number = current.number if current is not None else self._new_number(write.collection)
        kept = Kept(after, number, encoded, write.collection == ENTITIES) if after is not None else None
        self.staged[key] = kept
        self._record(key, current, kept, trace)
        return result

    def add(self, key: Key, kept: Kept) -> None:
        """Stages an item that is new, as it is and without a journal entry."""
        kept.number = self._new_number(key[0])
        self.staged[key] = kept

    def _current(self, key: Key) -> Kept | None:
        if key in self.staged:
            return self.staged[key]
        kept = self._read_ahead[key]
        self._first[key] = kept
        return kept

    def _new_number(self, collection: str) -> int:
        table = "entity" if collection == ENTITIES else "record"
        number: int = self._writer._next[table]
        self._writer._next[table] = number + 1
        return number

    def _tenant(self, name: str) -> int:
        number = self._writer.tenants.get(name)
        if number is None:
            self._connection.execute("INSERT INTO tenant (name) VALUES (?)", (name,))
            number = self._connection.last_insert_rowid()
            self._writer.tenants[name] = number
        return number

    def _record(self, key: Key, before: Kept | None, after: Kept | None, trace: str) -> None:
        collection, tenant, id = key
        self.last += 1
        kind: Any = "created" if before is None else "deleted" if after is None else "updated"
        attributes = attribute_changes(before, after) if collection == ENTITIES else {}
        change = Change(self.last, collection, tenant, id, kind, self._now, after, before, attributes, trace)
        self.changes.append(change)
        self._journal.append((
            self.last, collection, self._tenant(tenant), id, kind, self._now,
            after.encoded if after is not None else None,
            before.encoded if before is not None else None,
            orjson.dumps(attributes), trace,
        ))

    def lay_down(self) -> None:
        """Writes all staged rows."""
        entities_new: list[_Row] = []
        entities_changed: list[_Row] = []
        entities_gone: list[_Row] = []
        records_new: list[_Row] = []
        records_gone: list[_Row] = []
        first, tenants = self._first, self._writer.tenants
        for key, after in self.staged.items():
            collection, tenant, id = key
            before = first.get(key)
            is_entity = collection == ENTITIES
            number_of_tenant = tenants[tenant] if tenant in tenants else self._tenant(tenant)
            if before is not None and (after is None or before.number != after.number):
                (entities_gone if is_entity else records_gone).append((before.number,))
            if is_entity:
                self._index(number_of_tenant, before, after)
            if after is None:
                continue
            if is_entity:
                if before is not None and before.number == after.number:
                    entities_changed.append((after.encoded, after.expires, after.number))
                else:
                    entities_new.append((after.number, number_of_tenant, id, after.encoded, after.expires))
            else:
                records_new.append((after.number, collection, number_of_tenant, id, after.encoded))
        self._many("DELETE FROM entity WHERE number = ?", entities_gone)
        self._many("DELETE FROM record WHERE number = ?", records_gone)
        self._many("UPDATE entity SET document = ?, expires = ? WHERE number = ?", entities_changed)
        self._many("INSERT INTO entity VALUES (?, ?, ?, ?, ?)", entities_new)
        self._many(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET document = excluded.document",
            records_new,
        )
        self._lay_down_indexes()
        self._many("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._journal)

    def _index(self, tenant: int, before: Kept | None, after: Kept | None) -> None:
        paths = self._writer.paths.get(tenant, {})
        number_of = self._writer.names.number
        if before is not None and after is not None and before.number == after.number:
            entity_rows(self._rows, tenant, before.number, before, after, paths, number_of)
            return
        if before is not None:
            entity_rows(self._rows, tenant, before.number, before, None, paths, number_of)
        if after is not None:
            entity_rows(self._rows, tenant, after.number, None, after, paths, number_of)

    def _lay_down_indexes(self) -> None:
        rows = self._rows
        self._many("DELETE FROM entity_type WHERE tenant = ? AND type = ? AND entity = ?", rows.types_gone)
        self._many("INSERT INTO entity_type VALUES (?, ?, ?)", rows.types_new)
        self._many("DELETE FROM entity_scope WHERE tenant = ? AND scope = ? AND entity = ?", rows.scopes_gone)
        self._many("INSERT OR IGNORE INTO entity_scope VALUES (?, ?, ?)", rows.scopes_new)
        self._many("DELETE FROM entity_box WHERE slot = ?", rows.boxes_gone)
        self._many("INSERT INTO entity_box VALUES (?, ?, ?, ?, ?, ?, ?)", rows.boxes_new)
        self._many("DELETE FROM entity_value WHERE path = ? AND value = ? AND entity = ?", rows.values_gone)
        self._many("INSERT OR IGNORE INTO entity_value VALUES (?, ?, ?)", rows.values_new)
        shapes = [(*key, count) for key, count in rows.shapes.items() if count]
        self._many(
            "INSERT INTO shape VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (tenant, type, attribute, kind) DO UPDATE SET count = count + excluded.count",
            shapes,
        )
        self._many(
            "DELETE FROM shape WHERE tenant = ? AND type = ? AND attribute = ? AND kind = ? AND count <= 0",
            [tuple(row[:4]) for row in shapes if row[4] < 0],
        )

    def _many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            self._connection.executemany(statement, rows)

