"""What a hub knows of the database without asking: the newest changes, the documents they left, the tenants.

A hub's own commits are known at once. Those of other hubs are announced by NOTIFY and read from the journal. While
the connection that listens is away, nothing is taken from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, cast

import orjson
import psycopg

from cityhub.model.change import AttributeChange, Change, Entry
from cityhub.model.ports import ENTITIES, JOURNALLED_ONLY
from cityhub.storage.kept import Kept, Key, Memory
from cityhub.storage.kept import decode as decode_document
from cityhub.storage.postgres_link import Connection, Link, cancelled, decode
from cityhub.storage.tail import Tail

_BLOCK = 1_000
_FAR_BEHIND = 20_000
_LONGEST_PAUSE_S = 5.0

NAMES = "names"
"""What is announced when there is a new tenant or indexed path; otherwise it is the journal's last position."""
RESTORED = "restored"
"""What is announced when everything was replaced by a backup."""
DROPPED = "dropped"
"""What is announced when a tenant was removed."""

JOURNAL_COLUMNS = "position, collection, tenant, id, kind, at, trace, attributes, before, after"

log = logging.getLogger(__name__)


def change_of(row: tuple[Any, ...]) -> Change:
    """The change in a row of `JOURNAL_COLUMNS`; its documents are kept ones."""
    position, collection, tenant, id, kind, at, trace, attributes, before, after = row
    return Change(
        position=position,
        collection=decode(collection),
        tenant=decode(tenant),
        id=decode(id),
        kind=kind,
        at=at,
        after=None if after is None else decode_document(0, after, collection == ENTITIES),
        before=None if before is None else decode_document(0, before, collection == ENTITIES),
        attributes=cast(dict[str, AttributeChange], orjson.loads(attributes)) if attributes else {},
        trace=decode(trace),
    )


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The journal entry in a row of `JOURNAL_COLUMNS`."""
    position, collection, tenant, id, kind, at, trace, attributes, before, after = row
    return position, decode(collection), decode(tenant), decode(id), kind, at, after, before, attributes or b"{}", decode(trace)


class Follower:
    """Follows the journal of one database.

    Attributes:
        last: Position of the newest change that this hub knows; `memory` and `tenants` are at least as new.
        memory: Documents as last committed.
        tenants: The known tenants.
        paths: Ids of the indexed paths that queries may use, by attribute and path.
        committing: Held by the writer from a commit until `absorb`, so that the hub's own changes are not read back when
            they are announced before the commit's answer has come.
        is_current: Whether changes of other hubs would be heard of now.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._tail = Tail()
        self._grown = asyncio.Event()
        self.committing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.last = 0
        self.memory = Memory()
        self.tenants: set[str] = {""}
        self.paths: dict[tuple[str, tuple[str, ...]], int] = {}
        self.is_current = False

    async def start(self) -> None:
        """Begins to listen; raises psycopg.Error when that is not possible now."""
        connection = await self._begin()
        self._task = asyncio.create_task(self._run(connection), name="cityhub-postgres-follower")

    async def stop(self) -> None:
        """Ends listening."""
        if self._task is not None:
            await cancelled([self._task])

    def recent(self, after: int, limit: int) -> list[Change] | None:
        """The changes after a position, when memory holds them all; None when the journal must be asked."""
        if after >= self.last:
            return []
        return self._tail.read(after, limit)

    async def wait(self, after: int) -> None:
        """Returns as soon as `last` is greater than `after`."""
        while self.last <= after:
            self._grown.clear()
            await self._grown.wait()

    def absorb(self, changes: Sequence[Change]) -> None:
        """Takes in changes, in order; those that are known already are left out."""
        fresh = [change for change in changes if change.position > self.last]
        if not fresh:
            return
        if fresh[0].position != self.last + 1 or fresh[-1].position - fresh[0].position != len(fresh) - 1:
            self.forget()  # something was removed from the journal before it was read here
        known: dict[Key, Kept | None] = {}
        for change in fresh:
            if change.collection not in JOURNALLED_ONLY:
                known[change.collection, change.tenant, change.id] = cast("Kept | None", change.after)
        self.memory.publish(known)
        self._tail.extend(fresh)
        self.tenants.update(change.tenant for change in fresh)
        self._reach(fresh[-1].position)

    async def catch_up(self, announced: int | None = None) -> None:
        """Reads what the journal has beyond `last`, unless that is at or beyond what was announced.

        Raises StoreUnavailable when the server is away.
        """
        async with self.committing:
            if announced is not None and announced <= self.last:
                return
            newest = await self._newest()
            if newest - self.last > _FAR_BEHIND:
                self.forget()
                self._reach(newest)
            while self.last < newest:
                rows = await self._link.rows(
                    f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE position > %s ORDER BY position LIMIT {_BLOCK}",
                    (self.last,),
                )
                if not rows:  # removed meanwhile
                    self.forget()
                    self._reach(newest)
                self.absorb([change_of(row) for row in rows])

    async def _newest(self) -> int:
        return int((await self._link.rows("SELECT last FROM journal_head"))[0][0])

    def _reach(self, position: int) -> None:
        if position > self.last:
            self.last = position
            self._grown.set()

    def forget(self) -> None:
        """Empties the memory of documents and changes."""
        self.memory.clear()
        self._tail.clear()

    async def _begin(self) -> Connection:
        """A connection that listens, with memory begun anew. Raises psycopg.Error when the server is away."""
        connection = await self._link.connect()
        try:
            await self._look(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _look(self, connection: Connection) -> None:
        """Listens first and looks then, so that nothing falls between; what came meanwhile is forgotten with the rest."""
        await connection.execute("LISTEN cityhub")
        await self._load_names(connection)
        cursor = await connection.execute("SELECT last FROM journal_head")
        row = await cursor.fetchone()
        self.forget()
        self._reach(row[0] if row else 0)
        self.is_current = True

    async def begin_anew(self) -> None:
        """Forgets everything, the position as well. Raises StoreUnavailable when the server is away."""
        async with self.committing:
            await self.reload()
            newest = await self._newest()
            self.forget()
            self.last = newest
            self._grown.set()

    async def reload(self) -> None:
        """Reads tenants and indexed paths anew. Raises StoreUnavailable when the server is away."""
        await self._link.read(self._load_names)

    async def _load_names(self, connection: Connection) -> None:
        cursor = await connection.execute("SELECT name FROM tenant")
        self.tenants = {"", *(decode(name) for (name,) in await cursor.fetchall())}
        cursor = await connection.execute("SELECT attribute, path, id FROM value_path WHERE ready")
        self.paths = {
            (decode(attribute), tuple(decode(name) for name in path)): id for attribute, path, id in await cursor.fetchall()
        }

    async def _run(self, connection: Connection) -> None:
        pause = 0.05
        while True:
            try:
                await self._listen(connection)
            except Exception as error:
                # Whatever it was, a follower that has ended would let readers wait for ever.
                log.warning("listening to the journal was interrupted: %s", error)
            finally:
                self.is_current = False
                self.forget()
                await connection.close()
            while not self.is_current:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                with contextlib.suppress(psycopg.Error, OSError):
                    connection = await self._begin()
                    pause = 0.05

    async def _listen(self, connection: Connection) -> None:
        # Closed here and not by the collector: an open generator holds the connection's lock, even against `close`.
        async with contextlib.aclosing(connection.notifies()) as notices:
            async for notice in notices:
                if notice.payload == RESTORED:
                    await self.begin_anew()
                if notice.payload == DROPPED:
                    self.forget()
                if notice.payload in (DROPPED, NAMES):
                    await self.reload()
                elif notice.payload.isdigit() and int(notice.payload) > self.last:
                    await self.catch_up(int(notice.payload))
