"""HTTP of subscriptions: to entities, and to context source registrations.

Source: GS CIM 009 V1.9.1, clauses 5.8.1 to 5.8.5, 5.11.2 to 5.11.6 and 6.10 to 6.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from cityhub.context.entity_api import PREFIX
from cityhub.context.forwarded import Copy
from cityhub.context.identity_api import alias_of
from cityhub.context.source_answer import MISCELLANEOUS, warning_header
from cityhub.context.source_requests import MAX_HOPS
from cityhub.context.subscription import (
    COLLECTION,
    REGISTRATIONS,
    Fragment,
    new_record,
    patched,
    read_fragment,
    shown,
)
from cityhub.context.subscription_state import Tallies
from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, Conflict, LoopDetected, NotFound
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    JSON,
    LD_JSON,
    MERGE_PATCH,
    ContextSource,
    accepted,
    body_and_terms,
    check_parameters,
    check_tenant,
    content_type,
    document_response,
    flag,
    no_content,
    option_set,
    page_headers,
    preference_headers,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.ngsild_terms import describe_operation

_ONE = frozenset(("options", "local"))
_LIST = frozenset(("limit", "offset", "count", "options", "local"))
_OPTIONS = frozenset(("sysAttrs",))


class SubscriptionApi:
    """The doors of `/subscriptions`, or of `/csourceSubscriptions`.

    Args:
        store: Where subscriptions are kept.
        contexts: Where term maps come from.
        clock: Where the time comes from.
        tallies: The subscriptions' counters.
        registrations: Whether the subscriptions are to context source registrations.
        alias: The name by which loops between brokers are found.
        failing: Gives the copies of a subscription (tenant, id) that are not at their sources as they should be.
    """

    def __init__(
        self, store: Store, contexts: ContextSource, clock: Clock, tallies: Tallies, *, registrations: bool = False, alias: str = "",
        failing: Callable[[str, str], list[Copy]] = lambda tenant, id: [],
    ) -> None:  # fmt: skip
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._tallies = tallies
        self._registrations = registrations
        self._alias = alias
        self._failing = failing
        self._collection = REGISTRATIONS if registrations else COLLECTION
        self._path = f"{PREFIX}/{'csourceSubscriptions' if registrations else 'subscriptions'}"

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        what, all_, one = ("Subscription", "6.10", "6.11")
        if self._registrations:
            what, all_, one = ("Context Source Registration Subscription", "6.12", "6.13")
        group, id = ("csourceSubscriptions" if self._registrations else "subscriptions"), f"{self._path}/{{id}}"
        read, write = "subscription.read", "subscription.write"

        def route(method: str, path: str, handler: Any, permission: str, verb: str, clause: str) -> Route:
            operation = f"{verb} {what}"
            return Route(method, path, handler, permission, operation, f"GS CIM 009 {clause}", group, describe_operation(operation))

        return [
            route("POST", self._path, self.create, write, "Create", f"{all_}.3.1"),
            route("GET", self._path, self.query, read, "Query", f"{all_}.3.2"),
            route("GET", id, self.retrieve, read, "Retrieve", f"{one}.3.1"),
            route("PATCH", id, self.update, write, "Update", f"{one}.3.2"),
            route("DELETE", id, self.delete, write, "Delete", f"{one}.3.3"),
        ]

    async def create(self, request: Request) -> Response:
        """POST: Create Subscription (5.8.1)."""
        query = check_parameters(request, frozenset(("local",)))
        tenant = tenant_of(request)
        self._refuse_loop(request, tenant)
        document, terms = await body_and_terms(request, self._contexts)
        if isinstance(document, dict) and "type" not in document and "@type" not in document:
            raise BadRequestData("'type' must be there: 'Subscription'")
        fragment = read_fragment(document, terms)
        if flag(query, "local"):
            fragment.members["localOnly"] = True
        id = fragment.id or f"urn:ngsi-ld:Subscription:{uuid4()}"
        context, link = await self._context(fragment, terms, tenant, request.trace)
        new_record(id, fragment, context, link, to_text(self._clock.now()), registrations=self._registrations)

        def creation(current: Document | None, now: str) -> tuple[Document, None]:
            if current is not None:
                raise AlreadyExists(f"Subscription '{id}' exists already")
            record = new_record(id, fragment, context, link, now, registrations=self._registrations)
            return {**record, "via": via} if via else record, None

        via = request.headers.get("via", "")
        await self._write(request, Write(id, creation, self._collection))
        return Response(201, headers=[("Location", f"{self._path}/{quote(id, safe=':')}")])

    async def update(self, request: Request) -> Response:
        """PATCH: Update Subscription (5.8.2)."""
        check_parameters(request, frozenset(("local",)))
        content_type(request, (JSON, LD_JSON, MERGE_PATCH))
        tenant, id = self._target(request)
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        self._existing(tenant, id)
        fragment = read_fragment(document, terms)
        if "type" in (document or ()) and document["type"] is None:
            raise BadRequestData("'type' must be 'Subscription'; it cannot be removed")
        context, _ = await self._context(fragment, terms, tenant, request.trace)

        def change(current: Document | None, now: str) -> tuple[Document, None]:
            if current is None:
                raise NotFound(f"Subscription '{id}' does not exist")
            _refuse_mirror(current)
            return patched(current, fragment, context, now, registrations=self._registrations), None

        await self._write(request, Write(id, change, self._collection))
        return no_content()

    async def delete(self, request: Request) -> Response:
        """DELETE: Delete Subscription (5.8.5)."""
        check_parameters(request, frozenset(("local",)))
        tenant, id = self._target(request)

        def removal(current: Document | None, now: str) -> tuple[None, None]:
            if current is None:
                raise NotFound(f"Subscription '{id}' does not exist")
            _refuse_mirror(current)
            return None, None

        await self._write(request, Write(id, removal, self._collection))
        await self._tallies.remove((self._collection, tenant, id))
        return no_content()

    async def retrieve(self, request: Request) -> Response:
        """GET of one: Retrieve Subscription (5.8.3)."""
        query = check_parameters(request, _ONE)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        tenant, id = self._target(request)
        record = self._existing(tenant, id)
        warnings = [] if self._registrations else warning_header([(copy.registration, MISCELLANEOUS) for copy in self._failing(tenant, id)])
        headers = [*preference_headers(request), *warnings]
        return document_response(self._shown(tenant, record, terms, query), terms, media, headers=headers)

    async def query(self, request: Request) -> Response:
        """GET of all: Query Subscriptions (5.8.4)."""
        query = check_parameters(request, _LIST)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        limit, offset = window(query)
        records = [record for _, record in await self._store.records(tenant, self._collection)]
        documents = [self._shown(tenant, record, terms, query) for record in records[offset : offset + limit]]
        headers = page_headers(request, LD_JSON, len(documents), len(records), limit, offset)
        if not flag(query, "count"):
            headers = [(name, value) for name, value in headers if name != "ngsild-results-count"]
        return document_response(documents, terms, media, headers=[*headers, *preference_headers(request)])

    def _refuse_loop(self, request: Request, tenant: str) -> None:
        """Raises LoopDetected for a subscription that was forwarded from here and comes back, which would tell everything twice."""
        passed = {part.split()[-1] for part in request.headers.get("via", "").split(",") if part.strip()}
        if len(passed) > MAX_HOPS or (self._alias and alias_of(self._alias, tenant) in passed):
            raise LoopDetected("The subscription has been here before; context sources must not forward it in a circle")

    def _target(self, request: Request) -> tuple[str, str]:
        id = request.parameters["id"]
        if not is_uri(id):
            raise BadRequestData(f"The subscription id in the path must be a URI, not '{id[:200]}'")
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant, id

    def _existing(self, tenant: str, id: str) -> Document:
        record = self._store.get(tenant, id, self._collection)
        if record is None:
            raise NotFound(f"Subscription '{id}' does not exist")
        return record

    def _shown(self, tenant: str, record: Document, terms: TermMap, query: dict[str, str]) -> dict[str, Any]:
        counters = self._tallies.shown((self._collection, tenant, record["id"]), record)
        sys_attrs = "sysAttrs" in option_set(query, _OPTIONS)
        return shown(record, counters, terms, to_text(self._clock.now()), sys_attrs=sys_attrs)

    async def _context(self, fragment: Fragment, terms: TermMap, tenant: str, trace: str) -> tuple[Any, str]:
        """The @context for notifications and a URL that stands for it (5.8.1.4: jsonldContext, else that of the request).

        Raises BadRequestData or ContextUnavailable when jsonldContext is none or cannot be had.
        """
        named = fragment.members.get("jsonldContext")
        if named is None:
            return terms.source, await self._contexts.link_of(terms, tenant, trace)
        found = self._contexts.known(named) or await self._contexts.resolve(named, tenant)
        return found.source, named

    async def _write(self, request: Request, write: Write) -> None:
        [result] = await self._store.write(tenant_of(request), [write], request.trace)
        if isinstance(result, CityHubError):
            raise result


def _refuse_mirror(record: Document) -> None:
    """Raises Conflict for a subscription to registrations that the hub keeps for a subscription to entities (5.8.1.4)."""
    if "of" in record:
        raise Conflict(f"This stands for subscription '{record['of']}' and goes with it; change or delete that one")
