"""From paths to routes."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.web.http import Request, Response, Route
from cityhub.web.router import Router


async def nothing(request: Request) -> Response:
    return Response()


def router(*paths: str) -> Router:
    return Router([Route(*path.split(" "), nothing, "public", path) for path in paths])  # type: ignore[arg-type]


ROUTER = router(
    "GET /", "GET /entities", "POST /entities", "GET /entities/{id}", "DELETE /entities/{id}", "GET /entities/{entity}/attrs/{name}",
    "GET /entities/special", "GET /files/{rest:path}",
)  # fmt: skip


def found(path: str) -> tuple[set[str], dict[str, Any]] | None:
    methods, values = ROUTER.find(path)
    if not methods:
        return None
    names = next(iter(methods.values()))[1]
    return {route.operation for route, _ in methods.values()}, dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    ("path", "operations", "parameters"),
    [
        ("/", {"GET /"}, {}),
        ("/entities", {"GET /entities", "POST /entities"}, {}),
        ("/entities/", {"GET /entities", "POST /entities"}, {}),
        ("/entities/urn:a:b", {"GET /entities/{id}", "DELETE /entities/{id}"}, {"id": "urn:a:b"}),
        ("/entities/special", {"GET /entities/special"}, {}),
        ("/entities/a%2Fb%20%E9%BB%94", {"GET /entities/{id}", "DELETE /entities/{id}"}, {"id": "a/b 黔"}),
        ("/entities/%FF", {"GET /entities/{id}", "DELETE /entities/{id}"}, {"id": "\ufffd"}),
        ("/entities/a%252Fb", {"GET /entities/{id}", "DELETE /entities/{id}"}, {"id": "a%2Fb"}),
        ("/entities/a+b", {"GET /entities/{id}", "DELETE /entities/{id}"}, {"id": "a+b"}),
        ("/entities/x/attrs/y", {"GET /entities/{entity}/attrs/{name}"}, {"entity": "x", "name": "y"}),
        ("/files/a/b%20c/d.js", {"GET /files/{rest:path}"}, {"rest": "a/b c/d.js"}),
    ],
)
def test_paths_that_lead_somewhere(path: str, operations: set[str], parameters: dict[str, str]) -> None:
    assert found(path) == (operations, parameters)


@pytest.mark.parametrize(
    "path", ["/nothing", "/entities/x/attrs", "/entities/x/y", "/entities/x/attrs/y/z", "/files", "/Entities", "//entities", "/entities/x/"
             "/attrs/y"]
)  # fmt: skip
def test_paths_that_lead_nowhere(path: str) -> None:
    assert found(path) is None


@pytest.mark.parametrize("path", ["", "/", "*", "//"])
def test_what_is_hardly_a_path_does_no_harm(path: str) -> None:
    assert found(path) == ({"GET /"}, {}) or found(path) is None


def test_the_same_door_twice_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="GET /a/"):
        router("GET /a/{x}", "GET /a/{y}")
