"""One journal entry: what a committed write did to one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import orjson

from cityhub.model.entity import Entity

AttributeChange = Literal["created", "updated", "deleted"]


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one committed write did to one item.

    Attributes:
        position: Place in the journal; later entries have larger ones.
        collection: "entity", or the record collection ("subscription", "registration", ...).
        tenant: The tenant; "" is the default one.
        id: The item's id.
        kind: What happened to the item as a whole.
        at: When it was committed (RFC 3339 UTC).
        after: The item after the write; None after a deletion.
        before: The item before the write; None at a creation.
        attributes: For entities: what happened to each attribute that the write touched, by IRI. An attribute that
            was written again with an equal value is "updated" too.
        trace: Trace id of the request that wrote it, for `cityhub trace`.
    """

    position: int
    collection: str
    tenant: str
    id: str
    kind: Literal["created", "updated", "deleted"]
    at: str
    after: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    attributes: dict[str, AttributeChange] = {}
    trace: str = ""


def attribute_changes(before: Entity | None, after: Entity | None) -> dict[str, AttributeChange]:
    """What happened to each attribute between two versions; untouched attributes are shared objects and left out.

    >>> attribute_changes({"attrs": {"a": [1]}}, {"attrs": {"b": [2]}})
    {'b': 'created', 'a': 'deleted'}
    """
    if before is None or after is None:
        return dict.fromkeys(after["attrs"], "created") if after else dict.fromkeys(before["attrs"] if before else (), "deleted")
    old, new = before["attrs"], after["attrs"]
    changes: dict[str, AttributeChange] = {}
    kept = len(old)
    for name, instances in new.items():
        was = old.get(name)
        if was is None:
            kept += 1
            changes[name] = "created"
        elif was is not instances:
            changes[name] = "updated"
    if kept > len(new):
        for name in old:
            if name not in new:
                changes[name] = "deleted"
    return changes


def undo_of(before: Entity, after: Entity, attributes: Mapping[str, AttributeChange]) -> bytes:
    """What makes an entity after an update the one before again, as a JSON array; far less than the entity for most updates.

    It has the attributes that were other or not gone before, the members that were other or not gone before, and the names of
    the members that were not there before.
    """
    old = before["attrs"]
    members = {key: value for key, value in before.items() if key != "attrs" and after.get(key) is not value}
    new = [] if before.keys() == after.keys() else [key for key in after if key not in before]
    return orjson.dumps(({name: old[name] for name in attributes if name in old}, members, new))


def undone(after: Entity, undo: Sequence[Any], attributes: Mapping[str, AttributeChange]) -> Entity:
    """The entity before an update, from the one after it and the content of `undo_of`."""
    old, members, new = undo
    before = {key: value for key, value in after.items() if key not in new}
    before |= members
    before["attrs"] = {name: instances for name, instances in after["attrs"].items() if name not in attributes} | old
    return before


Entry = tuple[int, str, str, str, str, str, bytes | None, bytes | None, bytes, str]
"""A journal entry as it is kept: position, collection, tenant, id, kind, at, after, before, attributes and trace, documents as JSON.

Where `before` is a JSON array, it is the undo of the update (`undo_of`). No attributes (b"") means that they follow from the kind.
Readers that look at few members of many entries take them so; `change_of` decodes one wholly.
"""

_decode: Final = msgspec.json.Decoder().decode


def change_of(entry: Entry) -> Change:
    """The change in a journal entry."""
    position, collection, tenant, id, kind, at, after_bytes, before_bytes, attributes_bytes, trace = entry
    after: Any = None if after_bytes is None else _decode(after_bytes)
    before: Any = None if before_bytes is None else _decode(before_bytes)
    attributes: dict[str, AttributeChange]
    if attributes_bytes:
        attributes = _decode(attributes_bytes)
        if type(before) is list:
            before = undone(after, before, attributes)
    else:
        attributes = attribute_changes(before, after) if collection == "entity" else {}
    return Change(position, collection, tenant, id, kind, at, after, before, attributes, trace)  # type: ignore[arg-type]
