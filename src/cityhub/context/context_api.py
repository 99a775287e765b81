"""The HTTP doors of stored @contexts. Source: GS CIM 009 V1.9.1, clauses 6.29 and 6.30."""

from __future__ import annotations

from typing import Final

from cityhub.context.context_store import KINDS
from cityhub.context.contexts import PATH, Contexts
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import PLAIN, check_parameters, content_type, flag, read_json, tenant_of

_LIST_PARAMETERS: Final = frozenset({"details", "kind"})
_SERVE_PARAMETERS: Final = frozenset({"details"})
_DELETE_PARAMETERS: Final = frozenset({"reload"})


def context_routes(contexts: Contexts) -> list[Route]:
    """The routes of `/ngsi-ld/v1/jsonldContexts`."""
    doors = _Doors(contexts)
    collection, item, tag = PATH.rstrip("/"), PATH + "{contextId}", "JSON-LD contexts"
    return [
        Route("GET", collection, doors.list, "jsonld-context.read", "List @contexts", "GS CIM 009 6.29.3.2", tag),
        Route("POST", collection, doors.add, "jsonld-context.write", "Add @context", "GS CIM 009 6.29.3.1", tag),
        Route("GET", item, doors.serve, "jsonld-context.read", "Serve @context", "GS CIM 009 6.30.3.1", tag),
        Route("DELETE", item, doors.delete, "jsonld-context.write", "Delete and Reload @context", "GS CIM 009 6.30.3.2", tag),
    ]


class _Doors:
    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts

    async def list(self, request: Request) -> Response:
        tenant, query = tenant_of(request), check_parameters(request, _LIST_PARAMETERS)
        detailed, kind = flag(query, "details"), query.get("kind")
        if kind is not None and kind not in KINDS:
            raise BadRequestData(f"'kind' must be one of {', '.join(KINDS)}")
        found = await self._contexts.listing(tenant, kind)
        return json_response(found if detailed else [details["URL"] for details in found])

    async def add(self, request: Request) -> Response:
        content_type(request, PLAIN)
        tenant, document = tenant_of(request), read_json(request)
        if not isinstance(document, dict) or "@context" not in document:
            raise InvalidRequest("The body must be a JSON object with a member '@context'")
        id = await self._contexts.add(document["@context"], tenant, request.trace)
        return Response(201, headers=[("location", PATH + id)])

    async def serve(self, request: Request) -> Response:
        tenant, query = tenant_of(request), check_parameters(request, _SERVE_PARAMETERS)
        read = self._contexts.details if flag(query, "details") else self._contexts.content
        return json_response(read(request.parameters["contextId"], tenant))

    async def delete(self, request: Request) -> Response:
        tenant, query = tenant_of(request), check_parameters(request, _DELETE_PARAMETERS)
        id = request.parameters["contextId"]
        if flag(query, "reload"):
            await self._contexts.reload(id, tenant)
        else:
            await self._contexts.delete(id, tenant, request.trace)
        return Response(204)
