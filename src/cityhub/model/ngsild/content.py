"""Pieces of changes: instances put in, taken out, cleared of nulls; entities with some members changed."""

from __future__ import annotations

from typing import Any

from cityhub.model.entity import NULL, VALUE_KEY, Attributes, Entity, Instance
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.stamp import new_instance, renewed_instance


def is_removal(instance: Instance) -> bool:
    """Whether an instance of a fragment asks for the removal of what it stands for."""
    key = VALUE_KEY[instance["type"]] if "type" in instance else "value"
    return type(instance.get(key)) is str and instance[key] == NULL


def without_nulls(instance: Instance) -> Instance:
    """An instance without the members that are the NGSI-LD Null; the very one if it has none."""
    out = {key: value for key, value in instance.items() if not (type(value) is str and value == NULL)}
    if "attrs" in out:
        out = with_attrs(out, present(out["attrs"]))
    return instance if out == instance else out


def changed(current: Entity, fragment: Fragment, changes: dict[str, Any], now: str) -> Entity:
    """The entity with members changed (None: removed) and the fragment's types added; itself if nothing is."""
    types = [*current["type"], *(name for name in fragment.type if name not in current["type"])]
    if len(types) > len(current["type"]):
        changes = {**changes, "type": types}
    changes = {key: value for key, value in changes.items() if value is not None or key in current}
    if not changes:
        return current
    merged = {**current, **changes, "modifiedAt": now}
    return {key: value for key, value in merged.items() if value is not None}


def with_attribute(current: Entity, iri: str, instances: list[Instance], now: str) -> Entity:
    """The entity with these instances of an attribute; without the attribute if there are none."""
    attrs = dict(current["attrs"])
    settle(attrs, iri, instances)
    return {**current, "attrs": attrs, "modifiedAt": now}


def settle(attrs: Attributes, iri: str, instances: list[Instance]) -> None:
    """Sets an attribute to these instances; removes it if there are none."""
    if instances:
        attrs[iri] = instances
    else:
        attrs.pop(iri, None)


def put(before: list[Instance], instances: list[Instance], parent_created: str, now: str) -> list[Instance]:
    """Instances with others put in the place of those of the same dataset, or at the end."""
    fresh = {instance.get("datasetId"): instance for instance in instances}
    out = []
    for old in before:
        new = fresh.pop(old.get("datasetId"), None)
        out.append(old if new is None else renewed_instance(old, new, parent_created, now))
    return out + [new_instance(instance, parent_created, now) for instance in fresh.values()]


def without(instances: list[Instance], dataset_id: str | None) -> list[Instance]:
    """Instances except that of a dataset; the very ones if there is none of it."""
    kept = [instance for instance in instances if instance.get("datasetId") != dataset_id]
    return kept if len(kept) < len(instances) else instances


def present(attrs: Attributes) -> Attributes:
    """Sub-attributes without those that are to be removed."""
    kept = {iri: [without_nulls(i) for i in instances if not is_removal(i)] for iri, instances in attrs.items()}
    return {iri: instances for iri, instances in kept.items() if instances}


def with_attrs(instance: Instance, attrs: Attributes) -> Instance:
    """An instance with these sub-attributes and no others."""
    out = {key: value for key, value in instance.items() if key != "attrs"}
    if attrs:
        out["attrs"] = attrs
    return out
