"""The feeds of the hub: the current definition of each, and every earlier one.

A record of `FEEDS` is {"id", "definition", "version", "by", "at", "why", "origin", "touched"}: `origin` is {"file", "digest"} of a feed
that the district's folder brought, and `touched` says what people changed of it since ("", "enabled" or "definition"). A feed that was
deleted leaves its record with "deleted", so that its versions are counted on when it comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import Gateway
from cityhub.model.change import Change
from cityhub.model.errors import AlreadyExists, CityHubError, Conflict, NotFound, PreconditionFailed
from cityhub.model.ports import Document, Store, Write

FEEDS: Final = "feed"
VERSIONS: Final = "feed_version"
MOST_FEEDS: Final = 2_000
MOST_WHY: Final = 500
TRIES: Final = 5
"""So often a change is tried that meets another one in the same moment."""
Transition = Callable[[Document | None, str], tuple[Document, Document]]

log = logging.getLogger(__name__)


class Deed(msgspec.Struct, frozen=True):
    """Who changes a feed, and why."""

    by: str
    why: str = ""
    trace: str = ""


class FeedRegister:
    """The register of feeds.

    Args:
        store: Where the records are kept; in the default tenant, whatever tenant the entities of a feed go to.
        gateway: What runs the feeds; it hears of every change.
    """

    def __init__(self, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway
        self._records: dict[str, Document] = {}
        self._feeds: dict[str, Feed] = {}
        self._begun = False

    async def load(self) -> None:
        """Reads all records; the gateway is told by `begin`."""
        for _, record in await self._store.records("", FEEDS):
            self._take(record["id"], record)

    async def begin(self) -> None:
        """Tells the gateway which feeds there are, now and after each change; until then changes are only written down."""
        self._begun = True
        await self._arrange()

    async def _arrange(self) -> None:
        if self._begun:
            await self._gateway.arrange(self.feeds())

    async def changed(self, change: Change) -> None:
        """Takes over what the journal says of a record, from whichever hub on the same store it came."""
        known = self._records.get(change.id)
        if change.after is not None and (known is None or known["at"] < change.after["at"]):
            self._take(change.id, change.after)
            await self._arrange()

    def feeds(self) -> list[Feed]:
        """All feeds, by id."""
        return [self._feeds[id] for id in sorted(self._feeds)]

    def listening(self, protocol: str) -> str:
        """Where a running feed of a protocol listens, "host:port"; "" when none does."""
        states = self._gateway.states()
        found = (states[feed.id].address for feed in self.feeds() if feed.protocol == protocol and feed.id in states)
        return next(filter(None, found), "")

    def get(self, id: str) -> Feed:
        """A feed. Raises NotFound."""
        feed = self._feeds.get(id)
        if feed is None:
            raise NotFound(f"There is no feed '{id[:100]}'")
        return feed

    def record(self, id: str) -> Document | None:
        """The record of a feed, also of one that was deleted; None when there never was one."""
        return self._records.get(id)

    async def create(self, feed: Feed, deed: Deed, origin: Document | None = None) -> Feed:
        """Adds a feed. Raises AlreadyExists, and Conflict when there are too many."""

        def made(current: Document | None, at: str) -> tuple[Document, Document]:
            if current is not None and "deleted" not in current:
                raise AlreadyExists(f"There is a feed '{feed.id}' already; change it with PUT")
            record = _record(feed, (current["version"] if current else 0) + 1, deed, at, origin or {})
            return record, record

        if len(self._feeds) >= MOST_FEEDS:
            raise AlreadyExists(f"A hub has at most {MOST_FEEDS} feeds; delete one first")
        return await self._write(feed.id, made, deed)

    async def replace(self, feed: Feed, deed: Deed, versions: frozenset[str] | None = None, origin: Document | None = None) -> Feed:
        """Gives a feed another definition; with the same one nothing changes.

        Args:
            feed: The new definition; its `version` does not count.
            deed: Who, and why.
            versions: The versions of which one must be the present one (If-Match); None: any.
            origin: Of a definition that the district's folder brings.

        Raises:
            NotFound: There is no such feed.
            PreconditionFailed: Somebody else changed it meanwhile.
        """

        def changed(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(feed.id, current, versions)
            if origin is None and _definition(feed, record["version"]) == record["definition"]:
                return record, record
            touched = "" if origin is not None else "definition"
            new = _record(feed, record["version"] + 1, deed, at, origin or record["origin"], touched)
            return new, new

        return await self._write(feed.id, changed, deed)

    async def switch(self, id: str, enabled: bool, deed: Deed, versions: frozenset[str] | None = None) -> Feed:
        """Starts or stops a feed. Raises NotFound, PreconditionFailed."""

        def changed(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(id, current, versions)
            feed = msgspec.convert(record["definition"], Feed)
            if feed.enabled == enabled:
                return record, record
            feed = msgspec.structs.replace(feed, enabled=enabled)
            new = _record(feed, record["version"] + 1, deed, at, record["origin"], record["touched"] or "enabled")
            return new, new

        return await self._write(id, changed, deed)

    async def delete(self, id: str, deed: Deed, versions: frozenset[str] | None = None) -> None:
        """Takes a feed away; its versions stay. Raises NotFound, PreconditionFailed."""

        def gone(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(id, current, versions)
            new = {**record, "by": deed.by, "at": at, "why": deed.why[:MOST_WHY], "version": record["version"] + 1, "deleted": True}
            return new, new

        await self._write(id, gone, deed)

    async def versions(self, id: str, limit: int, offset: int) -> tuple[list[Document], int]:
        """Versions of a feed, the present one first, and how many there are. Raises NotFound."""
        record = self._records.get(id)
        if record is None:
            raise NotFound(f"There is no feed '{id[:100]}'")
        newest: int = record["version"]
        found: list[Document] = [record] if offset == 0 else []
        for number in range(newest - max(1, offset), max(0, newest - offset - limit), -1):
            earlier = await self._store.fetch("", _version_id(id, number), VERSIONS)
            if earlier is not None:
                found.append(earlier)
        return found[:limit], newest

    def _present(self, id: str, current: Document | None, versions: frozenset[str] | None) -> Document:
        if current is None or "deleted" in current:
            raise NotFound(f"There is no feed '{id[:100]}'")
        if versions is not None and str(current["version"]) not in versions:
            raise PreconditionFailed(f"The feed has version {current['version']} now; read it again and change that one")
        return current

    async def _write(self, id: str, transition: Transition, deed: Deed) -> Feed:
        """Writes a record and, in the same transaction, keeps the one before it as a version."""
        result: Any = None
        for _ in range(TRIES):
            record = await self._store.fetch("", id, FEEDS)
            version = record["version"] if record else 0
            earlier = _Earlier(transition, version)
            writes = [Write(id, earlier.change, FEEDS), Write(_version_id(id, version), earlier.keep, VERSIONS)]
            result, _ = await self._store.write("", writes, deed.trace)
            if not isinstance(result, _Moved):
                break
        if isinstance(result, CityHubError):
            raise result
        self._take(id, result)
        await self._arrange()
        return msgspec.convert(result["definition"], Feed)

    def _take(self, id: str, record: Document) -> None:
        self._records[id] = record
        if "deleted" in record:
            self._feeds.pop(id, None)
            return
        try:
            self._feeds[id] = msgspec.convert(record["definition"], Feed)
        except msgspec.ValidationError:
            log.exception("feed %s was kept in a form that this version of the hub does not know", id)


class _Moved(Conflict):
    """Somebody else changed the record in the same moment."""


class _Earlier:
    """A change of a record, and the keeping of the one before it."""

    def __init__(self, transition: Transition, version: int) -> None:
        self._transition = transition
        self._version = version
        self._before: Document | None = None

    def change(self, current: Document | None, at: str) -> tuple[Document, Document]:
        """The record's transition; refuses a record of another version than the one whose place was made ready."""
        if (current["version"] if current else 0) != self._version:
            raise _Moved("The feed is being changed by somebody else; read it again and change that one")
        new, result = self._transition(current, at)
        self._before = current if new is not current else None
        return new, result

    def keep(self, current: Document | None, at: str) -> tuple[Document | None, None]:
        """The transition of the version's own record."""
        return (current if self._before is None else self._before), None


def _definition(feed: Feed, version: int) -> Document:
    document: Document = msgspec.to_builtins(msgspec.structs.replace(feed, version=version))
    document.setdefault("enabled", True)
    return document


def _record(feed: Feed, version: int, deed: Deed, at: str, origin: Document, touched: str = "") -> Document:
    return {
        "id": feed.id, "definition": _definition(feed, version), "version": version, "by": deed.by, "at": at, "why": deed.why[:MOST_WHY],
        "origin": origin, "touched": touched,
    }  # fmt: skip


def _version_id(id: str, version: int) -> str:
    return f"{id}/{version}"


def present(record: Document) -> dict[str, Any]:
    """A version as it is shown: its definition, and who changed it when and why."""
    return {
        **record["definition"], "version": record["version"],
        "changed": {"by": record["by"], "at": record["at"], "why": record["why"]}, **({"deleted": True} if "deleted" in record else {}),
    }  # fmt: skip
