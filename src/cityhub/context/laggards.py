"""Subscribers that lag are served from the journal again as soon as their receivers take something.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from cityhub.context.entity_change import EntityChange, entity_change
from cityhub.context.source_notification import notified_changes
from cityhub.context.subscriber import Subscriber
from cityhub.context.subscription_state import Key
from cityhub.model.change import Change
from cityhub.model.ports import ENTITIES, SOURCE_NOTIFICATIONS, Journal
from cityhub.model.time import Clock, to_text

BLOCK: Final = 1_000
"""Changes that are read from the journal at a time."""
MAX_ENTITIES: Final = 1_000
"""Most entities in one notification."""

log = logging.getLogger(__name__)


class Laggards:
    """Serves those of the subscribers whose outboxes lag.

    Args:
        journal: Where what they missed is.
        clock: Where the time comes from.
        subscribers: All subscribers.
        position: How far the others have been served.
    """

    def __init__(self, journal: Journal, clock: Clock, subscribers: Mapping[Key, Subscriber], position: Callable[[], int]) -> None:
        self._journal = journal
        self._clock = clock
        self._subscribers = subscribers
        self._position = position
        self._room = asyncio.Event()

    def wake(self) -> None:
        """Some outbox that lags has room."""
        self._room.set()

    async def run(self) -> None:
        """Serves whenever there is room; ends when it is cancelled."""
        while True:
            await self._room.wait()
            self._room.clear()
            for subscriber in [one for one in self._subscribers.values() if one.outbox.lag is not None]:
                await self._serve(subscriber)

    async def _serve(self, subscriber: Subscriber) -> None:
        """Serves one subscriber until it has no room again or has caught up with the others."""
        outbox = subscriber.outbox
        while outbox.lag is not None and subscriber.key in self._subscribers:
            changes = [change for change in await self._journal.read(outbox.lag, BLOCK) if change.position <= self._position()]
            for group in groups(changes, whole=len(changes) < BLOCK):
                if not self._serve_group(subscriber, group):
                    return
                outbox.lag = group[-1].position
            if not changes or outbox.lag >= self._position():
                outbox.lag = None
            await asyncio.sleep(0)

    def _serve_group(self, subscriber: Subscriber, group: list[Change]) -> bool:
        now = to_text(self._clock.now())
        together: dict[str, EntityChange] = {}
        for change in group:
            if change.tenant != subscriber.key[1] or not subscriber.is_active(now):
                continue
            for seen in _concerning(subscriber, change):
                id = seen.entity["id"]
                if id in together or len(together) >= MAX_ENTITIES:
                    if not subscriber.serve(list(together.values()), now):
                        return False
                    together = {}
                together[id] = seen
        return not together or subscriber.serve(list(together.values()), now)


def _concerning(subscriber: Subscriber, change: Change) -> list[EntityChange]:
    """What of a change in the journal a subscriber is to be served with."""
    if change.collection == SOURCE_NOTIFICATIONS:
        return notified_changes(change) if change.after and change.after["subscription"] == subscriber.key[2] else []
    seen = entity_change(change) if change.collection == ENTITIES else None
    return [seen] if seen is not None and wants(subscriber, seen) else []


def groups(changes: list[Change], *, whole: bool = True) -> list[list[Change]]:
    """Changes of one request together, others each by itself, in their order.

    Args:
        changes: Changes in the order of the journal.
        whole: Whether the journal ends with them. If not, the last group may go on; it is left out, unless it is the only one.
    """
    found: list[list[Change]] = []
    for change in changes:
        last = found[-1][0] if found else None
        if last is not None and change.trace and (change.trace, change.at, change.tenant) == (last.trace, last.at, last.tenant):
            found[-1].append(change)
        else:
            found.append([change])
    return found if whole or len(found) < 2 else found[:-1]


def wants(subscriber: Subscriber, change: EntityChange) -> bool:
    """Whether a subscriber wants to hear of a change; one faulty filter must not stop the others."""
    try:
        return subscriber.wants(change)
    except Exception:
        log.exception("subscription %s could not be matched with %s", subscriber.key[2], change.entity.get("id"))
        return False
