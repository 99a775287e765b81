"""Blocks of the journal: consecutive changes of one group of calls, as the bytes of one row.

One row for each change costs a statement, an index entry and repeated columns each time; a batch of a thousand is one or
two blocks instead. A block is a JSON header on the first line, one item for each change, and behind it the documents
one after the other, as they were encoded for the store:

    [[id, kind, attributes, bytes of after, bytes of before, trace], ...]

`kind` is "c" (created), "u" (updated) or "d" (deleted). `attributes` is what happened to each attribute, null where it follows from
the kind, 0 where it is that of the change before; `trace` is null where it is that of the change before. What stands in the place
of the item before may be its undo (`cityhub.model.change.undo_of`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from cityhub.model.change import AttributeChange, Change, Entry

MOST_CHANGES: Final = 1_000
MOST_BYTES: Final = 1_000_000
"""A block ends with the change that brings it to so many changes or bytes of documents."""

_KINDS: Final = {"c": "created", "u": "updated", "d": "deleted"}
Attributes = dict[str, AttributeChange] | None
Item = tuple[str, str, Attributes | int, int, int, str | None]
"""id, kind, attributes, bytes of after, bytes of before, trace."""


class BlockBuilder:
    """The changes of one collection of a tenant, gathered until they are laid down."""

    __slots__ = ("_attributes", "_trace", "collection", "documents", "first", "items", "size", "tenant")

    def __init__(self, first: int, collection: str, tenant: str) -> None:
        self.first = first
        self.collection = collection
        self.tenant = tenant
        self._trace: str | None = None
        self._attributes: Attributes = None
        self.items: list[Item] = []
        self.documents: list[bytes] = []
        self.size = 0

    def add(self, id: str, kind: str, attributes: Attributes, after: bytes, before: bytes, trace: str) -> None:
        """Adds the next change; a document that is not there is b""."""
        after_bytes, before_bytes = len(after), len(before)
        named = 0 if attributes is not None and attributes == self._attributes else attributes
        self.items.append((id, kind, named, after_bytes, before_bytes, None if trace == self._trace else trace))
        self._attributes, self._trace = attributes, trace
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
    block = BlockBuilder(change.position, change.collection, change.tenant)
    after, before = (b"" if document is None else orjson.dumps(document) for document in (change.after, change.before))
    block.add(change.id, change.kind[0], change.attributes, after, before, change.trace)
    return block.encoded()


def decode_block(first: int, collection: str, tenant: str | None, at: str, block: bytes, after: int = 0) -> Iterator[Entry]:
    """The entries of a block behind a position.

    Args:
        first: Position of the block's first change.
        collection: Of all of them.
        tenant: Of all of them; None where it was dropped: then its name is the change's id.
        at: When they were committed.
        block: The bytes.
        after: Changes up to this position are left out.
    """
    place = block.index(b"\n") + 1
    trace, what = "", b""
    for position, (id, letter, attributes, after_bytes, before_bytes, other_trace) in enumerate(orjson.loads(block[:place]), first):
        trace = trace if other_trace is None else other_trace
        if attributes != 0:
            what = b"" if attributes is None else orjson.dumps(attributes)
        middle, end = place + after_bytes, place + after_bytes + before_bytes
        if position > after:
            yield (
                position, collection, id if tenant is None else tenant, id, _KINDS[letter], at,
                block[place:middle] or None, block[middle:end] or None, what, trace,
            )  # fmt: skip
        place = end
