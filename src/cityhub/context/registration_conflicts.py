"""Which registrations cannot stand beside what there is already.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.3 and 5.9.2.4.
"""

from __future__ import annotations

from cityhub.context.registered import EntityInfo, Information, Registration
from cityhub.context.registration_words import EXCLUSIVE, REDIRECT
from cityhub.context.registrations import Registrations
from cityhub.model.condition import HasAttribute, IdIn
from cityhub.model.entity import Entity
from cityhub.model.errors import Conflict
from cityhub.model.ngsild.q_condition import all_of, any_of
from cityhub.model.ngsild.selector import EntitySelector, TypeSelection
from cityhub.model.ports import Store


async def check_conflicts(new: Registration, registrations: Registrations, store: Store, own_url: str) -> None:
    """Raises Conflict when a registration claims what another source, or this hub itself, holds.

    Exclusive: nobody else may have the attributes of the entity. Redirect: no exclusive source may have them, and no
    entity here may match; and it must not lead back to this hub.
    """
    if new.mode not in (EXCLUSIVE, REDIRECT):
        return
    if new.mode == REDIRECT and own_url and _base(new.endpoint) == _base(own_url):
        raise Conflict("A redirect registration must lead to another context source, not back to this one")
    for item in new.information:
        for one in item.entities:
            _check_sources(new, item, one, registrations)
        await _check_entities(new, item, store)


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/ngsi-ld/v1").lower()


def _check_sources(new: Registration, item: Information, one: EntityInfo, registrations: Registrations) -> None:
    against = (EXCLUSIVE, REDIRECT) if new.mode == EXCLUSIVE else (EXCLUSIVE,)
    if one.id is not None:
        found = registrations.about(new.tenant, one.id, one.types)
    else:
        found = registrations.selected(new.tenant, [_selector(one)])
    for other in found:
        if other.id == new.id or other.mode not in against:
            continue
        if one.id is not None:
            covers, _ = other.covering(one.id, one.types, item.attributes)
        else:
            covers, _ = other.meeting([_selector(one)], item.attributes)
        if covers:
            raise Conflict(f"Registration '{other.id}' ({other.mode}) has the same attributes of the same entity already")


def _selector(one: EntityInfo) -> EntitySelector:
    return EntitySelector(None if one.id is None else frozenset((one.id,)), one.pattern, TypeSelection((frozenset(one.types),)))


async def _check_entities(new: Registration, item: Information, store: Store) -> None:
    """Raises Conflict when an entity here has what the registration claims."""
    selectors = [_selector(one) for one in item.entities]
    conditions = [any_of([selector.condition for selector in selectors])] if selectors else []
    if new.mode == EXCLUSIVE:
        # The entity is known by its id alone, whatever its types are.
        conditions = [IdIn(tuple(sorted(one.id for one in item.entities if one.id is not None)))]
    if item.attributes:
        conditions.append(any_of([HasAttribute(name) for name in sorted(item.attributes)]))

    def matches(entity: Entity) -> bool:
        if item.attributes and item.attributes.isdisjoint(entity["attrs"]):
            return False
        if new.mode == EXCLUSIVE:
            return any(one.id == entity["id"] for one in item.entities)
        return not selectors or any(selector.matches(entity) for selector in selectors)

    page = await store.find(new.tenant, all_of(conditions), matches, limit=1)
    if page.entities:
        raise Conflict(f"Entity '{page.entities[0]['id']}' is held here already; delete it, or what is claimed of it, first")
