"""Pages of a query along an entity map: the entities are fixed, their content is looked at again.

Source: GS CIM 009 V1.9.1, clauses 5.5.9.3 and 5.5.14.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cityhub.context.entities import Call, EntityOperations
from cityhub.context.entity_maps import EntityMap
from cityhub.model.entity import Entity
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.view import View

AT_ONCE: Final = 200
"""So many entities of a map are asked for at a time."""


class MapPage(msgspec.Struct, frozen=True):
    """One page along a map.

    Attributes:
        entities: What is on it.
        more: Whether entities follow that match.
        count: How many match in all; None when that was not asked for.
        gone: Ids that were in the map and do not match any more.
    """

    entities: list[Entity]
    more: bool
    count: int | None
    gone: set[str]


async def page_along(
    operations: EntityOperations,
    call: Call,
    wanted: EntityQuery,
    view: View,
    map: EntityMap,
    offset: int,
    limit: int,
    *,
    count: bool,
) -> MapPage:
    """The page of at most `limit` entities of the map that match, filled as long as there are any.

    `offset` is a place in the map as it is. With `count` all of the map is looked at, else only as far as needed.
    """
    found: list[Entity] = []
    gone: set[str] = set()
    total = 0
    at = 0 if count else min(offset, len(map.ids))
    passed = at
    while at < len(map.ids) and (count or len(found) <= limit):
        chunk = map.ids[at : at + AT_ONCE]
        at += len(chunk)
        alive = await _matching(operations, call, wanted, view, chunk)
        selects = [selector.selects_id for selector in wanted.selectors]
        for id in chunk:
            entity = alive.get(id)
            if entity is None:
                # Left out by the ids of this very request, it stays in the map for others.
                if not selects or any(selected(id) for selected in selects):
                    gone.add(id)
                continue
            total += 1
            passed += 1
            if passed > offset and len(found) <= limit:
                found.append(entity)
    more = len(found) > limit
    return MapPage(found[:limit], more, total if count else None, gone)


async def _matching(
    operations: EntityOperations, call: Call, wanted: EntityQuery, view: View, ids: list[str]
) -> dict[str, Entity]:
    narrowed = wanted.among(ids)
    if narrowed is None:
        return {}
    page = await operations.query(call, narrowed, view, 0, len(ids), False, None)
    return {entity["id"]: entity for entity in page.entities}
