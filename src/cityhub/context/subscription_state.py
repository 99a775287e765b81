"""What happened to each subscription: counters, last times, and how far it has been served. Kept in memory, stored lazily.

Source: GS CIM 009 V1.9.1, clause 5.2.14.2.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from cityhub.model.errors import CityHubError
from cityhub.model.ngsild import moment
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

SUFFIX: Final = "_state"
"""The state of a record in collection X is a record of the same id in collection X + SUFFIX."""
MAX_SAVED: Final = 500
"""At most so many states are stored at a time; the others follow the next time."""

log = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""collection, tenant, id."""


class Tally:
    """The state of one subscription.

    Attributes:
        of: When the subscription was created; another one of the same id has another state.
        position: Everything up to here in the journal has been served, or did not concern the subscription.
        failed: Whether the last attempt failed.
        changed: Whether it differs from what is stored.
    """

    __slots__ = (
        "_clock", "changed", "failed", "last_failure", "last_notification", "last_success", "of", "position", "times_failed",
        "times_sent",
    )  # fmt: skip

    def __init__(self, clock: Clock, record: Document, stored: Document | None = None) -> None:
        """Begins anew, or with what was stored of the very subscription that the record is of."""
        self.of = record["createdAt"]
        stored = stored if stored and stored.get("of") == self.of else {}
        self._clock = clock
        self.times_sent: int = stored.get("timesSent", 0)
        self.times_failed: int = stored.get("timesFailed", 0)
        self.last_notification = _read(stored.get("lastNotification"))
        self.last_success = _read(stored.get("lastSuccess"))
        self.last_failure = _read(stored.get("lastFailure"))
        self.failed: bool = stored.get("failed", False)
        self.position: int = stored.get("position", 0)
        self.changed = False

    def sending(self, first: bool) -> None:
        """A notification goes out, for the first time or again."""
        self.changed = True
        self.last_notification = self._clock.now()
        if first:
            self.times_sent += 1

    def answered(self, ok: bool, first: bool) -> None:
        """An attempt ended; a notification that fails several times is counted once."""
        self.changed = True
        self.failed = not ok
        if ok:
            self.last_success = self._clock.now()
        else:
            self.last_failure = self._clock.now()
            if first:
                self.times_failed += 1

    def served(self, position: int) -> None:
        """Everything up to the position is done."""
        if position > self.position:
            self.position = position
            self.changed = True

    def shown(self) -> dict[str, Any]:
        """The read-only members of "notification" (table 5.2.14.2-1); empty before the first notification."""
        if not self.times_sent:
            return {}
        out: dict[str, Any] = {}
        if self.last_success or self.last_failure:
            out["status"] = "failed" if self.failed else "ok"
        out["timesSent"] = self.times_sent
        if self.times_failed:
            out["timesFailed"] = self.times_failed
        for name, at in self._times():
            if at is not None:
                out[name] = moment.show(to_text(at))
        return out

    def stored(self, id: str) -> Document:
        """The record of the state."""
        out: Document = {
            "id": id, "of": self.of, "timesSent": self.times_sent, "timesFailed": self.times_failed, "failed": self.failed,
            "position": self.position,
        }  # fmt: skip
        return out | {name: to_text(at) for name, at in self._times() if at is not None}

    def _times(self) -> tuple[tuple[str, datetime | None], ...]:
        return (
            ("lastNotification", self.last_notification),
            ("lastSuccess", self.last_success),
            ("lastFailure", self.last_failure),
        )


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Tallies:
    """The states of all subscriptions that are being served."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tallies: dict[Key, Tally] = {}

    def open(self, key: Key, record: Document, stored: Document | None = None) -> Tally:
        """The state of a subscription that is being served from now on."""
        tally = self._tallies[key] = Tally(self._clock, record, stored)
        return tally

    def forget(self, key: Key) -> None:
        """The subscription is gone."""
        self._tallies.pop(key, None)

    async def remove(self, key: Key) -> None:
        """The subscription is gone, and its stored state with it."""
        collection, tenant, id = key
        self.forget(key)
        await self._store.write(tenant, [Write(id, lambda current, now: (None, None), collection + SUFFIX)])

    def shown(self, key: Key, record: Document) -> dict[str, Any]:
        """The read-only members of a subscription's "notification", as they are now."""
        tally = self._tallies.get(key)
        if tally is None or tally.of != record["createdAt"]:
            collection, tenant, id = key
            tally = Tally(self._clock, record, self._store.get(tenant, id, collection + SUFFIX))
        return tally.shown()

    async def save(self, *, everything: bool = False) -> None:
        """Stores states that changed; a bounded number of them unless everything is asked for."""
        by_tenant: dict[str, list[tuple[Key, Tally]]] = {}
        count = 0
        for key, tally in self._tallies.items():
            if tally.changed:
                by_tenant.setdefault(key[1], []).append((key, tally))
                count += 1
                if count >= MAX_SAVED and not everything:
                    break
        for tenant, changed in by_tenant.items():
            writes = [Write(id, _put(tally.stored(id)), collection + SUFFIX) for (collection, _, id), tally in changed]
            for _, tally in changed:
                tally.changed = False
            try:
                await self._store.write(tenant, writes)
            except CityHubError as error:
                log.warning("the counters of %d subscriptions were not stored: %s", len(changed), error.detail)
                for _, tally in changed:
                    tally.changed = True


def _put(document: Document) -> Any:
    return lambda current, now: (document, None)

