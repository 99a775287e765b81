"""The HTTP doors of stored @contexts. Source: GS CIM 009 V1.9.1, clauses 6.29 and 6.30."""

from __future__ import annotations

from typing import Any, Final

from cityhub.context.context_sources import PATH
from cityhub.context.context_store import KINDS
from cityhub.context.contexts import Contexts
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
    read, write = "jsonld-context.read", "jsonld-context.write"
    return [
        Route("GET", collection, doors.list, read, "List @contexts", "GS CIM 009 6.29.3.2", tag, _LIST),
        Route("POST", collection, doors.add, write, "Add @context", "GS CIM 009 6.29.3.1", tag, _ADD),
        Route("GET", item, doors.serve, read, "Serve @context", "GS CIM 009 6.30.3.1", tag, _SERVE),
        Route("DELETE", item, doors.delete, write, "Delete and Reload @context", "GS CIM 009 6.30.3.2", tag, _DELETE),
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


# -- What the OpenAPI document says of them --------------------------------------------------------------------------


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_BOOLEAN: Final = {"type": "boolean", "default": False}
_DETAILS: Final = _parameter("details", "Whether metadata are wanted instead of URLs or content.", _BOOLEAN)
_METADATA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["URL", "localId", "kind", "createdAt"],
    "properties": {
        "URL": {"type": "string"},
        "localId": {"type": "string"},
        "kind": {"enum": list(KINDS)},
        "createdAt": {"type": "string", "format": "date-time"},
        "expiresAt": {"type": "string", "format": "date-time"},
        "lastUsage": {"type": "string", "format": "date-time"},
        "numberOfHits": {"type": "integer", "minimum": 0},
        "extraInfo": {"type": "string"},
    },
}
_DOCUMENT: Final[dict[str, Any]] = {"type": "object", "required": ["@context"], "properties": {"@context": {}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_LIST: Final[dict[str, Any]] = {
    "parameters": [_DETAILS, _parameter("kind", "Only @contexts of this kind.", {"enum": list(KINDS)})],
    "responses": {
        "200": {
            "description": "URLs, or metadata with details=true",
            "content": _json({"type": "array", "items": {"anyOf": [{"type": "string"}, _METADATA]}}),
        }
    },
}
_ADD: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": _json(_DOCUMENT) | {"application/ld+json": {"schema": _DOCUMENT}}},
    "responses": {"201": {"description": "Stored", "headers": {"Location": {"description": "Its path", "schema": {"type": "string"}}}}},
}
_SERVE: Final[dict[str, Any]] = {
    "parameters": [_DETAILS],
    "responses": {
        "200": {"description": "The @context, or its metadata with details=true", "content": _json({"anyOf": [_DOCUMENT, _METADATA]})}
    },
}
_DELETE: Final[dict[str, Any]] = {
    "parameters": [_parameter("reload", "Whether a Cached @context is downloaded again instead of removed.", _BOOLEAN)],
    "responses": {"204": {"description": "Removed or replaced"}},
}
