"""Doors that peers come in by: a bounded number of connections, none of which may stay idle for long."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Final

from cityhub.ingest.message import Message, Notices, Settled, Sink, TroubleAtSource
from cityhub.model.errors import BadRequestData

HANDSHAKE_S: Final = 10.0
QUIET_S: Final = 5.0
"""A connection that was quiet for so long makes way when the door is full."""


class Peer:
    """One connection of a door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: str, heard: Callable[[Peer], None]) -> None:
        """Makes it; `heard` is called each time that something came from it."""
        self.reader, self.writer, self.remote, self._heard = reader, writer, remote, heard
        self.heard_at = asyncio.get_running_loop().time()

    def heard(self) -> None:
        """Notes that something whole came from it."""
        self.heard_at = asyncio.get_running_loop().time()
        self._heard(self)


Talk = Callable[[Peer], Awaitable[None]]


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
        self.failed.add_done_callback(lambda failed: failed.cancelled() or failed.exception())  # nobody may be waiting for it any more

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
            talk: Reads one peer, tells it when something was heard, and returns when the connection is to end.
            notices: Is told the number of connections.
            senders: Who may connect.
            most: Connections at once; a further one takes the place of the one that was quiet the longest, or is closed at the door.
            limit: Bytes of a peer that may wait unread.
            tls: Certificate of the door; None is plain TCP.
        """
        self._host, self._port, self._talk, self._notices, self._senders = host, port, talk, notices, senders
        self._most, self._limit, self._tls = most, limit, tls
        self._peers: OrderedDict[Peer, asyncio.Task[None]] = OrderedDict()  # the one heard last is last
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
        tasks = list(self._peers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")
        if address is None or not self._senders.may(str(address[0])) or not self._makes_room():
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        peer = Peer(reader, writer, str(address[0]), self._peers.move_to_end)
        self._peers[peer] = task
        self._notices.connections(len(self._peers))
        try:
            await self._talk(peer)
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # the peer is gone, silent, or does not keep to the protocol: its connection ends, the others go on
        except asyncio.CancelledError:
            pass  # the door is being closed; the streams' own callback would report a cancelled task as an error
        finally:
            writer.transport.abort()
            self._peers.pop(peer, None)
            self._notices.connections(len(self._peers))

    def _makes_room(self) -> bool:
        """Whether one more may come in, perhaps in the place of one that says nothing."""
        if len(self._peers) < self._most:
            return True
        quietest = next(iter(self._peers))
        if asyncio.get_running_loop().time() - quietest.heard_at < QUIET_S:
            return False
        self._peers.pop(quietest).cancel()
        return True


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
