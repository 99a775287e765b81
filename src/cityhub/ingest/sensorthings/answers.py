"""Answers and errors of the service.

An error has the form that OData gives it, and beside it the three members that SensorThings servers in use write:
{"code": 404, "type": "error", "message": "...", "error": {"code": "NotFound", "message": "..."}}.

Source: OASIS OData JSON Format 4.0, 21.1; OGC 18-088, 10.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from cityhub.model.errors import CityHubError
from cityhub.web.http import Handler, Request, Response
from cityhub.web.problem import status_of


def json_answer(document: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """An answer with JSON."""
    return Response(status, orjson.dumps(document), headers, "application/json;charset=UTF-8")


def error_document(error: CityHubError) -> dict[str, Any]:
    """An error as JSON."""
    status = status_of(error)
    return {"code": status, "type": "error", "message": error.detail, "error": {"code": type(error).__name__, "message": error.detail}}


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Handler:
    """A handler whose errors are answered in the form of this service."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except CityHubError as error:
            allow = [("allow", str(error.members["allow"]))] if "allow" in error.members else None
            return json_answer(error_document(error), status_of(error), allow)

    return answer
