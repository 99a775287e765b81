"""The ASGI application: every request passes here once, is bounded, identified, permitted, answered, counted and logged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, Protocol, cast

from cityhub.model.errors import (
    CityHubError,
    Forbidden,
    InvalidRequest,
    LengthRequired,
    MethodNotAllowed,
    NotFound,
    TookTooLong,
    TooLarge,
    Unauthenticated,
)
from cityhub.model.ports import Access
from cityhub.model.weight import weight_of
from cityhub.web.body_room import SMALL, BodyRoom
from cityhub.web.http import Request, Response, Route
from cityhub.web.logging import current_trace
from cityhub.web.problem import problem_response
from cityhub.web.router import Router
from cityhub.web.tracing import trace_of

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)

ARRIVING: Final = 5
"""So many bodies of the largest size may be in memory at a time."""
DECODED: Final = 20
"""A body may take so many times the largest body's size in memory once it is decoded; entities take some 15 times their size."""
DECODED_BYTES: Final = 256_000_000
"""So much memory may the documents of large bodies take together while they are worked on; a larger one is alone then."""
PATIENCE_S: Final = 45.0
"""How long a large body waits for room before it is refused."""
_BODY_METHODS = frozenset(("POST", "PATCH", "PUT"))


class _AsWritten(bytes):
    """A header name that uvicorn does not put into small letters; it equals the name however that is written."""

    def lower(self) -> bytes:
        """Itself."""
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes) and bytes.lower(self) == bytes.lower(other)

    def __hash__(self) -> int:
        return hash(bytes.lower(self))


LOCATION: Final = _AsWritten(b"Location")
"""As the standards write it: some clients look for nothing else. For a real server only: other ASGI peers need small letters."""


class Observer(Protocol):
    """Hears of every answered request; must be cheap."""

    def answered(self, request: Request, operation: str, status: int, seconds: float) -> None:
        """One request was answered."""


class Application:
    """Dispatches requests to routes.

    Args:
        routes: All doors of the hub.
        access: Who may pass them.
        max_body_bytes: Larger bodies are refused with 413.
        observers: Who hears of answered requests (metrics, logs, tracing).
        headers: Sent with every answer (security headers).
        answer_timeout_s: How long a door may take to answer; see `end_overdue`.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        access: Access,
        max_body_bytes: int,
        observers: Iterable[Observer] = (),
        headers: Iterable[tuple[str, str]] = (),
        answer_timeout_s: float = 60.0,
    ) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._answering: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self.router = Router(routes)
        self._access = access
        self._max_body_bytes = max_body_bytes
        self._arriving = BodyRoom(ARRIVING * max_body_bytes, PATIENCE_S)
        self._decoding = BodyRoom(DECODED_BYTES, PATIENCE_S)
        self._observers = tuple(observers)
        self._headers = [(name.encode(), value.encode()) for name, value in headers]
        self.running = 0
        self.location = b"location"
        """How the header is spelled."""
        self._streams: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        request = _request(scope)
        current_trace.set(request.trace)
        operation = "unknown"
        self.running += 1
        try:
            try:
                route = self._route(request, scope)
                operation = route.operation
                if request.method in _BODY_METHODS:
                    response = await self._answered_with_body(route, request, receive)
                else:
                    response = await self._answered(route, request)
            except CityHubError as error:
                response = problem_response(error, request.trace)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("%s failed", operation)
                failure = CityHubError("The hub failed to answer; the trace id leads to the reason in its log")
                response = problem_response(failure, request.trace)
            await self._send(request, response, receive, send)
        finally:
            self.running -= 1
        seconds = time.perf_counter() - began
        for observer in self._observers:
            observer.answered(request, operation, response.status, seconds)

    async def _answered(self, route: Route, request: Request) -> Response:
        """What the door answers. Raises TookTooLong when `end_overdue` has ended it."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._answering[task] = time.monotonic()
        try:
            return await route.handler(request)
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            task.uncancel()
            log.warning("%s took longer than %g seconds and was ended", route.operation, self._answer_timeout_s)
            raise TookTooLong(
                f"The hub ends what takes longer than {self._answer_timeout_s:g} seconds. Ask for less at a time; what was to be written "
                "may have been written all the same"
            ) from None
        finally:
            del self._answering[task]
            self._overdue.discard(task)

    async def end_overdue(self) -> None:
        """Ends doors that take too long; to be called again and again. Bodies that come piece by piece are not bounded.

        One look for all now and then costs the usual request next to nothing; a timer for each would not.
        """
        last = time.monotonic() - self._answer_timeout_s
        for task in [task for task, began in self._answering.items() if began <= last and task not in self._overdue]:
            self._overdue.add(task)
            task.cancel()

    def _route(self, request: Request, scope: Scope) -> Route:
        raw_path: str = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else request.path
        methods, values = self.router.find(raw_path.partition("?")[0])
        if not methods:
            raise NotFound(f"There is nothing at {request.path[:500]}")
        found = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
        if found is None:
            allow = ", ".join(sorted(methods))
            raise MethodNotAllowed(f"{request.method} is not possible at {request.path[:500]}; possible: {allow}", allow=allow)
        route, names = found
        if names:
            request.parameters = dict(zip(names, values, strict=True))
        if route.permission != "public":
            self._permit(request, route.permission)
        return route

    def _permit(self, request: Request, permission: str) -> None:
        request.principal = self._access.identify(request.headers, request.peer)
        if self._access.decide(request.principal, permission, request.headers.get("ngsild-tenant", "")) == "deny":
            if not request.principal.id:
                raise Unauthenticated("Sign in to use this")
            raise Forbidden(f"'{permission}' is needed for this and you do not hold it")

    async def _answered_with_body(self, route: Route, request: Request, receive: Receive) -> Response:
        """Reads the body and lets the door answer. Large bodies wait for room before they arrive, and again before they are decoded."""
        size = self._declared(request)
        if size <= SMALL:
            request.body = await self._body(receive)
            return await self._answered(route, request)
        await self._arriving.enter(size)
        try:
            request.body = await self._body(receive)
            weight = len(request.body) if route.takes_bytes else weight_of(request.body)
            if weight > DECODED * self._max_body_bytes:
                raise TooLarge("The body has too many small parts: decoded it would fill the memory. Send less at a time")
            await self._decoding.enter(weight)
            try:
                return await self._answered(route, request)
            finally:
                self._decoding.leave(weight)
        finally:
            request.body = b""
            self._arriving.leave(size)

    def _declared(self, request: Request) -> int:
        """The length of the body by its header. Raises LengthRequired, InvalidRequest, TooLarge."""
        declared = request.headers.get("content-length")
        if declared is None:
            raise LengthRequired("Send a Content-Length header")
        if not (declared.isascii() and declared.isdigit() and len(declared) <= 18):
            raise InvalidRequest("Content-Length must be a number of bytes")
        if int(declared) > self._max_body_bytes:
            raise TooLarge(f"The body may have at most {self._max_body_bytes} bytes; it has {declared}. Send smaller batches")
        return int(declared)

    async def _body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The connection closed before the whole body came")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body_bytes:
                raise TooLarge(f"The body may have at most {self._max_body_bytes} bytes. Send smaller batches")
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _send(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        given = response.headers + request.answer_headers if request.answer_headers else response.headers
        headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in given]
        if response.status == 201:
            headers = [(self.location if name.lower() == b"location" else name.lower(), value) for name, value in headers]
        headers += self._headers
        tenant = request.headers.get("ngsild-tenant")
        if tenant:  # GS CIM 009 6.3.14: also with errors
            headers.append((b"ngsild-tenant", tenant.encode("latin-1")))
        if response.chunks is not None:
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            if request.method == "HEAD":
                await _close(response.chunks)
                await send({"type": "http.response.body", "body": b""})
                return
            await self._stream(response.chunks, receive, send)
            return
        if response.status != 204 and response.status != 304:
            headers.append((b"content-length", b"%d" % len(response.body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    async def end_streams(self) -> None:
        """Ends the answers that would go on for ever, so that a stopping server need not wait for them."""
        for gone in self._streams:
            gone.cancel()

    async def _stream(self, chunks: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        self._streams.add(gone)
        chunk: asyncio.Future[bytes | None] | None = None
        try:
            while not gone.done():
                chunk = asyncio.ensure_future(_next(chunks))
                await asyncio.wait({chunk, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not chunk.done():
                    break
                data = chunk.result()
                if data is None:
                    break
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._streams.discard(gone)
            gone.cancel()
            if chunk is not None and not chunk.done():
                # Waited for: a generator that still runs cannot be closed.
                chunk.cancel()
                await asyncio.wait({chunk})
            await _close(chunks)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await anext(chunks)
    except StopAsyncIteration:
        return None


async def _close(chunks: AsyncIterator[bytes]) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    request = Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, b"")
    client = scope.get("client")
    request.peer = client[0] if client else ""
    request.trace = trace_of(headers.get("traceparent"))
    return request
