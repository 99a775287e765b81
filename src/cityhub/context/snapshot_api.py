"""HTTP of snapshots, and of operations on them.

Source: GS CIM 009 V1.9.1, clauses 5.16, 6.3.22, 6.36, 6.37 and 6.38.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from cityhub.context.entity_api import PREFIX
from cityhub.context.snapshot import read_clone, read_snapshot, read_update, shown
from cityhub.context.snapshots import Snapshots
from cityhub.model.errors import BadRequestData, OperationNotSupported
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild.names import is_uri
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
    no_content,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation

HEADER: Final = "ngsild-snapshot"
PATH: Final = f"{PREFIX}/snapshots"
SCOPED: Final = ("entity.", "subscription.", "history.")
"""Beginnings of the permissions of operations that can be about a snapshot (table 4.3.5-1: the core and temporal APIs)."""
_LOCAL: Final = frozenset(("local",))


class SnapshotApi:
    """The doors of `/snapshots`."""

    def __init__(self, snapshots: Snapshots, contexts: ContextSource, store: Store) -> None:
        self._snapshots = snapshots
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PATH}/{{id}}"
        doors: list[tuple[str, str, Any, str, str, str]] = [
            ("POST", PATH, self.create, "write", "Create Snapshot", "6.36.3.1"),
            ("DELETE", PATH, self.purge, "write", "Purge Snapshots", "6.36.3.2"),
            ("GET", one, self.retrieve, "read", "Retrieve Snapshot Status", "6.37.3.1"),
            ("PATCH", one, self.update, "write", "Update Snapshot Status", "6.37.3.2"),
            ("DELETE", one, self.delete, "write", "Delete Snapshot", "6.37.3.3"),
            ("POST", f"{one}/clone", self.clone, "write", "Clone Snapshot", "6.38.3.1"),
        ]
        return [
            Route(
                method, path, handler, f"snapshot.{permission}", operation, f"GS CIM 009 {clause}", "snapshots",
                describe_operation(operation),
            )
            for method, path, handler, permission, operation, clause in doors
        ]

    async def create(self, request: Request) -> Response:
        """POST /snapshots."""
        check_parameters(request, _LOCAL)
        tenant = self._tenant(request)
        document, terms = await body_and_terms(request, self._contexts)
        return _created(await self._snapshots.create(tenant, read_snapshot(document), terms, request.trace))

    async def clone(self, request: Request) -> Response:
        """POST /snapshots/{id}/clone."""
        tenant, id = self._target(request)
        document, _ = await body_and_terms(request, self._contexts)
        return _created(await self._snapshots.clone(tenant, id, read_clone(document), request.trace))

    async def retrieve(self, request: Request) -> Response:
        """GET /snapshots/{id}."""
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        tenant, id = self._target(request)
        return self._shown(self._snapshots.get(tenant, id), terms, media)

    async def update(self, request: Request) -> Response:
        """PATCH /snapshots/{id}."""
        tenant, id = self._target(request)
        media = accepted(request.headers.get("accept", ""))
        document, _ = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        self._snapshots.get(tenant, id)
        return self._shown(await self._snapshots.update(tenant, id, read_update(document, id), request.trace), CORE, media)

    async def delete(self, request: Request) -> Response:
        """DELETE /snapshots/{id}."""
        tenant, id = self._target(request)
        await self._snapshots.delete(tenant, id, request.trace)
        return no_content()

    async def purge(self, request: Request) -> Response:
        """DELETE /snapshots."""
        query = check_parameters(request, frozenset(("q", "local")))
        await self._snapshots.purge(self._tenant(request), query.get("q"), request.trace)
        return no_content()

    def _tenant(self, request: Request) -> str:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant

    def _target(self, request: Request) -> tuple[str, str]:
        check_parameters(request, _LOCAL)
        id = request.parameters["id"]
        if not is_uri(id):
            raise BadRequestData(f"The snapshot id in the path must be a URI, not '{id[:200]}'")
        return self._tenant(request), id

    @staticmethod
    def _shown(record: dict[str, Any], terms: TermMap, media: str) -> Response:
        return document_response(shown(record), terms, media)


def _created(id: str) -> Response:
    return Response(201, headers=[("location", f"{PATH}/{quote(id, safe=':')}")])


def snapshot_scope(routes: Iterable[Route], snapshots: Snapshots, store: Store) -> list[Route]:
    """The routes, of which those of the core and temporal APIs are about a snapshot when the request names one (6.3.22)."""
    return [_scoped(route, snapshots, store) if route.path.startswith(f"{PREFIX}/") else route for route in routes]


def _scoped(route: Route, snapshots: Snapshots, store: Store) -> Route:
    handler = route.handler
    possible = route.permission.startswith(SCOPED) and "/csource" not in route.path and "/info/" not in route.path

    async def on_snapshot(request: Request) -> Response:
        if not possible:
            raise OperationNotSupported(f"'{route.operation}' is not possible on a snapshot; leave the header NGSILD-Snapshot out")
        given = request.headers[HEADER]
        id = unquote(given.strip().rpartition("/snapshots/")[2])
        if not is_uri(id):
            raise BadRequestData(f"NGSILD-Snapshot must be the id of a snapshot, a URI, not '{given[:200]}'")
        tenant = tenant_of(request)
        check_tenant(store.tenants(), tenant)
        request.tenant = snapshots.ready(tenant, id)["copy"]
        request.answer_headers.append((HEADER, given))
        return await handler(request)

    def scoped(request: Request) -> Awaitable[Response]:
        # No coroutine of its own: the usual request, which names no snapshot, must not pay for one.
        return on_snapshot(request) if HEADER in request.headers else handler(request)

    return msgspec.structs.replace(route, handler=scoped)
