"""A real HTTP receiver on loopback that remembers what it got and does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
import orjson


class Receiver:
    """Listens on loopback; `got` has (path, headers, JSON body) of every request, in order.

    Attributes:
        got: What came.
        answer: Gives the status for the n-th request; 0 closes the connection without an answer, None never answers.
        connections: How many connections were opened.
        idle_close: Whether a connection is closed right after an answer that promised to keep it.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.answer: Callable[[int], int | None] = lambda number: 200
        self.connections = 0
        self.idle_close = False
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.BaseTransport] = set()
        self._came = asyncio.Event()

    async def start(self) -> None:
        """Begins to listen, on the port that it had before if it had one."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Dies: neither connections nor answers any more."""
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()  # type: ignore[attr-defined]
            await self._server.wait_closed()
            self._server = None

    def url(self, path: str = "/notify") -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def wait(self, count: int, seconds: float = 60.0) -> list[Any]:
        """The bodies, once there are at least so many."""
        async with asyncio.timeout(seconds):
            while len(self.got) < count:
                self._came.clear()
                await self._came.wait()
        return [body for _, _, body in self.got]

    def came(self, path: str, headers: dict[str, str], body: bytes) -> int | None:
        """One request is there; what to answer."""
        self.got.append((path, headers, orjson.loads(body) if body else None))
        self._came.set()
        return self.answer(len(self.got))


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._path, self._headers, self._body = "", {}, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._receiver.connections += 1
        self._receiver._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path, self._headers, self._body = "", {}, b""

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        status = self._receiver.came(self._path, dict(self._headers), self._body)
        if status is None:
            return
        if status == 0:
            self._transport.close()
            return
        self._transport.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
        if self._receiver.idle_close:
            self._transport.close()
