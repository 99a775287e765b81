"""From a change in the journal to what it adds to the history.

Source: GS CIM 009 V1.9.1, clauses 4.5.6, 4.5.7, 4.8 and 4.18.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.model.change import Change
from cityhub.model.entity import NULL, VALUE_KEY, Instance
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ports import ENTITIES

Added = list[tuple[str, Instance]]


class Happening(msgspec.Struct, frozen=True):
    """What one committed change of an entity adds to its history.

    Attributes:
        tenant: The tenant.
        id: The entity's id.
        at: When it was committed; the new instances are created then.
        types: The entity's types after the change (of a deletion: before it).
        deleted: Whether the entity was deleted.
        instances: (attribute, instance) in order. An instance with "deletedAt" is the mark of a deletion.
    """

    tenant: str
    id: str
    at: str
    types: list[str]
    deleted: bool
    instances: list[tuple[str, Instance]]


def happening_of(change: Change) -> Happening | None:
    """What a change adds to the history; None for what is no entity."""
    if change.collection != ENTITIES:
        return None
    before, after = change.before, change.after
    instances: Added = []
    old: dict[str, Any] = before["attrs"] if before else {}
    new: dict[str, Any] = after["attrs"] if after else {}
    for name in change.attributes:
        _attribute(instances, name, old.get(name, ()), new.get(name, ()), change.at)
    _scope(instances, (before or {}).get("scope"), (after or {}).get("scope"), change.at)
    types = (after or before or {}).get("type", [])
    return Happening(change.tenant, change.id, change.at, types, after is None, instances)


def _attribute(added: Added, name: str, before: Any, after: Any, at: str) -> None:
    if not before:
        added.extend([(name, instance) for instance in after])
        return
    if len(before) == len(after) == 1 and before[0].get("datasetId") == after[0].get("datasetId"):
        # By far the most changes, in short.
        if before[0] != after[0]:
            added.append((name, after[0]))
        return
    was = {instance.get("datasetId"): instance for instance in before}
    for instance in after:
        old = was.pop(instance.get("datasetId"), None)
        if old is None or (old is not instance and old != instance):
            added.append((name, instance))
    for old in was.values():
        # What expires takes its history with it, so nothing is left to mark (clause 4.22).
        if old.get("expiresAt", "~") > at:
            added.append((name, deletion_mark(old, at)))


def deletion_mark(instance: Instance, at: str) -> Instance:
    """The instance that says that one was deleted: of its type, with the NGSI-LD Null as value."""
    mark: Instance = {"type": instance["type"], VALUE_KEY[instance["type"]]: NULL, "deletedAt": at}
    if "datasetId" in instance:
        mark["datasetId"] = instance["datasetId"]
    return mark


def _scope(added: Added, before: list[str] | None, after: list[str] | None, at: str) -> None:
    if before == after:
        return
    if after:
        added.append((SCOPE, {"type": "Property", "value": after, "observedAt": at}))
    else:
        added.append((SCOPE, {"type": "Property", "value": [], "deletedAt": at}))
