"""Applies the writes of several callers to loaded documents, before anything is sent to the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import orjson

from cityhub.model.change import AttributeChange, Change, attribute_changes
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ports import ENTITIES, JOURNALLED_ONLY, Document, Write
from cityhub.storage.kept import Kept, Key, alive

MAX_ID = 2_000
"""Longest id in bytes of UTF-8: what one entry of an index can hold."""


class Entry(msgspec.Struct, frozen=True):
    """A journal entry that has no position yet."""

    key: Key
    kind: Literal["created", "updated", "deleted"]
    before: Kept | None
    after: Kept | None
    attributes: dict[str, AttributeChange]
    trace: str

    def change(self, position: int, at: str) -> Change:
        """The journal entry at its position."""
        collection, tenant, id = self.key
        return Change(position, collection, tenant, id, self.kind, at, self.after, self.before, self.attributes, self.trace)


class Batch:
    """What a group of calls does to the items that it names.

    The number of a kept document is its place in the order of creation; -n stands for the position of the batch's
    n-th entry, at which it was created.

    Attributes:
        now: The time of the writes.
        loaded: The items as they were committed before.
        current: The items that were touched, as they are now; None is deleted.
        entries: The journal entries, in order.
    """

    def __init__(self, now: str, loaded: Mapping[Key, Kept]) -> None:
        self.now = now
        self.loaded = loaded
        self.current: dict[Key, Kept | None] = {}
        self.entries: list[Entry] = []

    def apply(self, tenant: str, writes: Sequence[Write], trace: str = "", sees_expired: bool = False) -> list[Any | CityHubError]:
        """One result per write. What a transition raises beside CityHubError is raised here, and nothing was applied.

        What has expired is not there any more for a transition: writing an entity whose time has passed deletes the
        old one and creates a new one. With `sees_expired` the transitions get everything as it is.
        """
        touched: dict[Key, Kept | None] = {}
        entries: list[Entry] = []
        results: list[Any | CityHubError] = []
        for write in writes:
            key = (write.collection, tenant, write.id)
            before = self._version(key, touched)
            seen = before if sees_expired or before is None else alive(before, self.now)
            try:
                check_id(write.id)
                after, result = write.transition(seen, self.now)
            except CityHubError as error:
                results.append(error)
                continue
            results.append(result)
            if after is seen:
                continue
            if seen is None and before is not None:
                entries.append(_entry(key, before, None, trace))
                before = None
            kept = self._step(key, before, after, entries, trace)
            if write.collection not in JOURNALLED_ONLY:
                touched[key] = kept
        self.current.update(touched)
        self.entries.extend(entries)
        return results

    def _version(self, key: Key, touched: Mapping[Key, Kept | None]) -> Kept | None:
        if key in touched:
            return touched[key]
        return self.current[key] if key in self.current else self.loaded.get(key)

    def _step(self, key: Key, before: Kept | None, after: Document | None, entries: list[Entry], trace: str) -> Kept | None:
        kept = None
        if after is not None:
            born = -(len(self.entries) + len(entries) + 1)
            kept = Kept(after, before.number if before is not None else born, orjson.dumps(after), key[0] == ENTITIES)
        entries.append(_entry(key, before, kept, trace))
        return kept


def check_id(id: str) -> None:
    """Raises BadRequestData for an id that no index could hold."""
    try:
        size = len(id.encode())
    except UnicodeEncodeError:
        raise BadRequestData("An id must be valid Unicode text, without surrogates") from None
    if size > MAX_ID:
        raise BadRequestData(f"An id has at most {MAX_ID:,} bytes; this one has {size:,} ('{id[:60]}...')")


def _entry(key: Key, before: Kept | None, after: Kept | None, trace: str) -> Entry:
    attributes = attribute_changes(before, after) if key[0] == ENTITIES else {}
    kind: Literal["created", "updated", "deleted"] = "created" if before is None else "deleted" if after is None else "updated"
    return Entry(key, kind, before, after, attributes, trace)
