"""One subscription to entities at work: what it waits for, and what it holds back while it is throttled.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from cityhub.context.entity_change import CREATED, DELETED, UPDATED, EntityChange, joined
from cityhub.context.notification_form import Form, receiver_of
from cityhub.context.outbox import Outbox
from cityhub.context.subscription import query_of
from cityhub.context.subscription_state import Key, Tally
from cityhub.model.entity import Entity
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.moment import show
from cityhub.model.ports import Delivery, Document, Store
from cityhub.model.time import Clock, to_text

MAX_HELD: Final = 1_000
"""At most so many entities wait for the end of a throttling period; then the rest stays in the journal."""
_BITS: Final = {"attributeCreated": CREATED, "attributeUpdated": UPDATED, "attributeDeleted": DELETED}

log = logging.getLogger(__name__)


class Subscriber:
    """A subscription to entities while the notifier serves it, in the order of the journal.

    Attributes:
        key: Collection, tenant and id of its record.
        record: The record.
        tally: Its counters.
        outbox: What is on its way.
        query: What its entities must be like.
        form: How its notifications are written.
        watched: The attributes (IRIs) that it watches; None: all.
        interval_s: Time between periodic notifications; None: it is notified of changes.
        active: Whether it is not paused.
    """

    def __init__(
        self, key: Key, record: Document, terms: TermMap, tally: Tally, store: Store, delivery: Delivery, clock: Clock,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self.key = key
        self.tally = tally
        self.outbox = Outbox(record["id"], tally, delivery, wake)
        self._store = store
        self._clock = clock
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, EntityChange] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._compile(record, terms)
        self._be_quiet_after_last()

    def _compile(self, record: Document, terms: TermMap) -> None:
        members = record["members"]
        self.record = record
        self.query: EntityQuery = query_of(record)
        self.form = Form(record, terms, self._store, self.key[1])
        self.watched = frozenset(members["watchedAttributes"]) if "watchedAttributes" in members else None
        self.interval_s: float | None = members.get("timeInterval")
        self.active: bool = members.get("isActive", True)
        self._expires_at: str = members.get("expiresAt", "~")
        self._throttling_s: float = members.get("throttling", 0.0)
        self.matches = self.query.with_links(self._linked)
        triggers = members.get("notificationTrigger", ())
        attributes = sum(_BITS[name] for name in triggers if name in _BITS)
        self._attributes = {
            "created": attributes & CREATED,
            "updated": CREATED | UPDATED | DELETED if "entityUpdated" in triggers else attributes,
            "deleted": attributes & DELETED,
        }
        self._entity = {"created": "entityCreated" in triggers, "updated": False, "deleted": "entityDeleted" in triggers}
        receiver = receiver_of(record, self.key[1])
        if not self.outbox.leads_to(receiver):
            after = self.hold()
            self._hold_nothing()
            self.outbox.lead_to(receiver, after)

    def _linked(self, id: str) -> Entity | None:
        return self._store.get(self.key[1], id)

    def revise(self, record: Document, terms: TermMap, position: int) -> None:
        """Goes on with a new version of its record, written at a position of the journal."""
        self._compile(record, terms)
        if not self.active:
            self.give_up(position)  # a paused subscription hears nothing of the pause, not even later
        elif self.hold() is None:
            self.tally.served(position)

    def close(self) -> None:
        """Ends its service; what is on its way is forgotten."""
        self._hold_nothing()
        self.outbox.close()

    def _hold_nothing(self) -> None:
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- What it waits for -------------------------------------------------------------------------------------------

    def wants(self, change: EntityChange) -> bool:
        """Whether a change is one that it is to be notified of."""
        return self.triggered_by(change) and self.matches(change.entity)

    def triggered_by(self, change: EntityChange) -> bool:
        """Whether the kind of a change, and the attributes that it concerns, trigger it."""
        kind = change.kind
        wanted = self._attributes[kind]
        watched = self.watched
        if self._entity[kind]:
            return watched is None or not watched.isdisjoint(change.touched)
        if not wanted:
            return False
        if watched is None:
            return any(happened & wanted for happened in change.events.values())
        return any(name in watched and happened & wanted for name, happened in change.events.items())

    def is_active(self, now: str) -> bool:
        """Whether notifications may be sent."""
        return self.active and self._expires_at > now

    # -- Being served ------------------------------------------------------------------------------------------------

    def take(self, changes: Sequence[EntityChange], now: str) -> None:
        """Is told of changes of different entities that it wants, unless it lags and will find them later."""
        if self.outbox.lag is None:
            self.serve(changes, now)

    def serve(self, changes: Sequence[EntityChange], now: str) -> bool:
        """Sends a notification of changes, or holds them back while it is throttled. False: there is no room, it lags."""
        if not self._throttling_s:
            return self._send(changes, now)
        for change in changes:
            id = change.entity["id"]
            if id not in self._held and len(self._held) >= MAX_HELD:
                self.outbox.lag = change.position - 1
                return False
            held = self._held.get(id)
            self._held[id] = change if held is None else joined(held, change)
        return self._release(now)

    def _release(self, now: str) -> bool:
        """Sends what is held, at once or when the throttling period is over. False: there is no room, it lags."""
        pause_s = self._quiet_until - self._loop.time()
        if pause_s > 0:
            if self._timer is None:
                self._timer = self._loop.call_later(pause_s, self._released)
            return True
        changes = sorted(self._held.values(), key=lambda change: change.position)
        self._held.clear()
        self._quiet_until = self._loop.time() + self._throttling_s
        return not changes or self._send(changes, now)

    def _released(self) -> None:
        self._timer = None
        now = to_text(self._clock.now())
        if self.is_active(now):
            self._release(now)
        if self.outbox.lag is not None:
            self._wake()

    def _send(self, changes: Sequence[EntityChange], now: str) -> bool:
        try:
            body = self.form.body(changes, show(now).encode())
            return self.outbox.put(body, changes[0].position, max(change.last for change in changes))
        except Exception:  # one faulty subscription must not stop the others; its change is passed over and said so
            log.exception("no notification could be sent for subscription %s", self.key[2])
            return True

    def hold(self) -> int | None:
        """The position up to which the journal is not needed for it any more; None when nothing is open."""
        hold = self.outbox.hold()
        if self._held:
            held = min(change.position for change in self._held.values()) - 1
            return held if hold is None else min(hold, held)
        return hold

    def give_up(self, position: int) -> None:
        """Forgets everything up to a position of the journal."""
        self._hold_nothing()
        self.outbox.give_up(position)

    def _be_quiet_after_last(self) -> None:
        last = self.tally.last_notification
        if self._throttling_s and last is not None:
            passed_s = (self._clock.now() - last).total_seconds()
            self._quiet_until = self._loop.time() + self._throttling_s - passed_s
