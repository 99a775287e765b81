"""Requests, responses and routes: the thin layer between ASGI and the rooms.

A room offers `Route`s; `cityhub.web.application` dispatches to them. Each route names its permission, which is
decided before its handler runs (law 6); a route without one cannot be written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import orjson

from cityhub.model.errors import InvalidRequest
from cityhub.model.ports import Principal

USUAL: Final = 256
"""Query strings of at most so many characters are remembered."""


class Request:
    """One HTTP request with its whole body.

    Attributes:
        method: Upper case.
        path: Decoded path.
        parameters: Values of the path template's `{names}`, percent-decoded.
        headers: Names in lower case; repeated headers are joined by ", ".
        body: The whole body, within the configured bound.
        principal: Who is calling; set before the handler runs.
        trace: Trace id (32 hex digits).
        peer: Address of the caller.
        answer_headers: Headers that the answer gets whatever it is, an error too.
        tenant: The store's tenant of the snapshot that the request is about; None: the tenant that its header names.
    """

    __slots__ = (
        "_query", "answer_headers", "body", "headers", "method", "parameters", "path", "peer", "principal", "query_string", "tenant",
        "trace",
    )

    def __init__(self, method: str, path: str, query_string: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self.parameters: dict[str, str] = {}
        self.principal = Principal()
        self.trace = ""
        self.peer = ""
        self.answer_headers: list[tuple[str, str]] = []
        self.tenant: str | None = None
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the values are joined by ','. Raises InvalidRequest for broken UTF-8."""
        if self._query is None:
            text = self.query_string
            if not text:
                self._query = {}
            else:
                self._query = _usual_query(text).copy() if len(text) <= USUAL else parse_query(text)
        return self._query

    def json(self) -> Any:
        """The body as JSON. Raises InvalidRequest naming the place where it breaks."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}") from None


def parse_query(query_string: str) -> dict[str, str]:
    """Query parameters by name; of a repeated one the values are joined by ','."""
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeDecodeError, ValueError):
        raise InvalidRequest("The query string is not percent-encoded UTF-8 with at most 200 parameters") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


@lru_cache(maxsize=1024)
def _usual_query(query_string: str) -> dict[str, str]:
    """The query parameters of a short query string. Programs ask the same again and again."""
    return parse_query(query_string)


class Response:
    """One HTTP response; either `body` or, for a stream, `chunks`."""

    __slots__ = ("body", "chunks", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: list[tuple[str, str]] | None = None,
        media_type: str = "",
        chunks: AsyncIterator[bytes] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers or []
        if media_type:
            self.headers.append(("content-type", media_type))
        self.chunks = chunks


def json_response(value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """A response with a JSON body."""
    return Response(status, orjson.dumps(value), headers, "application/json")


Handler = Callable[[Request], Awaitable[Response]]


class Route(msgspec.Struct, frozen=True):
    """A door of the hub.

    Attributes:
        method: Upper case.
        path: Template such as "/ngsi-ld/v1/entities/{id}"; a parameter is one segment, `{name:path}` takes the rest.
        handler: What answers.
        permission: What the caller must hold ("entity.read"); "public" for the short list of doors open to all.
        operation: Name of the operation in its standard ("Retrieve Entity"), for OpenAPI and logs.
        clause: Where the standard defines it ("GS CIM 009 6.5.3.1"); empty for the hub's own.
        tag: Group in the OpenAPI document.
        takes_bytes: Whether the body is kept as it comes (a part of a file): it is then not held against the memory of decoded documents.
        describe: Further members of the OpenAPI operation object: parameters, requestBody, responses.
    """

    method: str
    path: str
    handler: Handler
    permission: str
    operation: str
    clause: str = ""
    tag: str = ""
    describe: dict[str, Any] = {}
    takes_bytes: bool = False


def with_handler(route: Route, handler: Handler) -> Route:
    """The same door with something else behind it."""
    return msgspec.structs.replace(route, handler=handler)
