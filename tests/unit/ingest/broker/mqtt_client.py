"""A client that sends and expects single packets, of version 5 by the library `mqtt5`, of 3.1.1 as bytes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, TypeVar

import mqtt5

Packet = TypeVar("Packet")
OPEN: list[Client] = []
"""The clients of a test, which are closed at its end."""


class Client:
    """One connection to a broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = b""

    def send(self, *packets: Any) -> None:
        for packet in packets:
            self.writer.write(packet if isinstance(packet, bytes) else packet.write())

    async def expect(self, kind: type[Packet], timeout_s: float = 60.0) -> Packet:
        """The next packet, which must be of a kind."""
        packet = await self.next(timeout_s)
        assert isinstance(packet, kind), packet
        return packet

    async def next(self, timeout_s: float = 60.0) -> Any:
        async with asyncio.timeout(timeout_s):
            while True:
                if self._buffer:
                    try:
                        packet, length = mqtt5.read(memoryview(self._buffer))
                    except IndexError:
                        pass
                    else:
                        self._buffer = self._buffer[length:]
                        return packet
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self._buffer += data

    async def nothing(self, wait_s: float = 0.15) -> None:
        """Asserts that nothing comes for a while."""
        try:
            packet = await self.next(wait_s)
        except TimeoutError:
            return
        raise AssertionError(packet)

    async def ended(self, timeout_s: float = 60.0) -> None:
        """Returns when the broker has closed the connection."""
        async with asyncio.timeout(timeout_s):
            while await self.reader.read(65536):
                pass

    def close(self) -> None:
        """Goes without a word."""
        self.writer.transport.abort()


async def open_client(port: int) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    OPEN.append(client)
    return client


async def close_all() -> None:
    """Closes every client of the test."""
    while OPEN:
        client = OPEN.pop()
        client.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


async def connected(port: int, client_id: str, **options: Any) -> Client:
    """A client that was admitted."""
    client = await open_client(port)
    client.send(mqtt5.ConnectPacket(client_id, **({"clean_start": True} | options)))
    welcome = await client.expect(mqtt5.ConnAckPacket)
    assert welcome.reason_code == mqtt5.ConnAckReasonCode.SUCCESS, welcome
    return client
