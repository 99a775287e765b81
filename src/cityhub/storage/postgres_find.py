"""Searches on PostgreSQL: pages, counts, scans. Rows come in blocks, in the order of creation."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable
from typing import Any

from cityhub.model.condition import Condition
from cityhub.model.entity import Entity
from cityhub.model.indexing import satisfies
from cityhub.model.ports import ENTITIES, Page
from cityhub.storage.kept import Kept, Memory, alive, decode
from cityhub.storage.postgres_link import Link, encode
from cityhub.storage.postgres_link import decode as decode_text
from cityhub.storage.postgres_query import Compiled, Sql

_FIRST_BLOCK = 200
_BLOCK = 2_000
_ALIVE = "(e.expires_at IS NULL OR e.expires_at > %s)"


class Search:
    """One compiled condition on the entities of one tenant that are alive at one moment."""

    def __init__(self, link: Link, memory: Memory | None, tenant: str, compiled: Compiled, now: str) -> None:
        self._link = link
        self._memory = memory
        self._tenant = tenant
        self._compiled = compiled
        self._now = now
        self._base = Sql(f"e.tenant = %s AND {_ALIVE}", (encode(tenant), now))
        self.wasted = 0
        """Entities that were read and did not match."""

    async def page(self, offset: int, limit: int, count: bool) -> Page:
        """The page when the SQL is the condition itself."""
        found: list[Entity] = [entity for _, entity in await self._block(0, limit, offset)] if limit else []
        return Page(found, await self._count() if count else None)

    async def matching(self, matches: Callable[[Entity], bool], offset: int, limit: int, count: bool) -> Page:
        """The page of those that also satisfy a predicate."""
        found: list[Entity] = []
        total, end = 0, offset + limit
        async for block in self.blocks(end):
            for entity in block:
                if matches(entity):
                    if offset <= total < end:
                        found.append(entity)
                    total += 1
                    if total >= end and not count:
                        return Page(found)
                else:
                    self.wasted += 1
        return Page(found, total if count else None)

    async def ordered(
        self, matches: Callable[[Entity], bool], order: Callable[[Entity], Any], offset: int, limit: int, count: bool
    ) -> Page:
        """The page in another order than that of creation; of the rest no more is kept in memory than the page needs."""
        found: list[Entity] = []
        total, end = 0, offset + limit
        async for block in self.blocks(_BLOCK):
            hits = [entity for entity in block if matches(entity)]
            total += len(hits)
            self.wasted += len(block) - len(hits)
            found = heapq.nsmallest(end, found + hits, key=order)
        return Page(found[offset:], total if count else None)

    async def blocks(self, first: int) -> AsyncIterator[list[Entity]]:
        """All entities in blocks that begin small and grow, so that neither a short nor a long search waits for nothing."""
        size, after = min(max(first, _FIRST_BLOCK), _BLOCK), 0
        while True:
            rows = await self._block(after, size, 0)
            if rows:
                yield [entity for _, entity in rows]
            if len(rows) < size:
                return
            after, size = rows[-1][0], min(4 * size, _BLOCK)

    async def _block(self, after: int, limit: int, offset: int) -> list[tuple[int, Entity]]:
        published = self._memory.published if self._memory else 0
        sql = self._by_shape(after, limit, offset) if self._compiled.row is None else self._by_row(after, limit, offset)
        rows = [(seq, alive(self._kept(seq, id, document, published), self._now)) for seq, id, document in await self._rows(sql)]
        return [(seq, entity) for seq, entity in rows if entity is not None]

    def _kept(self, seq: int, id: str, document: bytes, published: int) -> Kept:
        """The document, the very one that memory has when it is the same, for the sake of the renderings kept with it."""
        if self._memory is None:
            return decode(seq, document)
        key = (ENTITIES, self._tenant, decode_text(id))
        kept = self._memory.get(key)
        if kept is not None and kept.encoded == document:
            return kept
        fresh = decode(seq, document)
        if kept is None:
            self._memory.add(key, fresh, published)
        return fresh

    def _by_shape(self, after: int, limit: int, offset: int) -> Sql:
        """Entities of some shapes: the first few of each shape, merged, so that only what is asked for is read."""
        base, shape = self._base, self._compiled.shape
        if shape is None:
            return self._by_row(after, limit, offset)
        return Sql(
            "WITH k AS MATERIALIZED (SELECT x.seq FROM shape s CROSS JOIN LATERAL"
            f" (SELECT e.seq FROM entity e WHERE {base.text} AND e.shape = s.id AND e.seq > %s ORDER BY e.seq LIMIT %s) x"
            f" WHERE {shape.text} ORDER BY x.seq LIMIT %s OFFSET %s)"
            " SELECT e.seq, e.id, e.document FROM k JOIN entity e ON e.seq = k.seq ORDER BY e.seq",
            (*base.parameters, after, offset + limit, *shape.parameters, limit, offset),
        )

    def _by_row(self, after: int, limit: int, offset: int) -> Sql:
        where = self._where()
        return Sql(
            f"SELECT e.seq, e.id, e.document FROM entity e WHERE {where.text} AND e.seq > %s ORDER BY e.seq LIMIT %s OFFSET %s",
            (*where.parameters, after, limit, offset),
        )

    def _where(self) -> Sql:
        parts = [self._base]
        shape, row = self._compiled.shape, self._compiled.row
        if shape is not None:
            parts.append(Sql(f"e.shape = ANY(ARRAY(SELECT s.id FROM shape s WHERE {shape.text}))", shape.parameters))
        if row is not None:
            parts.append(row)
        return Sql.joined(" AND ", parts)

    async def _count(self) -> int:
        base, shape = self._base, self._compiled.shape
        if self._compiled.row is None and shape is not None:
            sql = Sql(
                "SELECT coalesce(sum(x.n), 0)::bigint FROM shape s CROSS JOIN LATERAL"
                f" (SELECT count(*) AS n FROM entity e WHERE {base.text} AND e.shape = s.id) x WHERE {shape.text}",
                (*base.parameters, *shape.parameters),
            )
        else:
            where = self._where()
            sql = Sql(f"SELECT count(*) FROM entity e WHERE {where.text}", where.parameters)
        return int((await self._rows(sql))[0][0])

    async def _rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return await self._link.rows(sql.text, sql.parameters)


def exactly(condition: Condition) -> Callable[[Entity], bool]:
    """The condition as a predicate."""
    return lambda entity: satisfies(condition, entity)
