"""Reads histories for an answer in portions, so that memory stays bounded however much there is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import TooManyResults
from cityhub.model.ngsild.temporal import TemporalQuery
from cityhub.model.ngsild.temporal_page import prune
from cityhub.model.ports import History, Window
from cityhub.model.time import to_text

PORTION: Final = 50_000
"""About how many instances are read at once."""


class SpanReader:
    """Reads entities of one tenant, one after the other, for one answer.

    Args:
        history: Where they are.
        tenant: The tenant.
        window: What is asked for; its limit does not count.
    """

    def __init__(self, history: History, tenant: str, window: Window) -> None:
        self._history = history
        self._tenant = tenant
        self._window = window
        self._tight: Window | None = None

    async def first(self, id: str) -> Attributes:
        """The earliest instance of each attribute that has one in the window."""
        [attrs] = await self._history.read(self._tenant, [id], msgspec.structs.replace(self._window, limit=1))
        return attrs

    async def page(self, id: str, query: TemporalQuery, size: int) -> Attributes:
        """As many instances of each attribute as a page can need; an attribute that has none within what it needs stays, empty."""
        names = list(await self.first(id))
        limit = min(query.last_n or size + 1, size + 1)
        window = msgspec.structs.replace(self._tight or self._window, latest=query.last_n is not None, limit=limit)
        found: Attributes = {name: [] for name in names}
        step = max(1, PORTION // limit)
        for at in range(0, len(names), step):
            part = msgspec.structs.replace(window, attributes=frozenset(names[at : at + step]))
            [attrs] = await self._history.read(self._tenant, [id], part)
            found.update(attrs)
        return found

    def tighten(self, found: list[Attributes], query: TemporalQuery, size: int) -> None:
        """Drops from `found` what cannot be in the page any more, and reads no more of that kind."""
        bound = prune(found, query, size)
        if bound is None or not self._window.bounded:
            return
        if query.last_n is not None:
            self._tight = msgspec.structs.replace(self._window, start=bound)
        else:
            after = to_text(datetime.fromisoformat(bound) + timedelta(microseconds=1))
            self._tight = msgspec.structs.replace(self._window, end=after)

    async def all_of(self, id: str, name: str, most: int) -> list[Instance]:
        """All instances of one attribute. Raises TooManyResults when there are `most` or more."""
        window = msgspec.structs.replace(self._window, attributes=frozenset((name,)), limit=most)
        [attrs] = await self._history.read(self._tenant, [id], window)
        instances = attrs.get(name, [])
        if len(instances) >= most:
            raise TooManyResults(f"The answer needs fewer than {most} instances of each attribute; ask for a shorter span of time")
        return instances
