"""HTTP of queries over entities.

Source: GS CIM 009 V1.9.1, clauses 5.7.2, 6.4.3.2, 6.23.3.1, 6.3.10, 6.3.13.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from cityhub.context.entities import Call, EntityOperations, call_of
from cityhub.context.entity_api import MAP_PARAMETERS, PREFIX, feature_response, rendered_all
from cityhub.context.entity_map_pages import page_along
from cityhub.context.entity_maps import HEADER, MAX_IDS, EntityMap, EntityMaps, filters_of
from cityhub.context.linked import linked_entities
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE_URL, TermMap
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document, query_from_parameters
from cityhub.model.ngsild.flat import render_flat
from cityhub.model.ngsild.geojson import render_feature_collection
from cityhub.model.ngsild.order import parse_order, read_ordering
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
    entity_response,
    flag,
    link_header,
    linked_terms,
    page_headers,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import PARAMETERS, as_parameters, is_local, join_level, view_of

FILTERS: Final = frozenset((
    "id", "idPattern", "type", "attrs", "q", "csf", "georel", "geometry", "coordinates", "geoproperty", "scopeQ",
    "expandValues", "jsonKeys",
))  # fmt: skip
WINDOW: Final = frozenset(("limit", "offset", "count", "orderBy", "collation", "orderFrom", "orderGeometry")) | MAP_PARAMETERS
QUERY: Final = PARAMETERS | FILTERS | WINDOW | {"local", "splitEntities"}
QUERY_BODY: Final = frozenset(("splitEntities", "limit", "offset", "count", "local", "options", "format")) | MAP_PARAMETERS
SAME: Final = (FILTERS - {"id", "idPattern"}) | {"entities", "geoQ"}
"""Members of a query that pages along one entity map have in common."""
USUAL: Final = 1000
"""Queries whose URLs are at most so long are remembered."""


class QueryApi:
    """The doors that find entities."""

    def __init__(self, operations: EntityOperations, contexts: ContextSource, store: Store, maps: EntityMaps) -> None:
        self._maps = maps
        self._operations = operations
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("GET", f"{PREFIX}/entities", self.query, "entity.read", "Query Entities", "GS CIM 009 6.4.3.2", "entities",
                describe_operation("Query Entities")),
            Route(
                "POST", f"{PREFIX}/entityOperations/query", self.query_by_post, "entity.read", "Query Entities by POST",
                "GS CIM 009 6.23.3.1", "batch", describe_operation("Query Entities by POST"),
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
        wanted = read_query_document(document, terms)
        terms = await linked_terms(terms, request, self._contexts, media)
        return await self._answer(request, query, {**document_members(document), **query}, wanted, terms, media, document)

    async def _answer(
        self,
        request: Request,
        query: dict[str, str],
        members: dict[str, str],
        wanted: EntityQuery,
        terms: TermMap,
        media: str,
        document: dict[str, Any] | None = None,
    ) -> Response:
        view = view_of(members, terms, media)
        limit, offset = window(query)
        call = query_call(request, query, members, wanted, terms, self._store)
        wanted.require_narrow(local=call.local)
        wanted.require_links(join_level(members))
        count = flag(query, "count")
        status = 200
        if HEADER in request.headers or "entityMap" in members:
            map, status = await self._map(request, call, wanted, view, members, document)
            if map is not None:
                page_of_map = await page_along(self._operations, call, wanted, view, map, offset, limit, count=count)
                await self._maps.remove(map, page_of_map.gone, request.trace)
                page, more = Page(page_of_map.entities, page_of_map.count), page_of_map.more
                headers = page_headers(request, media, len(page.entities), page.count, limit, offset, more=more)
                return await self._rendered(request, call, page, view, media, members, headers, status)
        page = await self._operations.query(call, wanted, view, offset, limit, count, order_of(members, terms, document))
        headers = page_headers(request, media, len(page.entities), page.count, limit, offset)
        if view is NORMALIZED and media == JSON and members.get("join") in (None, "@none") and "prefer" not in request.headers:
            headers.append(("link", link_header(terms.link or CORE_URL)))
            return Response(status, b"[" + b",".join(rendered_all(page.entities, terms)) + b"]", headers, JSON)
        return await self._rendered(request, call, page, view, media, members, headers, status)

    async def _map(
        self, request: Request, call: Call, wanted: EntityQuery, view: View, members: dict[str, str], document: dict[str, Any] | None
    ) -> tuple[EntityMap | None, int]:
        """The entity map to be used, with the status that says whether it is new; it is named in the answer."""
        asked = flag(members, "entityMap")
        filters = query_key(members, document, call.terms)
        map = self._maps.of_request(request)
        status = 200
        if map is not None and map.filters not in ("", filters):
            raise BadRequestData("The entity map was made for another query, or under another @context: its filters must stay the same")
        if map is None and (asked or HEADER in request.headers):
            ids = await self._operations.identifiers(call, wanted, view, order_of(members, call.terms, document), MAX_IDS)
            lifetime = members.get("entityMapLifetime")
            map = await self._maps.create(call.tenant, ids, filters=filters, lifetime=lifetime, trace=request.trace)
            status = 201
        if map is not None:
            request.answer_headers.append((HEADER, map.location))
        return map, status

    async def _rendered(
        self, request: Request, call: Call, page: Page, view: View, media: str, members: dict[str, str],
        headers: list[tuple[str, str]], status: int,
    ) -> Response:  # fmt: skip
        linked = await linked_entities(self._operations, call, page.entities, view, members)
        if media == GEO_JSON:
            response = feature_response(request, render_feature_collection(page.entities, call.terms, view, linked), call.terms)
            response.headers.extend(headers)
            response.status = status
            return response
        if members.get("join") == "flat":
            documents = render_flat(page.entities, call.terms, view, linked, join_level(members))
        else:
            documents = render_entities(page.entities, call.terms, view, linked)
        return entity_response(request, documents, call.terms, media, status=status, headers=headers)


def query_call(
    request: Request, query: dict[str, str], members: dict[str, str], wanted: EntityQuery, terms: TermMap, store: Store
) -> Call:
    """On whose behalf a query runs. Raises BadRequestData, NoSuchTenant."""
    tenant = tenant_of(request)
    check_tenant(store.tenants(), tenant)
    if wanted.every_type and query.get("local") == "false":
        raise BadRequestData("With type=* only this broker's own entities are found: 'local' must not be false")
    local = is_local(query) or wanted.every_type or request.tenant is not None
    call = call_of(request, tenant, terms, local)
    if "csf" not in members and "splitEntities" not in members:
        return call
    csf = parse_q(members["csf"], terms, where="csf") if members.get("csf") else None
    return msgspec.structs.replace(call, csf=csf, split=flag(members, "splitEntities"))


def read_query_document(document: Any, terms: TermMap) -> EntityQuery:
    """What a Query document (5.2.23) without temporal part asks for. Raises BadRequestData, TooComplexQuery."""
    if not isinstance(document, dict) or document.get("type", document.get("@type")) != "Query":
        raise BadRequestData("The body must be an object with \"type\": \"Query\"")
    if "temporalQ" in document:
        raise BadRequestData("'temporalQ' belongs to the temporal query operation")
    return query_from_document(document, terms)


def document_members(document: dict[str, Any]) -> dict[str, str]:
    """The members of a Query document that are not filters, as the URL parameters they correspond to. Raises BadRequestData."""
    members = as_parameters(document)
    wanted, lifetime = document.get("entityMap"), document.get("entityMapLifetime")
    if wanted is not None:
        if not isinstance(wanted, bool):
            raise BadRequestData("'entityMap' must be true or false")
        members["entityMap"] = "true" if wanted else "false"
    if lifetime is not None:
        if not isinstance(lifetime, str):
            raise BadRequestData("'entityMapLifetime' must be an ISO 8601 duration such as 'PT1H'")
        members["entityMapLifetime"] = lifetime
    return members


def query_key(members: dict[str, str], document: dict[str, Any] | None, terms: TermMap) -> str:
    """What must stay the same in all requests along one entity map: the filters but the ids, and the @context (5.5.14)."""
    return filters_of(members if document is None else document, terms.key, SAME)


def order_of(members: dict[str, str], terms: TermMap, document: dict[str, Any] | None = None) -> Callable[[Entity], Any] | None:
    """The sort key that the parameters, or the `ordering` of a Query document, ask for; None: the order of creation."""
    if document is not None and document.get("ordering") is not None:
        return read_ordering(document["ordering"], terms).key
    if "orderBy" not in members:
        return None
    reference, geometry = members.get("orderFrom"), members.get("orderGeometry")
    return parse_order(members["orderBy"], terms, language=members.get("collation"), order_from=reference, geometry=geometry).key


@lru_cache(maxsize=256)
def _read_query(query_string: str, terms: TermMap) -> EntityQuery:
    """The query of a URL. Programs ask the same again and again, and reading it takes longer than answering."""
    return query_from_parameters(parse_query(query_string), terms)
