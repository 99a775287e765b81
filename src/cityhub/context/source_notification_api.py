"""The door at which context sources notify this hub for the subscriptions that were forwarded to them.

Who notifies must know the id of a copy, which nobody can guess; it alone decides which subscription, in which tenant, is meant.

Source: GS CIM 009 V1.9.1, clauses 5.8.6 and 6.3.8.
"""

from __future__ import annotations

from cityhub.context.distribution import DistributedOperations
from cityhub.context.entities import Call
from cityhub.context.forwarded import Copies, Copy
from cityhub.context.forwarder import CALLBACK
from cityhub.context.source_notification import entry, read_entities, read_notification
from cityhub.context.subscription import COLLECTION, query_of
from cityhub.context.subscription_copy import splits
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, NotFound
from cityhub.model.ports import SOURCE_NOTIFICATIONS, Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import LD_JSON, ContextSource, body_and_terms, content_type


class SourceNotificationApi:
    """Takes notifications of context sources into the journal, from where their subscribers are served.

    Args:
        copies: The copies of subscriptions at sources.
        operations: Puts entities together of their parts.
        store: Where subscriptions and the journal are.
        contexts: Where term maps come from.
        clock: Where the time comes from.
    """

    def __init__(self, copies: Copies, operations: DistributedOperations, store: Store, contexts: ContextSource, clock: Clock) -> None:
        self._copies = copies
        self._operations = operations
        self._store = store
        self._contexts = contexts
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        operation = "Notify"
        return [Route("POST", CALLBACK, self.notify, "source-notification.write", operation, "GS CIM 009 5.8.6", "subscriptions")]

    async def notify(self, request: Request) -> Response:
        """POST of a Notification. Raises NotFound for a copy that is not wanted any more."""
        if content_type(request) == LD_JSON:
            request.headers.pop("link", None)
        document, terms = await body_and_terms(request, self._contexts)
        id, data = read_notification(document)
        await self._copies.loaded()
        copy = self._copies.named(id)
        record = None if copy is None else await self._store.fetch(copy.tenant, copy.record["subscription"], COLLECTION)
        if copy is None or record is None:
            raise NotFound(f"Subscription '{id[:200]}' is not one that this hub forwarded")
        entities = read_entities(data, terms, copy.registration, to_text(self._clock.now()))
        if splits(record):
            entities = await self._matching(copy, record, entities, Call(copy.tenant, terms, request.trace))
        if entities:
            told = entry(copy.record["id"], record["id"], entities)
            write = Write(copy.record["id"], lambda current, now: (told, None), SOURCE_NOTIFICATIONS)
            [result] = await self._store.write(copy.tenant, [write], request.trace)
            if isinstance(result, CityHubError):
                raise result
        return Response(200)

    async def _matching(self, copy: Copy, record: Document, entities: list[Entity], call: Call) -> list[Entity]:
        """The entities put together of their parts here and at all other sources, those that match the subscription."""
        matches = query_of(record).with_links(lambda id: self._store.get(copy.tenant, id))
        whole = [entity for entity in entities if "deletedAt" in entity]
        parts = [entity for entity in entities if "deletedAt" not in entity]
        for entity in await self._operations.completed(call, copy.registration, parts):
            if matches(entity):
                whole.append(entity)
        return whole
