"""When each device was last heard of: from the journal, whatever the way of its data; kept now and then, some hundred devices a record.

At 20,000 messages a second a change costs one look into a dictionary. What is kept may be a minute old after a crash; the journal is
then read again from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final
from zlib import crc32

from cityhub.ingest.devices.health import judge
from cityhub.ingest.devices.index import Key, Known
from cityhub.ingest.devices.register import DeviceRegister
from cityhub.ingest.devices.words import NAMES, OF_REGISTER, words_of
from cityhub.model.change import Change
from cityhub.model.ports import Document, Journal, Store, Write
from cityhub.model.time import Clock, to_text

SEEN: Final = "device_seen"
BUCKETS: Final = 256
KEEP_S: Final = 60.0
"""How often it is kept."""
READER: Final = "ingest-registers"
"""The journal's reader behind which everything is kept."""
MOST_JUDGED: Final = 500
"""So many entities at most are told of their new health in one sweep."""

PIECE: Final = 2_000
"""So many devices are judged before other work goes on."""


class Seen:
    """Signs of life of all devices.

    Args:
        store: Where they are kept.
        journal: Of the same store.
        register: The devices.
        clock: The present time.
    """

    def __init__(self, store: Store, journal: Journal, register: DeviceRegister, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._register = register
        self._clock = clock
        self._changed: set[Key] = set()
        self._told: dict[Key, str] = {}

    @property
    def pending(self) -> int:
        """How many devices were heard of since it was last kept."""
        return len(self._changed)

    async def load(self) -> None:
        """Reads what was kept, and judges each device."""
        index = self._register.index
        for tenant, bucket in await self._store.records(None, SEEN):
            for id, at in bucket["seen"].items():
                known = index.get((tenant, id))
                if known is not None:
                    known.seen = max(known.seen, at)
        now = self._clock.now()
        for known in index.all():
            known.health, _ = judge(known, now)
            self._told[known.key] = known.health

    def heard(self, changes: Sequence[Change]) -> None:
        """Takes the signs of life among changes of entities. Quick."""
        watched, changed = self._register.index.watched, self._changed
        if not watched:
            return
        for change in changes:
            known = watched.get((change.tenant, change.id))
            if known is None:
                continue
            if change.id == known.key[1] and not NAMES.isdisjoint(change.attributes):
                self._register.index.name(known.key, words_of(change.after))
            if change.at > known.seen and _is_alive(known, change):
                known.seen = change.at
                changed.add(known.key)

    def spoke(self, key: Key) -> None:
        """A device was heard of just now, by a door that knows it."""
        known = self._register.index.get(key)
        if known is not None:
            known.seen = to_text(self._clock.now())
            self._changed.add(key)

    async def keep(self, position: int) -> None:
        """Keeps what was heard up to a position of the journal."""
        changed, self._changed = self._changed, set()
        try:
            for tenant in {key[0] for key in changed}:
                await self._keep(tenant, [key for key in changed if key[0] == tenant])
        except BaseException:
            self._changed |= changed
            raise
        await self._journal.advance(READER, position)

    async def _keep(self, tenant: str, keys: Sequence[Key]) -> None:
        buckets: dict[str, dict[str, str]] = {}
        for key in keys:
            known = self._register.index.get(key)
            if known is not None:
                buckets.setdefault(_bucket(key[1]), {})[key[1]] = known.seen
        for id, seen in buckets.items():
            await self._store.write(tenant, [Write(id, _merged(id, seen), SEEN)])

    async def judge(self) -> None:
        """Judges every device; one whose health changed hears of it in its entity (deviceState, dateLastValueReported)."""
        now, told, news = self._clock.now(), self._told, list[Known]()
        for place, known in enumerate(list(self._register.index.all())):
            if place % PIECE == 0:
                await asyncio.sleep(0)  # a hundred thousand devices take a while
            known.health, _ = judge(known, now)
            if told.get(known.key, "never") != known.health and len(news) < MOST_JUDGED:
                news.append(known)
        for known in news:
            told[known.key] = known.health
            words: dict[str, Any] = {"deviceState": known.health}
            if known.seen:
                words["dateLastValueReported"] = known.seen
            await self._register.judge(known.key, words)

    def health(self, key: Key) -> tuple[str, str, str]:
        """Health of a device as of now, why, and when it was last heard of ("" never)."""
        known = self._register.index.get(key)
        if known is None:
            return "never", "Never heard of", ""
        known.health, why = judge(known, self._clock.now())
        return known.health, why, known.seen

    def counts(self) -> dict[str, int]:
        """How many devices there are of each health."""
        counts: dict[str, int] = {}
        for known in self._register.index.all():
            counts[known.health] = counts.get(known.health, 0) + 1
        return counts


def _is_alive(known: Known, change: Change) -> bool:
    """Whether a change is a sign of life: not what the register itself or a person writes into the device's own entity."""
    if change.after is None:
        return False
    if change.id != known.key[1]:
        return True
    attrs = change.after["attrs"]
    return any("observedAt" in attrs[iri][0] for iri in change.attributes if iri in attrs and iri not in OF_REGISTER)


def _bucket(id: str) -> str:
    return f"{crc32(id.encode()) % BUCKETS:03}"


def _merged(id: str, seen: dict[str, str]) -> Callable[[Document | None, str], tuple[Document, None]]:
    def transition(current: Document | None, at: str) -> tuple[Document, None]:
        before: dict[str, str] = current["seen"] if current else {}
        return {"id": id, "seen": {**before, **seen}}, None

    return transition

