"""HTTP of context source registrations.

Source: GS CIM 009 V1.9.1, clauses 5.9, 5.10, 6.8 and 6.9.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from cityhub.context.entity_api import PREFIX, read_id
from cityhub.context.registered import Registration
from cityhub.context.registration import COLLECTION, parse_registration, patched, render_registration
from cityhub.context.registration_conflicts import check_conflicts
from cityhub.context.registration_query import FILTERS, parse_registration_query
from cityhub.context.registrations import Registrations
from cityhub.context.source_state import SourceStates
from cityhub.model.errors import AlreadyExists, CityHubError, NotFound
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
    document_response,
    flag,
    no_content,
    option_set,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.ngsild_terms import describe_operation

QUERY: Final = FILTERS | {"limit", "offset", "count", "options", "lang"}
_MEDIA: Final = (JSON, LD_JSON, MERGE_PATCH)


class RegistrationApi:
    """The doors of `/csourceRegistrations`.

    Args:
        registrations: The index, which hears of every change here.
        states: What became of requests to the sources.
        contexts: Where term maps come from.
        store: Where the records are kept.
        clock: Where the time comes from.
        own_url: Where this hub is reached; a redirect to it is refused.
    """

    def __init__(
        self, registrations: Registrations, states: SourceStates, contexts: ContextSource, store: Store, clock: Clock, own_url: str
    ) -> None:
        self._registrations = registrations
        self._states = states
        self._contexts = contexts
        self._store = store
        self._clock = clock
        self._own_url = own_url
        self._writing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        path, one = f"{PREFIX}/csourceRegistrations", f"{PREFIX}/csourceRegistrations/{{id}}"
        doors = [
            ("POST", path, self.create, "registration.write", "Register Context Source", "6.8.3.1"),
            ("GET", path, self.query, "registration.read", "Query Context Source Registrations", "6.8.3.2"),
            ("GET", one, self.retrieve, "registration.read", "Retrieve Context Source Registration", "6.9.3.1"),
            ("PATCH", one, self.update, "registration.write", "Update Context Source Registration", "6.9.3.2"),
            ("DELETE", one, self.delete, "registration.write", "Delete Context Source Registration", "6.9.3.3"),
        ]
        return [
            Route(method, place, handler, permission, operation, f"GS CIM 009 {clause}", "registrations", describe_operation(operation))
            for method, place, handler, permission, operation, clause in doors
        ]

    def _now(self) -> str:
        return to_text(self._clock.now())

    async def create(self, request: Request) -> Response:
        """POST /csourceRegistrations."""
        check_parameters(request, frozenset())
        document, terms = await body_and_terms(request, self._contexts)
        record = parse_registration(document, terms, self._now())
        if "id" not in record:
            record = {"id": f"urn:ngsi-ld:ContextSourceRegistration:{uuid4()}", **record}
        tenant = tenant_of(request)

        def transition(current: Document | None, now: str) -> tuple[Document, Document]:
            if current is not None and current.get("expiresAt", "~") > now:
                raise AlreadyExists(f"Registration '{record['id']}' exists already")
            created = {**record, "createdAt": now, "modifiedAt": now}
            return created, created

        async with self._writing:
            if self._registrations.get(tenant, record["id"]) is None:
                await check_conflicts(Registration(tenant, record), self._registrations, self._store, self._own_url)
            await self._write(tenant, record["id"], transition, request.trace)
        return Response(201, headers=[("location", f"{PREFIX}/csourceRegistrations/{quote(record['id'], safe=':')}")])

    async def update(self, request: Request) -> Response:
        """PATCH /csourceRegistrations/{id}."""
        check_parameters(request, frozenset())
        id, tenant = read_id(request), self._tenant(request)
        fragment, terms = await body_and_terms(request, self._contexts, _MEDIA)

        def transition(current: Document | None, now: str) -> tuple[Document, Document]:
            if current is None or current.get("expiresAt", "~") <= now:
                raise _missing(id)
            changed = {**patched(current, fragment, terms, now), "modifiedAt": now}
            return changed, changed

        async with self._writing:
            record = patched(self._get(tenant, id).record, fragment, terms, self._now())
            await check_conflicts(Registration(tenant, record), self._registrations, self._store, self._own_url)
            await self._write(tenant, id, transition, request.trace)
        return no_content()

    async def delete(self, request: Request) -> Response:
        """DELETE /csourceRegistrations/{id}."""
        check_parameters(request, frozenset())
        id, tenant = read_id(request), self._tenant(request)

        def transition(current: Document | None, now: str) -> tuple[None, None]:
            if current is None or current.get("expiresAt", "~") <= now:
                raise _missing(id)
            return None, None

        async with self._writing:
            await self._write(tenant, id, transition, request.trace)
        return no_content()

    async def retrieve(self, request: Request) -> Response:
        """GET /csourceRegistrations/{id}."""
        query = check_parameters(request, frozenset(("options",)))
        media = accepted(request.headers.get("accept", ""))
        id, tenant = read_id(request), self._tenant(request)
        terms = await terms_of(request, self._contexts)
        sys_attrs = "sysAttrs" in option_set(query, frozenset(("sysAttrs",)))
        return document_response(self._render(self._get(tenant, id), terms, sys_attrs), terms, media)

    async def query(self, request: Request) -> Response:
        """GET /csourceRegistrations."""
        query = check_parameters(request, QUERY)
        media = accepted(request.headers.get("accept", ""))
        tenant = self._tenant(request)
        terms = await terms_of(request, self._contexts)
        limit, offset = window(query)
        sys_attrs = "sysAttrs" in option_set(query, frozenset(("sysAttrs",)))
        wanted = parse_registration_query(query, terms)
        candidates = self._registrations.selected(tenant, wanted.wanted.selectors)
        found = [one for one in candidates if wanted.matches(one)]
        shown = [self._render(one, terms, sys_attrs) for one in found[offset : offset + limit]]
        headers = [("NGSILD-Results-Count", str(len(found)))] if flag(query, "count") else []
        headers += _page_links(request, len(found), limit, offset)
        return document_response(shown, terms, media, headers=headers)

    async def expire(self) -> None:
        """Deletes the records of registrations whose time is over; they have been invisible since."""
        for tenant, id in self._registrations.expired():

            def transition(current: Document | None, now: str) -> tuple[Document | None, None]:
                return (None if current is None or current.get("expiresAt", "~") <= now else current), None

            async with self._writing:
                await self._store.write(tenant, [Write(id, transition, COLLECTION)])
                record = await self._store.fetch(tenant, id, COLLECTION)
                if record is None:
                    self._forget(tenant, id)

    def _render(self, registration: Registration, terms: Any, sys_attrs: bool) -> dict[str, Any]:
        document = render_registration(registration.record, terms, sys_attrs)
        return {**document, **self._states.members(registration)}

    def _tenant(self, request: Request) -> str:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant

    def _get(self, tenant: str, id: str) -> Registration:
        registration = self._registrations.get(tenant, id)
        if registration is None:
            raise _missing(id)
        return registration

    def _forget(self, tenant: str, id: str) -> None:
        self._registrations.remove(tenant, id)
        self._states.forget(tenant, id)

    async def _write(self, tenant: str, id: str, transition: Any, trace: str) -> None:
        """One write, which the index hears of."""
        [result] = await self._store.write(tenant, [Write(id, transition, COLLECTION)], trace)
        if isinstance(result, CityHubError):
            raise result
        if result is None:
            self._forget(tenant, id)
        else:
            self._registrations.put(tenant, result)


def _page_links(request: Request, total: int, limit: int, offset: int) -> list[tuple[str, str]]:
    """Links to the previous and next pages, with the parameters in the order in which they came (6.3.10)."""
    places = [("prev", max(0, offset - limit))] if offset and limit else []
    if limit and total > offset + limit:
        places.append(("next", offset + limit))
    links = []
    for relation, place in places:
        query = urlencode({**request.query, "limit": str(limit), "offset": str(place)}, quote_via=quote, safe=":,*/")
        links.append(("link", f'<{request.path.rstrip("/")}?{query}>; rel="{relation}"; type="{LD_JSON}"'))
    return links


def _missing(id: str) -> NotFound:
    return NotFound(f"Registration '{id}' does not exist")
