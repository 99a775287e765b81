"""Writing with fewer system calls: what is written in one turn of the event loop leaves in one piece."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AT_ONCE: Final = 65_536
"""So many waiting bytes are written without waiting for the end of the turn, so that flow control sees them."""


class JoinedTransport(asyncio.Transport):
    """A transport before another one. The head and the body of an answer, written one after the other, leave together."""

    __slots__ = ("_loop", "_size", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Takes bytes that are written at the end of the turn at the latest."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(bytes(data))
        self._size += len(data)
        if self._size >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Writes what is waiting; drops it when the connection is gone."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting and not self._transport.is_closing():
            self._transport.write(b"".join(waiting) if len(waiting) > 1 else waiting[0])

    def close(self) -> None:
        """Closes after everything is written."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._waiting.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.Transport`."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See `asyncio.Transport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.Transport`."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.Transport`."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.Transport`."""
        self._transport.set_protocol(protocol)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.Transport`."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait here and below."""
        return self._size + self._transport.get_write_buffer_size()
