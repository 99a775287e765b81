"""Blocks of the journal: consecutive changes of one call, as the bytes of one row.

One row for each change costs a statement, an index entry and repeated columns each time; a batch of a thousand is one or
two blocks instead. A block is a JSON header on the first line, one item for each change, and behind it the documents
one after the other, as they were encoded for the store:

    [[id, kind, attributes, bytes of after, bytes of before], ...]

`kind` is "c" (created), "u" (updated), "d" (deleted) or "p" (updated, and instead of the item before there is the *undo*: what
turns the item after into the item before). `attributes` is what happened to each attribute, or null where it follows from
the rest. Most updates touch one attribute of many, so that the undo is far smaller than the item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import orjson

from cityhub.model.change import AttributeChange, Change
from cityhub.model.ports import ENTITIES

MOST_CHANGES: Final = 1_000
MOST_BYTES: Final = 1_000_000
"""A block ends with the change that brings it to so many changes or bytes of documents."""

Kind = Literal["created", "updated", "deleted"]
_KINDS: Final[dict[str, Kind]] = {"c": "created", "u": "updated", "p": "updated", "d": "deleted"}
Item = tuple[str, str, dict[str, AttributeChange] | None, int, int]
"""id, kind, attributes, bytes of after, bytes of before."""


def undo(before: dict[str, Any], after: dict[str, Any], attributes: dict[str, AttributeChange]) -> bytes:
    """What turns an entity after an update into the one before: [old attributes, new names, old members, new members]."""
    old = before["attrs"]
    return orjson.dumps((
        {name: old[name] for name in attributes if name in old},
        [name for name in attributes if name not in old],
        {key: value for key, value in before.items() if key != "attrs" and (key not in after or after[key] != value)},
        [key for key in after if key not in before],
    ))


def undone(after: dict[str, Any], encoded: bytes) -> tuple[dict[str, Any], dict[str, AttributeChange]]:
    """The entity before an update, from the one after it and the undo; and what happened to each attribute."""
    attributes, new_names, members, new_members = orjson.loads(encoded)
    new = after["attrs"]
    what: dict[str, AttributeChange] = {name: "updated" if name in new else "deleted" for name in attributes}
    what |= dict.fromkeys(new_names, "created")
    attrs = {name: instances for name, instances in new.items() if name not in what} | attributes
    before = {key: value for key, value in after.items() if key not in new_members}
    return before | members | {"attrs": attrs}, what


class BlockBuilder:
    """The changes of one call to one collection, gathered until they are laid down."""

    __slots__ = ("collection", "documents", "first", "items", "size", "tenant", "trace")

    def __init__(self, first: int, collection: str, tenant: str, trace: str) -> None:
        self.first = first
        self.collection = collection
        self.tenant = tenant
        self.trace = trace
        self.items: list[Item] = []
        self.documents: list[bytes] = []
        self.size = 0

    def add(self, id: str, kind: str, attributes: dict[str, AttributeChange] | None, after: bytes, before: bytes) -> None:
        """Adds the next change; a document that is not there is b""."""
        after_bytes, before_bytes = len(after), len(before)
        self.items.append((id, kind, attributes, after_bytes, before_bytes))
        self.documents += (after, before)
        self.size += after_bytes + before_bytes

    def is_full(self) -> bool:
        """Whether the next change must begin another block."""
        return self.size >= MOST_BYTES or len(self.items) >= MOST_CHANGES

    def encoded(self) -> bytes:
        """The block."""
        return b"".join((orjson.dumps(self.items), b"\n", *self.documents))


def encode_change(change: Change) -> bytes:
    """A block with one change as it is."""
    block = BlockBuilder(change.position, change.collection, change.tenant, change.trace)
    after, before = (b"" if document is None else orjson.dumps(document) for document in (change.after, change.before))
    block.add(change.id, change.kind[0], change.attributes, after, before)
    return block.encoded()


def decode_block(
    first: int, collection: str, tenant: str | None, at: str, trace: str, block: bytes, after: int = 0
) -> Iterator[tuple[Change, int]]:
    """The changes of a block behind a position, each with the bytes of its documents.

    Args:
        first: Position of the block's first change.
        collection: Of all of them.
        tenant: Of all of them; None where it was dropped: then its name is the change's id.
        at: When they were committed.
        trace: Of the call.
        block: The bytes.
        after: Changes up to this position are left out.
    """
    place = block.index(b"\n") + 1
    for position, (id, letter, attributes, after_bytes, before_bytes) in enumerate(orjson.loads(block[:place]), first):
        middle, end = place + after_bytes, place + after_bytes + before_bytes
        if position > after:
            new: dict[str, Any] | None = orjson.loads(block[place:middle]) if after_bytes else None
            old: dict[str, Any] | None
            if letter == "p" and new is not None:
                old, attributes = undone(new, block[middle:end])
            else:
                old = orjson.loads(block[middle:end]) if before_bytes else None
                attributes = _implied(collection, old, new) if attributes is None else attributes
            name = id if tenant is None else tenant
            yield Change(position, collection, name, id, _KINDS[letter], at, new, old, attributes, trace), end - place
        place = end


def _implied(collection: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, AttributeChange]:
    """What happened to the attributes of an entity that came or went."""
    if collection != ENTITIES:
        return {}
    if before is None:
        return dict.fromkeys(after["attrs"], "created") if after else {}
    return dict.fromkeys(before["attrs"], "deleted")
