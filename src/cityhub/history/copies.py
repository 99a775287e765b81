"""Histories of snapshots: copies of what temporal queries find, kept under another tenant.

Source: GS CIM 009 V1.9.1, clauses 5.16.1 and 5.16.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cityhub.history.evolutions import Consumption
from cityhub.history.temporal_view import view_of_document
from cityhub.model.condition import Anything
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import query_from_document
from cityhub.model.ports import Evolution, History, Window
from cityhub.web.views import as_parameters

AT_ONCE: Final = 50


class Copies:
    """Copies histories between tenants."""

    def __init__(self, history: History, consumption: Consumption) -> None:
        self._history = history
        self._consumption = consumption

    async def check(self, query: dict[str, Any], terms: TermMap) -> None:
        """Raises BadRequestData for a temporal query that cannot be."""
        query_from_document(query, terms)
        view_of_document(query, {}, as_parameters(query), terms)

    async def copy(self, tenant: str, query: dict[str, Any], terms: TermMap, target: str) -> int:
        """Copies what a temporal query finds, within its span of time, to another tenant; how many entities."""
        wanted, shown = query_from_document(query, terms), view_of_document(query, {}, as_parameters(query), terms)
        ids = await self._consumption.identifiers(tenant, wanted, shown)
        span = shown.query
        window = Window(span.time_property, span.start, span.end, span.relation is not None, shown.view.attrs)
        found = await self._history.entities(tenant, ids)
        for at in range(0, len(found), AT_ONCE):
            await self._put(tenant, found[at : at + AT_ONCE], window, target)
        return len(found)

    async def copy_all(self, tenant: str, target: str) -> int:
        """Copies the whole history of a tenant to another one; how many entities."""
        copied = 0
        async for block in self._history.scan(tenant, Anything()):
            for at in range(0, len(block), AT_ONCE):
                await self._put(tenant, block[at : at + AT_ONCE], Window(), target)
            copied += len(block)
        return copied

    async def drop(self, tenant: str) -> None:
        """Removes the whole history of a tenant."""
        await self._history.drop_tenant(tenant)

    async def _put(self, tenant: str, evolutions: Sequence[Evolution], window: Window, target: str) -> None:
        found = await self._history.read(tenant, [one.id for one in evolutions], window)
        for evolution, attributes in zip(evolutions, found, strict=True):
            if attributes:
                await self._history.put(target, evolution.id, evolution.types, attributes, create=True)
