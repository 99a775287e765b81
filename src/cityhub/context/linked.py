"""Linked entity retrieval: the entities that relationships point to, level by level.

Source: GS CIM 009 V1.9.1, clauses 4.5.23 and 5.7.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from cityhub.model.entity import Entity
from cityhub.model.errors import TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Store

MAX_LINKED = 10_000
"""At most so many linked entities are put into one answer."""


class LinkedEntities(msgspec.Struct, frozen=True):
    """What relationships led to.

    Attributes:
        inline: Entities by id, to be put inside the relationships.
        flat: Entities to be listed beside the found ones.
    """

    inline: dict[str, Entity]
    flat: list[Entity]


NONE = LinkedEntities({}, [])


async def linked_entities(
    store: Store, tenant: str, entities: Iterable[Entity], view: View, terms: TermMap, query: dict[str, str]
) -> LinkedEntities:
    """The entities behind the shown relationships, as far as join, joinLevel and containedBy ask for. Raises TooManyResults."""
    return linked_here(store, tenant, entities, view, query)


def linked_here(store: Store, tenant: str, entities: Iterable[Entity], view: View, query: dict[str, str]) -> LinkedEntities:
    """Those of the linked entities that are in the hub's own store. Raises TooManyResults."""
    join = query.get("join", "@none")
    if join == "@none":
        return NONE
    entities = list(entities)
    known = {entity["id"] for entity in entities} | set(query.get("containedBy", "").split(","))
    found: dict[str, Entity] = {}
    level = entities
    for depth in range(int(query.get("joinLevel", "1"))):
        wanted = dict.fromkeys(id for entity in level for id in _objects(entity, view if depth == 0 else None))
        level = []
        for id in wanted:
            if id in found or (join == "flat" and id in known):
                continue
            linked = store.get(tenant, id)
            if linked is not None:
                found[id] = linked
                level.append(linked)
            if len(found) > MAX_LINKED:
                raise TooManyResults(f"More than {MAX_LINKED} linked entities; lower 'joinLevel' or 'limit'")
    if join == "inline":
        return LinkedEntities({id: entity for id, entity in found.items() if id not in set(query.get("containedBy", "").split(","))}, [])
    return LinkedEntities({}, list(found.values()))


def _objects(entity: Entity, view: View | None) -> Iterator[str]:
    for name, instances in entity["attrs"].items():
        if view is not None and not view.shows(name):
            continue
        for instance in instances:
            value = instance.get("object", instance.get("objectList"))
            for id in value if isinstance(value, list) else [value]:
                if isinstance(id, str):
                    yield id
