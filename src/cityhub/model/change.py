"""One journal entry: what a committed write did to one item."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

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
    old = before["attrs"] if before else {}
    new = after["attrs"] if after else {}
    changes: dict[str, AttributeChange] = {}
    for name, instances in new.items():
        was = old.get(name)
        if was is None:
            changes[name] = "created"
        elif was is not instances:
            changes[name] = "updated"
    for name in old:
        if name not in new:
            changes[name] = "deleted"
    return changes


Entry = tuple[int, str, str, str, str, str, bytes | None, bytes | None, bytes, str]
"""A journal entry as it is kept: position, collection, tenant, id, kind, at, after, before, attributes and trace, documents as JSON.

Readers that look at few members of many entries take them so; `change_of` decodes one wholly.
"""

_decode: Final = msgspec.json.Decoder()


def change_of(entry: Entry) -> Change:
    """The change in a journal entry."""
    position, collection, tenant, id, kind, at, after, before, attributes, trace = entry
    return Change(
        position,
        collection,
        tenant,
        id,
        kind,  # type: ignore[arg-type]
        at,
        None if after is None else _decode.decode(after),
        None if before is None else _decode.decode(before),
        _decode.decode(attributes) if attributes else {},
        trace,
    )
