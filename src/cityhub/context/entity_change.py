"""What a change did to an entity, as subscriptions see it: which attributes came, changed and went, and what is shown of it.

An attribute counts as updated when one of its members differs from before; writing the same again is no change.

Source: GS CIM 009 V1.9.1, clauses 5.2.12 (notificationTrigger), 5.2.14 (showChanges) and 5.8.6.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cityhub.model.change import Change, attribute_changes
from cityhub.model.entity import NULL, VALUE_KEY, Attributes, Entity, Instance, dataset_of

CREATED: Final = 1
UPDATED: Final = 2
DELETED: Final = 4
"""What happened to an attribute or to instances of it; added up."""
_TIMES: Final = frozenset(("createdAt", "modifiedAt", "instanceId", "observedAtText"))

Kind = Literal["created", "updated", "deleted"]


class EntityChange:
    """One change of one entity.

    Attributes:
        position: Place in the journal; of several changes taken together, that of the first.
        last: That of the last.
        kind: What happened to the entity as a whole.
        at: When.
        before: The entity before, None at its creation.
        after: The entity after, None at its deletion.
        entity: The entity that filters are applied to: after the change, or before its deletion.
        rendered: Documents that were made of it, by whatever key, so that subscribers may share them.
    """

    __slots__ = ("_events", "_touched", "after", "at", "before", "entity", "kind", "last", "position", "rendered")

    def __init__(
        self, position: int, last: int, kind: Kind, at: str, before: Entity | None, after: Entity | None, touched: dict[str, Any]
    ) -> None:
        self.position = position
        self.last = last
        self.kind: Kind = kind
        self.at = at
        self.before = before
        self.after = after
        self.entity: Entity = after or before or {}
        self.rendered: dict[Any, bytes] = {}
        self._touched = touched
        self._events: dict[str, int] | None = None

    @property
    def touched(self) -> dict[str, Any]:
        """The attributes (IRIs) that were written, whether or not anything changed in them."""
        if self.kind == "updated":
            return self._touched
        attributes: dict[str, Any] = self.entity["attrs"]
        return attributes

    @property
    def events(self) -> dict[str, int]:
        """What happened to each attribute (IRI); those without any change are left out."""
        if self._events is None:
            self._events = self._compared()
        return self._events

    def _compared(self) -> dict[str, int]:
        if self.kind != "updated":
            return dict.fromkeys(self.entity["attrs"], CREATED if self.kind == "created" else DELETED)
        assert self.before is not None and self.after is not None
        events: dict[str, int] = {}
        for name, what in self._touched.items():
            if what == "created":
                events[name] = CREATED
            elif what == "deleted":
                events[name] = DELETED
            else:
                happened = _instances_compared(self.before["attrs"].get(name, []), self.after["attrs"].get(name, []))
                if happened:
                    events[name] = happened
        return events


def entity_change(change: Change) -> EntityChange:
    """A journal entry as a change of an entity; one that took the place of an expired entity is a creation."""
    kind: Kind = change.kind
    before = change.before
    if kind == "updated" and before is not None and before.get("expiresAt", "~") <= change.at:
        kind, before = "created", None
    return EntityChange(change.position, change.position, kind, change.at, before, change.after, change.attributes)


def joined(first: EntityChange, second: EntityChange) -> EntityChange:
    """Two changes of one entity, one after the other, as one."""
    before, after = first.before, second.after
    if after is None:
        return EntityChange(first.position, second.last, "deleted", second.at, before or second.before, None, {})
    kind: Kind = "created" if before is None else "updated"
    return EntityChange(first.position, second.last, kind, second.at, before, after, attribute_changes(before, after))


def _instances_compared(before: list[Instance], after: list[Instance]) -> int:
    happened = 0
    kept = 0
    for instance in after:
        was = dataset_of(before, instance.get("datasetId"))
        if was is None:
            happened |= CREATED
        else:
            kept += 1
            if was is not instance and not same(was, instance):
                happened |= UPDATED
    return happened | DELETED if kept < len(before) else happened


def same(one: Instance, other: Instance) -> bool:
    """Whether two instances say the same, whenever they were created or modified."""
    for key in one.keys() | other.keys():
        if key in _TIMES:
            continue
        mine, theirs = one.get(key), other.get(key)
        if key == "attrs":
            if not _same_attributes(mine or {}, theirs or {}):
                return False
        elif mine != theirs or (type(mine) is bool) != (type(theirs) is bool):
            return False
    return True


def _same_attributes(one: Attributes, other: Attributes) -> bool:
    return one.keys() == other.keys() and all(not _instances_compared(one[name], other[name]) for name in one)


# -- What is shown -------------------------------------------------------------------------------------------------------


class Showing(msgspec.Struct, frozen=True):
    """How much of a change a subscription wants to see.

    Attributes:
        previous: Whether previous values are shown.
        sys_attrs: Whether system times are shown.
        simplified: Whether the representation is the simplified one, where a deleted attribute is a mere null.
        lost: Which attributes of a deleted entity are listed as deleted: those named, all (None), or none.
    """

    previous: bool = False
    sys_attrs: bool = False
    simplified: bool = False
    lost: frozenset[str] | None = frozenset()


def shown_entity(change: EntityChange, showing: Showing) -> Entity:
    """The entity as a notification about the change shows it; the stored one itself where nothing has to be added."""
    if change.kind == "deleted":
        return _deleted(change, showing)
    assert change.after is not None
    if change.before is None or not (showing.previous or any(happened & DELETED for happened in change.events.values())):
        return change.after
    attributes = dict(change.after["attrs"])
    for name, happened in change.events.items():
        before, after = change.before["attrs"].get(name, []), attributes.get(name, [])
        shown = [_with_previous(instance, before) for instance in after] if showing.previous and happened & UPDATED else list(after)
        if happened & DELETED:
            gone = [instance for instance in before if dataset_of(after, instance.get("datasetId")) is None]
            shown += _nulls(gone if after else _main(gone, showing), change.at, showing)
        attributes[name] = shown
    return {**change.after, "attrs": attributes}


def _deleted(change: EntityChange, showing: Showing) -> Entity:
    entity = change.entity
    listed = None if showing.previous else showing.lost
    attributes = {
        name: _nulls(_main(instances, showing), change.at, showing)
        for name, instances in entity["attrs"].items()
        if listed is None or name in listed
    }
    out: Entity = {"id": entity["id"], "type": entity["type"], "deletedAt": change.at, "attrs": attributes}
    return out | {key: entity[key] for key in ("createdAt", "modifiedAt") if showing.sys_attrs}


def _main(instances: list[Instance], showing: Showing) -> list[Instance]:
    """Of an attribute that is gone as a whole its default instance, unless each has to be shown."""
    default = dataset_of(instances, None)
    return instances if default is None or showing.previous else [default]


def _nulls(instances: list[Instance], at: str, showing: Showing) -> list[Instance]:
    return [_null(instance, at, showing) for instance in instances]


def _null(instance: Instance, at: str, showing: Showing) -> Instance:
    kind = "Property" if showing.simplified else instance["type"]
    out: Instance = {"type": kind, VALUE_KEY[kind]: NULL}
    if "datasetId" in instance:
        out["datasetId"] = instance["datasetId"]
    if showing.previous:
        out[_previous_key(instance)] = instance[VALUE_KEY[instance["type"]]]
    if showing.sys_attrs:
        out |= {key: instance[key] for key in ("createdAt", "modifiedAt") if key in instance}
        out["deletedAt"] = at
    return out


def _with_previous(instance: Instance, before: list[Instance]) -> Instance:
    was = dataset_of(before, instance.get("datasetId"))
    if was is None or was is instance or same(was, instance):
        return instance
    return {**instance, _previous_key(was): was[VALUE_KEY[was["type"]]]}


def _previous_key(instance: Instance) -> str:
    key = VALUE_KEY[instance["type"]]
    return f"previous{key[0].upper()}{key[1:]}"
