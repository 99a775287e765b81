"""Searches on PostgreSQL: pages, counts, scans. Rows come in blocks, in the order of creation.

How a search goes is decided here and not left to the server's planner, which cannot know what the exact predicate
will keep: if one part of the condition has few rows (a first query counts them up to a bound), these are looked at
and no others; else the rows are walked in order until the page is full.
"""

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
from cityhub.storage.postgres_query import FEW, Compiled, Sql, of_shape

_FIRST_BLOCK = 50
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
        self._few: Sql | None = None
        self._base = Sql(f"e.tenant = %s AND {_ALIVE}", (encode(tenant), now))
        self.wasted = 0
        """Entities that were read and did not match."""

    async def begin(self) -> None:
        """Looks for a part of the condition that has few rows; called once before anything else."""
        parts, shape = self._compiled.parts, self._compiled.shape
        self._few = next((part.rows for part in parts if part.is_few), None)
        if parts and self._few is None:
            self._few = await self._smallest([part.rows for part in parts])
        if parts and shape is not None and self._few is None:
            where = Sql.joined(" AND ", [Sql("e.tenant = %s", (encode(self._tenant),)), of_shape(shape)])
            self._few = await self._smallest([Sql(f"SELECT e.seq FROM entity e WHERE {where.text}", where.parameters)])

    async def _smallest(self, sets: list[Sql]) -> Sql | None:
        """The smallest of some sets of rows; None when none is small."""
        counts = ", ".join(f"(SELECT count(*) FROM (SELECT FROM ({one.text}) x LIMIT {FEW}) y)" for one in sets)
        [sizes] = await self._rows(Sql(f"SELECT {counts}", tuple(value for one in sets for value in one.parameters)))
        return sets[sizes.index(min(sizes))] if min(sizes) < FEW else None

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
        sql = self._select(after, limit, offset)
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

    def _select(self, after: int, limit: int, offset: int) -> Sql:
        if self._few is not None:
            return self._of_few(self._few, after, limit, offset)
        if self._compiled.parts or self._compiled.shape is None:
            return self._in_order(after, limit, offset)
        return self._of_shapes(self._compiled.shape, after, limit, offset)

    def _of_few(self, few: Sql, after: int, limit: int, offset: int) -> Sql:
        """Each of the few rows by its key."""
        where = self._beside(few)
        return Sql(
            f"SELECT x.seq, x.id, x.document FROM (SELECT DISTINCT seq FROM ({few.text}) f WHERE seq > %s ORDER BY seq) k"
            f" CROSS JOIN LATERAL (SELECT e.seq, e.id, e.document FROM entity e WHERE e.seq = k.seq AND {where.text} LIMIT 1) x"
            " ORDER BY k.seq LIMIT %s OFFSET %s",
            (*few.parameters, after, *where.parameters, limit, offset),
        )

    def _of_shapes(self, shape: Sql, after: int, limit: int, offset: int) -> Sql:
        """The first few rows of each shape, merged, so that only what is asked for is read."""
        base = self._base
        return Sql(
            "WITH k AS MATERIALIZED (SELECT x.seq FROM shape s CROSS JOIN LATERAL"
            f" (SELECT e.seq FROM entity e WHERE {base.text} AND e.shape = s.id AND e.seq > %s ORDER BY e.seq LIMIT %s) x"
            f" WHERE {shape.text} ORDER BY x.seq LIMIT %s OFFSET %s)"
            " SELECT e.seq, e.id, e.document FROM k JOIN entity e ON e.seq = k.seq ORDER BY e.seq",
            (*base.parameters, after, offset + limit, *shape.parameters, limit, offset),
        )

    def _in_order(self, after: int, limit: int, offset: int) -> Sql:
        """All rows in order, as far as needed."""
        where = self._beside(None)
        return Sql(
            f"SELECT e.seq, e.id, e.document FROM entity e WHERE {where.text} AND e.seq > %s ORDER BY e.seq LIMIT %s OFFSET %s",
            (*where.parameters, after, limit, offset),
        )

    def _beside(self, few: Sql | None) -> Sql:
        """What a row must satisfy. Of the few, what other tables would have to be asked for is left to the predicate."""
        parts = [self._base]
        if self._compiled.shape is not None:
            parts.append(of_shape(self._compiled.shape))
        for part in self._compiled.parts:
            if part.rows is not few and (few is None or part.is_cheap or self._compiled.exact):
                parts.append(part.row)
        return Sql.joined(" AND ", parts)

    async def _count(self) -> int:
        base, shape = self._base, self._compiled.shape
        if self._few is not None:
            where = self._beside(self._few)
            sql = Sql(
                f"WITH k AS MATERIALIZED (SELECT DISTINCT seq FROM ({self._few.text}) f)"
                f" SELECT count(*) FROM k CROSS JOIN LATERAL (SELECT FROM entity e WHERE e.seq = k.seq AND {where.text} LIMIT 1) x",
                (*self._few.parameters, *where.parameters),
            )
        elif not self._compiled.parts and shape is not None:
            sql = Sql(
                "SELECT coalesce(sum(x.n), 0)::bigint FROM shape s CROSS JOIN LATERAL"
                f" (SELECT count(*) AS n FROM entity e WHERE {base.text} AND e.shape = s.id) x WHERE {shape.text}",
                (*base.parameters, *shape.parameters),
            )
        else:
            where = self._beside(None)
            sql = Sql(f"SELECT count(*) FROM entity e WHERE {where.text}", where.parameters)
        return int((await self._rows(sql))[0][0])

    async def _rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return await self._link.rows(sql.text, sql.parameters)


def exactly(condition: Condition) -> Callable[[Entity], bool]:
    """The condition as a predicate."""
    return lambda entity: satisfies(condition, entity)
