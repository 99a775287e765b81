"""Linked entities at context sources: of many at once where sources can be queried, else one by one.

Source: GS CIM 009 V1.9.1, clauses 4.5.23, 5.7.1 and 5.7.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from cityhub.context.distribution_query import QUERYING, DistributedQueries
from cityhub.context.distribution_read import DistributedReads
from cityhub.context.entities import Call
from cityhub.context.registrations import Registrations
from cityhub.context.source_requests import SourceRequests, together
from cityhub.model.entity import Entity
from cityhub.model.errors import NotFound, SourceFailed, TooManyResults
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.selector import EntitySelector, TypeSelection
from cityhub.model.ngsild.view import NORMALIZED
from cityhub.model.ports import Page

CHUNK: Final = 50
"""So many entities are asked for in one question."""
AT_ONCE: Final = 8
"""So many questions are asked at the same time."""
MAX_SINGLE: Final = 200
"""At most so many entities of one answer are retrieved one by one."""

Types = frozenset[str]


class DistributedLinks:
    """Finds linked entities.

    Args:
        registrations: The sources.
        requests: Sends to them.
        reads: Retrieves one entity.
        queries: Queries many.
    """

    def __init__(
        self, registrations: Registrations, requests: SourceRequests, reads: DistributedReads, queries: DistributedQueries
    ) -> None:
        self._registrations = registrations
        self._requests = requests
        self._reads = reads
        self._queries = queries

    async def united(self, call: Call, here: dict[str, Entity], wanted: Mapping[str, Types]) -> dict[str, Entity]:
        """Linked entities put together of what is here and at sources, by id.

        Args:
            call: On whose behalf. Its warnings hear of sources that failed.
            here: What is in the hub's own store.
            wanted: Ids with the types (IRIs) that relationships tell of them.

        Raises:
            TooManyResults: Too many could only be retrieved one by one.
        """
        call = msgspec.structs.replace(call, types=None, csf=None, split=False)
        by_types: dict[Types, list[str]] = {}
        single: list[str] = []
        for id, types in wanted.items():
            offers = [one.operations for one in self._registrations.about(call.tenant, id, None) if one.covering(id, types)[0]]
            if any("retrieveEntity" in names and names.isdisjoint(QUERYING) for names in offers):
                single.append(id)
            elif offers:
                by_types.setdefault(types, []).append(id)
        if len(single) > MAX_SINGLE:
            raise TooManyResults(f"More than {MAX_SINGLE} linked entities would have to be asked for one by one; lower 'limit'")
        places = asyncio.Semaphore(AT_ONCE)
        chunks = [(types, ids[start : start + CHUNK]) for types, ids in by_types.items() for start in range(0, len(ids), CHUNK)]
        found = await together(
            [*(self._some(call, here, types, ids, places) for types, ids in chunks), *(self._one(call, id, places) for id in single)]
        )
        return here | {entity["id"]: entity for part in found for entity in part}

    async def _some(self, call: Call, here: dict[str, Entity], types: Types, ids: list[str], places: asyncio.Semaphore) -> list[Entity]:
        selection = TypeSelection(tuple(frozenset((name,)) for name in sorted(types)))
        wanted = EntityQuery((EntitySelector(frozenset(ids), None, selection),))
        sources = self._queries.sources(call, wanted, NORMALIZED)
        if not sources:
            return []
        local = Page([here[id] for id in ids if id in here], len(ids))

        async def known(query: EntityQuery, most: int, counted: bool, key: object) -> Page:
            return local

        async with places:
            page = await self._queries.query(call, wanted, NORMALIZED, sources, (0, len(ids), False), None, known)
        return page.entities

    async def _one(self, call: Call, id: str, places: asyncio.Semaphore) -> list[Entity]:
        async with places:
            try:
                return [await self._reads.retrieve(call, id, NORMALIZED)]
            except (NotFound, SourceFailed):
                return []
