"""All registrations of the hub in memory, found by tenant, entity id, type and attribute.

The store holds the records; this index is filled from it at the start and told of every change. A hub without
registrations pays one look-up in an empty dict per request.

Source: GS CIM 009 V1.9.1, clauses 4.3.6 and 5.12.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from cityhub.context.registered import Registration
from cityhub.context.registration import COLLECTION, Record
from cityhub.model.change import Change
from cityhub.model.ngsild.selector import EntitySelector
from cityhub.model.ports import Journal, Store
from cityhub.model.time import Clock, to_text

_Found = dict[str, Registration]


class _Tenant:
    """The registrations of one tenant, in order of their creation.

    Attributes:
        all: By id of the registration.
        ids: Those of single entities, by id of the entity.
        singles: Those of single entities, by type.
        groups: Those of groups of entities, by type; "" for entities of any type.
    """

    __slots__ = ("all", "groups", "ids", "singles")

    def __init__(self) -> None:
        self.all: _Found = {}
        self.ids: dict[str, _Found] = {}
        self.singles: dict[str, _Found] = {}
        self.groups: dict[str, _Found] = {}

    def put(self, registration: Registration) -> None:
        old = self.all.get(registration.id)
        if old is not None:
            self._unlist(old)
        self.all[registration.id] = registration
        for index, key in self._keys(registration):
            index.setdefault(key, {})[registration.id] = registration

    def remove(self, id: str) -> None:
        old = self.all.pop(id, None)
        if old is not None:
            self._unlist(old)

    def _unlist(self, registration: Registration) -> None:
        for index, key in self._keys(registration):
            found = index.get(key, {})
            found.pop(registration.id, None)
            if not found:
                index.pop(key, None)

    def _keys(self, registration: Registration) -> Iterator[tuple[dict[str, _Found], str]]:
        for item in registration.information:
            if not item.entities:
                yield self.groups, ""
            for one in item.entities:
                if one.id is not None:
                    yield self.ids, one.id
                for kind in one.types:
                    yield (self.singles if one.id is not None else self.groups), kind


class Registrations:
    """The index of registrations.

    Args:
        store: Where the records are.
        clock: Tells which registrations have expired.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}

    async def load(self) -> None:
        """Fills the index from the store."""
        records = await self._store.records(None, COLLECTION)
        self._tenants = {}
        for tenant, record in records:
            self.put(tenant, record)

    async def follow(self, journal: Journal) -> None:
        """Keeps the index current with what other hubs on the same store do; runs until it is cancelled."""
        position = journal.last()
        await self.load()
        while True:
            await journal.wait(position)
            for change in await journal.read(position):
                position = change.position
                if change.collection == COLLECTION:
                    self._apply(change)

    def _apply(self, change: Change) -> None:
        if change.after is None:
            self.remove(change.tenant, change.id)
        else:
            self.put(change.tenant, change.after)

    def put(self, tenant: str, record: Record) -> None:
        """Takes a record in, in place of the one with the same id."""
        self._tenants.setdefault(tenant, _Tenant()).put(Registration(tenant, record))

    def remove(self, tenant: str, id: str) -> None:
        """Forgets a registration, if it is known."""
        found = self._tenants.get(tenant)
        if found is not None:
            found.remove(id)
            if not found.all:
                del self._tenants[tenant]

    def __len__(self) -> int:
        return sum(len(found.all) for found in self._tenants.values())

    def any(self, tenant: str) -> bool:
        """Whether the tenant has registrations at all."""
        return tenant in self._tenants

    def get(self, tenant: str, id: str) -> Registration | None:
        """The registration with this id, unless it has expired."""
        found = self._tenants.get(tenant)
        registration = found.all.get(id) if found is not None else None
        return registration if registration is not None and registration.expires_at > self._now() else None

    def all(self, tenant: str) -> list[Registration]:
        """The tenant's registrations that have not expired, in order of their creation."""
        found = self._tenants.get(tenant)
        return self._alive(found.all.values()) if found is not None else []

    def expired(self) -> list[tuple[str, str]]:
        """(tenant, id) of the registrations whose time is over."""
        now = self._now()
        return [(tenant, one.id) for tenant, found in self._tenants.items() for one in found.all.values() if one.expires_at <= now]

    def about(self, tenant: str, id: str, types: Collection[str] | None) -> list[Registration]:
        """Registrations that may have something of an entity; `types` None: they are not known."""
        found = self._tenants.get(tenant)
        if found is None:
            return []
        candidates = dict(found.ids.get(id, {}))
        for kind in found.groups if types is None else ("", *types):
            candidates |= found.groups.get(kind, {})
        return self._alive(candidates.values())

    def selected(self, tenant: str, selectors: Collection[EntitySelector]) -> list[Registration]:
        """Registrations that may have entities that one of the selectors (none: every entity) selects."""
        found = self._tenants.get(tenant)
        if found is None:
            return []
        candidates: dict[str, Registration] = {}
        for selector in selectors:
            if selector.types is None or selector.types.alternatives is None:
                return self._alive(found.all.values())
            kinds = selector.types.names
            places = [found.groups.get(kind, {}) for kind in ("", *kinds)]
            if selector.ids is None:
                places += [found.singles.get(kind, {}) for kind in kinds]
            else:
                places += [found.ids.get(id, {}) for id in selector.ids]
            for place in places:
                candidates |= place
        return self._alive(candidates.values() if selectors else found.all.values())

    def _alive(self, registrations: Iterable[Registration]) -> list[Registration]:
        now = self._now()
        return [one for one in registrations if one.expires_at > now]

    def _now(self) -> str:
        return to_text(self._clock.now())
