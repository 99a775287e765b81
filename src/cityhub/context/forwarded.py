"""The copies of subscriptions at context sources: who was told of what, kept with the store.

The record of one is

    {"id": URI that the copy was given here, "subscription": URI, "registration": the registration's record, "remote": URI at the source,
     "sent": the copy that the source has (None: not known to have any), "unwanted": since when it is to go (absent: it is to stay)}

Source: GS CIM 009 V1.9.1, clause 5.8.1.4 (the mappings that are to be stored).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from cityhub.context.registered import Registration
from cityhub.model.errors import CityHubError
from cityhub.model.ports import Document, Store, Write

COLLECTION: Final = "forwarded_subscription"

Subject = tuple[str, str]
"""tenant, id of a subscription."""


class Copy:
    """One copy of a subscription at one source.

    Attributes:
        tenant: The tenant of the subscription here.
        record: What is kept of it.
        registration: The source.
        error: Why the last attempt to reach the source failed; "" if it did not.
    """

    __slots__ = ("error", "record", "registration", "tenant")

    def __init__(self, tenant: str, record: Document) -> None:
        self.tenant = tenant
        self.record = record
        self.registration = Registration(tenant, record["registration"])
        self.error = ""

    @property
    def subject(self) -> Subject:
        """The subscription that it is a copy of."""
        return self.tenant, self.record["subscription"]


class Copies:
    """All copies, in memory and in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded = asyncio.Event()
        self._by_id: dict[str, Copy] = {}
        self._by_remote: dict[str, Copy] = {}
        self._of: dict[Subject, dict[str, Copy]] = {}

    async def load(self) -> None:
        """Reads what the store has."""
        for tenant, record in await self._store.records(None, COLLECTION):
            self._keep(Copy(tenant, record))
        self._loaded.set()

    async def loaded(self) -> None:
        """Returns as soon as `load` has read what there is."""
        await self._loaded.wait()

    def __iter__(self) -> Iterator[Copy]:
        return iter(list(self._by_id.values()))

    def of(self, subject: Subject) -> list[Copy]:
        """The copies of one subscription."""
        return list(self._of.get(subject, {}).values())

    def named(self, id: str) -> Copy | None:
        """The copy with this id, be it the one that it was given here or the one at the source."""
        return self._by_id.get(id) or self._by_remote.get(id)

    async def put(self, copy: Copy, **members: Any) -> None:
        """Keeps a copy, with some members changed. Raises StoreUnavailable."""
        record = {**copy.record, **members}
        await self._write(copy.tenant, record["id"], record)
        self._by_remote.pop(copy.record["remote"], None)
        copy.record = record
        self._keep(copy)

    async def remove(self, copy: Copy) -> None:
        """Forgets a copy. Raises StoreUnavailable."""
        await self._write(copy.tenant, copy.record["id"], None)
        self._by_id.pop(copy.record["id"], None)
        self._by_remote.pop(copy.record["remote"], None)
        others = self._of.get(copy.subject, {})
        others.pop(copy.record["id"], None)
        if not others:
            self._of.pop(copy.subject, None)

    def _keep(self, copy: Copy) -> None:
        self._by_id[copy.record["id"]] = copy
        self._by_remote[copy.record["remote"]] = copy
        self._of.setdefault(copy.subject, {})[copy.record["id"]] = copy

    async def _write(self, tenant: str, id: str, record: Document | None) -> None:
        [result] = await self._store.write(tenant, [Write(id, lambda current, now: (record, None), COLLECTION)])
        if isinstance(result, CityHubError):
            raise result
