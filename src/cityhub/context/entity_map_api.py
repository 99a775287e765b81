"""HTTP of entity maps.

Source: GS CIM 009 V1.9.1, clauses 5.14, 6.32, 6.34 and 6.35.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cityhub.context.entities import EntityOperations
from cityhub.context.entity_api import PREFIX
from cityhub.context.entity_maps import HEADER, MAX_IDS, EntityMap, EntityMaps
from cityhub.context.query_api import (
    QUERY,
    QUERY_BODY,
    document_members,
    order_of,
    query_call,
    query_key,
    read_query_document,
)
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_parameters
from cityhub.model.ports import Store
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
    linked_terms,
    no_content,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import join_level, view_of


class TemporalCandidates(Protocol):
    """Finds the entities of a temporal query; the history room has it."""

    async def candidates(self, request: Request) -> tuple[Sequence[str], TermMap, str | None]:
        """For a GET or POST of a temporal query: the ids of what matches, the @context, and the wished lifetime of a map."""


class EntityMapApi:
    """The doors of `/entityMaps` and `/temporal/entityMaps`.

    Args:
        maps: Where maps are kept.
        operations: Finds the entities of a query.
        contexts: Where term maps come from.
        store: Asked for its tenants.
        temporal: Finds the entities of a temporal query; None: maps of such queries are not offered.
    """

    def __init__(
        self,
        maps: EntityMaps,
        operations: EntityOperations,
        contexts: ContextSource,
        store: Store,
        temporal: TemporalCandidates | None = None,
    ) -> None:
        self._maps = maps
        self._operations = operations
        self._contexts = contexts
        self._store = store
        self._temporal = temporal

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one, all_, temporal = f"{PREFIX}/entityMaps/{{id}}", f"{PREFIX}/entityMaps", f"{PREFIX}/temporal/entityMaps"
        # Whoever may read entities may see which ones a query found; to keep a list of them here, change it or drop it takes more.
        writing = ("PATCH", "POST", "DELETE")
        doors: list[tuple[str, str, Any, str, str]] = [
            ("GET", one, self.retrieve, "Retrieve EntityMap", "6.32.3.1"),
            ("PATCH", one, self.update, "Update EntityMap", "6.32.3.2"),
            ("DELETE", one, self.delete, "Delete EntityMap", "6.32.3.3"),
            ("GET", all_, self.create, "Create EntityMap for Query Entities", "6.34.3.1"),
            ("POST", all_, self.create_by_post, "Create EntityMap for Query Entities by POST", "6.34.3.2"),
        ]
        if self._temporal is not None:
            name = "Create EntityMap for Query Temporal Evolution of Entities"
            doors.append(("GET", temporal, self.create_temporal, name, "6.35.3.1"))
            doors.append(("POST", temporal, self.create_temporal, f"{name} by POST", "6.35.3.2"))
        return [
            Route(
                method, path, handler, "entity.map" if method in writing else "entity.read", operation, f"GS CIM 009 {clause}",
                "entity maps", describe_operation(operation),
            )
            for method, path, handler, operation, clause in doors
        ]  # fmt: skip

    async def retrieve(self, request: Request) -> Response:
        """GET /entityMaps/{id}."""
        check_parameters(request, frozenset(("local",)))
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        found = self._maps.get(self._tenant(request), request.parameters["id"])
        return document_response(found.document(), terms, media)

    async def update(self, request: Request) -> Response:
        """PATCH /entityMaps/{id}."""
        check_parameters(request, frozenset(("local",)))
        tenant = self._tenant(request)
        self._maps.get(tenant, request.parameters["id"])
        document, _ = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        await self._maps.update(tenant, request.parameters["id"], document, request.trace)
        return no_content()

    async def delete(self, request: Request) -> Response:
        """DELETE /entityMaps/{id}."""
        check_parameters(request, frozenset(("local",)))
        await self._maps.delete(self._tenant(request), request.parameters["id"], request.trace)
        return no_content()

    async def create(self, request: Request) -> Response:
        """GET /entityMaps."""
        query = check_parameters(request, QUERY)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        return await self._create(request, query, query, query_from_parameters(query, terms), terms, media, None)

    async def create_by_post(self, request: Request) -> Response:
        """POST /entityMaps."""
        query = check_parameters(request, QUERY_BODY)
        media = accepted(request.headers.get("accept", ""))
        document, terms = await body_and_terms(request, self._contexts)
        wanted = read_query_document(document, terms)
        terms = await linked_terms(terms, request, self._contexts, media)
        return await self._create(request, query, {**document_members(document), **query}, wanted, terms, media, document)

    async def create_temporal(self, request: Request) -> Response:
        """GET and POST /temporal/entityMaps."""
        assert self._temporal is not None
        media = accepted(request.headers.get("accept", ""))
        ids, terms, lifetime = await self._temporal.candidates(request)
        made = await self._maps.create(self._tenant(request), ids, lifetime=lifetime, trace=request.trace)
        return _created(made, await linked_terms(terms, request, self._contexts, media), media)

    async def _create(
        self, request: Request, query: dict[str, str], members: dict[str, str], wanted: EntityQuery, terms: TermMap, media: str,
        document: dict[str, Any] | None,
    ) -> Response:  # fmt: skip
        call = query_call(request, query, members, wanted, terms, self._store)
        wanted.require_narrow(local=call.local)
        wanted.require_links(join_level(members))
        view = view_of(members, terms, media)
        ids = await self._operations.identifiers(call, wanted, view, order_of(members, terms, document), MAX_IDS)
        lifetime = members.get("entityMapLifetime")
        filters = query_key(members, document, terms)
        return _created(
            await self._maps.create(call.tenant, ids, filters=filters, lifetime=lifetime, trace=request.trace), terms, media
        )

    def _tenant(self, request: Request) -> str:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant


def _created(map: EntityMap, terms: TermMap, media: str) -> Response:
    return document_response(map.document(), terms, media, status=201, headers=[(HEADER, map.location)])
