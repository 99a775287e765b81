"""Linked entities as a flat list: the found ones first, then level by level those that their relationships lead to.

Source: GS CIM 009 clauses 4.5.23.3 and 4.21.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cityhub.model.entity import VALUE_KEY, Entity
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import View


def flat_views(
    entities: Iterable[Entity], linked: Mapping[str, Entity], view: View, levels: int
) -> list[tuple[Entity, View]]:
    """Each entity of a flat answer once, with the view it is to be shown in.

    Args:
        entities: The entities found.
        linked: Entities by id that links may lead to; those that are missing are left out.
        view: The view of the found entities; that of a linked entity is what their projections say of the relationship
            by which it is reached first.
        levels: How many levels of links are followed, of shown relationships only.
    """
    level = [(entity, view) for entity in entities]
    out = list(level)
    seen = {entity["id"] for entity, _ in level}
    for _ in range(levels):
        below: list[tuple[Entity, View]] = []
        for entity, shown in level:
            for iri, id in _links(entity, shown):
                if id in linked and id not in seen:
                    seen.add(id)
                    below.append((linked[id], shown.linked(iri)))
        out += below
        level = below
    return out


def render_flat(
    entities: Iterable[Entity], terms: Terms, view: View, linked: Mapping[str, Entity], levels: int
) -> list[dict[str, Any]]:
    """The documents of a flat answer, without those of which the view shows nothing."""
    documents = [render_entity(entity, terms, shown) for entity, shown in flat_views(entities, linked, view, levels)]
    return [document for document in documents if document]


def _links(entity: Entity, view: View) -> Iterator[tuple[str, str]]:
    for iri, instances in entity["attrs"].items():
        if view.shows(iri):
            for instance in instances:
                if instance["type"] in ("Relationship", "ListRelationship"):
                    value = instance[VALUE_KEY[instance["type"]]]
                    for id in value if type(value) is list else (value,):
                        yield iri, id
