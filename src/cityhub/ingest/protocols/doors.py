"""Doors that peers come in by: a bounded number of connections, none of which may stay idle for long."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Final

from cityhub.ingest.message import Message, Notices, Settled, Sink, TroubleAtSource
from cityhub.model.errors import BadRequestData

HANDSHAKE_S: Final = 10.0
Talk = Callable[[asyncio.StreamReader, str], Awaitable[None]]


class Senders:
    """Which addresses may send."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        """Raises BadRequestData when an entry is neither an address nor a network; () lets all in."""
        try:
            self._networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in networks]
        except ValueError as error:
            raise BadRequestData(f"'senders' must be addresses or networks such as '10.1.0.0/16': {error}") from None

    def may(self, address: str) -> bool:
        """Whether an address may send."""
        if not self._networks:
            return True
        parsed = ip_address(address.partition("%")[0])
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self._networks)


class Passage:
    """Hands messages on without waiting for each to be durable, but waits when there is no room. What fails ends the feed's run."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def put(self, message: Message) -> None:
        """Returns when the message is in the queue; the peer is not read meanwhile."""
        while not self._sink.offer(message, self._settled):
            await self._sink.room()

    def offer(self, message: Message) -> bool:
        """Whether there was room for the message."""
        return self._sink.offer(message, self._settled)

    def _settled(self, result: Settled | Exception) -> None:
        if isinstance(result, Exception) and not self.failed.done():
            self.failed.set_exception(TroubleAtSource(f"The hub cannot take messages now: {result}"))


class StreamDoor:
    """A TCP or TLS server; use it in `async with`."""

    def __init__(
        self, host: str, port: int, talk: Talk, notices: Notices, senders: Senders, most: int, limit: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Makes it.

        Args:
            host, port: Where it listens.
            talk: Reads one peer (its address is the second argument) and returns when the connection is to end.
            notices: Is told the number of connections.
            senders: Who may connect.
            most: Connections at once; further ones are closed at the door.
            limit: Bytes of a peer that may wait unread.
            tls: Certificate of the door; None is plain TCP.
        """
        self._host, self._port, self._talk, self._notices, self._senders = host, port, talk, notices, senders
        self._most, self._limit, self._tls = most, limit, tls
        self._peers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> StreamDoor:
        handshake = HANDSHAKE_S if self._tls else None
        try:
            self._server = await asyncio.start_server(
                self._come_in, self._host, self._port, limit=self._limit, ssl=self._tls, ssl_handshake_timeout=handshake, backlog=512
            )
        except OSError as error:
            raise TroubleAtSource(f"Nobody can listen on {self._host} port {self._port}: {error.strerror}") from None
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()
        for peer in list(self._peers):
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)

    async def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None or len(self._peers) >= self._most or not self._senders.may(str(peer[0])):
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        self._notices.connections(len(self._peers))
        try:
            await self._talk(reader, str(peer[0]))
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # the peer is gone, silent, or does not keep to the protocol: its connection ends, the others go on
        except asyncio.CancelledError:
            pass  # the door is being closed; the streams' own callback would report a cancelled task as an error
        finally:
            writer.transport.abort()
            self._peers.discard(task)
            self._notices.connections(len(self._peers))


def certificate_of(certificate: str, key: str, authorities: str = "") -> ssl.SSLContext:
    """The TLS context of a door from PEM texts; with authorities, peers must show a certificate of theirs. Raises BadRequestData."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authorities or None) if authorities else None
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities:
        context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # the library reads files only; this one is ours alone and short-lived
        file.write(f"{key}\n{certificate}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError) as error:
            raise BadRequestData(f"'certificate' and 'key' must be a certificate and its key (PEM): {error}") from None
    return context
