"""Applies the writes of several callers to loaded documents, before anything is sent to a database. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from cityhub.model.change import AttributeChange, Change, attribute_changes
from cityhub.model.errors import CityHubError
from cityhub.model.ports import ENTITIES, Document, Write
from cityhub.storage.traits import expiry


class Key(NamedTuple):
    """Where an item is kept."""

    tenant: str
    collection: str
    id: str


class Version(msgspec.Struct, frozen=True):
    """One version of an item.

    Attributes:
        seq: Its place in the order of creation; -n stands for the position of the batch's n-th entry, at which it
            was created.
        document: The document.
        text: The document as JSON text.
    """

    seq: int
    document: Document
    text: str


class Entry(msgspec.Struct, frozen=True):
    """A journal entry that has no position yet."""

    key: Key
    kind: Literal["created", "updated", "deleted"]
    before: Version | None
    after: Version | None
    attributes: dict[str, AttributeChange]
    trace: str

    def change(self, position: int, at: str) -> Change:
        """The journal entry at its position."""
        return Change(
            position=position,
            collection=self.key.collection,
            tenant=self.key.tenant,
            id=self.key.id,
            kind=self.kind,
            at=at,
            after=self.after.document if self.after else None,
            before=self.before.document if self.before else None,
            attributes=self.attributes,
            trace=self.trace,
        )


class Batch:
    """What a group of calls does to the items that it names.

    Attributes:
        now: The time of the writes.
        loaded: The items as they were committed before.
        current: The items that were touched, as they are now; None is deleted.
        entries: The journal entries, in order.
    """

    def __init__(self, now: str, loaded: Mapping[Key, Version]) -> None:
        self.now = now
        self.loaded = loaded
        self.current: dict[Key, Version | None] = {}
        self.entries: list[Entry] = []

    def apply(self, tenant: str, writes: Sequence[Write], trace: str = "", sees_expired: bool = False) -> list[Any | CityHubError]:
        """One result per write. What a transition raises beside CityHubError is raised here, and nothing was applied.

        An entity whose time has passed is not there any more for a transition; writing it again deletes the old one
        and creates a new one. With `sees_expired` the transitions get it as it is.
        """
        touched: dict[Key, Version | None] = {}
        entries: list[Entry] = []
        results: list[Any | CityHubError] = []
        for write in writes:
            key = Key(tenant, write.collection, write.id)
            before = self._version(key, touched)
            hidden = before is not None and not sees_expired and self._is_expired(key, before)
            seen = None if hidden or before is None else before.document
            try:
                after, result = write.transition(seen, self.now)
            except CityHubError as error:
                results.append(error)
                continue
            results.append(result)
            if after is seen:
                continue
            if hidden:
                entries.append(_entry(key, before, None, trace))
                before = None
            touched[key] = self._next(key, before, after, entries, trace)
        self.current.update(touched)
        self.entries.extend(entries)
        return results

    def _version(self, key: Key, touched: Mapping[Key, Version | None]) -> Version | None:
        if key in touched:
            return touched[key]
        return self.current[key] if key in self.current else self.loaded.get(key)

    def _is_expired(self, key: Key, version: Version) -> bool:
        if key.collection != ENTITIES:
            return False
        end = expiry(version.document)
        return end is not None and end <= self.now

    def _next(
        self, key: Key, before: Version | None, after: Document | None, entries: list[Entry], trace: str
    ) -> Version | None:
        version = None
        if after is not None:
            born = -(len(self.entries) + len(entries) + 1)
            version = Version(before.seq if before else born, after, orjson.dumps(after).decode())
        entries.append(_entry(key, before, version, trace))
        return version


def _entry(key: Key, before: Version | None, after: Version | None, trace: str) -> Entry:
    attributes: dict[str, AttributeChange] = {}
    if key.collection == ENTITIES:
        attributes = attribute_changes(before.document if before else None, after.document if after else None)
    kind: Literal["created", "updated", "deleted"] = "created" if before is None else "deleted" if after is None else "updated"
    return Entry(key, kind, before, after, attributes, trace)
