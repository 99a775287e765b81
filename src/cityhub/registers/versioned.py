"""A register of definitions: the current one of each, and every earlier one.

A record is {"id", "definition", "version", "by", "at", "why", "origin", "touched"}: `origin` is {"file", "digest"} of a definition
that the district's folder brought, and `touched` says what people changed of it since ("", "enabled" or "definition"). A definition that
was deleted leaves its record with "deleted", so that its versions are counted on when it comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from cityhub.model.change import Change
from cityhub.model.errors import AlreadyExists, CityHubError, Conflict, NotFound, PreconditionFailed
from cityhub.model.ports import Document, Store, Write

MOST_WHY: Final = 500
TRIES: Final = 5
"""So often a change is tried that meets another one in the same moment."""
Transition = Callable[[Document | None, str], tuple[Document, Document]]

log = logging.getLogger(__name__)


class Defined(Protocol):
    """A definition: a msgspec struct with these members, and with `enabled` if it can be started and stopped."""

    @property
    def id(self) -> str:
        """Its name, which it keeps."""

    @property
    def version(self) -> int:
        """Counted by the register."""


D = TypeVar("D", bound=Defined)


class Deed(msgspec.Struct, frozen=True):
    """Who changes a definition, and why."""

    by: str
    why: str = ""
    trace: str = ""


class Kind(msgspec.Struct, frozen=True):
    """What a register holds.

    Attributes:
        name: As messages call one: "feed".
        collection: Of the current records; earlier ones are in `collection` + "_version".
        type: The struct.
        most: So many at most.
    """

    name: str
    collection: str
    type: type[Any]
    most: int


class VersionedRegister(Generic[D]):
    """A register.

    Args:
        kind: What it holds.
        store: Where the records are kept; in the default tenant, whatever tenant a definition is about.
        arrange: Hears of every change once `begin` was called, given all definitions by id.
    """

    def __init__(self, kind: Kind, store: Store, arrange: Callable[[list[D]], Awaitable[None]] | None = None) -> None:
        self.kind = kind
        self._store = store
        self._told = arrange
        self._records: dict[str, Document] = {}
        self._found: dict[str, D] = {}
        self._begun = False

    async def load(self) -> None:
        """Reads all records; who is to hear of them does by `begin`."""
        for _, record in await self._store.records("", self.kind.collection):
            self._take(record["id"], record)

    async def begin(self) -> None:
        """Tells what there is, now and after each change; until then changes are only written down."""
        self._begun = True
        await self._arrange()

    async def _arrange(self) -> None:
        if self._begun and self._told is not None:
            await self._told(self.all())

    async def changed(self, change: Change) -> None:
        """Takes over what the journal says of a record, from whichever hub on the same store it came."""
        known = self._records.get(change.id)
        if change.after is not None and (known is None or known["at"] < change.after["at"]):
            self._take(change.id, change.after)
            await self._arrange()

    def all(self) -> list[D]:
        """All definitions, by id."""
        return [self._found[id] for id in sorted(self._found)]

    def get(self, id: str) -> D:
        """A definition. Raises NotFound."""
        found = self._found.get(id)
        if found is None:
            raise self._missing(id)
        return found

    def record(self, id: str) -> Document | None:
        """The record of a definition, also of one that was deleted; None when there never was one."""
        return self._records.get(id)

    async def create(self, definition: D, deed: Deed, origin: Document | None = None) -> D:
        """Adds a definition. Raises AlreadyExists, also when there are too many."""
        name = self.kind.name

        def made(current: Document | None, at: str) -> tuple[Document, Document]:
            if current is not None and "deleted" not in current:
                raise AlreadyExists(f"There is a {name} '{definition.id}' already; change it with PUT")
            record = _record(definition, (current["version"] if current else 0) + 1, deed, at, origin or {})
            return record, record

        if len(self._found) >= self.kind.most:
            raise AlreadyExists(f"A hub has at most {self.kind.most} {name}s; delete one first")
        return await self._write(definition.id, made, deed)

    async def replace(self, definition: D, deed: Deed, versions: frozenset[str] | None = None, origin: Document | None = None) -> D:
        """Gives it another definition; with the same one nothing changes.

        Args:
            definition: The new definition; its `version` does not count.
            deed: Who, and why.
            versions: The versions of which one must be the present one (If-Match); None: any.
            origin: Of a definition that the district's folder brings.

        Raises:
            NotFound: There is none yet.
            PreconditionFailed: Somebody else changed it meanwhile.
        """

        def changed(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(definition.id, current, versions)
            if origin is None and _definition(definition, record["version"]) == record["definition"]:
                return record, record
            touched = "" if origin is not None else "definition"
            new = _record(definition, record["version"] + 1, deed, at, origin or record["origin"], touched)
            return new, new

        return await self._write(definition.id, changed, deed)

    async def switch(self, id: str, enabled: bool, deed: Deed, versions: frozenset[str] | None = None) -> D:
        """Starts or stops it. Raises NotFound, PreconditionFailed."""

        def changed(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(id, current, versions)
            definition = msgspec.convert(record["definition"], self.kind.type)
            if definition.enabled == enabled:
                return record, record
            definition = msgspec.structs.replace(definition, enabled=enabled)
            new = _record(definition, record["version"] + 1, deed, at, record["origin"], record["touched"] or "enabled")
            return new, new

        return await self._write(id, changed, deed)

    async def delete(self, id: str, deed: Deed, versions: frozenset[str] | None = None) -> None:
        """Takes it away; its versions stay. Raises NotFound, PreconditionFailed."""

        def gone(current: Document | None, at: str) -> tuple[Document, Document]:
            record = self._present(id, current, versions)
            new = {**record, "by": deed.by, "at": at, "why": deed.why[:MOST_WHY], "version": record["version"] + 1, "deleted": True}
            return new, new

        await self._write(id, gone, deed)

    async def versions(self, id: str, limit: int, offset: int) -> tuple[list[Document], int]:
        """Records of the versions, the present one first, and how many there are. Raises NotFound."""
        record = self._records.get(id)
        if record is None:
            raise self._missing(id)
        newest: int = record["version"]
        found: list[Document] = [record] if offset == 0 else []
        for number in range(newest - max(1, offset), max(0, newest - offset - limit), -1):
            earlier = await self._store.fetch("", _version_id(id, number), self._earlier)
            if earlier is not None:
                found.append(earlier)
        return found[:limit], newest

    async def version(self, id: str, number: int) -> D:
        """The definition as it was in a version, also of one that was deleted since. Raises NotFound."""
        record = self._records.get(id)
        if record is not None and record["version"] != number:
            record = await self._store.fetch("", _version_id(id, number), self._earlier)
        if record is None:
            raise NotFound(f"There is no version {number} of a {self.kind.name} '{id[:100]}'")
        found: D = msgspec.convert(record["definition"], self.kind.type)
        return found

    @property
    def _earlier(self) -> str:
        return f"{self.kind.collection}_version"

    def _missing(self, id: str) -> NotFound:
        return NotFound(f"There is no {self.kind.name} '{id[:100]}'")

    def _present(self, id: str, current: Document | None, versions: frozenset[str] | None) -> Document:
        if current is None or "deleted" in current:
            raise self._missing(id)
        if versions is not None and str(current["version"]) not in versions:
            raise PreconditionFailed(f"The {self.kind.name} has version {current['version']} now; read it again and change that one")
        return current

    async def _write(self, id: str, transition: Transition, deed: Deed) -> D:
        """Writes a record and, in the same transaction, keeps the one before it as a version."""
        result: Any = None
        for _ in range(TRIES):
            record = await self._store.fetch("", id, self.kind.collection)
            version = record["version"] if record else 0
            earlier = _Earlier(transition, version, self.kind.name)
            writes = [Write(id, earlier.change, self.kind.collection), Write(_version_id(id, version), earlier.keep, self._earlier)]
            result, _ = await self._store.write("", writes, deed.trace)
            if not isinstance(result, _Moved):
                break
        if isinstance(result, CityHubError):
            raise result
        self._take(id, result)
        await self._arrange()
        written: D = msgspec.convert(result["definition"], self.kind.type)
        return written

    def _take(self, id: str, record: Document) -> None:
        self._records[id] = record
        if "deleted" in record:
            self._found.pop(id, None)
            return
        try:
            self._found[id] = msgspec.convert(record["definition"], self.kind.type)
        except msgspec.ValidationError:
            log.exception("%s %s was kept in a form that this version of the hub does not know", self.kind.name, id)


class _Moved(Conflict):
    """Somebody else changed the record in the same moment."""


class _Earlier:
    """A change of a record, and the keeping of the one before it."""

    def __init__(self, transition: Transition, version: int, name: str) -> None:
        self._transition = transition
        self._version = version
        self._name = name
        self._before: Document | None = None

    def change(self, current: Document | None, at: str) -> tuple[Document, Document]:
        """The record's transition; refuses a record of another version than the one whose place was made ready."""
        if (current["version"] if current else 0) != self._version:
            raise _Moved(f"The {self._name} is being changed by somebody else; read it again and change that one")
        new, result = self._transition(current, at)
        self._before = current if new is not current else None
        return new, result

    def keep(self, current: Document | None, at: str) -> tuple[Document | None, None]:
        """The transition of the version's own record."""
        return (current if self._before is None else self._before), None


def _definition(definition: Any, version: int) -> Document:
    document: Document = msgspec.to_builtins(msgspec.structs.replace(definition, version=version))
    if hasattr(definition, "enabled"):
        document.setdefault("enabled", True)
    return document


def _record(definition: Defined, version: int, deed: Deed, at: str, origin: Document, touched: str = "") -> Document:
    return {
        "id": definition.id, "definition": _definition(definition, version), "version": version, "by": deed.by, "at": at,
        "why": deed.why[:MOST_WHY], "origin": origin, "touched": touched,
    }  # fmt: skip


def _version_id(id: str, version: int) -> str:
    return f"{id}/{version}"


def present(record: Document) -> dict[str, Any]:
    """A version as it is shown: its definition, and who changed it when and why."""
    return {
        **record["definition"], "version": record["version"],
        "changed": {"by": record["by"], "at": record["at"], "why": record["why"]}, **({"deleted": True} if "deleted" in record else {}),
    }  # fmt: skip
