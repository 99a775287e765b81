"""HTTP of the temporal evolution of entities: consumption.

Source: GS CIM 009 V1.9.1, clauses 5.7.3, 5.7.4, 6.3.10, 6.18.3.2, 6.19.3.1 and 6.24.3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from cityhub.history.evolutions import Consumption, Evolutions
from cityhub.history.temporal_api import ENTITIES, ENTITY, read_id
from cityhub.history.temporal_view import SHAPE, TIME, TemporalView, view_of_document, view_of_parameters
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document, query_from_parameters
from cityhub.model.ngsild.order import parse_order
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ports import Store
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    ContextSource,
    accepted,
    body_and_terms,
    check_parameters,
    check_tenant,
    document_response,
    flag,
    page_headers,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import as_parameters, is_local

_FILTERS: Final = frozenset((
    "id", "idPattern", "type", "q", "csf", "georel", "geometry", "coordinates", "geoproperty", "scopeQ", "expandValues", "jsonKeys",
))  # fmt: skip
_PAGE: Final = frozenset(("limit", "offset", "count", "orderBy", "collation"))
_MAP: Final = frozenset(("entityMap", "entityMapLifetime"))
_RETRIEVE: Final = SHAPE | TIME | _MAP | {"local"}
_QUERY: Final = SHAPE | TIME | _FILTERS | _PAGE | _MAP | {"local"}
_QUERY_BODY: Final = frozenset(("limit", "offset", "count", "local", "options", "format")) | _MAP

HEADER: Final = "ngsild-entitymap"


class Map(Protocol):
    """An entity map: which entities it has, and where it is served."""

    @property
    def ids(self) -> list[str]: ...
    @property
    def location(self) -> str: ...


class Maps(Protocol):
    """Entity maps; the context room has them."""

    def of_request(self, request: Request) -> Map | None:
        """The map that the request refers to; None when it refers to none, or to one that is gone."""

    async def create(self, tenant: str, ids: Sequence[str], *, lifetime: str | None = None, trace: str = "") -> Map:
        """A new map of these entities. Raises BadRequestData for a lifetime that is no duration."""

    async def attach_one(self, request: Request, query: dict[str, str], id: str) -> None:
        """Names the map in use in the answer about one entity, or a new one, as far as the request asks for it."""


class TemporalQueryApi:
    """The doors that read histories."""

    def __init__(self, consumption: Consumption, contexts: ContextSource, store: Store, maps: Maps) -> None:
        self._maps = maps
        self._consumption = consumption
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors: list[tuple[str, str, Any, str, str]] = [
            ("GET", ENTITY, self.retrieve, "Retrieve Temporal Evolution of an Entity", "6.19.3.1"),
            ("GET", ENTITIES, self.query, "Query Temporal Evolution of Entities", "6.18.3.2"),
            (
                "POST", "/ngsi-ld/v1/temporal/entityOperations/query", self.query_by_post,
                "Query Temporal Evolution of Entities by POST", "6.24.3.1",
            ),
        ]  # fmt: skip
        return [
            Route(method, path, handler, "history.read", operation, f"GS CIM 009 {clause}", "history", describe_operation(operation))
            for method, path, handler, operation, clause in doors
        ]

    async def retrieve(self, request: Request) -> Response:
        """GET /temporal/entities/{id}."""
        query = check_parameters(request, _RETRIEVE)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        id = read_id(request)
        shown = view_of_parameters(query, terms, required=False)
        found = await self._consumption.retrieve(self._tenant(request), id, shown, terms)
        await self._maps.attach_one(request, query, id)
        return _response(found.documents[0], found, terms, media, [])

    async def query(self, request: Request) -> Response:
        """GET /temporal/entities."""
        query = check_parameters(request, _QUERY)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        if "csf" in query:
            parse_q(query["csf"], terms, where="csf")
        wanted = query_from_parameters(query, terms)
        shown = view_of_parameters(query, terms, required=True)
        return await self._answer(request, query, wanted, shown, terms, media, query.get("orderBy"))

    async def query_by_post(self, request: Request) -> Response:
        """POST /temporal/entityOperations/query."""
        query = check_parameters(request, _QUERY_BODY)
        media = accepted(request.headers.get("accept", ""))
        document, terms = await body_and_terms(request, self._contexts)
        if not isinstance(document, dict) or document.get("type", document.get("@type")) != "Query":
            raise BadRequestData("The body must be an object with \"type\": \"Query\"")
        wanted = query_from_document(document, terms)
        shown = view_of_document(document, query, {**as_parameters(document), **query}, terms)
        ordering = document.get("ordering", {})
        if not isinstance(ordering, dict):
            raise BadRequestData("'ordering' must be an object with 'orderBy'")
        return await self._answer(request, query, wanted, shown, terms, media, ordering.get("orderBy"))

    async def candidates(self, request: Request) -> tuple[list[str], TermMap, str | None]:
        """For a GET or POST of a temporal query: the ids of what matches, the @context, and the wished lifetime of an entity map.

        Source: clause 5.14.5.
        """
        if request.method == "POST":
            query = check_parameters(request, _QUERY_BODY)
            document, terms = await body_and_terms(request, self._contexts)
            if not isinstance(document, dict) or document.get("type", document.get("@type")) != "Query":
                raise BadRequestData("The body must be an object with \"type\": \"Query\"")
            wanted = query_from_document(document, terms)
            shown = view_of_document(document, query, {**as_parameters(document), **query}, terms)
            lifetime = document.get("entityMapLifetime", query.get("entityMapLifetime"))
        else:
            query = check_parameters(request, _QUERY)
            terms = await terms_of(request, self._contexts)
            wanted = query_from_parameters(query, terms)
            shown = view_of_parameters(query, terms, required=True)
            lifetime = query.get("entityMapLifetime")
        wanted.require_narrow(local=is_local(query) or wanted.every_type or request.tenant is not None)
        wanted.require_links(0)
        return await self._consumption.identifiers(self._tenant(request), wanted, shown), terms, lifetime

    async def _answer(
        self, request: Request, query: dict[str, str], wanted: EntityQuery, shown: TemporalView, terms: TermMap, media: str, order_by: Any
    ) -> Response:
        wanted.require_narrow(local=is_local(query) or wanted.every_type or request.tenant is not None)
        wanted.require_links(0)
        descending = read_direction(order_by, terms)
        limit, offset = window(query)
        tenant = self._tenant(request)
        count = flag(query, "count")
        status, among = await self._along(request, tenant, query, wanted, shown)
        if among is None:
            return _response([], Evolutions([], count=0 if count else None), terms, media, [], status)
        wanted = among
        found = await self._consumption.query(tenant, wanted, shown, terms, (limit, offset), count=count, descending=descending)
        headers = page_headers(request, media, len(found.documents), found.count, limit, offset)
        return _response(found.documents, found, terms, media, headers, status)

    async def _along(
        self, request: Request, tenant: str, query: dict[str, str], wanted: EntityQuery, shown: TemporalView
    ) -> tuple[int, EntityQuery | None]:
        """The query over the entities of its entity map (5.5.14), with the status that says whether the map is new; None finds none."""
        if HEADER not in request.headers and not flag(query, "entityMap"):
            return 200, wanted
        status, map = 200, self._maps.of_request(request)
        if map is None:
            ids = await self._consumption.identifiers(tenant, wanted, shown)
            map = await self._maps.create(tenant, ids, lifetime=query.get("entityMapLifetime"), trace=request.trace)
            status = 201
        request.answer_headers.append((HEADER, map.location))
        return status, wanted.among(map.ids)

    def _tenant(self, request: Request) -> str:
        """The tenant, which must exist."""
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant


def read_direction(order_by: Any, terms: TermMap) -> bool | None:
    """Whether the order by id is descending; None without an order. Raises BadRequestData for an order by anything else (5.7.4.4)."""
    if order_by is None:
        return None
    if any(name != "id" for name in parse_order(order_by, terms).names):
        raise BadRequestData("Histories can be ordered by 'id' only")
    words = order_by.split(",") if isinstance(order_by, str) else order_by
    return str(words[0]).endswith(";desc")


def _response(
    body: Any, found: Evolutions, terms: TermMap, media: str, headers: list[tuple[str, str]], status: int = 200
) -> Response:
    if found.content_range is None:
        return document_response(body, terms, media, status=status, headers=headers)
    return document_response(body, terms, media, status=206, headers=[*headers, ("content-range", found.content_range)])
