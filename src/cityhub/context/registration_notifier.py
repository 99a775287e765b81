"""Notifies the subscribers to context source registrations; hears of the journal from `cityhub.context.notifier`.

Source: GS CIM 009 V1.9.1, clauses 5.11.2 to 5.11.7.
"""

from __future__ import annotations

import logging

from cityhub.context.intervals import Intervals
from cityhub.context.notifier import Notifier
from cityhub.context.registration import COLLECTION, Record
from cityhub.context.registration_subscriber import NEWLY, UPDATED, RegistrationSubscriber
from cityhub.context.subscription import REGISTRATIONS
from cityhub.context.subscription_state import SUFFIX, Key, Tallies, Tally
from cityhub.context.subscription_terms import NotificationTerms
from cityhub.model.change import Change
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Delivery, Document, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.negotiation import ContextSource

log = logging.getLogger(__name__)


class RegistrationNotifier:
    """Serves the subscriptions to registrations.

    It keeps its own view of the registrations, which is as old as the journal's reader, so that nothing is told twice.
    """

    def __init__(
        self, store: Store, delivery: Delivery, contexts: ContextSource, clock: Clock, tallies: Tallies, notifier: Notifier
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._clock = clock
        self._tallies = tallies
        self._terms = NotificationTerms(contexts)
        self._subscribers: dict[Key, RegistrationSubscriber] = {}
        self._registrations: dict[str, dict[str, Record]] = {}
        self._intervals: Intervals[RegistrationSubscriber] = Intervals(clock, self._notify_periodically)
        self._unread_since = notifier.unread_since
        notifier.join(self._load, {COLLECTION: self._registration_changed, REGISTRATIONS: self._subscription_changed},
                      self._intervals.run, lambda: [one.outbox for one in self._subscribers.values()])  # fmt: skip

    async def _load(self) -> None:
        since = await self._unread_since()
        for tenant, registration in await self._store.records(None, COLLECTION):
            self._registrations.setdefault(tenant, {})[registration["id"]] = registration
        states = {(tenant, state["id"]): state for tenant, state in await self._store.records(None, REGISTRATIONS + SUFFIX)}
        for tenant, record in await self._store.records(None, REGISTRATIONS):
            if record["createdAt"] >= since or "of" in record:
                continue
            key = (REGISTRATIONS, tenant, record["id"])
            terms, _ = await self._terms.of(record, tenant)
            tally = self._tallies.open(key, record, states.get((tenant, record["id"])))
            try:
                self._admit(key, record, terms, tally)
            except Exception:
                log.exception("subscription %s could not be taken up", record["id"])

    def _admit(self, key: Key, record: Document, terms: TermMap, tally: Tally) -> RegistrationSubscriber:
        subscriber = RegistrationSubscriber(key, record, terms, tally, self._store, self._delivery)
        self._subscribers[key] = subscriber
        self._intervals.set(subscriber)
        return subscriber

    async def _subscription_changed(self, change: Change) -> None:
        key = (REGISTRATIONS, change.tenant, change.id)
        record, known = change.after, self._subscribers.get(key)
        if record is None:
            self._dismiss(key)
            return
        if "of" in record:
            return  # it stands for a subscription to entities, which `cityhub.context.forwarder` looks after
        if self._store.get(change.tenant, change.id, REGISTRATIONS) is None:
            return  # it is gone meanwhile, and the journal is going to say so
        if known is not None and (known.record["modifiedAt"] > record["modifiedAt"] or change.position <= known.tally.position):
            return  # after a restart the journal tells of what was served before
        terms, _ = await self._terms.of(record, change.tenant)
        if known is None:
            known = self._admit(key, record, terms, self._tallies.open(key, record))
        else:
            known.compile(record, terms)
            self._intervals.set(known)
        self._tell_all(known, NEWLY, change.position)

    def _dismiss(self, key: Key) -> None:
        subscriber = self._subscribers.pop(key, None)
        if subscriber is not None:
            self._intervals.remove(subscriber)
            subscriber.outbox.close()
        self._tallies.forget(key)

    async def _registration_changed(self, change: Change) -> None:
        now = to_text(self._clock.now())
        known = self._registrations.setdefault(change.tenant, {})
        if change.after is None:
            known.pop(change.id, None)
        else:
            known[change.id] = change.after
        for key, subscriber in self._subscribers.items():
            if key[1] != change.tenant or subscriber.interval_s is not None or not subscriber.is_active(now):
                continue
            if change.position > subscriber.tally.position:
                found = subscriber.reason(change.before, change.after, now)
                if found is not None:
                    self._send(subscriber, found[0], [found[1]], change.position)

    def _tell_all(self, subscriber: RegistrationSubscriber, reason: str, position: int) -> None:
        """The first notification, and the one after an update: all registrations that match now (5.11.2.4, 5.11.3.4)."""
        now = to_text(self._clock.now())
        found = self._matching(subscriber, now)
        if found and subscriber.is_active(now):
            self._send(subscriber, reason, found, position)
        else:
            subscriber.tally.served(position)

    def _matching(self, subscriber: RegistrationSubscriber, now: str) -> list[Record]:
        registrations = self._registrations.get(subscriber.key[1], {}).values()
        return [relevant for one in registrations if (relevant := subscriber.relevant(one, now)) is not None]

    async def _notify_periodically(self, subscriber: RegistrationSubscriber) -> None:
        moment = self._clock.now()
        found = self._matching(subscriber, to_text(moment))
        if found:
            subscriber.outbox.tell(subscriber.body(UPDATED, found, int(moment.timestamp() * 1000), to_text(moment)))

    def _send(self, subscriber: RegistrationSubscriber, reason: str, registrations: list[Record], position: int) -> None:
        body = subscriber.body(reason, registrations, position, to_text(self._clock.now()))
        if not subscriber.outbox.put(body, position, position):
            # Registrations change rarely; a receiver that is so far behind asks anew when it is back.
            subscriber.outbox.give_up(position)
            log.error("subscription %s is given up on up to change %d: its receiver takes nothing", subscriber.key[2], position)
