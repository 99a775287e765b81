"""An MQTT client for the event loop that reads many packets at once and acknowledges only when it is told to.

It is paho's client with its reading replaced: paho takes three system calls for each packet, and acknowledges QoS 2 before anybody has
the message. Connecting, TLS, subscriptions, pings and what is sent are paho's.

Source: OASIS MQTT 3.1.1 and 5.0.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cityhub.ingest.message import MAX_BODY, TroubleAtSource

READ: Final = 64 * 1024
"""Bytes that are read at once; more would keep other feeds, and the way to the hub, waiting."""
MOST_PACKET: Final = MAX_BODY + 128 * 1024
"""Longest packet; a longer one ends the connection."""
CONNECT_S: Final = 10.0
MISC_S: Final = 1.0
PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x30, 0x40, 0x50, 0x60, 0x70
_ACK: Final = struct.Struct("!BBH")


class Arrived(msgspec.Struct, frozen=True):
    """A PUBLISH packet."""

    topic: bytes
    payload: bytes
    qos: int
    mid: int
    dup: bool
    retain: bool
    properties: Properties | None


Taking = Callable[[Arrived], bool]
"""Takes a message, or returns False when there is no room."""


class ReadingClient(paho.Client):
    """Paho's client, with packets read in bulk.

    Attributes:
        addresses: Where it may connect to.
        taking: Who takes messages.
        is_paused: Whether reading rests because nobody takes more.
        released: QoS 2: messages that are durable, and of which the broker has not said yet that it knows.
    """

    addresses: list[str]
    taking: Taking
    released: set[int]
    is_paused = False
    _buffer = b""

    def _create_socket_connection(self) -> socket.socket:
        self._buffer, self.is_paused = b"", False
        last: OSError | None = None
        for address in self.addresses:
            try:
                return socket.create_connection((address, self._port), timeout=CONNECT_S)
            except OSError as error:
                last = error
        raise last or OSError("the host has no address")

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """As paho does it, but closed when the handshake fails."""
        assert self._ssl_context is not None
        wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(CONNECT_S)
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Reads what is there and deals with every whole packet of it."""
        while self._sock is not None and not self.is_paused:
            try:
                data = self._sock_recv(READ)
            except BlockingIOError:
                break
            except OSError:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            if not data:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            self._last_bytes_received = time.monotonic()
            self._buffer = self._buffer + data if self._buffer else data
            rc = self.deal()
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._loop_rc_handle(rc)
            if not self._ssl:
                break  # the loop comes again when there is more
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def deal(self) -> MQTTErrorCode:
        """Deals with the whole packets that were read, until nobody takes more."""
        buffer, place = self._buffer, 0
        size = len(buffer)
        rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        while rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            head = _head(buffer, place, size)
            if head is None:
                break
            start, length = head
            end = start + length
            command = buffer[place]
            if length > MOST_PACKET:
                raise TroubleAtSource(f"The broker sent a message of {length} bytes; {MAX_BODY} are the most that a message may have")
            if end > size:
                break
            if command & 0xF0 == PUBLISH:
                if not self._publish(command, buffer[start:end]):
                    self.is_paused = True
                    break
            else:
                rc = self._other(command, buffer[start:end])
            place = end
        self._buffer = buffer[place:]
        return rc

    def _publish(self, header: int, packet: bytes) -> bool:
        topic_end = 2 + (packet[0] << 8 | packet[1])
        place, mid, qos = topic_end, 0, header >> 1 & 3
        if qos:
            mid = packet[place] << 8 | packet[place + 1]
            place += 2
        properties: Properties | None = None
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            if packet[place]:
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                _, length = properties.unpack(packet[place:])  # type: ignore[no-untyped-call]
                place += length
            else:
                place += 1
        arrived = Arrived(packet[2:topic_end], packet[place:], qos, mid, bool(header & 8), bool(header & 1), properties)
        return self.taking(arrived)

    def _other(self, command: int, packet: bytes) -> MQTTErrorCode:
        if command & 0xF0 == PUBREL:
            mid = packet[0] << 8 | packet[1]
            self.released.discard(mid)
            return self.acknowledge(_ACK.pack(PUBCOMP, 2, mid))
        self._in_packet = {
            "command": command, "have_remaining": 1, "remaining_count": [], "remaining_mult": 1, "remaining_length": len(packet),
            "packet": bytearray(packet), "to_process": 0, "pos": 0,
        }  # fmt: skip
        return self._packet_handle()

    def acknowledge(self, packets: bytes) -> MQTTErrorCode:
        """Sends acknowledgements, however many."""
        return self._packet_queue(PUBACK, packets, 0, 1)

    def hang_up(self) -> None:
        """Says good-bye, as far as the broker hears it at once, and closes the connection."""
        self.on_socket_register_write = self.on_socket_unregister_write = self.on_socket_close = None
        if self._sock is not None:
            self.disconnect()
            self.loop_write()
        self._sock_close()

    def rest(self) -> None:
        """To be called while reading rests, so that the answers to pings, which nobody reads then, are not missed."""
        self._ping_t = 0.0
        self._last_bytes_received = time.monotonic()


def _head(buffer: bytes, place: int, size: int) -> tuple[int, int] | None:
    """Where the content of a packet begins, and its length; None when its head is not there yet."""
    length = shift = 0
    for at in range(place + 1, min(place + 5, size)):
        byte = buffer[at]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at + 1, length
        shift += 7
    if size - place >= 5:
        raise TroubleAtSource("The broker sent what is no MQTT packet")
    return None


def acknowledgement(qos: int, mid: int) -> bytes:
    """The packet that says that a message is durable: PUBACK, or for QoS 2 PUBREC."""
    return _ACK.pack(PUBACK if qos == 1 else PUBREC, 2, mid)


class Wire:
    """Drives a client from the event loop.

    Attributes:
        ended: Why the connection ended; set by whoever knows first.

    Args:
        client: The client; `connect` is its caller's business.
    """

    def __init__(self, client: ReadingClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._is_writing = False
        self.ended: asyncio.Future[str] = self._loop.create_future()

    async def drive(self) -> None:
        """Reads and writes until the connection ends, then raises TroubleAtSource."""
        found = self._client.socket()
        assert isinstance(found, socket.socket)
        self._socket = found
        self._client.on_socket_register_write = lambda *_: self._write_soon()
        self._client.on_socket_unregister_write = lambda *_: self._no_write()
        self._client.on_socket_close = lambda *_: self.close()  # before it is closed: a closed socket cannot be let go of
        self._loop.add_reader(found, self._read)
        self._write_soon()
        misc = asyncio.create_task(self._misc())
        try:
            raise TroubleAtSource(await self.ended)
        finally:
            misc.cancel()
            await asyncio.gather(misc, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Lets go of the socket."""
        found, self._socket = self._socket, None
        if found is not None and found.fileno() >= 0:
            self._loop.remove_reader(found)
            self._loop.remove_writer(found)

    def resume(self) -> None:
        """Goes on with what was read, and with reading."""
        if self.ended.done():
            return
        self._client.is_paused = False
        self._guarded(self._client.deal)
        if not self._client.is_paused and self._socket is not None:
            self._loop.add_reader(self._socket, self._read)
            self._read()  # TLS may have bytes that the socket does not show any more

    def _read(self) -> None:
        self._guarded(self._client.loop_read)
        if self._client.is_paused and self._socket is not None:
            self._loop.remove_reader(self._socket)

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            rc = work()
        except (TroubleAtSource, IndexError, MQTTException) as error:
            self.end(str(error) if isinstance(error, TroubleAtSource) else "The broker sent what is no MQTT packet")
        else:
            if rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, None):
                self.end(f"The connection to the broker was lost ({paho.error_string(rc)})")

    def end(self, why: str) -> None:
        """Ends the connection."""
        if not self.ended.done():
            self.ended.set_result(why)
        self.close()

    def _write_soon(self) -> None:
        if not self._is_writing and self._socket is not None:
            self._is_writing = True
            self._loop.add_writer(self._socket, self._write)

    def _no_write(self) -> None:
        if self._is_writing and self._socket is not None:
            self._is_writing = False
            self._loop.remove_writer(self._socket)

    def _write(self) -> None:
        self._guarded(self._client.loop_write)

    async def _misc(self) -> None:
        while True:
            await asyncio.sleep(MISC_S)
            if self._client.is_paused:
                self._client.rest()
            self._guarded(self._client.loop_misc)
