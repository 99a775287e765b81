"""The one writer of a SQLite store: many calls share one transaction and one fsync (group commit).

A thread takes whatever calls are waiting, applies their transitions one after the other, lays the results down with a
few bulk statements, commits, and only then lets the callers go on. What a group does is wholly in the file or not.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import apsw
import msgspec

from cityhub.model.change import Change
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Write
from cityhub.model.time import Clock, to_text
from cityhub.storage.kept import Memory
from cityhub.storage.sqlite_checkpoint import move
from cityhub.storage.sqlite_names import Catalogue
from cityhub.storage.sqlite_transaction import Transaction

GROUP = 20_000
"""At most so many writes go into one transaction."""

log = logging.getLogger(__name__)

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


class Writer(threading.Thread):
    """The writing thread.

    Args:
        connection: Its own.
        memory: Where committed documents become visible.
        clock: Where the time of a write comes from.
        committed: Called in the thread after each commit with the group's changes.
        grown: Called in the event loop, together with the answers of the group.
        between: Called in the thread after each group, outside of transactions.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        memory: Memory,
        clock: Clock,
        committed: Callable[[list[Change]], None],
        grown: Callable[[], None],
        between: Callable[[apsw.Connection], None],
    ) -> None:
        super().__init__(name="cityhub-writer", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._memory = memory
        self._clock = clock
        self._committed = committed
        self._grown = grown
        self._between = between
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.catalogue = Catalogue(connection)
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
        self.catalogue.read_anew()
        read = self._connection.execute
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
                self._between(self._connection)

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
            transaction = Transaction(self._connection, self._memory, self.catalogue, self.last, to_text(self._clock.now()))
            self._connection.execute("BEGIN IMMEDIATE")
            transaction.prefetch(group)
            for call in group:
                if call.job is None:
                    call.outcome = transaction.apply(call)
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
        # What the log holds goes into the file, as far as there is room, so that the log begins anew where it is.
        move(self._connection)

    def _answer(self, outcomes: list[tuple[asyncio.Future[Any], Any]]) -> None:
        # One wake-up of the event loop per group, not per call.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, outcomes)

    def _resolve(self, outcomes: list[tuple[asyncio.Future[Any], Any]]) -> None:
        self._grown()
        for future, outcome in outcomes:
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
