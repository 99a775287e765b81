"""The one writer of a hub on PostgreSQL: calls that wait together share one transaction and one commit (group commit).

A transaction takes two round trips: the first locks the items and reads them, the second sends every change with the
journal's entries and commits. Transitions run between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import ENTITIES, Write
from cityhub.model.time import Clock, to_text
from cityhub.storage.kept import Key, decode
from cityhub.storage.postgres_batch import Batch, check_id
from cityhub.storage.postgres_follow import Follower
from cityhub.storage.postgres_link import Connection, Link, is_outage, is_transient, unavailable
from cityhub.storage.postgres_link import decode as decode_text
from cityhub.storage.postgres_rows import Rows, Shape, ValuePath, rows_of
from cityhub.storage.postgres_statements import PATHS, changes, load_entities, load_records, locks, new_shapes, value_paths

GROUP = 2_000
"""At most so many writes go into one transaction, unless one call has more."""
_GROUP_BYTES = 100_000_000
_TRIES = 6
_SHAPES = 50_000
_OUTCOME_S = 5.0

log = logging.getLogger(__name__)


class Call(msgspec.Struct):
    """A waiting call of `write`."""

    tenant: str
    writes: Sequence[Write]
    trace: str
    sees_expired: bool
    future: asyncio.Future[list[Any]]


Outcome = list[Any] | Exception


class Writer:
    """Takes calls and commits them in groups."""

    def __init__(self, link: Link, follower: Follower, clock: Clock) -> None:
        self._link = link
        self._follower = follower
        self._clock = clock
        self._calls: deque[Call] = deque()
        self._waiting = asyncio.Event()
        self._connection: Connection | None = None
        self._shapes: dict[Shape, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begins to take calls."""
        self._task = asyncio.create_task(self._run(), name="cityhub-postgres-writer")

    async def stop(self) -> None:
        """Commits what is waiting and ends."""
        self._closing = True
        self._waiting.set()
        if self._task is not None:
            await self._task
        await self._disconnect()

    @property
    def queued(self) -> int:
        """How many calls wait for the next group."""
        return len(self._calls)

    async def submit(self, tenant: str, writes: Sequence[Write], trace: str, sees_expired: bool = False) -> list[Any | CityHubError]:
        """One result per write, once they are durable."""
        if self._closing:
            raise StoreUnavailable("The store is closing and takes no more writes")
        call = Call(tenant, writes, trace, sees_expired, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._waiting.set()
        return await call.future

    async def _run(self) -> None:
        while self._calls or not self._closing:
            if not self._calls:
                self._waiting.clear()
                await self._waiting.wait()
                continue
            group = self._next_group()
            for call, outcome in zip(group, await self._outcomes(group), strict=True):
                if call.future.done():
                    continue
                if isinstance(outcome, Exception):
                    call.future.set_exception(outcome)
                else:
                    call.future.set_result(outcome)

    def _next_group(self) -> list[Call]:
        group = [self._calls.popleft()]
        size = len(group[0].writes)
        while self._calls and size + len(self._calls[0].writes) <= GROUP:
            group.append(self._calls.popleft())
            size += len(group[-1].writes)
        return group

    async def _outcomes(self, group: Sequence[Call]) -> list[Outcome]:
        try:
            return await self._commit_with_retries(group)
        except StoreUnavailable as error:
            return [error] * len(group)
        except Exception as error:
            await self._disconnect()
            if len(group) == 1:
                log.exception("a write failed")
                return [error]
        # One call that the database cannot take must not take its neighbours with it.
        return [(await self._outcomes([call]))[0] for call in group]

    async def _commit_with_retries(self, group: Sequence[Call]) -> list[Outcome]:
        for attempt in range(1, _TRIES + 1):
            transaction = _Transaction()
            try:
                return await self._commit(group, transaction)
            except Exception as error:
                await self._disconnect()
                if transaction.is_sent and is_outage(error) and await self._was_committed(transaction):
                    await self._follower.catch_up()
                    return transaction.outcomes
                if not is_outage(error) and not is_transient(error):
                    raise
                if attempt == (2 if is_outage(error) else _TRIES):
                    raise unavailable(error) from error
                log.info("a write transaction is tried again: %s", error)
                await asyncio.sleep(0.002 * 2**attempt if is_transient(error) else 0)
        raise AssertionError("unreachable")

    async def _commit(self, group: Sequence[Call], transaction: _Transaction) -> list[Outcome]:
        connection = await self._connect()
        keys = dict.fromkeys(
            (write.collection, call.tenant, write.id) for call in group for write in call.writes if _can_be_kept(write.id)
        )
        batch, paths = await self._load(connection, list(keys), transaction)
        transaction.outcomes = [_apply(batch, call) for call in group]
        if len(group) > 1 and sum(len(entry.after.encoded) for entry in batch.entries if entry.after is not None) > _GROUP_BYTES:
            raise _TooMuchError
        if not batch.entries:
            await connection.execute("ROLLBACK")
            return transaction.outcomes
        rows = rows_of(batch, paths)
        shapes = await self.shape_ids(rows)
        async with self._follower.committing:
            last = await self._send(connection, batch, rows, shapes, transaction)
            is_known = self._publish(batch, last)
        if not is_known:
            with contextlib.suppress(StoreUnavailable):  # the write is durable all the same; the follower comes after
                await self._follower.catch_up()
        return transaction.outcomes

    async def _load(self, connection: Connection, keys: list[Key], transaction: _Transaction) -> tuple[Batch, list[ValuePath]]:
        async with connection.pipeline():
            await connection.execute("BEGIN")
            for statement, parameters in locks(keys):
                await connection.execute(statement, parameters)
            own = await connection.execute("SELECT pg_current_xact_id()::text")
            paths = await connection.execute(PATHS)
            found = {}
            if any(key[0] == ENTITIES for key in keys):
                found["entities"] = await connection.execute(*load_entities(keys), binary=True)
            if any(key[0] != ENTITIES for key in keys):
                found["records"] = await connection.execute(*load_records(keys), binary=True)
        loaded = {}
        if "entities" in found:
            for tenant, id, seq, document in await found["entities"].fetchall():
                loaded[ENTITIES, decode_text(tenant), decode_text(id)] = decode(seq, document)
        if "records" in found:
            for collection, tenant, id, seq, document in await found["records"].fetchall():
                loaded[decode_text(collection), decode_text(tenant), decode_text(id)] = decode(seq, document, is_entity=False)
        transaction.id = (await own.fetchall())[0][0]
        return Batch(to_text(self._clock.now()), loaded), value_paths(await paths.fetchall())

    async def shape_ids(self, rows: Rows) -> dict[Shape, int]:
        """The ids of all shapes of the batch. New ones are committed at once: nothing waits for them, they never go."""
        wanted = {row.shape for row in rows.inserted} | {row.shape for row in rows.updated}
        missing = [shape for shape in wanted if shape not in self._shapes]
        if missing:
            if len(self._shapes) > _SHAPES:
                self._shapes.clear()
                missing = list(wanted)

            async def work(connection: Connection) -> list[tuple[Any, ...]]:
                await connection.execute(*new_shapes(missing))
                found = await connection.execute(
                    "SELECT digest, id FROM shape WHERE digest = ANY(%b::bytea[])", ([shape.digest for shape in missing],), binary=True
                )
                return await found.fetchall()

            ids = dict(await self._link.read(work))
            self._shapes.update((shape, ids[shape.digest]) for shape in missing)
        return self._shapes

    async def _send(
        self, connection: Connection, batch: Batch, rows: Rows, shapes: dict[Shape, int], transaction: _Transaction
    ) -> int:
        statements = changes(batch, rows, shapes)
        transaction.is_sent = True
        async with connection.pipeline():
            cursors = [await connection.execute(statement, parameters) for statement, parameters in statements]
            await connection.execute("COMMIT")
        for cursor, (statement, _) in zip(cursors, statements, strict=True):
            if statement.startswith("UPDATE journal_head"):
                return int((await cursor.fetchall())[0][0])
        raise AssertionError("a batch without positions")

    def _publish(self, batch: Batch, last: int) -> bool:
        """Makes the batch known to this hub, if it knows all that was committed before."""
        first = last - len(batch.entries) + 1
        for entry in batch.entries:
            if entry.after is not None and entry.after.number < 0:
                entry.after.number = first - 1 - entry.after.number
        if first != self._follower.last + 1:
            return False
        self._follower.absorb([entry.change(first + at, batch.now) for at, entry in enumerate(batch.entries)])
        return True

    async def _was_committed(self, transaction: _Transaction) -> bool:
        """Whether a transaction whose answer was lost was committed.

        Raises StoreUnavailable when that cannot be learnt within some seconds.
        """
        end = asyncio.get_running_loop().time() + _OUTCOME_S
        while asyncio.get_running_loop().time() < end:
            with contextlib.suppress(StoreUnavailable, psycopg.Error):
                rows = await self._link.rows("SELECT pg_xact_status(%s::xid8)", (transaction.id,))
                if rows[0][0] in ("committed", "aborted"):
                    return bool(rows[0][0] == "committed")
            await asyncio.sleep(0.1)
        raise StoreUnavailable(
            "The server went away in the middle of the commit: whether the write was kept is not known; read before trying again"
        )

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._link.connect()
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._connection.close()
            self._connection = None


class _TooMuchError(Exception):
    """The calls of a group have more to write than one message to the server should carry."""


class _Transaction:
    """What is known of one try."""

    def __init__(self) -> None:
        self.id = ""
        self.is_sent = False
        self.outcomes: list[Outcome] = []


def _apply(batch: Batch, call: Call) -> Outcome:
    try:
        return batch.apply(call.tenant, call.writes, call.trace, call.sees_expired)
    except Exception as error:  # a faulty transition fails its own call, nobody else's
        log.exception("a transition failed")
        return error


def _can_be_kept(id: str) -> bool:
    try:
        check_id(id)
    except CityHubError:
        return False
    return True
