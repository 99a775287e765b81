"""Forwards subscriptions to the context sources that may have something of what they ask for, and keeps the copies there in step.

It compares what should be at the sources with what is known to be there, whenever a subscription or a registration changes, at the
start, and again and again while a source does not answer. So nothing gets lost by a crash in between.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.8.1.4, 5.8.2.4 and 5.8.5.4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import NAMESPACE_URL, uuid4, uuid5

from cityhub.context.entities import Call
from cityhub.context.forwarded import Copies, Copy, Subject
from cityhub.context.notifier import Notifier
from cityhub.context.registered import Registration
from cityhub.context.registration import COLLECTION as REGISTRATION
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import Reply
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.context.subscription import COLLECTION, REGISTRATIONS, query_of
from cityhub.context.subscription_copy import chooses, difference, is_distributed, reduced_copy, registration_subscription
from cityhub.context.subscription_terms import NotificationTerms
from cityhub.model.change import Change
from cityhub.model.errors import AlreadyExists, CityHubError, LoopDetected, NotFound
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import INTERNAL, Document, Store, Write
from cityhub.web.negotiation import ContextSource

CALLBACK: Final = "/ngsi-ld/ex/remote-notify"
"""Where context sources send their notifications."""
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0
"""A source that does not answer is asked again after these times, each twice the one before."""
REFUSED_RETRY_S: Final = 600.0
"""A source that refuses is asked again after so long."""
MAX_DELETIONS: Final = 1_500
"""The deletion of a copy is tried so often, which takes a day; then the source is left to notify in vain."""
AT_ONCE: Final = 8
"""Subscriptions that are looked after at the same time."""
WARNINGS: Final = 20
"""At most so many copies of one subscription are warned about."""

log = logging.getLogger(__name__)
"""Hears of copies that a source would not take or give up."""


class Forwarder:
    """Keeps the copies of subscriptions at context sources.

    Args:
        store: Where subscriptions and registrations are.
        registrations: The index of registrations.
        requests: Sends to the sources.
        contexts: Where term maps come from.
        notifier: Tells of subscriptions and registrations that change.
        own_url: Where sources reach this hub.
    """

    def __init__(
        self, store: Store, registrations: Registrations, requests: SourceRequests, contexts: ContextSource, notifier: Notifier,
        own_url: str,
    ) -> None:  # fmt: skip
        self.copies = Copies(store)
        self._store = store
        self._registrations = registrations
        self._requests = requests
        self._terms = NotificationTerms(contexts)
        self._callback = own_url + CALLBACK
        self._due: dict[Subject, float] = {}
        self._failures: dict[Subject, int] = {}
        self._running: dict[Subject, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        notifier.join(self._load, {COLLECTION: self._subscription_changed, REGISTRATION: self._registration_changed}, self._run, list)

    # -- What gives reason to look -------------------------------------------------------------------------------------

    async def _load(self) -> None:
        await self.copies.load()
        for tenant, record in await self._store.records(None, COLLECTION):
            self._look((tenant, record["id"]))
        self._look_all({copy.subject for copy in self.copies})

    async def _subscription_changed(self, change: Change) -> None:
        self._look((change.tenant, change.id))

    async def _registration_changed(self, change: Change) -> None:
        # The index hears of a write when it is answered, which may be after the journal told of it.
        record = await self._store.fetch(change.tenant, change.id, REGISTRATION)
        if record is None:
            self._registrations.remove(change.tenant, change.id)
        else:
            self._registrations.put(change.tenant, record)
        subjects = {(change.tenant, record["id"]) for _, record in await self._store.records(change.tenant, COLLECTION)}
        self._look_all(subjects | {copy.subject for copy in self.copies if copy.tenant == change.tenant})

    def _look_all(self, subjects: Iterable[Subject]) -> None:
        for subject in subjects:
            self._look(subject)

    def _look(self, subject: Subject, after_s: float = 0.0) -> None:
        if subject[0].startswith(INTERNAL):
            return  # a snapshot is frozen; it has no subscribers at sources
        due = asyncio.get_running_loop().time() + after_s
        self._due[subject] = min(due, self._due.get(subject, due))
        self._changed.set()

    async def _run(self) -> None:
        """Looks after the subscriptions whose time has come; ends when it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                ready = [subject for subject, due in self._due.items() if due <= loop.time() and subject not in self._running]
                for subject in ready[: max(0, AT_ONCE - len(self._running))]:
                    del self._due[subject]
                    task = self._running[subject] = asyncio.create_task(self._settle(subject))
                    task.add_done_callback(partial(self._ended, subject))
                waiting = [due for subject, due in self._due.items() if subject not in self._running]
                full = len(self._running) >= AT_ONCE
                pause_s = None if full or not waiting else max(0.0, min(waiting) - loop.time())
                try:
                    await asyncio.wait_for(self._changed.wait(), pause_s)
                except TimeoutError:
                    continue
        finally:
            for task in self._running.values():
                task.cancel()

    def _ended(self, subject: Subject, _task: asyncio.Task[None]) -> None:
        self._running.pop(subject, None)
        self._changed.set()

    # -- One subscription ------------------------------------------------------------------------------------------------

    async def _settle(self, subject: Subject) -> None:
        """Makes the copies of a subscription what they should be, and comes back later where that failed."""
        try:
            failed = await self._reconcile(subject)
        except CityHubError as error:
            log.warning("subscription %s could not be forwarded: %s", subject[1], error.detail)
            failed = FIRST_RETRY_S
        except Exception:
            log.exception("subscription %s could not be forwarded", subject[1])
            failed = REFUSED_RETRY_S
        if failed is None:
            self._failures.pop(subject, None)
            return
        count = self._failures[subject] = self._failures.get(subject, 0) + 1
        self._look(subject, max(failed, min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(count - 1, 10))))

    async def _reconcile(self, subject: Subject) -> float | None:
        """Returns None when all is as it should be, else after how many seconds to try again at the soonest."""
        tenant, id = subject
        record = await self._store.fetch(tenant, id, COLLECTION)
        if record is not None and not is_distributed(record):
            record = None
        await self._mirror(subject, record)
        copies = self.copies.of(subject)
        wanted: dict[str, Registration] = {}
        if record is not None:
            found = self._registrations.selected(tenant, query_of(record).selectors)
            wanted = {one.id: one for one in found if chooses(record, one)}
        if not wanted and not copies:
            return None
        call = Call(tenant)
        if record is not None:
            terms, _ = await self._terms.of(record, tenant)
            call = Call(tenant, terms, via=record.get("via", ""))
        jobs: list[Coroutine[Any, Any, float | None]] = []
        for copy in copies:
            registration = wanted.pop(copy.registration.id, None)
            if record is None or registration is None or _place(registration) != _place(copy.registration):
                jobs.append(self._delete(call, copy))
                if registration is not None:
                    wanted[registration.id] = registration
            else:
                copy.registration = registration
                jobs.append(self._update(call, copy, record))
        if call.via:
            await self._requests.learn(wanted.values())
        for registration in wanted.values():
            if record is not None and not self._requests.loops(call, registration):
                jobs.append(self._create(call, record, registration))
        later = [one for one in await together(jobs) if one is not None]
        return min(later) if later else None

    async def _mirror(self, subject: Subject, record: Document | None) -> None:
        """Keeps the subscription to registrations that stands for a subscription (5.8.1.4)."""
        tenant, id = subject
        own = mirror_id(id)
        wanted = None if record is None else registration_subscription(record, self._callback)

        def transition(current: Document | None, now: str) -> tuple[Document | None, None]:
            if wanted is None:
                return (None, None) if current is not None and "of" in current else (current, None)
            if current is not None and all(current.get(name) == value for name, value in wanted.items()):
                return current, None
            return {"id": own, **wanted, "createdAt": now if current is None else current["createdAt"], "modifiedAt": now}, None

        current = await self._store.fetch(tenant, own, REGISTRATIONS)
        if wanted is None and current is None:
            return
        await self._store.write(tenant, [Write(own, transition, REGISTRATIONS)])

    # -- One copy --------------------------------------------------------------------------------------------------------

    async def _create(self, call: Call, record: Document, registration: Registration) -> float | None:
        id = f"urn:ngsi-ld:Subscription:{uuid4()}"
        kept = {"id": id, "subscription": record["id"], "registration": registration.record, "remote": id, "sent": None}
        copy = Copy(call.tenant, kept)
        await self.copies.put(copy)  # first, as the source may notify before it has answered
        return await self._send_new(call, copy, record)

    async def _send_new(self, call: Call, copy: Copy, record: Document) -> float | None:
        terms = await self._requests.terms_for(call, copy.registration)
        document = reduced_copy(record, copy.registration, terms, copy.record["id"], self._callback)
        reply = await self._send(call, copy, "POST", "", terms, document)
        if reply.error is None or isinstance(reply.error, AlreadyExists):
            remote = _created(reply) or copy.record["id"]
            await self.copies.put(copy, sent=document, remote=remote)
            copy.error = ""
            return None
        return self._failed(copy, reply)

    async def _update(self, call: Call, copy: Copy, record: Document) -> float | None:
        registration = copy.registration
        if copy.record["sent"] is None:
            return await self._send_new(call, copy, record)
        terms = await self._requests.terms_for(call, registration)
        document = reduced_copy(record, registration, terms, copy.record["id"], self._callback)
        fragment = difference(copy.record["sent"], document)
        if not fragment or "updateSubscription" not in registration.operations:
            return None
        reply = await self._send(call, copy, "PATCH", copy.record["remote"], terms, fragment)
        if isinstance(reply.error, NotFound):  # the source has lost it
            return await self._send_new(call, copy, record)
        if reply.error is not None:
            return self._failed(copy, reply)
        copy.error = ""
        await self.copies.put(copy, sent=document, registration=registration.record)
        return None

    async def _delete(self, call: Call, copy: Copy) -> float | None:
        if "deleteSubscription" in copy.registration.operations:
            terms = await self._requests.terms_for(call, copy.registration)
            reply = await self._send(call, copy, "DELETE", copy.record["remote"], terms, None)
            if reply.error is not None and not isinstance(reply.error, NotFound):
                later = self._failed(copy, reply)
                if later < REFUSED_RETRY_S and self._failures.get(copy.subject, 0) < MAX_DELETIONS:
                    return later
                log.warning("registration %s: a copy of subscription %s stays there", copy.registration.id, copy.record["subscription"])
        await self.copies.remove(copy)
        return None

    async def _send(self, call: Call, copy: Copy, method: str, remote: str, terms: TermMap, body: Any) -> Reply:
        path = f"/subscriptions/{quote(remote, safe=':')}" if remote else "/subscriptions"
        return await self._requests.send(call, Ask(copy.registration, method, path, terms, {}, body))

    def _failed(self, copy: Copy, reply: Reply) -> float:
        """Notes why, and gives after how long to try again: soon if the source may only be away."""
        assert reply.error is not None
        if copy.error != reply.error.detail:
            log.warning("subscription %s: %s", copy.record["subscription"], reply.error.detail)
        copy.error = reply.error.detail
        away = (reply.status == 0 or reply.status >= 500) and not isinstance(reply.error, LoopDetected)
        return max(FIRST_RETRY_S, copy.registration.cooldown_s) if away else REFUSED_RETRY_S

    # -- For people ------------------------------------------------------------------------------------------------------

    def failing(self, tenant: str, id: str) -> list[Copy]:
        """The copies of a subscription that are not at their sources as they should be."""
        return [copy for copy in self.copies.of((tenant, id)) if copy.error][:WARNINGS]

    def overview(self) -> list[tuple[str, str, str]]:
        """Of each copy the subscription, the source and how it goes."""
        return [
            (copy.record["subscription"], copy.registration.endpoint, copy.error or ("there" if copy.record["sent"] else "on its way"))
            for copy in self.copies
        ]


def mirror_id(id: str) -> str:
    """The id of the subscription to registrations that stands for a subscription."""
    return f"urn:ngsi-ld:Subscription:{uuid5(NAMESPACE_URL, id)}"


def _place(registration: Registration) -> tuple[str, str]:
    return registration.endpoint, registration.source_tenant


def _created(reply: Reply) -> str:
    """The id at the source, by the Location of its answer; "" when it tells none."""
    id = unquote(reply.headers.get("location", "").rpartition("/")[2])
    return id if is_uri(id) else ""
