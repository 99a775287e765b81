"""Indexes of values that come by use: a path that searches have read many entities for in vain gets one.

Every entity's values under every path would cost more on each write than most searches are worth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import Any

import orjson
import psycopg

from cityhub.model.errors import StoreUnavailable
from cityhub.storage.postgres_follow import NAMES, Follower
from cityhub.storage.postgres_link import Connection, Link, cancelled, decode, encode
from cityhub.storage.postgres_rows import array_text, index_values
from cityhub.storage.postgres_statements import GATE, LOCKS

WASTED = 20_000
"""So many entities read in vain make a path worth its index."""
MAX_PATHS = 64
"""Each path costs something on every write of its attribute."""
_BLOCK = 1_000
_BUILDERS = LOCKS + 1

Path = tuple[str, tuple[str, ...]]

log = logging.getLogger(__name__)


class ValueIndexes:
    """Decides which paths are indexed, and builds the index of a new one while everything else goes on."""

    def __init__(self, link: Link, follower: Follower, wasted: int = WASTED) -> None:
        self._link = link
        self._follower = follower
        self._bound = wasted
        self._wasted: Counter[Path] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Goes on with indexes that were begun and not finished."""
        for attribute, path in await self._link.rows("SELECT attribute, path FROM value_path WHERE NOT ready"):
            self._start((decode(attribute), tuple(decode(name) for name in path)))

    async def stop(self) -> None:
        """Stops building; `resume` goes on another time."""
        await cancelled(self._tasks)

    def note(self, wanted: tuple[Path, ...], wasted: int) -> None:
        """Notes that a search read so many entities in vain for want of an index on one of these paths."""
        for path in wanted:
            self._wasted[path] += wasted
            if self._wasted[path] >= self._bound and len(self._follower.paths) < MAX_PATHS:
                del self._wasted[path]
                self._start(path)
        if len(self._wasted) > 1_000:
            self._wasted.clear()

    async def settled(self) -> None:
        """Returns when nothing is being built by this hub."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, path: Path) -> None:
        task = asyncio.create_task(self._build(path), name="cityhub-postgres-index")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _build(self, path: Path) -> None:
        log.info("building an index on %s %s, because queries ask for it", path[0], "/".join(path[1]))
        try:
            async with await self._link.connect() as connection:
                await self._announce(connection, path)
                await self._fill(connection, path)
            await self._follower.reload()
        except (psycopg.Error, StoreUnavailable) as error:
            log.warning("the index on %s was not finished: %s", path[0], error)

    async def _announce(self, connection: Connection, path: Path) -> None:
        """From here on every write keeps the path's values: the gate lets no write through that has not seen it."""
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCKS}, {GATE})")
            await connection.execute(
                "INSERT INTO value_path (attribute, path) VALUES (%s, %s::text[]) ON CONFLICT DO NOTHING",
                (encode(path[0]), array_text(path[1])),
            )

    async def _fill(self, connection: Connection, path: Path) -> None:
        """Adds what was there before, unless another hub does so or has done.

        A value that changes at the same moment may be added in its old form too: it is then found in vain.
        """
        cursor = await connection.execute(
            "SELECT id FROM value_path WHERE attribute = %s AND path = %s::text[] AND NOT ready", (encode(path[0]), array_text(path[1]))
        )
        row = await cursor.fetchone()
        if row is None:
            return
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_BUILDERS, row[0]))
        if await cursor.fetchone() != (True,):
            return
        after: int | None = 0
        while after is not None:
            after = await self._fill_block(connection, row[0], path, after)
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            await connection.execute("ANALYZE value")
        await connection.execute("UPDATE value_path SET ready = true WHERE id = %s", (row[0],))
        await connection.execute("SELECT pg_notify('cityhub', %s)", (NAMES,))

    async def _fill_block(self, connection: Connection, id: int, path: Path, after: int) -> int | None:
        attribute, names = path
        cursor = await connection.execute(
            "SELECT e.seq, e.tenant, e.document FROM entity e WHERE e.seq > %s"
            " AND e.shape = ANY(ARRAY(SELECT s.id FROM shape s WHERE s.attributes @> %s::text[])) ORDER BY e.seq LIMIT %s",
            (after, array_text([attribute]), _BLOCK),
            binary=True,
        )
        entities = await cursor.fetchall()
        if not entities:
            return None
        rows: list[tuple[Any, ...]] = [
            (seq, tenant, number, text)
            for seq, tenant, document in entities
            for number, text in index_values(orjson.loads(document)["attrs"].get(attribute, ()), names)
        ]
        if rows:
            await connection.execute(
                "INSERT INTO value (seq, path, tenant, number, text) SELECT seq, %b, tenant, number, text"
                " FROM unnest(%b::bigint[], %b::text[], %b::float8[], %b::text[]) AS n(seq, tenant, number, text)",
                (id, *(list(column) for column in zip(*rows, strict=True))),
            )
        return int(entities[-1][0])
