"""Changes of entities: pure transitions on the internal form, for use inside a store's write.

Each gets the current entity and the time of the write and returns a new entity; attributes that it does not touch are
the same objects as before. An entity that stays as it is is returned itself ("no change"). Whether the entity exists
at all is decided by the caller. Errors name attributes by the name that the caller gives for it, else by IRI.

Merge Entity, which goes deeper than the others, is in `cityhub.model.ngsild.patch` and offered here as well.

Source: GS CIM 009 clauses 5.5.8 and 5.6.1 to 5.6.5, 5.6.18, 5.6.19.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.entity import NULL, VALUE_KEY, Entity, Instance, dataset_of
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.ngsild.attribute_member import check_members
from cityhub.model.ngsild.attribute_value import read_value
from cityhub.model.ngsild.content import changed, is_removal, present, put, settle, with_attribute, with_attrs, without, without_nulls
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.patch import merge_entity as merge_entity
from cityhub.model.ngsild.stamp import renewed_attributes
from cityhub.model.ngsild.terms import Terms

NotUpdated = tuple[str, str]
"""What was not written, an attribute's IRI or "scope", and why."""
EXISTS: Final = "It exists and must not be overwritten"
NO_SCOPE: Final = "The entity has no scope to update"


def create(parsed: Entity, now: str) -> Entity:
    """A new entity from a parsed one."""
    return {**parsed, "createdAt": now, "modifiedAt": now}


def replace_entity(current: Entity, parsed: Entity, now: str) -> Entity:
    """An entity whose content is that of a parsed one; creation times stay. Without a type of its own it keeps the types.

    Source: GS CIM 009 clause 5.6.18.
    """
    created = current["createdAt"]
    return {
        **parsed,
        "id": current["id"],
        "type": parsed["type"] or current["type"],
        "attrs": renewed_attributes(current["attrs"], parsed["attrs"], created, now),
        "createdAt": created,
        "modifiedAt": now,
    }


def append_attributes(
    current: Entity, fragment: Fragment, now: str, overwrite: bool = True
) -> tuple[Entity, list[str], list[NotUpdated]]:
    """The entity with the fragment's attributes added; with `overwrite` they replace instances of the same dataset.

    Types are added. A scope replaces the old one, or is added to it without `overwrite`.
    Returns the entity, the attributes (IRIs) that were written, and those that were not.
    Source: GS CIM 009 clause 5.6.3.
    """
    attrs, updated, not_updated = dict(current["attrs"]), [], []
    for iri, instances in fragment.attrs.items():
        before = attrs.get(iri, [])
        fresh = [i for i in instances if overwrite or dataset_of(before, i.get("datasetId")) is None]
        if fresh:
            attrs[iri] = put(before, fresh, current["createdAt"], now)
            updated.append(iri)
        if len(fresh) < len(instances):
            not_updated.append((iri, EXISTS))
    changes: dict[str, Any] = {"attrs": attrs} if updated else {}
    if type(fragment.scope) is list:
        changes["scope"] = list(dict.fromkeys(fragment.scope if overwrite else current.get("scope", []) + fragment.scope))
    if fragment.expires_at is not None:
        if overwrite or "expiresAt" not in current:
            changes["expiresAt"] = fragment.expires_at
        else:
            not_updated.append(("expiresAt", EXISTS))
    return changed(current, fragment, changes, now), updated, not_updated


def update_attributes(current: Entity, fragment: Fragment, now: str) -> tuple[Entity, list[str], list[NotUpdated]]:
    """The entity with the fragment's attributes instead of its own instances of the same datasets.

    What is not there yet is added, except a scope; an instance whose value is the NGSI-LD Null is removed.
    Returns the entity, the attributes (IRIs) that were written or removed, and what was not.
    Source: GS CIM 009 clauses 5.5.8 and 5.6.2.
    """
    attrs, updated, not_updated = dict(current["attrs"]), [], []
    for iri, instances in fragment.attrs.items():
        before = attrs.get(iri, [])
        after = before
        for instance in instances:
            if is_removal(instance):
                after = without(after, instance.get("datasetId"))
            else:
                after = put(after, [without_nulls(instance)], current["createdAt"], now)
        if after is not before:
            settle(attrs, iri, after)
            updated.append(iri)
    changes: dict[str, Any] = {"attrs": attrs} if updated else {}
    if fragment.scope is not None:
        if "scope" in current:
            changes["scope"] = None if fragment.scope == NULL else fragment.scope
        elif fragment.scope != NULL:
            not_updated.append(("scope", NO_SCOPE))
    if fragment.expires_at is not None:
        changes["expiresAt"] = None if fragment.expires_at == NULL else fragment.expires_at
    return changed(current, fragment, changes, now), updated, not_updated


def partial_update(current: Entity, iri: str, fragment: list[Instance], now: str, terms: Terms, name: str = "") -> Entity:
    """The entity with some members of an attribute's instances overwritten; the others stay as they are.

    The NGSI-LD Null as value removes the instance, as a member's value that member. Raises NotFound when the entity
    has no such instance, BadRequestData when the fragment is of another attribute type.
    Source: GS CIM 009 clauses 5.5.8 and 5.6.4.
    """
    name = name or iri
    instances = _existing(current, iri, name)
    for part in fragment:
        old = _instance(instances, part.get("datasetId"), current, name)
        if is_removal(part):
            instances = without(instances, part.get("datasetId"))
        else:
            new = _overwritten(old, part, terms, name)
            if "attrs" in part:
                created = old.get("createdAt") or current["createdAt"]
                kept = {key: value for key, value in old.get("attrs", {}).items() if key not in part["attrs"]}
                subs = renewed_attributes(old.get("attrs", {}), present(part["attrs"]), created, now)
                new = with_attrs(new, {**kept, **subs})
            if (old.get("createdAt") or current["createdAt"]) != now:
                new["modifiedAt"] = now
            instances = [new] if len(instances) == 1 else [new if instance is old else instance for instance in instances]
    return with_attribute(current, iri, instances, now)


def replace_attribute(current: Entity, iri: str, instances: list[Instance], now: str, name: str = "") -> Entity:
    """The entity with instances of an attribute replaced; creation times stay, and so do instances of other datasets.

    Raises NotFound when the entity has no such instance. Source: GS CIM 009 clause 5.6.19.
    """
    existing = _existing(current, iri, name or iri)
    for instance in instances:
        _instance(existing, instance.get("datasetId"), current, name or iri)
    return with_attribute(current, iri, put(existing, instances, current["createdAt"], now), now)


def set_value(
    current: Entity,
    iri: str,
    value: Any,
    now: str,
    terms: Terms,
    dataset_id: str | None = None,
    observed_at: str | None = None,
    name: str = "",
) -> Entity:
    """The entity with another value of one instance, of the type that it has; everything else of the instance stays.

    Except its observedAt: it becomes `observed_at` (internal form), or goes when that is None, as it told of the old
    value. Raises NotFound or BadRequestData. Source: GS CIM 009 V1.9.1 "Update Attribute value".
    """
    name = name or iri
    instances = _existing(current, iri, name)
    old = _instance(instances, dataset_id, current, name)
    if value == NULL:
        raise BadRequestData(f"'{name}' must not have the NGSI-LD Null as value here; delete the attribute instead")
    new = {key: item for key, item in old.items() if key not in ("observedAt", "observedAtText")}
    new[VALUE_KEY[old["type"]]] = read_value(old["type"], value, terms, name)
    if observed_at is not None:
        new["observedAt"] = observed_at
    if (old.get("createdAt") or current["createdAt"]) != now:
        new["modifiedAt"] = now
    return with_attribute(current, iri, [new if instance is old else instance for instance in instances], now)


def delete_attribute(current: Entity, iri: str, dataset_id: str | None, delete_all: bool, now: str, name: str = "") -> Entity:
    """The entity without one instance of an attribute, or without all of them. The attribute "scope" is the scope.

    A `dataset_id` of None or "@none" is the default instance. Raises NotFound when there is nothing to delete.
    Source: GS CIM 009 clause 5.6.5.
    """
    if iri == "scope":
        if "scope" not in current:
            raise NotFound(f"Entity '{current['id']}' has no scope")
        return {**{key: value for key, value in current.items() if key != "scope"}, "modifiedAt": now}
    instances = _existing(current, iri, name or iri)
    if delete_all:
        return with_attribute(current, iri, [], now)
    dataset = None if dataset_id == "@none" else dataset_id
    _instance(instances, dataset, current, name or iri)
    return with_attribute(current, iri, without(instances, dataset), now)


def without_attributes(current: Entity, keep: frozenset[str] | None, drop: frozenset[str] | None, now: str) -> Entity:
    """The entity without all attributes (IRIs) but those to keep, or without those to drop; itself if nothing goes.

    Source: GS CIM 009 clause 5.6.21.
    """
    attrs = {
        name: instances
        for name, instances in current["attrs"].items()
        if (keep is None or name in keep) and (drop is None or name not in drop)
    }
    return current if len(attrs) == len(current["attrs"]) else {**current, "attrs": attrs, "modifiedAt": now}


def _existing(current: Entity, iri: str, name: str) -> list[Instance]:
    instances: list[Instance] | None = current["attrs"].get(iri)
    if instances is None:
        raise NotFound(f"Entity '{current['id']}' has no attribute '{name}'")
    return instances


def _instance(instances: list[Instance], dataset_id: str | None, current: Entity, name: str) -> Instance:
    found = dataset_of(instances, dataset_id)
    if found is None:
        which = f"with the datasetId '{dataset_id}'" if dataset_id else "without a datasetId"
        raise NotFound(f"Entity '{current['id']}' has no instance of '{name}' {which}")
    return found


def _overwritten(old: Instance, part: Instance, terms: Terms, name: str) -> Instance:
    """An instance with the members of a part instead of its own; sub-attributes are left to the caller."""
    kind = old["type"]
    if part.get("type", kind) != kind:
        raise BadRequestData(f"'{name}' is a {kind}; a partial update must not make it a {part['type']}")
    new = {**old, **part} if "attrs" not in part else {**old, **{key: value for key, value in part.items() if key != "attrs"}}
    if "type" not in part and "value" in part:
        if VALUE_KEY[kind] != "value":
            raise BadRequestData(f"'{name}' is a {kind}; its value must be given as '{VALUE_KEY[kind]}'")
        new["value"] = read_value(kind, part["value"], terms, name)
    if "observedAt" in part and "observedAtText" not in part:
        new.pop("observedAtText", None)
    if NULL in part.values():  # what is stored never is
        new = {key: value for key, value in new.items() if not (type(value) is str and value == NULL)}
    check_members(name, new)
    return new
