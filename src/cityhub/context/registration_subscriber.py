"""One subscription to context source registrations at work.

Source: GS CIM 009 V1.9.1, clauses 5.3.2, 5.3.3, 5.11.2.4, 5.11.7 and 5.12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from cityhub.context.notification_form import Form, receiver_of
from cityhub.context.outbox import Outbox
from cityhub.context.registered import Information, Registration
from cityhub.context.registration import Record, render_registration
from cityhub.context.registration_query import geo_test, is_current, time_test
from cityhub.context.subscription import query_of
from cityhub.context.subscription_names import read_query
from cityhub.context.subscription_state import Key, Tally
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.temporal import parse_temporal_query
from cityhub.model.ports import Delivery, Document, Store

NEWLY, UPDATED, NO_LONGER = "newlyMatching", "updated", "noLongerMatching"
"""Trigger reasons (5.3.3)."""
NOTIFICATION: Final = "ContextSourceNotification"

Test = Callable[[Registration], bool]


class RegistrationSubscriber:
    """A subscription to registrations while it is served.

    Attributes:
        key: Collection, tenant and id of its record.
        record: The record.
        tally: Its counters.
        outbox: What is on its way.
        interval_s: Time between periodic notifications; None: it is notified of changes.
        active: Whether it is not paused.
    """

    def __init__(self, key: Key, record: Document, terms: TermMap, tally: Tally, store: Store, delivery: Delivery) -> None:
        self.key = key
        self.tally = tally
        self.outbox = Outbox(record["id"], tally, delivery, lambda: None)
        self._store = store
        self.compile(record, terms)

    def compile(self, record: Document, terms: TermMap) -> None:
        """Goes on with a version of its record."""
        members = record["members"]
        self.record = record
        self.interval_s: float | None = members.get("timeInterval")
        self.active: bool = members.get("isActive", True)
        self._expires_at: str = members.get("expiresAt", "~")
        self._terms = terms
        self._form = Form(record, terms, self._store, self.key[1], NOTIFICATION)
        query = query_of(record)
        self._selectors = query.selectors
        params = members["notification"]
        self._attributes = frozenset((*members.get("watchedAttributes", ()), *params.get("attributes", ())))
        self._tests = list(_tests(record))
        receiver = receiver_of(record, self.key[1])
        if not self.outbox.leads_to(receiver):
            self.outbox.lead_to(receiver)

    def is_active(self, now: str) -> bool:
        """Whether notifications may be sent."""
        return self.active and self._expires_at > now

    def relevant(self, record: Record | None, now: str) -> Record | None:
        """What of a registration concerns the subscription: its matching information elements; None if there is nothing.

        The watched attributes and those of the notification are taken together; without any, all attributes match.
        """
        if record is None or record.get("expiresAt", "~") <= now:
            return None
        registration = Registration(self.key[1], record)
        if not all(test(registration) for test in self._tests):
            return None
        items = [item for item in record["information"] if self._concerns(Information(item))]
        return {**record, "information": items} if items else None

    def _concerns(self, information: Information) -> bool:
        return information.meets(self._selectors) and information.shares(self._attributes)

    def reason(self, before: Record | None, after: Record | None, now: str) -> tuple[str, Record] | None:
        """Why the change of a registration concerns the subscription, and what is told of it; None when it does not."""
        was, is_ = self.relevant(before, ""), self.relevant(after, now)
        if is_ is not None:
            return (UPDATED if was is not None else NEWLY), is_
        return (NO_LONGER, was) if was is not None else None

    def body(self, reason: str, registrations: Iterable[Record], number: int, now: str) -> bytes:
        """The notification of registrations."""
        documents = [self._form.with_context(orjson.dumps(self._document(one))) for one in registrations]
        return self._form.wrap(documents, number, show(now).encode(), b'"triggerReason":%b,' % orjson.dumps(reason))

    def _document(self, registration: Record) -> Record:
        """A registration as it is told of: the types of its entities are lists, even where there is one only."""
        document = render_registration(registration, self._terms)
        for shown, item in zip(document["information"], registration["information"], strict=True):
            if "entities" in item:
                shown["entities"] = [{**one, "type": [self._terms.compact(kind) for kind in one["type"]]} for one in item["entities"]]
        return document


def _tests(record: Document) -> Iterable[Test]:
    """What a registration must be like besides the entities and attributes that it is about."""
    members = record["members"]
    for name in ("q", "csf"):
        query = read_query(members, record["names"].get(name, {}), name)
        if query is not None:
            yield _over_record(query.over_documents())
    wanted = query_of(record)
    if wanted.scope is not None:
        yield _over_record(wanted.scope.matches)
    if wanted.geo is not None:
        yield geo_test(wanted.geo)
    yield time_test(parse_temporal_query(members["temporalQ"])) if "temporalQ" in members else is_current


def _over_record(matches: Callable[[Any], bool]) -> Test:
    return lambda registration: matches(registration.record)
