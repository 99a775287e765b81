"""Linked entity retrieval: the entities that relationships point to, level by level.

Source: GS CIM 009 V1.9.1, clauses 4.5.23 and 5.7.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cityhub.model.entity import Entity
from cityhub.model.errors import TooManyResults
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Store
from cityhub.web.views import join_level

MAX_LINKED = 10_000
"""At most so many linked entities are put into one answer."""


async def linked_entities(store: Store, tenant: str, entities: Iterable[Entity], view: View, query: dict[str, str]) -> dict[str, Entity]:
    """The entities by id that the shown relationships lead to, as far as join, joinLevel and containedBy ask for.

    Raises TooManyResults for more than MAX_LINKED.
    """
    return linked_here(store, tenant, entities, view, query)


def linked_here(store: Store, tenant: str, entities: Iterable[Entity], view: View, query: dict[str, str]) -> dict[str, Entity]:
    """Those of the linked entities that are in the hub's own store. Raises TooManyResults."""
    levels = join_level(query)
    above = set(query.get("containedBy", "").split(","))
    found: dict[str, Entity] = {}
    level = list(entities) if levels else []
    for depth in range(levels):
        wanted = dict.fromkeys(id for entity in level for id in _objects(entity, view if depth == 0 else None))
        level = []
        for id in wanted:
            linked = store.get(tenant, id) if id not in found and id not in above else None
            if linked is not None:
                found[id] = linked
                level.append(linked)
            if len(found) > MAX_LINKED:
                raise TooManyResults(f"More than {MAX_LINKED} linked entities; lower 'joinLevel' or 'limit'")
    return found


def _objects(entity: Entity, view: View | None) -> Iterator[str]:
    for name, instances in entity["attrs"].items():
        if view is not None and not view.shows(name):
            continue
        for instance in instances:
            value = instance.get("object", instance.get("objectList"))
            for id in value if isinstance(value, list) else [value]:
                if isinstance(id, str):
                    yield id
