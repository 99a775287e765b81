"""Linked entity retrieval: the entities that relationships point to, level by level.

Source: GS CIM 009 V1.9.1, clauses 4.5.23 and 5.7.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cityhub.context.entities import Call, EntityOperations
from cityhub.model.entity import Entity
from cityhub.model.errors import TooManyResults
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Store
from cityhub.web.views import join_level

MAX_LINKED = 10_000
"""At most so many linked entities are put into one answer."""


async def linked_entities(
    operations: EntityOperations, call: Call, entities: Iterable[Entity], view: View, query: dict[str, str]
) -> dict[str, Entity]:
    """The entities by id that the shown relationships lead to, as far as join, joinLevel and containedBy ask for.

    Those that are here are found whatever points to them; those at context sources where the relationship tells their
    types (objectType). Raises TooManyResults for more than MAX_LINKED.
    """
    walk = _Walk(entities, view, query)
    while wanted := walk.wanted():
        walk.take(await operations.linked(call, wanted))
    return walk.found


def linked_here(store: Store, tenant: str, entities: Iterable[Entity], view: View, query: dict[str, str]) -> dict[str, Entity]:
    """Those of the linked entities that are in the hub's own store. Raises TooManyResults."""
    walk = _Walk(entities, view, query)
    while wanted := walk.wanted():
        walk.take({id: entity for id in wanted if (entity := store.get(tenant, id)) is not None})
    return walk.found


class _Walk:
    """The way along relationships, level by level.

    Attributes:
        found: The linked entities so far.
    """

    def __init__(self, entities: Iterable[Entity], view: View, query: dict[str, str]) -> None:
        self.found: dict[str, Entity] = {}
        self._levels = join_level(query)
        self._above = set(query.get("containedBy", "").split(","))
        self._level = list(entities) if self._levels else []
        self._view: View | None = view

    def wanted(self) -> dict[str, frozenset[str]]:
        """The ids of the next level, each with the types (IRIs) that relationships tell of it; empty at the end."""
        if not self._levels:
            return {}
        self._levels -= 1
        types: dict[str, frozenset[str]] = {}
        for entity in self._level:
            for id, kinds in _objects(entity, self._view):
                if id not in self.found and id not in self._above:
                    types[id] = types.get(id, frozenset()) | kinds
        self._view, self._level = None, []
        return types

    def take(self, linked: Mapping[str, Entity]) -> None:
        """Goes on with the entities of this level. Raises TooManyResults."""
        self.found |= linked
        self._level = list(linked.values())
        if len(self.found) > MAX_LINKED:
            raise TooManyResults(f"More than {MAX_LINKED} linked entities; lower 'joinLevel' or 'limit'")


def _objects(entity: Entity, view: View | None) -> Iterator[tuple[str, frozenset[str]]]:
    for name, instances in entity["attrs"].items():
        if view is not None and not view.shows(name):
            continue
        for instance in instances:
            value = instance.get("object", instance.get("objectList"))
            if value is None:
                continue
            kinds = frozenset(instance.get("objectType", ()))
            for id in value if isinstance(value, list) else [value]:
                if isinstance(id, str):
                    yield id, kinds
