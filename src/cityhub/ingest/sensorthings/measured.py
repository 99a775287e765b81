"""Which attributes of a tenant are measured: the ObservedProperties that nobody made.

All entities have to be looked at for it, so what was found is remembered for a short while.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cityhub.ingest.sensorthings.ids import measured
from cityhub.model.condition import Anything
from cityhub.model.ports import Store
from cityhub.model.time import Clock

FRESH: Final = timedelta(seconds=30)
"""So long an attribute that was there before may be measured without being seen as such; a new one is seen at once."""
MAX_TENANTS: Final = 1_000


class MeasuredAttributes:
    """Finds and remembers the measured attributes of tenants."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[datetime, frozenset[str], tuple[str, ...]]] = {}

    async def of(self, tenant: str) -> tuple[str, ...]:
        """The attributes (IRIs), sorted."""
        now = self._clock.now()
        there = frozenset(shape.attribute for shape in await self._store.shapes(tenant) if shape.kind == "Property" and shape.attribute)
        known = self._known.get(tenant)
        if known is not None and known[1] == there and now - known[0] < FRESH:
            return known[2]
        found = await self._look(tenant, set(there))
        if len(self._known) >= MAX_TENANTS:
            self._known.clear()
        self._known[tenant] = (now, there, found)
        return found

    async def _look(self, tenant: str, left: set[str]) -> tuple[str, ...]:
        found: set[str] = set()
        if left:
            async for block in self._store.scan(tenant, Anything()):
                for entity in block:
                    if not left.isdisjoint(entity["attrs"]):
                        found.update(stream.attribute for stream, _ in measured(entity))
                left -= found
                if not left:
                    break
        return tuple(sorted(found))
