"""One OpenAPI document of the whole hub, made of its routes.

Source: OpenAPI Specification 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from cityhub.web.http import Request, Response, Route

PATH: Final = "/api/openapi.json"
_TEMPLATE: Final = re.compile(r"\{([^}:]+)(?::path)?\}")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "detail", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The kind of problem"},
        "title": {"type": "string", "description": "The same for every problem of the kind"},
        "detail": {"type": "string", "description": "What was wrong here, where, and what would be right"},
        "status": {"type": "integer", "description": "The HTTP status"},
        "trace": {"type": "string", "description": "Leads to the request in the hub's log"},
    },
}
_PROBLEM_REFERENCE: Final = {"$ref": "#/components/responses/Problem"}


def openapi_document(routes: Iterable[Route], title: str, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of routes. A route's `describe` may have "pathSchemas": what its path's parameters are.

    Each operation has an id made of its name, the clause of its standard, and its permission as "x-permission"; doors open
    to all have "x-public": true. Raises ValueError when two operations have the same name.
    """
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    names: set[str] = set()
    for route in routes:
        operation = _operation(route)
        if operation["operationId"] in names:
            raise ValueError(f"Two routes have the operation '{route.operation}'")
        names.add(operation["operationId"])
        tags[route.tag or "hub"] = None
        paths.setdefault(_TEMPLATE.sub(r"{\1}", route.path), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "responses": {
                "Problem": {
                    "description": "Problem details (RFC 9457)",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
    }


def operation_id(operation: str) -> str:
    """The id of an operation.

    >>> operation_id("Query Entities by POST")
    'queryEntitiesByPost'
    """
    words: list[str] = _WORD.findall(operation.lower())
    first, *rest = words
    return first + "".join(word.capitalize() for word in rest)


def _operation(route: Route) -> dict[str, Any]:
    described = dict(route.describe)
    given = described.pop("parameters", [])
    known = {parameter["name"] for parameter in given if parameter.get("in") == "path"}
    schemas = described.pop("pathSchemas", {})
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": schemas.get(name, {"type": "string", "minLength": 1})}
        for name in _TEMPLATE.findall(route.path)
        if name not in known
    ]
    operation: dict[str, Any] = {"operationId": operation_id(route.operation), "summary": route.operation, "tags": [route.tag or "hub"]}
    if route.clause:
        operation["description"] = f"As {route.clause} says."
    operation["x-permission"] = route.permission
    if route.permission == "public":
        operation["x-public"] = True
    if in_path or given:
        operation["parameters"] = [*in_path, *given]
    responses = described.pop("responses", {"2XX": {"description": "Done"}})
    return {**operation, **described, "responses": {**responses, "default": _PROBLEM_REFERENCE}}


def openapi_route(routes: Callable[[], Iterable[Route]], title: str, version: str) -> Route:
    """The door that serves the document; it is made when it is first asked for."""
    made: list[bytes] = []

    async def serve(request: Request) -> Response:
        if not made:
            made.append(orjson.dumps(openapi_document(routes(), title, version)))
        return Response(200, made[0], None, "application/json")

    describe = {"responses": {"200": {"description": "This document", "content": {"application/json": {"schema": {"type": "object"}}}}}}
    return Route("GET", PATH, serve, "public", "Read the OpenAPI document", tag="hub", describe=describe)
