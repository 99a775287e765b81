"""Syslog of machines: messages over UDP, TCP or TLS, one each; what is in them is read by the format `syslog`.

Source: RFC 5424 (messages), RFC 5425 (TLS), RFC 5426 (UDP), RFC 6587 (TCP: octet counting, and line feeds of older senders).
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.doors import Passage, Peer, Senders, StreamDoor, certificate_of
from cityhub.ingest.protocols.reach import door

MAX_DATAGRAM: Final = 65_535
_COUNT_DIGITS: Final = 7


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where senders come in. TCP and TLS slow a sender down while the hub is busy; UDP cannot, and loses messages then.

    Attributes:
        port: Port to listen on (514 and 601 by custom, 6514 for TLS).
        listen: Address to listen on; other than loopback it must be among the setting `feed_doors`.
        transport: "udp", "tcp" or "tls".
        senders: Addresses and networks that may send; empty: all.
        certificate: Of the door, PEM, "file:PATH"; for TLS.
        key: Its private key, PEM, "file:PATH".
        authorities: Certificates (PEM, "file:PATH") whose holders may connect; "" asks nobody for one.
        connections: At once; when there are so many, the one that was quiet the longest makes way for a new one.
        idle_s: A connection on which nothing came for so long is ended.
        max_bytes: Longest message; a longer one ends its connection, or is dropped (UDP).
    """

    port: Annotated[int, Meta(ge=1, le=65535)]
    listen: str = "127.0.0.1"
    transport: Literal["udp", "tcp", "tls"] = "tcp"
    senders: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    authorities: str = ""
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    idle_s: Annotated[float, Meta(gt=0)] = 3600.0
    max_bytes: Annotated[int, Meta(ge=480, le=1_000_000)] = 65_536

    def __post_init__(self) -> None:
        if self.transport == "tls" and not (self.certificate and self.key):
            raise ValueError("'transport: tls' needs 'certificate' and 'key'")


class Connector:
    """A door for syslog."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._host = door(around, settings.listen)
        self._senders = Senders(settings.senders)

    async def run(self, sink: Sink) -> None:
        """Lets senders in until it is cancelled. Raises TroubleAtSource when the port is taken or the hub is away."""
        passage = Passage(sink)
        if self._settings.transport == "udp":
            await self._datagrams(passage)
        settings, secret = self._settings, self._around.secret
        tls = None
        if settings.transport == "tls":
            tls = certificate_of(*(secret(text) for text in (settings.certificate, settings.key, settings.authorities)))

        async def talk(peer: Peer) -> None:
            await self._talk(passage, peer)

        limit = settings.max_bytes + _COUNT_DIGITS + 1
        async with StreamDoor(self._host, settings.port, talk, self._around.notices, self._senders, settings.connections, limit, tls):
            self._around.notices.state("running")
            await passage.failed

    async def _talk(self, passage: Passage, peer: Peer) -> None:
        while True:
            async with asyncio.timeout(self._settings.idle_s):
                body = await next_message(peer.reader, self._settings.max_bytes)
            peer.heard()
            if body:
                await passage.put(Message(body, {"remote": peer.remote}, self._around.now()))

    async def _datagrams(self, passage: Passage) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, datagrams = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, passage), local_addr=(self._host, self._settings.port)
            )
        except OSError as error:
            raise TroubleAtSource(f"Nobody can listen on {self._host} port {self._settings.port}: {error.strerror}") from None
        try:
            self._around.notices.state("running")
            while True:
                await asyncio.wait([passage.failed], timeout=1.0)
                if passage.failed.done():
                    return passage.failed.result()
                if datagrams.lost:
                    self._around.notices.state("running", f"{datagrams.lost} messages came while there was no room and are lost")
        finally:
            transport.close()

    def takes(self, body: bytes, remote: str) -> bool:
        """Whether a datagram may come in."""
        return 0 < len(body) <= self._settings.max_bytes and self._senders.may(remote)

    def message(self, body: bytes, remote: str) -> Message:
        """A datagram as a message."""
        return Message(body.rstrip(b"\r\n\0"), {"remote": remote}, self._around.now())


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, connector: Connector, passage: Passage) -> None:
        self._connector, self._passage = connector, passage
        self.lost = 0

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        remote = str(addr[0])
        if self._connector.takes(data, remote) and not self._passage.offer(self._connector.message(data, remote)):
            self.lost += 1


async def next_message(reader: asyncio.StreamReader, most: int) -> bytes:
    """The next message of a stream, counted ("12 <34>1 ...") or up to a line feed; b"" for an empty line.

    Raises ValueError when it is too long or counted wrongly, EOFError when the stream has ended.
    """
    first = await reader.readexactly(1)
    if not first.isdigit() or first == b"0":
        try:
            return (first + await reader.readuntil(b"\n")).rstrip(b"\r\n\0") if first not in b"\r\n\0" else b""
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise
            return first + error.partial  # a last line without its end
        except asyncio.LimitOverrunError:
            raise ValueError(f"a message longer than {most} bytes") from None
    digits = first
    while (byte := await reader.readexactly(1)) != b" ":
        if not byte.isdigit() or len(digits) >= _COUNT_DIGITS:
            raise ValueError("a count of octets must be followed by a space")
        digits += byte
    if int(digits) > most:
        raise ValueError(f"a message longer than {most} bytes")
    return await reader.readexactly(int(digits))


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises Forbidden when feeds may not listen on the address."""
    return Connector(feed, settings, around)
