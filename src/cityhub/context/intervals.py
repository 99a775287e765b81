"""The timers of subscriptions with a timeInterval.

Source: GS CIM 009 V1.9.1, clauses 5.8.6 and 5.11.7.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar

from cityhub.context.outbox import Outbox
from cityhub.model.time import Clock, to_text

SHORTEST_S: Final = 0.1
"""A shorter interval is served at this one."""

log = logging.getLogger(__name__)


class Periodic(Hashable, Protocol):
    """What the timers need to know of a subscription."""

    outbox: Outbox
    interval_s: float | None
    active: bool

    def is_active(self, now: str) -> bool:
        """Whether notifications may be sent."""


T = TypeVar("T", bound=Periodic)


class Intervals(Generic[T]):
    """Calls `notify` for each subscription whenever its time has come.

    A receiver that has not answered yet is not called again before it has.
    """

    def __init__(self, clock: Clock, notify: Callable[[T], Awaitable[None]]) -> None:
        self._clock = clock
        self._notify = notify
        self._due: dict[T, float] = {}
        self._interval: dict[T, float] = {}
        self._changed = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def set(self, subscriber: T) -> None:
        """Begins, changes or ends a subscription's timer as its record says; an interval that stays goes on."""
        interval_s = subscriber.interval_s if subscriber.active else None
        if interval_s is None:
            self.remove(subscriber)
        elif self._interval.get(subscriber) != interval_s:
            self._interval[subscriber] = interval_s
            self._due[subscriber] = asyncio.get_running_loop().time() + max(interval_s, SHORTEST_S)
            self._changed.set()

    def remove(self, subscriber: T) -> None:
        """Ends a timer; nothing happens when there is none."""
        self._due.pop(subscriber, None)
        self._interval.pop(subscriber, None)

    async def run(self) -> None:
        """Keeps the times; ends when it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            now_s = loop.time()
            for subscriber in [one for one, due in self._due.items() if due <= now_s]:
                self._due[subscriber] = now_s + max(self._interval[subscriber], SHORTEST_S)
                if not subscriber.outbox.busy() and subscriber.is_active(to_text(self._clock.now())):
                    task = loop.create_task(self._call(subscriber))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
            pause_s = min(self._due.values(), default=3600.0 + now_s) - loop.time()
            try:
                async with asyncio.timeout(max(0.0, pause_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _call(self, subscriber: T) -> None:
        try:
            await self._notify(subscriber)
        except Exception:
            log.exception("a periodic notification failed")
