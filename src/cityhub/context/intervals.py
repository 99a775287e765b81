"""Periodic notifications: subscriptions with a timeInterval hear of all their entities when the time has come.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from cityhub.context.entity_change import EntityChange
from cityhub.context.subscriber import Subscriber
from cityhub.model.entity import Entity
from cityhub.model.ngsild.moment import show
from cityhub.model.ports import Store
from cityhub.model.time import Clock, to_text

PAGE: Final = 1_000
MAX_ENTITIES: Final = 10_000
"""Most entities in one periodic notification."""
SHORTEST_S: Final = 0.1
"""A shorter interval is served at this one."""

log = logging.getLogger(__name__)


class Intervals:
    """The timers of periodic subscriptions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._due: dict[Subscriber, float] = {}
        self._interval: dict[Subscriber, float] = {}
        self._changed = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def set(self, subscriber: Subscriber) -> None:
        """Begins, changes or ends a subscription's timer as its record says; an interval that stays goes on."""
        interval_s = subscriber.interval_s if subscriber.active else None
        if interval_s is None:
            self.remove(subscriber)
        elif self._interval.get(subscriber) != interval_s:
            self._interval[subscriber] = interval_s
            self._due[subscriber] = asyncio.get_running_loop().time() + max(interval_s, SHORTEST_S)
            self._changed.set()

    def remove(self, subscriber: Subscriber) -> None:
        """Ends a timer; nothing happens when there is none."""
        self._due.pop(subscriber, None)
        self._interval.pop(subscriber, None)

    async def run(self) -> None:
        """Notifies whenever a time has come."""
        while True:
            self._changed.clear()
            now_s = asyncio.get_running_loop().time()
            for subscriber in [one for one, due in self._due.items() if due <= now_s]:
                self._due[subscriber] = now_s + max(self._interval[subscriber], SHORTEST_S)
                self._begin(subscriber)
            pause_s = min(self._due.values(), default=3600.0 + now_s) - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(0.0, pause_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _begin(self, subscriber: Subscriber) -> None:
        if subscriber.outbox.busy() or not subscriber.is_active(to_text(self._clock.now())):
            return  # a receiver that has not answered yet is not flooded
        task = asyncio.get_running_loop().create_task(self._notify(subscriber))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _notify(self, subscriber: Subscriber) -> None:
        try:
            entities = await self._entities(subscriber)
            if entities and subscriber in self._due:
                moment = self._clock.now()
                now, number = to_text(moment), int(moment.timestamp() * 1000)
                changes = [EntityChange(number, number, "created", now, None, entity, {}) for entity in entities]
                subscriber.outbox.tell(subscriber.form.body(changes, show(now).encode()))
        except Exception:
            log.exception("the periodic notification of subscription %s failed", subscriber.key[2])

    async def _entities(self, subscriber: Subscriber) -> list[Entity]:
        found: list[Entity] = []
        while len(found) < MAX_ENTITIES:
            page = await self._store.find(subscriber.key[1], subscriber.query.condition, subscriber.matches, len(found), PAGE)
            found += page.entities
            if len(page.entities) < PAGE:
                return found
        log.warning("subscription %s has more than %d entities; the others are left out", subscriber.key[2], MAX_ENTITIES)
        return found
