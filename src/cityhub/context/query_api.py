"""HTTP of queries over entities.

Source: GS CIM 009 V1.9.1, clauses 5.7.2, 6.4.3.2, 6.23.3.1, 6.3.10, 6.3.13.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cityhub.context.entities import Call, EntityOperations
from cityhub.context.entity_api import PREFIX, feature_response, rendered_all
from cityhub.context.linked import linked_entities
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE_URL, TermMap
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document, query_from_parameters
from cityhub.model.ngsild.flat import render_flat
from cityhub.model.ngsild.geojson import render_feature_collection
from cityhub.model.ngsild.order import parse_order
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.render import render_entities
from cityhub.model.ngsild.view import NORMALIZED, View
from cityhub.model.ports import Page, Store
from cityhub.web.http import Request, Response, Route, parse_query
from cityhub.web.negotiation import (
    GEO,
    GEO_JSON,
    JSON,
    ContextSource,
    accepted,
    body_and_terms,
    check_parameters,
    check_tenant,
    document_response,
    flag,
    link_header,
    page_headers,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.views import PARAMETERS, as_parameters, is_local, join_level, view_of

FILTERS: Final = frozenset((
    "id", "idPattern", "type", "attrs", "q", "csf", "georel", "geometry", "coordinates", "geoproperty", "scopeQ",
    "expandValues", "jsonKeys",
))  # fmt: skip
WINDOW: Final = frozenset(("limit", "offset", "count", "orderBy", "collation", "orderFrom", "orderGeometry", "entityMap"))
QUERY: Final = PARAMETERS | FILTERS | WINDOW | {"local", "splitEntities"}
QUERY_BODY: Final = frozenset(("splitEntities", "limit", "offset", "count", "local", "options", "format", "entityMap"))
USUAL: Final = 1000
"""Queries whose URLs are at most so long are remembered."""


class QueryApi:
    """The doors that find entities."""

    def __init__(self, operations: EntityOperations, contexts: ContextSource, store: Store) -> None:
        self._operations = operations
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("GET", f"{PREFIX}/entities", self.query, "entity.read", "Query Entities", "GS CIM 009 6.4.3.2", "entities"),
            Route(
                "POST", f"{PREFIX}/entityOperations/query", self.query_by_post, "entity.read", "Query Entities by POST",
                "GS CIM 009 6.23.3.1", "batch",
            ),
        ]  # fmt: skip

    async def query(self, request: Request) -> Response:
        """GET /entities."""
        query = check_parameters(request, QUERY)
        media = accepted(request.headers.get("accept", ""), GEO)
        terms = await terms_of(request, self._contexts)
        usual = len(request.query_string) <= USUAL
        wanted = _read_query(request.query_string, terms) if usual else query_from_parameters(query, terms)
        return await self._answer(request, query, query, wanted, terms, media)

    async def query_by_post(self, request: Request) -> Response:
        """POST /entityOperations/query."""
        query = check_parameters(request, QUERY_BODY)
        media = accepted(request.headers.get("accept", ""), GEO)
        document, terms = await body_and_terms(request, self._contexts)
        if not isinstance(document, dict) or document.get("type", document.get("@type")) != "Query":
            raise BadRequestData("The body must be an object with \"type\": \"Query\"")
        wanted = query_from_document(document, terms)
        if "temporalQ" in document:
            raise BadRequestData("'temporalQ' belongs to the temporal query operation")
        ordering = document.get("ordering")
        if ordering is not None and not isinstance(ordering, dict):
            raise BadRequestData("'ordering' must be an object with 'orderBy'")
        return await self._answer(request, query, {**as_parameters(document), **query}, wanted, terms, media, ordering)

    async def _answer(
        self,
        request: Request,
        query: dict[str, str],
        members: dict[str, str],
        wanted: EntityQuery,
        terms: TermMap,
        media: str,
        ordering: dict[str, Any] | None = None,
    ) -> Response:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        view = view_of(members, terms, media)
        limit, offset = window(query)
        if wanted.every_type and query.get("local") == "false":
            raise BadRequestData("With type=* only this broker's own entities are found: 'local' must not be false")
        local = is_local(query) or wanted.every_type
        wanted.require_narrow(local=local)
        wanted.require_links(join_level(members))
        via, headers, answer = request.headers.get("via", ""), request.headers, request.answer_headers
        csf = parse_q(members["csf"], terms, where="csf") if members.get("csf") else None
        call = Call(tenant, terms, request.trace, local, via, None, headers, answer, csf, members.get("splitEntities") == "true")
        order = order_of(members, terms, ordering)
        page = await self._operations.query(call, wanted, view, offset, limit, flag(query, "count"), order)
        paging = page_headers(request, media, len(page.entities), page.count, limit, offset)
        if view is NORMALIZED and media == JSON and members.get("join") in (None, "@none"):
            paging.append(("link", link_header(terms.link or CORE_URL)))
            return Response(200, b"[" + b",".join(rendered_all(page.entities, terms)) + b"]", paging, JSON)
        return await self._rendered(request, call, page, view, media, members, paging)

    async def _rendered(
        self, request: Request, call: Call, page: Page, view: View, media: str, members: dict[str, str], headers: list[tuple[str, str]]
    ) -> Response:
        linked = await linked_entities(self._store, call.tenant, page.entities, view, members)
        if media == GEO_JSON:
            response = feature_response(request, render_feature_collection(page.entities, call.terms, view, linked), call.terms)
            response.headers.extend(headers)
            return response
        if members.get("join") == "flat":
            documents = render_flat(page.entities, call.terms, view, linked, join_level(members))
        else:
            documents = render_entities(page.entities, call.terms, view, linked)
        return document_response(documents, call.terms, media, headers=headers)


def order_of(members: dict[str, str], terms: TermMap, ordering: dict[str, Any] | None = None) -> Callable[[Entity], Any] | None:
    """The sort key that the parameters, or the `ordering` of a Query document, ask for; None: the order of creation."""
    if ordering is not None:
        by, reference = ordering.get("orderBy"), ordering.get("coordinates")
        return parse_order(by, terms, language=ordering.get("collation"), order_from=reference, geometry=ordering.get("geometry")).key
    if "orderBy" not in members:
        return None
    reference, geometry = members.get("orderFrom"), members.get("orderGeometry")
    return parse_order(members["orderBy"], terms, language=members.get("collation"), order_from=reference, geometry=geometry).key


@lru_cache(maxsize=256)
def _read_query(query_string: str, terms: TermMap) -> EntityQuery:
    """The query of a URL. Programs ask the same again and again, and reading it takes longer than answering."""
    return query_from_parameters(parse_query(query_string), terms)
