"""Notifies subscribers of the changes in the journal: a durable reader that loses nothing and waits for nobody.

The reader's stored position passes a change only when all notifications of it are finished, and each subscription has a
position of its own in its state, so that after a restart every subscriber goes on where it was. A repeated notification
has the id of the first one.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from cityhub.context.entity_change import EntityChange, entity_change
from cityhub.context.intervals import Intervals
from cityhub.context.periodic import notify_of_all
from cityhub.context.subscriber import Subscriber
from cityhub.context.subscription import COLLECTION
from cityhub.context.subscription_index import SubscriptionIndex
from cityhub.context.subscription_state import SUFFIX, Key, Tallies, Tally
from cityhub.context.subscription_terms import NotificationTerms
from cityhub.model.change import Change
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import ENTITIES, Delivery, Document, Journal, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.negotiation import ContextSource

READER: Final = "subscriptions"
BLOCK: Final = 1_000
"""Changes that are read from the journal at a time."""
MAX_ENTITIES: Final = 1_000
"""Most entities in one notification."""
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
        self._room = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._saved = 0
        self.position = 0
        self._handlers: dict[str, Handler] = {COLLECTION: self._subscription_changed}
        self._loads: list[Callable[[], Awaitable[None]]] = [self._load]
        self._jobs: list[Callable[[], Coroutine[Any, Any, None]]] = [self._read, self._catch_up, self._keep_house, self._intervals.run]
        self._holds: list[Callable[[], int | None]] = []

    def join(
        self,
        load: Callable[[], Awaitable[None]],
        handlers: dict[str, Handler],
        job: Callable[[], Coroutine[Any, Any, None]],
        hold: Callable[[], int | None],
    ) -> None:
        """Lets somebody else serve other subscriptions from the same reader. To be called before the start.

        Args:
            load: Called at the start, before the journal is read.
            handlers: Who hears of the changes of a collection, one after the other in the order of the journal.
            job: Runs in the background until the end.
            hold: Gives the position up to which the journal is not needed any more; None when nothing is open.
        """
        self._loads.append(load)
        self._handlers.update(handlers)
        self._jobs.append(job)
        self._holds.append(hold)

    # -- Life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to serve, from where it had come."""
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
        return any(subscriber.outbox.in_flight() for subscriber in self._subscribers.values())

    async def _load(self) -> None:
        states = {(tenant, state["id"]): state for tenant, state in await self._store.records(None, COLLECTION + SUFFIX)}
        records = await self._store.records(None, COLLECTION)
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
        return Subscriber(key, record, terms, tally, self._store, self._delivery, self._clock, self._room.set)

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

    # -- Reading the journal -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            changes = await self._journal.read(self.position, BLOCK)
            if not changes:
                await self._journal.wait(self.position)
                continue
            for group in groups(changes, whole=len(changes) < BLOCK):
                await self._notify(group)
                self.position = group[-1].position
                await asyncio.sleep(0)  # requests are answered in between

    async def _notify(self, group: list[Change]) -> None:
        now = to_text(self._clock.now())
        wanted: dict[Subscriber, dict[str, EntityChange]] = {}
        for change in group:
            if change.collection == ENTITIES:
                index = self._indexes.get(change.tenant)
                if index:
                    self._find(entity_change(change), index, wanted, now)
            else:
                await self._hand_over(change)
        for subscriber, changes in wanted.items():
            subscriber.take(list(changes.values()), now)

    async def _hand_over(self, change: Change) -> None:
        handler = self._handlers.get(change.collection)
        if handler is not None:
            try:
                await handler(change)
            except Exception:  # the journal must be read on
                log.exception("change %d of %s '%s' could not be taken up", change.position, change.collection, change.id)

    def _find(
        self, change: EntityChange, index: SubscriptionIndex[Subscriber], wanted: dict[Subscriber, dict[str, EntityChange]], now: str
    ) -> None:
        for subscriber in index.concerned(change):
            if change.position > subscriber.tally.position and subscriber.is_active(now) and _wants(subscriber, change):
                together = wanted.setdefault(subscriber, {})
                if change.entity["id"] in together or len(together) >= MAX_ENTITIES:
                    subscriber.take(list(together.values()), now)
                    together = wanted[subscriber] = {}
                together[change.entity["id"]] = change

    # -- Those that lag ----------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        while True:
            await self._room.wait()
            self._room.clear()
            for subscriber in [one for one in self._subscribers.values() if one.outbox.lag is not None]:
                await self._serve(subscriber)

    async def _serve(self, subscriber: Subscriber) -> None:
        """Serves a lagging subscriber from the journal until it has no room again or has caught up with the others."""
        outbox = subscriber.outbox
        while outbox.lag is not None and subscriber.key in self._subscribers:
            changes = [change for change in await self._journal.read(outbox.lag, BLOCK) if change.position <= self.position]
            for group in groups(changes, whole=len(changes) < BLOCK):
                if not self._serve_group(subscriber, group):
                    return
                outbox.lag = group[-1].position
            if not changes or outbox.lag >= self.position:
                outbox.lag = None
            await asyncio.sleep(0)

    def _serve_group(self, subscriber: Subscriber, group: list[Change]) -> bool:
        now = to_text(self._clock.now())
        together: dict[str, EntityChange] = {}
        for change in group:
            if change.collection != ENTITIES or change.tenant != subscriber.key[1] or not subscriber.is_active(now):
                continue
            seen = entity_change(change)
            if not _wants(subscriber, seen):
                continue
            if change.id in together or len(together) >= MAX_ENTITIES:
                if not subscriber.serve(list(together.values()), now):
                    return False
                together = {}
            together[change.id] = seen
        return not together or subscriber.serve(list(together.values()), now)

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
        holds += [hold for other in self._holds if (hold := other()) is not None]
        low = min([self.position, *holds])
        if low > self._saved:
            await self._journal.advance(READER, low)
            self._saved = low

    def waiting(self) -> int:
        """How many subscriptions have notifications on their way or lag."""
        return sum(1 for subscriber in self._subscribers.values() if subscriber.outbox.busy() or subscriber.outbox.lag is not None)


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


def _wants(subscriber: Subscriber, change: EntityChange) -> bool:
    try:
        return subscriber.wants(change)
    except Exception:  # one faulty filter must not stop the others
        log.exception("subscription %s could not be matched with %s", subscriber.key[2], change.entity.get("id"))
        return False


async def _persistently(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a job that never ends by itself, and anew after a fault."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("serving subscriptions failed; it goes on")
            await asyncio.sleep(1.0)
