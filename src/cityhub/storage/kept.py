"""Documents as a store keeps them in memory, and the bounded memory itself."""

from __future__ import annotations

import threading
from typing import Any

import orjson

from cityhub.model.expiry import earliest_expiry, without_expired
from cityhub.model.ports import ENTITIES
from cityhub.model.weight import weight_of

Key = tuple[str, str, str]
"""collection, tenant, id."""


class Kept(dict[str, Any]):
    """A document with its row number, its stored bytes, when something of it expires, and a place for renderings of it.

    It is replaced as a whole when the item changes, so whatever is kept with it can never be stale.
    """

    __slots__ = ("encoded", "expires", "number", "rendered", "weight")

    def __init__(self, document: dict[str, Any], number: int, encoded: bytes, is_entity: bool = True) -> None:
        super().__init__(document)
        self.number = number
        self.encoded = encoded
        self.weight = weight_of(encoded)
        # Looked for in the bytes first, since hardly anything expires. Records care for their own.
        self.expires = earliest_expiry(document) if is_entity and b'"expiresAt"' in encoded else None
        self.rendered: dict[Any, bytes] = {}


def decode(number: int, encoded: bytes, is_entity: bool = True) -> Kept:
    """A kept document from its stored bytes."""
    return Kept(orjson.loads(encoded), number, encoded, is_entity)


def alive(kept: Kept, now: str) -> dict[str, Any] | None:
    """What is left of a document at a time: the very document when nothing of it has expired."""
    return kept if kept.expires is None or kept.expires > now else without_expired(kept, now)


def is_text(key: Key) -> bool:
    """Whether an item with such a key can exist: text with lone surrogates cannot be kept."""
    try:
        "".join(key).encode()
    except UnicodeEncodeError:
        return False
    return True


class Memory:
    """Recently used documents, all of them as last committed; at most `bound` of them and about `bound_bytes` of memory.

    The writer publishes after each commit; a reader may add what it read only if nothing was published meanwhile,
    so that an old version can never come back.
    """

    def __init__(self, bound: int = 20_000, bound_bytes: int = 160_000_000) -> None:
        self._items: dict[Key, Kept] = {}
        self._entities: dict[int, Kept] = {}
        self._bound = bound
        self._bound_bytes = bound_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self.published = 0

    def get(self, key: Key) -> Kept | None:
        """The document, or None when it is not in memory (it may exist all the same)."""
        return self._items.get(key)

    def entity(self, number: int) -> Kept | None:
        """The entity of a row number, or None when it is not in memory."""
        return self._entities.get(number)

    def publish(self, items: dict[Key, Kept | None]) -> None:
        """Makes committed versions visible; None is a deletion."""
        with self._lock:
            kept, entities, size = self._items, self._entities, self._bytes
            for key, item in items.items():
                old = kept.pop(key, None)
                if old is not None:
                    size -= old.weight
                    if key[0] == ENTITIES and (item is None or item.number != old.number):
                        entities.pop(old.number, None)
                if item is not None:
                    kept[key] = item
                    size += item.weight
                    if key[0] == ENTITIES:
                        entities[item.number] = item
            self._bytes = size
            while len(kept) > self._bound or self._bytes > self._bound_bytes:
                self._forget_oldest()
            self.published += 1  # last: who sees the new number must not meet an old version any more

    def add(self, key: Key, item: Kept, published: int) -> None:
        """Keeps a document that was read while `self.published` had the given value."""
        with self._lock:
            if self.published == published:
                self._put(key, item)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._items.clear()
            self._entities.clear()
            self._bytes = 0
            self.published += 1

    def _put(self, key: Key, item: Kept | None) -> None:
        old = self._items.pop(key, None)
        if old is not None:
            self._dropped(key, old)
        if item is None:
            return
        self._items[key] = item
        if key[0] == ENTITIES:
            self._entities[item.number] = item
        self._bytes += item.weight
        while len(self._items) > self._bound or self._bytes > self._bound_bytes:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        # Dropping an eighth at a time keeps the common path free of bookkeeping per access.
        for key in list(self._items)[: max(1, len(self._items) // 8)]:
            self._dropped(key, self._items.pop(key))

    def _dropped(self, key: Key, old: Kept) -> None:
        self._bytes -= old.weight
        if key[0] == ENTITIES:
            self._entities.pop(old.number, None)
