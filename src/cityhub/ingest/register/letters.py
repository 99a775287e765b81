"""Dead letters: what came and could not be taken, for people to see, to fix and to try again.

The index in memory has a few bytes of each letter, kept by the journal; the letters themselves and their bodies stay in the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from operator import attrgetter
from typing import Any, Final

import msgspec

from cityhub.model.change import Change
from cityhub.model.dead_letter import DEAD_LETTER_BODIES, MOST_BODY, MOST_REASON, body_document, body_of, letter_removal
from cityhub.model.errors import BadRequestData, CityHubError, NotFound
from cityhub.model.ports import DEAD_LETTERS, Document, Store, Write
from cityhub.model.time import Clock, to_text

PIECE: Final = 2_000
"""So many headers are looked at before other work goes on."""
BLOCK: Final = 250
"""So many letters are removed in one transaction."""
MOST_REMOVED: Final = 100_000
"""So many are removed in one sweep."""
Key = tuple[str, str]
"""Tenant and id."""

log = logging.getLogger(__name__)


class _Known(msgspec.Struct, frozen=True, gc=False):
    tenant: str
    id: str
    feed: str
    stage: str


class Letter(msgspec.Struct, frozen=True):
    """A letter with its body.

    Attributes:
        tenant: The tenant of its feed.
        header: All but the body; see `cityhub.model.dead_letter`.
        body: What is kept of the body.
    """

    tenant: str
    header: Document
    body: bytes

    @property
    def is_whole(self) -> bool:
        """Whether all of the body is there."""
        return int(self.header["size"]) <= len(self.body)


class Letters:
    """The dead letters of all tenants.

    Attributes:
        dropped: How many letters have been dropped since the start because there were too many or they were too old.

    Args:
        store: Where they are kept.
        clock: Tells which are too old.
        most: So many are kept.
        days: So long they are kept.
    """

    def __init__(self, store: Store, clock: Clock, most: int, days: float) -> None:
        self._store = store
        self._clock = clock
        self._most = most
        self._days = days
        self._known: dict[Key, _Known] = {}
        self._order: list[_Known] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()
        self.dropped = 0

    async def load(self) -> None:
        """Reads the headers of all letters into the index."""
        for place, (tenant, header) in enumerate(await self._store.records(None, DEAD_LETTERS)):
            if place % PIECE == 0:
                await asyncio.sleep(0)
            self._add((tenant, header["id"]), header)

    async def changed(self, change: Change) -> None:
        """Takes over what the journal says of a letter."""
        key = (change.tenant, change.id)
        if change.after is None:
            self._drop(key)
        else:
            self._add(key, change.after)

    def _add(self, key: Key, header: Document) -> None:
        before, known = self._known.get(key), _Known(*key, header["feed"], header["stage"])
        if before == known:
            return
        self._known[key] = known
        self._counts.update(_counted(known))
        if before is not None:
            self._counts.subtract(_counted(before))
            self._order = None
        elif self._order is not None:
            if not self._order or known.id > self._order[-1].id:
                self._order.append(known)
            else:
                self._order = None

    def _drop(self, key: Key) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._counts.subtract(_counted(known))
            self._order = None

    def _ordered(self) -> list[_Known]:
        if self._order is None:
            self._order = sorted(self._known.values(), key=attrgetter("id"))
        return self._order

    def count(self, feed: str = "", stage: str = "") -> int:
        """How many letters there are of a feed and a stage; "" is any."""
        return self._counts[feed, stage]

    def counts_by_feed(self) -> dict[str, int]:
        """How many letters each feed has that has any."""
        return {feed: count for (feed, stage), count in self._counts.items() if feed and not stage and count}

    def keys(self, feed: str = "", stage: str = "") -> Iterator[Key]:
        """The letters of a feed and a stage ("" is any), the newest first."""
        for one in reversed(self._ordered()):
            if (not feed or one.feed == feed) and (not stage or one.stage == stage):
                yield one.tenant, one.id

    async def page(self, feed: str, stage: str, limit: int, offset: int) -> list[tuple[str, Document]]:
        """Tenant and header of letters, the newest first."""
        found = []
        for key in self._keys_of_page(feed, stage, limit, offset):
            header = await self._store.fetch(*key, DEAD_LETTERS)
            if header is not None:
                found.append((key[0], header))
        return found

    def _keys_of_page(self, feed: str, stage: str, limit: int, offset: int) -> list[Key]:
        if feed or stage:
            return list(islice(self.keys(feed, stage), offset, offset + limit))
        order = self._ordered()
        last = max(0, len(order) - offset)
        page = order[max(0, last - limit) : last]
        return [(one.tenant, one.id) for one in reversed(page)]

    def find(self, id: str) -> Key:
        """The letter with an id. Raises NotFound."""
        for tenant in self._store.tenants() | {""}:
            if (tenant, id) in self._known:
                return tenant, id
        raise NotFound(f"There is no dead letter '{id[:100]}'; it may have been taken or dropped meanwhile")

    async def read(self, key: Key) -> Letter:
        """A letter with its body. Raises NotFound."""
        header = await self._store.fetch(*key, DEAD_LETTERS)
        if header is None:
            raise NotFound(f"There is no dead letter '{key[1][:100]}'; it may have been taken or dropped meanwhile")
        body = await self._store.fetch(*key, DEAD_LETTER_BODIES)
        return Letter(key[0], header, body_of(body) if body else b"")

    async def fix(self, key: Key, body: bytes, by: str, trace: str = "") -> None:
        """Gives a letter another body, to be tried again. Raises BadRequestData for one that is too large, NotFound."""
        if len(body) > MOST_BODY:
            raise BadRequestData(f"A dead letter has at most {MOST_BODY} bytes; this body has {len(body)}")

        def fixed(current: Document | None, at: str) -> tuple[Document, None]:
            if current is None:
                raise NotFound(f"There is no dead letter '{key[1][:100]}'; it may have been taken or dropped meanwhile")
            return {**current, "size": len(body), "fixed": {"by": by, "at": at}}, None

        def put(current: Document | None, at: str) -> tuple[Document, None]:
            return body_document(key[1], body), None

        await self._write(key[0], [Write(key[1], fixed, DEAD_LETTERS), Write(key[1], put, DEAD_LETTER_BODIES)], trace)

    async def failed(self, key: Key, reason: str, stage: str, version: int) -> None:
        """Says that a letter could not be taken again, and why."""

        def told(current: Document | None, at: str) -> tuple[Document | None, None]:
            if current is None:
                return None, None
            attempts = current["attempts"] + 1
            new = {**current, "reason": reason[:MOST_REASON], "stage": stage or current["stage"]}
            return {**new, "attempts": attempts, "triedAt": at, "version": version}, None

        await self._write(key[0], [Write(key[1], told, DEAD_LETTERS)])

    async def remove(self, keys: Sequence[Key], trace: str = "") -> None:
        """Takes letters away for good."""
        by_tenant: dict[str, list[str]] = {}
        for tenant, id in keys:
            by_tenant.setdefault(tenant, []).append(id)
        for tenant, ids in by_tenant.items():
            for start in range(0, len(ids), BLOCK):
                await self._write(tenant, [write for id in ids[start : start + BLOCK] for write in letter_removal(id)], trace)
        for key in keys:
            self._drop(key)

    async def sweep(self) -> None:
        """Drops the oldest letters when there are too many, and those that are too old."""
        order = self._ordered()
        oldest = to_text(self._clock.now() - timedelta(days=self._days))
        surplus = max(0, len(order) - self._most)
        gone = [(one.tenant, one.id) for one in order[: min(surplus, MOST_REMOVED)]]
        for one in order[len(gone) : MOST_REMOVED]:
            if one.id >= oldest or not one.id[0].isdigit():  # nobody knows when that one came
                break
            gone.append((one.tenant, one.id))
        if gone:
            await self.remove(gone)
            self.dropped += len(gone)
            log.warning("%d dead letters were dropped: at most %d are kept, for %g days", len(gone), self._most, self._days)

    async def _write(self, tenant: str, writes: Iterable[Write], trace: str = "") -> None:
        results: list[Any] = await self._store.write(tenant, list(writes), trace)
        for result in results:
            if isinstance(result, CityHubError):
                raise result


def _counted(known: _Known) -> tuple[tuple[str, str], ...]:
    return (known.feed, known.stage), (known.feed, ""), ("", known.stage), ("", "")
