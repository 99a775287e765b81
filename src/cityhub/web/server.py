"""The HTTP server: uvicorn with bounds on what a stranger can make it hold, and an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any, Final

import orjson
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cityhub.settings import Settings
from cityhub.web.joined import JoinedTransport

MAX_HEAD_BYTES: Final = 65_536
"""The largest request line with headers; a longer one is answered 431."""
TOO_LONG_HEAD: Final = f"The request line with its headers must not be longer than {MAX_HEAD_BYTES} bytes"
BACKLOG: Final = 2048


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Bounds the size of a request's head, and the time that head and body may take to arrive."""

    arrival_timeout_s = 60.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.transport = JoinedTransport(transport, self.loop)
        self._head_bytes: int | None = 0
        self._chunk_bytes = 0
        self._deadline: asyncio.TimerHandle | None = self.loop.call_later(self.arrival_timeout_s, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Parses what came; of a request that is not complete yet, counts it and sets its time."""
        self._chunk_bytes = len(data)
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, TOO_LONG_HEAD)
        elif self.cycle is None or not self.cycle.more_body:
            return
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.arrival_timeout_s, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there; one that came in a single large piece is measured here."""
        self._head_bytes = None
        if self._chunk_bytes > MAX_HEAD_BYTES and len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers) > MAX_HEAD_BYTES:
            self._refuse(431, TOO_LONG_HEAD)
            raise ValueError(TOO_LONG_HEAD)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there, whole."""
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer or we closed."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP."""
        self._refuse(400, "The request is not valid HTTP/1.1")

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(408, f"The request must arrive within {self.arrival_timeout_s:g} seconds")
        self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answers with a problem document and closes; does nothing when the connection is closing already."""
        if self.transport.is_closing():
            return
        body = orjson.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})
        head = b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Uvicorn that tells when it is ready, and leaves signals to `serve`."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A first signal stops in order, a second one at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """See `capture_signals`."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no new connection, ends the streams, and lets running requests finish."""
        for listener in self.servers:
            listener.close()
        await self._on_stop()
        await super().shutdown(sockets)


def bind(settings: Settings) -> socket.socket:
    """A socket at the settings' address; it takes connections only when `serve` is ready for them.

    Raises:
        RuntimeError: The address is taken, or is not one of this machine; says which.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise RuntimeError(f"'host' is '{settings.host}': right would be an address of this machine ({error.strerror})") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            taken = f"Port {settings.port} of {settings.host} is taken by another program: --port names another, 0 takes a free one"
            raise RuntimeError(taken) from None
        raise RuntimeError(f"It cannot listen on port {settings.port} of {settings.host}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


async def serve(
    application: Any,
    listener: socket.socket,
    settings: Settings,
    on_ready: Callable[[], None],
    on_stop: Callable[[], Awaitable[None]],
) -> None:
    """Serves the ASGI application until SIGTERM or SIGINT.

    Args:
        application: The ASGI application.
        listener: From `bind`.
        settings: Bounds and times.
        on_ready: Called once when requests are taken.
        on_stop: Awaited when the stop begins, before running requests are waited for: ends what would never end itself.
    """
    protocol = type("Protocol", (GuardedProtocol,), {"arrival_timeout_s": settings.request_timeout_s})
    config = uvicorn.Config(
        application,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(settings.keep_alive_s),
        timeout_graceful_shutdown=max(1, round(settings.stop_timeout_s)),
    )
    server = Server(config, on_ready, on_stop)
    await server.serve(sockets=[listener])


def run_loop(main: Callable[[], Awaitable[int]]) -> int:
    """Runs the coroutine on a uvloop event loop and returns its result."""

    async def body() -> int:
        return await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(body())
