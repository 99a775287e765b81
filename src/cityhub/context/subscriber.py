"""One active subscription at work: what it waits for, what is on its way to its receiver, and how far it has been served.

A subscriber is served in the order of the journal. What its lane cannot take any more is left in the journal: the
subscriber "lags" and is served from there again when there is room. What may not go out yet because of throttling is
joined, so that the newest state goes out when the time has come.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from cityhub.context.entity_change import CREATED, DELETED, UPDATED, EntityChange, joined
from cityhub.context.notification_form import Form, receiver_of
from cityhub.context.subscription import query_of
from cityhub.context.subscription_state import Key, Tally
from cityhub.model.entity import Entity
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.moment import show
from cityhub.model.ports import Delivery, Document, Lane, Receiver, Store
from cityhub.model.time import Clock, to_text

MAX_HELD: Final = 1_000
"""At most so many entities wait for the end of a throttling period; then the rest stays in the journal."""
_BITS: Final = {"attributeCreated": CREATED, "attributeUpdated": UPDATED, "attributeDeleted": DELETED}

log = logging.getLogger(__name__)


class Subscriber:
    """A subscription to entities while it is in the service of the notifier.

    Attributes:
        key: Collection, tenant and id of its record.
        record: The record.
        tally: Its counters.
        query: What its entities must be like.
        watched: The attributes (IRIs) that it watches; None: all.
        interval_s: Time between periodic notifications; None: it is notified of changes.
        lag: None, or the position in the journal from which on it is to be served again.
        progress_at: When (in the event loop's time) a notification was last finished, or began to wait.
    """

    def __init__(
        self, key: Key, record: Document, terms: TermMap, tally: Tally, store: Store, delivery: Delivery, clock: Clock,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self.key = key
        self.tally = tally
        self.lag: int | None = None
        self.progress_at = 0.0
        self._delivery = delivery
        self._clock = clock
        self._store = store
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._lane: Lane | None = None
        self._receiver: Receiver | None = None
        self._on_the_way: deque[tuple[int, int]] = deque()
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
        self._throttling_s: float = members.get("throttling", 0.0)
        self.expires_at: str = members.get("expiresAt", "~")
        self.active: bool = members.get("isActive", True)
        self.matches = self.query.with_links(self._linked)
        triggers = members.get("notificationTrigger", ())
        attributes = sum(_BITS[name] for name in triggers if name in _BITS)
        self._attributes = {
            "created": attributes & CREATED,
            "updated": CREATED | UPDATED | DELETED if "entityUpdated" in triggers else attributes,
            "deleted": attributes & DELETED,
        }
        self._entity = {"created": "entityCreated" in triggers, "updated": False, "deleted": "entityDeleted" in triggers}
        receiver = receiver_of(record, terms, self.key[1])
        if receiver != self._receiver:
            self._change_receiver(receiver)

    def _linked(self, id: str) -> Entity | None:
        return self._store.get(self.key[1], id)

    def _change_receiver(self, receiver: Receiver) -> None:
        if self._lane is not None:
            self.lag = self.hold()
            self._drop()
        self._receiver = receiver
        self._lane = self._delivery.open(receiver, self)
        if self.lag is not None:
            self._wake()

    def revise(self, record: Document, terms: TermMap, position: int) -> None:
        """Goes on with a new version of its record, written at a position of the journal."""
        self._compile(record, terms)
        if not self.active:
            self.give_up(position)  # a paused subscription hears nothing, not even later
        elif self.hold() is None:
            self.tally.served(position)

    def close(self) -> None:
        """Ends its service; what is on its way is forgotten."""
        self._drop()

    def _drop(self) -> None:
        if self._lane is not None:
            self._lane.close()
            self._lane = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_the_way.clear()
        self._held.clear()

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

    # -- Being served ------------------------------------------------------------------------------------------------

    def take(self, changes: Sequence[EntityChange], now: str) -> None:
        """Is told of changes of different entities that it wants, unless it lags and will find them later."""
        if self.lag is None:
            self.serve(changes, now)

    def serve(self, changes: Sequence[EntityChange], now: str) -> bool:
        """Sends a notification of changes, or holds them back while it is throttled. False: there is no room, it lags."""
        if not self._throttling_s:
            return self._send(changes, now)
        for change in changes:
            id = change.entity["id"]
            if id not in self._held and len(self._held) >= MAX_HELD:
                self.lag = change.position - 1
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
        return not changes or self._send(changes, now)

    def _released(self) -> None:
        self._timer = None
        now = to_text(self._clock.now())
        if self.is_active(now):
            self._release(now)
        if self.lag is not None:
            self._wake()

    def _send(self, changes: Sequence[EntityChange], now: str) -> bool:
        try:
            body = self.form.body(changes, show(now).encode())
        except Exception:  # one faulty subscription must not stop the others; its change is passed over and said so
            log.exception("no notification could be written for subscription %s", self.key[2])
            return True
        first, last = changes[0].position, max(change.last for change in changes)
        return self.put(body, first, last)

    def put(self, body: bytes, first: int, last: int) -> bool:
        """Gives a notification of the changes at these positions to the lane. False: there is no room, it lags."""
        if self._lane is None:
            return True
        if not self._lane.put(body, (first, last)):
            self.lag = first - 1
            return False
        if not self._on_the_way:
            self.progress_at = self._loop.time()
        self._on_the_way.append((first, last))
        if self._throttling_s:
            self._quiet_until = self._loop.time() + self._throttling_s
        return True

    def tell(self, body: bytes) -> None:
        """Gives a notification that is not about changes in the journal to the lane; what does not fit is left out."""
        if self._lane is not None:
            self._lane.put(body, None)

    def is_active(self, now: str) -> bool:
        """Whether notifications may be sent."""
        return self.active and self.expires_at > now

    def busy(self) -> bool:
        """Whether notifications are on their way."""
        return self._lane is not None and self._lane.waiting() > 0

    def hold(self) -> int | None:
        """The position up to which the journal is not needed for it any more; None when nothing is open."""
        if self._on_the_way:
            return self._on_the_way[0][0] - 1
        if self._held:
            return min(change.position for change in self._held.values()) - 1
        return self.lag

    def give_up(self, position: int) -> None:
        """Forgets everything up to a position, because it has waited too long."""
        receiver = self._receiver
        self._drop()
        self.lag = None
        self.tally.served(position)
        if receiver is not None:
            self._lane = self._delivery.open(receiver, self)

    def _be_quiet_after_last(self) -> None:
        last = self.tally.last_notification
        if self._throttling_s and last is not None:
            passed_s = (self._clock.now() - last).total_seconds()
            self._quiet_until = self._loop.time() + self._throttling_s - passed_s

    # -- Telling -----------------------------------------------------------------------------------------------------

    def attempted(self, token: Any, first: bool) -> None:
        """See `cityhub.model.ports.Telling`."""
        self.tally.sending(first)

    def answered(self, token: Any, reason: str, first: bool) -> None:
        """See `cityhub.model.ports.Telling`."""
        self.tally.answered(not reason, first)
        if reason and first:
            log.info("a notification of subscription %s failed: %s", self.key[2], reason)

    def finished(self, token: Any) -> None:
        """See `cityhub.model.ports.Telling`."""
        if self._on_the_way and self._on_the_way[0] == token:
            self._on_the_way.popleft()
            self.progress_at = self._loop.time()
            self.tally.served(token[1])

    def ready(self) -> None:
        """See `cityhub.model.ports.Telling`."""
        self._wake()
