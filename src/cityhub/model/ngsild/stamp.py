"""System times of attributes: which instance was created and modified when, written only where it says something.

See `cityhub.model.entity` for what is left out. Source: GS CIM 009 clauses 4.8 and 5.2.2.
"""

from __future__ import annotations

from cityhub.model.entity import Attributes, Instance, dataset_of


def new_instance(instance: Instance, parent_created: str, now: str) -> Instance:
    """An instance that comes into being now, under a parent (entity or instance) created at `parent_created`."""
    return instance if parent_created == now else {**instance, "createdAt": now}


def renewed_instance(old: Instance, new: Instance, parent_created: str, now: str) -> Instance:
    """An instance that takes the place of another one of the same dataset: created when that was, modified now."""
    created = old.get("createdAt")
    if created is None and "attrs" not in new:  # as most updates are
        return new if parent_created == now else {**new, "modifiedAt": now}
    out = dict(new)
    if created:
        out["createdAt"] = created
    else:
        created = parent_created
    if created != now:
        out["modifiedAt"] = now
    if "attrs" in new:
        out["attrs"] = renewed_attributes(old.get("attrs", {}), new["attrs"], created, now)
    return out


def renewed_attributes(old: Attributes, new: Attributes, parent_created: str, now: str) -> Attributes:
    """Attributes that take the place of others: what was there keeps its creation, everything else is created now."""
    out: Attributes = {}
    for iri, instances in new.items():
        before = old.get(iri)
        if before is None:
            out[iri] = instances if parent_created == now else [{**instance, "createdAt": now} for instance in instances]
        elif len(instances) == 1:  # as most attributes are
            out[iri] = [_renewed(before, instances[0], parent_created, now)]
        else:
            out[iri] = [_renewed(before, instance, parent_created, now) for instance in instances]
    return out


def _renewed(before: list[Instance], instance: Instance, parent_created: str, now: str) -> Instance:
    dataset = instance.get("datasetId")
    was = before[0] if before[0].get("datasetId") == dataset else dataset_of(before, dataset)
    return new_instance(instance, parent_created, now) if was is None else renewed_instance(was, instance, parent_created, now)
