"""Transient entities and attributes: when they end, and what is left then.

Source: GS CIM 009 V1.9.1, clauses 4.22 and 5.2.4.
"""

from __future__ import annotations

from cityhub.model.entity import Attributes, Entity


def earliest_expiry(entity: Entity) -> str | None:
    """When the entity, or the first instance of one of its attributes, expires; None when nothing does."""
    earliest: str | None = entity.get("expiresAt")
    for instances in entity["attrs"].values():
        for instance in instances:
            ends = instance.get("expiresAt")
            if ends is not None and (earliest is None or ends < earliest):
                earliest = ends
    return earliest


def without_expired(entity: Entity, now: str) -> Entity | None:
    """The entity without what has expired: None when it has itself, the very entity when nothing has."""
    if entity.get("expiresAt", "~") <= now:
        return None
    attrs: Attributes = {}
    changed = False
    for name, instances in entity["attrs"].items():
        alive = [instance for instance in instances if instance.get("expiresAt", "~") > now]
        if len(alive) == len(instances):
            attrs[name] = instances
            continue
        changed = True
        if alive:
            attrs[name] = alive
    return {**entity, "attrs": attrs} if changed else entity
