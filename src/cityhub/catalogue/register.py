"""The catalogue's records: what comes by itself from the hub's data, and what people enter, in one list for each tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from cityhub.catalogue.automatic import Automatic, AutomaticParts, automatic_id
from cityhub.catalogue.edits import edited, edits_of
from cityhub.catalogue.model import Agency, Dataset, Theme
from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, NoSuchTenant, NotFound
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

DATASETS: Final = "catalogue-dataset"
AGENCIES: Final = "catalogue-agency"
THEMES: Final = "catalogue-theme"
REFRESH_S: Final = 10.0
"""How old the automatic parts may be that an answer is made of, in seconds."""
REREAD_S: Final = 60.0
"""After how long the records are read again that another hub on the same store may have written, in seconds."""
MAX_RECORDS: Final = 20_000
"""Most records of a kind in a tenant."""

_COLLECTIONS: Final[dict[type, str]] = {Dataset: DATASETS, Agency: AGENCIES, Theme: THEMES}

Record = TypeVar("Record", Dataset, Agency, Theme)


class Listed(Generic[Record]):
    """The records of one kind, in the order of their names, found by id or by name."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.all: list[Record] = sorted(records, key=lambda record: record.name)
        self._by_key: dict[str, Record] = {record.name: record for record in self.all}
        self._by_key |= {record.id: record for record in self.all}

    def find(self, key: str) -> Record | None:
        """The record with this id or name, or None."""
        return self._by_key.get(key)


class Contents:
    """All that is in the catalogue of a tenant at one moment; `version` is another after each change."""

    def __init__(self, version: int, datasets: Sequence[Dataset], agencies: Sequence[Agency], themes: Sequence[Theme]) -> None:
        self.version = version
        self.datasets = Listed(datasets)
        self.agencies = Listed(agencies)
        self.themes = Listed(themes)


class Register:
    """Reads and writes the catalogue.

    Args:
        store: Where its records are kept.
        parts: Where the automatic parts come from.
        clock: The present time.
        monotonic_s: A clock in seconds that never goes back.
    """

    def __init__(self, store: Store, parts: AutomaticParts, clock: Clock, monotonic_s: Callable[[], float]) -> None:
        self._store = store
        self._parts = parts
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._contents: dict[str, tuple[float, Contents]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._read_last: dict[str, tuple[float, dict[type, list[Automatic]]]] = {}
        self._version = 0
        self._writes = 0

    async def contents(self, tenant: str) -> Contents:
        """What is in the catalogue, at most some seconds old; what this hub wrote itself is always in it.

        Raises:
            NoSuchTenant: Nothing was ever written to the tenant.
        """
        if tenant and tenant not in self._store.tenants():
            raise NoSuchTenant(f"Tenant '{tenant}' does not exist")
        known = self._contents.get(tenant)
        if known is not None and self._monotonic_s() - known[0] < REFRESH_S:
            return known[1]
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            known = self._contents.get(tenant)
            if known is None or self._monotonic_s() - known[0] >= REFRESH_S:
                return await self._renewed(tenant)
        return known[1]

    async def _renewed(self, tenant: str) -> Contents:
        """Reads again what may have changed; the very contents that are known when nothing has."""
        parts = await self._parts.read(tenant)
        known, last = self._contents.get(tenant), self._read_last.get(tenant)
        now_s = self._monotonic_s()
        if known is not None and last is not None and parts == last[1] and now_s - last[0] < REREAD_S:
            self._contents[tenant] = (now_s, known[1])
            return known[1]
        while True:
            writes = self._writes
            stored = await self._refreshed(tenant, parts)
            if writes == self._writes:  # else somebody wrote while it was read, and may be missing in it
                break
        contents = self._built(self._contents.get(tenant), stored)
        self._contents[tenant] = (self._monotonic_s(), contents)
        self._read_last[tenant] = (now_s, parts)
        return contents

    async def create(self, tenant: str, record: Record) -> Record:
        """Adds what somebody entered, with the times it has or else the present one.

        Raises:
            AlreadyExists: Its id or name is taken.
        """
        contents = await self.contents(tenant)
        listed = _of_kind(contents, record)
        if listed.find(record.id) or listed.find(record.name):
            raise AlreadyExists(f"'{record.name}' exists already: choose another name")
        if len(listed.all) >= MAX_RECORDS:
            raise BadRequestData(f"The catalogue holds {MAX_RECORDS} records of this kind and may not have more")
        now = to_text(self._clock.now())
        created = record.created or now
        document = {"id": record.id, "automatic": None, "edits": _builtins(record), "state": record.state, "created": created}
        document["modified"] = getattr(record, "modified", "") or now

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if current is not None:
                raise AlreadyExists(f"A record with the id '{record.id}' exists already")
            return document, document

        return self._with(tenant, record, await self._write(tenant, record, transition))

    async def change(self, tenant: str, record: Record) -> Record:
        """Makes the record with this id what is given; its automatic part stays under the edits.

        `modified` becomes the present time, unless the record has another one than it had before, as one that was dumped
        elsewhere has. A record that says nothing new stays as it is.
        """
        contents = await self.contents(tenant)
        known = _of_kind(contents, record).find(record.id)
        if known is None:
            raise NotFound(f"There is no record '{record.id}' in the catalogue")
        other = _of_kind(contents, record).find(record.name)
        if other is not None and other.id != record.id:
            raise AlreadyExists(f"The name '{record.name}' belongs to another record already: choose another one")
        if record == known:
            return known
        now = to_text(self._clock.now())
        given = getattr(record, "modified", "")
        modified = given if given and given != getattr(known, "modified", "") and given <= now else now
        created = record.created if record.created and record.created < known.created else known.created
        defaults = _defaults(type(record))

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if current is None:
                raise NotFound(f"There is no record '{record.id}' in the catalogue")
            wanted, automatic = _builtins(record), current["automatic"]
            edits = wanted if automatic is None else edits_of(automatic, wanted, defaults)
            document = {**current, "edits": edits, "state": record.state, "created": created, "modified": modified}
            return document, document

        return self._with(tenant, record, await self._write(tenant, record, transition))

    async def remove(self, tenant: str, record: Record) -> None:
        """Removes a record for good. One that comes by itself comes back without the edits."""
        await self._write(tenant, record, lambda current, at: (None, None))
        self._contents.pop(tenant, None)

    async def _write(
        self, tenant: str, record: Record, transition: Callable[[Document | None, str], tuple[Document | None, Any]]
    ) -> Document:
        (result,) = await self._store.write(tenant, [Write(record.id, transition, _collection(type(record)))])
        if isinstance(result, CityHubError):
            raise result
        self._writes += 1
        document: Document = result or {}
        return document

    def _with(self, tenant: str, record: Record, stored: Document) -> Record:
        """The record as it was stored; it stands in the contents from now on, which need not be read again for it."""
        written = _record(type(record), stored)
        known = self._contents.get(tenant)
        if known is not None:
            at, contents = known
            self._version += 1
            kinds: dict[type, Listed[Any]] = {Dataset: contents.datasets, Agency: contents.agencies, Theme: contents.themes}
            changed: dict[type, list[Any]] = {kind: listed.all for kind, listed in kinds.items()}
            changed[type(record)] = [*(one for one in changed[type(record)] if one.id != record.id), written]
            self._contents[tenant] = (at, Contents(self._version, changed[Dataset], changed[Agency], changed[Theme]))
        return written

    async def _refreshed(self, tenant: str, automatic: dict[type, list[Automatic]]) -> dict[type, list[Document]]:
        """The stored records by kind, after what changed of their automatic parts was stored."""
        stored: dict[type, list[Document]] = {}
        for kind, parts in automatic.items():
            records = {document["id"]: document for _, document in await self._store.records(tenant, _collection(kind))}
            writes = [
                Write(id, transition, _collection(kind))
                for id, transition in _transitions(kind, tenant, parts, records, to_text(self._clock.now()))
            ]
            if writes:
                await self._store.write(tenant, writes)
                records = {document["id"]: document for _, document in await self._store.records(tenant, _collection(kind))}
            stored[kind] = list(records.values())
        return stored

    def _built(self, known: tuple[float, Contents] | None, stored: dict[type, list[Document]]) -> Contents:
        """The contents of stored records, with the very records that are known where these are the same."""
        old = known[1] if known else Contents(0, [], [], [])
        datasets = [_as_known(old.datasets.find(document["id"]), _record(Dataset, document)) for document in stored[Dataset]]
        agencies = [_as_known(old.agencies.find(document["id"]), _record(Agency, document)) for document in stored[Agency]]
        themes = [_as_known(old.themes.find(document["id"]), _record(Theme, document)) for document in stored[Theme]]
        self._version += 1
        return Contents(self._version, datasets, agencies, themes)


def _transitions(
    kind: type, tenant: str, parts: Sequence[Automatic], records: Mapping[str, Document], now: str
) -> list[tuple[str, Callable[[Document | None, str], tuple[Document | None, Any]]]]:
    found: list[tuple[str, Callable[[Document | None, str], tuple[Document | None, Any]]]] = []
    wanted = {automatic_id(tenant, kind, part.key): part.document for part in parts}
    # The name that somebody else's record has already gets a number, so that names stay unique.
    taken = {id: str((document["edits"] or {}).get("name", (document["automatic"] or {}).get("name"))) for id, document in records.items()}
    for id, part in wanted.items():
        others = {name for other, name in taken.items() if other != id}
        name, number = part["name"], 2
        while name in others:
            name, number = f"{part['name'][:90]}-{number}", number + 1
        taken[id] = name
        document = {**_defaults_free(kind, part), "id": id, "name": name}
        known = records.get(id)
        if known is None or known["automatic"] != document:
            found.append((id, _with_automatic(document, now)))
    for id, known in records.items():
        if known["automatic"] is not None and id not in wanted and known["automatic"].get("available", True):
            found.append((id, _without_origin(now)))
    return found


def _with_automatic(document: Document, now: str) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
        if current is None:
            return {"id": document["id"], "automatic": document, "edits": {}, "state": "active", "created": now, "modified": now}, None
        if current["automatic"] == document:
            return current, None
        return {**current, "automatic": document, "modified": now}, None

    return transition


def _without_origin(now: str) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    """What it came from is gone: the record goes too, unless people have put work into it."""

    def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
        if current is None or current["automatic"] is None:
            return current, None
        if not current["edits"] and current["state"] == "active":
            return None, None
        return {**current, "automatic": {**current["automatic"], "available": False}, "modified": now}, None

    return transition


def _as_known(known: Record | None, record: Record) -> Record:
    """The known record when it says the same, so that what was made of it can be kept by its identity."""
    return known if known is not None and known == record else record


def _record(kind: type[Record], stored: Document) -> Record:
    document = stored["edits"] if stored["automatic"] is None else edited(stored["automatic"], stored["edits"])
    document = {**document, "id": stored["id"], "state": stored["state"], "created": stored["created"]}
    if kind is Dataset:
        document["modified"] = stored["modified"]
    return msgspec.convert(document, kind)


def _defaults_free(kind: type, document: Document) -> Document:
    """The document with every member that its kind has, so that it compares with others member by member."""
    return _builtins(msgspec.convert({"id": "-", **document}, kind))


def _defaults(kind: type) -> Document:
    return _builtins(msgspec.convert({"id": "-", "name": "--"}, kind))


def _builtins(record: Any) -> Document:
    document: Document = msgspec.to_builtins(record)
    return document


def _collection(kind: type) -> str:
    return _COLLECTIONS[kind]


def _of_kind(contents: Contents, record: Record) -> Listed[Record]:
    listed: Any = {Dataset: contents.datasets, Agency: contents.agencies, Theme: contents.themes}[type(record)]
    found: Listed[Record] = listed
    return found
