"""Notifies subscribers of the changes in the journal: a durable reader that loses nothing and waits for nobody.

The reader's stored position passes a change only when all notifications of it are finished, and each subscription has a
position of its own in its state, so that after a restart every subscriber goes on where it was. A repeated notification
has the id of the first one.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from cityhub.context.entity_change import EntityChange, entity_change
from cityhub.context.intervals import Intervals
from cityhub.context.laggards import BLOCK, MAX_ENTITIES, Laggards, groups, wants
from cityhub.context.outbox import Outbox
from cityhub.context.periodic import notify_of_all
from cityhub.context.source_notification import notified_changes
from cityhub.context.subscriber import Subscriber
from cityhub.context.subscription import COLLECTION
from cityhub.context.subscription_index import SubscriptionIndex
from cityhub.context.subscription_state import SUFFIX, Key, Tallies, Tally
from cityhub.context.subscription_terms import NotificationTerms
from cityhub.model.change import Change
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import ENTITIES, SOURCE_NOTIFICATIONS, Delivery, Document, Journal, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.negotiation import ContextSource

READER: Final = "subscriptions"
IDLE_S: Final = 0.01
"""Where no subscription is concerned, the journal is read on after so long."""
SAVE_S: Final = 1.0
"""How often positions and counters are stored."""
TERMS_S: Final = 30.0
"""How often an @context that could not be had is asked for again."""
MAX_LAG: Final = 1_000_000
"""A subscriber that is more changes behind is given up on: it goes on with the newest."""
MAX_LAG_S: Final = 86_400.0
"""So is one that has taken nothing for so long."""
STOP_S: Final = 2.0
"""How long a stopping notifier waits for the answers of receivers."""

log = logging.getLogger(__name__)

Handler = Callable[[Change], Awaitable[None]]


class Notifier:
    """Serves the subscriptions to entities, and hands changes of other collections to who asked for them."""

    def __init__(
        self, store: Store, journal: Journal, delivery: Delivery, contexts: ContextSource, clock: Clock, tallies: Tallies
    ) -> None:
        self._store = store
        self._journal = journal
        self._delivery = delivery
        self._clock = clock
        self._tallies = tallies
        self._terms = NotificationTerms(contexts)
        self._subscribers: dict[Key, Subscriber] = {}
        self._indexes: dict[str, SubscriptionIndex[Subscriber]] = {}
        self._intervals: Intervals[Subscriber] = Intervals(clock, lambda subscriber: notify_of_all(subscriber, store, clock))
        self._wordless: set[Subscriber] = set()
        self._laggards = Laggards(journal, clock, self._subscribers, lambda: self.position)
        self._tasks: list[asyncio.Task[None]] = []
        self._saved = 0
        self._started = ""
        self.position = 0
        self._handlers: dict[str, list[Handler]] = {
            COLLECTION: [self._subscription_changed], SOURCE_NOTIFICATIONS: [self._source_notified],
        }  # fmt: skip
        self._loads: list[Callable[[], Awaitable[None]]] = [self._load]
        self._jobs: list[Callable[[], Coroutine[Any, Any, None]]] = [self._read, self._laggards.run, self._keep_house, self._intervals.run]
        self._outboxes: list[Callable[[], Iterable[Outbox]]] = []

    def join(
        self,
        load: Callable[[], Awaitable[None]],
        handlers: dict[str, Handler],
        job: Callable[[], Coroutine[Any, Any, None]],
        outboxes: Callable[[], Iterable[Outbox]],
    ) -> None:
        """Lets somebody else serve other subscriptions from the same reader. To be called before the start.

        Args:
            load: Called at the start, before the journal is read.
            handlers: Who hears of the changes of a collection, beside others, one after the other in the order of the journal.
            job: Runs in the background until the end.
            outboxes: Gives what is on its way to these other subscribers.
        """
        self._loads.append(load)
        for collection, handler in handlers.items():
            self._handlers.setdefault(collection, []).append(handler)
        self._jobs.append(job)
        self._outboxes.append(outboxes)

    # -- Life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to serve, from where it had come."""
        self._started = to_text(self._clock.now())
        self.position = self._saved = await self._journal.position(READER)
        self._tasks = [asyncio.create_task(self._run())]

    async def _run(self) -> None:
        for load in self._loads:
            await load()
        self._tasks += [asyncio.create_task(_persistently(job)) for job in self._jobs]

    async def stop(self) -> None:
        """Stops reading, gives receivers a moment to answer, and stores how far it has come."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        end = asyncio.get_running_loop().time() + STOP_S
        while self._in_flight() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        await self._save(everything=True)
        for subscriber in self._subscribers.values():
            subscriber.close()

    def _in_flight(self) -> bool:
        own = any(subscriber.outbox.in_flight() for subscriber in self._subscribers.values())
        return own or any(outbox.in_flight() for outboxes in self._outboxes for outbox in outboxes())

    async def unread_since(self) -> str:
        """When the first change that is not read yet was made, or the start if all before it are read.

        What was created then or later is not loaded at the start: the journal brings it, at its own place among the
        changes, so that it hears of nothing that was before it and of nothing twice.
        """
        unread = await self._journal.read(self.position, 1)
        return min(self._started, unread[0].at) if unread else self._started

    async def _load(self) -> None:
        states = {(tenant, state["id"]): state for tenant, state in await self._store.records(None, COLLECTION + SUFFIX)}
        since = await self.unread_since()
        records = [one for one in await self._store.records(None, COLLECTION) if one[1]["createdAt"] < since]
        # All @contexts are asked for at once, so that those which cannot be had cost the time of one.
        terms = await asyncio.gather(*(self._terms.of(record, tenant) for tenant, record in records))
        for (tenant, record), (names, right) in zip(records, terms, strict=True):
            key = (COLLECTION, tenant, record["id"])
            tally = self._tallies.open(key, record, states.get((tenant, record["id"])))
            try:
                self._admit(self._subscriber(key, record, names, tally), right)
            except Exception:
                log.exception("subscription %s could not be taken up", record["id"])

    def _subscriber(self, key: Key, record: Document, terms: TermMap, tally: Tally) -> Subscriber:
        return Subscriber(key, record, terms, tally, self._store, self._delivery, self._clock, self._laggards.wake)

    # -- Subscriptions come and go -----------------------------------------------------------------------------------

    async def _subscription_changed(self, change: Change) -> None:
        key = (COLLECTION, change.tenant, change.id)
        record, known = change.after, self._subscribers.get(key)
        if record is None:
            self._dismiss(key)
            return
        if self._store.get(change.tenant, change.id, COLLECTION) is None:
            return  # it is gone meanwhile, and the journal is going to say so
        if known is not None and known.record["modifiedAt"] > record["modifiedAt"]:
            return  # after a restart the journal tells of versions that are older than the one that was loaded
        terms, right = await self._terms.of(record, change.tenant)
        if known is None:
            tally = self._tallies.open(key, record)
            tally.served(change.position)
            known = self._subscriber(key, record, terms, tally)
        else:
            known.revise(record, terms, change.position)
        self._admit(known, right)

    def _admit(self, subscriber: Subscriber, right_terms: bool) -> None:
        self._subscribers[subscriber.key] = subscriber
        index = self._indexes.setdefault(subscriber.key[1], SubscriptionIndex())
        if subscriber.interval_s is None and subscriber.active:
            index.add(subscriber)
        else:
            index.remove(subscriber)
        self._intervals.set(subscriber)
        (self._wordless.discard if right_terms else self._wordless.add)(subscriber)

    def _dismiss(self, key: Key) -> None:
        subscriber = self._subscribers.pop(key, None)
        if subscriber is not None:
            self._indexes[key[1]].remove(subscriber)
            self._intervals.remove(subscriber)
            self._wordless.discard(subscriber)
            subscriber.close()
        self._tallies.forget(key)

    async def _source_notified(self, change: Change) -> None:
        """Serves a subscription with what a context source notified of (5.8.6)."""
        subscriber = self._subscribers.get((COLLECTION, change.tenant, change.after["subscription"])) if change.after else None
        now = to_text(self._clock.now())
        if subscriber is not None and change.position > subscriber.tally.position and subscriber.is_active(now):
            changes = notified_changes(change)
            for start in range(0, len(changes), MAX_ENTITIES):
                subscriber.take(changes[start : start + MAX_ENTITIES], now)

    # -- Reading the journal -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            changes = await self._journal.read(self.position, BLOCK)
            if not changes:
                await self._journal.wait(self.position)
                continue
            if not self._concerns_somebody(changes):
                self.position = changes[-1].position
                await asyncio.sleep(IDLE_S if len(changes) < BLOCK else 0)  # nobody waits: what comes is passed in few steps
                continue
            for group in groups(changes, whole=len(changes) < BLOCK):
                await self._notify(group)
                self.position = group[-1].position
                await asyncio.sleep(0)  # requests are answered in between

    def _concerns_somebody(self, changes: list[Change]) -> bool:
        indexes = self._indexes
        return any(change.collection != ENTITIES or indexes.get(change.tenant) for change in changes)

    async def _notify(self, group: list[Change]) -> None:
        now = ""
        wanted: dict[Subscriber, dict[str, EntityChange]] = {}
        for change in group:
            if change.collection == ENTITIES:
                index = self._indexes.get(change.tenant)
                if index:
                    now = now or to_text(self._clock.now())
                    self._find(entity_change(change), index, wanted, now)
            else:
                await self._hand_over(change)
        for subscriber, changes in wanted.items():
            subscriber.take(list(changes.values()), now)

    async def _hand_over(self, change: Change) -> None:
        for handler in self._handlers.get(change.collection, ()):
            try:
                await handler(change)
            except Exception:  # the journal must be read on
                log.exception("change %d of %s '%s' could not be taken up", change.position, change.collection, change.id)

    def _find(
        self, change: EntityChange, index: SubscriptionIndex[Subscriber], wanted: dict[Subscriber, dict[str, EntityChange]], now: str
    ) -> None:
        for subscriber in index.concerned(change):
            if change.position > subscriber.tally.position and subscriber.is_active(now) and wants(subscriber, change):
                together = wanted.setdefault(subscriber, {})
                if change.entity["id"] in together or len(together) >= MAX_ENTITIES:
                    subscriber.take(list(together.values()), now)
                    together = wanted[subscriber] = {}
                together[change.entity["id"]] = change

    # -- Keeping house -----------------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        asked = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(SAVE_S)
            self._give_up()
            await self._save()
            if self._wordless and asyncio.get_running_loop().time() - asked > TERMS_S:
                asked = asyncio.get_running_loop().time()
                for subscriber in list(self._wordless):
                    terms, right = await self._terms.of(subscriber.record, subscriber.key[1])
                    if right and subscriber.key in self._subscribers:
                        subscriber.revise(subscriber.record, terms, 0)
                        self._wordless.discard(subscriber)

    def _give_up(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for subscriber in self._subscribers.values():
            hold = subscriber.hold()
            if hold is not None and (self.position - hold > MAX_LAG or now_s - subscriber.outbox.progress_at > MAX_LAG_S):
                log.error("subscription %s is given up on up to change %d: its receiver takes nothing", subscriber.key[2], self.position)
                subscriber.give_up(self.position)

    async def _save(self, *, everything: bool = False) -> None:
        await self._tallies.save(everything=everything)
        holds = [hold for one in self._subscribers.values() if (hold := one.hold()) is not None]
        holds += [hold for outboxes in self._outboxes for outbox in outboxes() if (hold := outbox.hold()) is not None]
        low = min([self.position, *holds])
        if low > self._saved:
            await self._journal.advance(READER, low)
            self._saved = low

    def overview(self) -> list[tuple[str, str, str]]:
        """For people: of each subscription what it asks for, where that goes (without secrets), and how it goes."""
        return [
            (_asked_for(subscriber), _address(subscriber), _state(subscriber, to_text(self._clock.now())))
            for subscriber in self._subscribers.values()
        ]


def _asked_for(subscriber: Subscriber) -> str:
    members = subscriber.record["members"]
    types = [selector["type"] for selector in members.get("entities", ())]
    return ", ".join([*types, *members.get("watchedAttributes", ())]) or "every change"


def _address(subscriber: Subscriber) -> str:
    parts = urlsplit(subscriber.record["members"]["notification"]["endpoint"]["uri"])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _state(subscriber: Subscriber, now: str) -> str:
    if not subscriber.is_active(now):
        return "paused or expired"
    if subscriber.outbox.lag is not None:
        return "waits in the journal: its receiver takes nothing"
    return "its receiver does not answer; tried again" if subscriber.tally.failed and subscriber.outbox.busy() else "up to date"


async def _persistently(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a job that never ends by itself, and anew after a fault."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("serving subscriptions failed; it goes on")
            await asyncio.sleep(1.0)
