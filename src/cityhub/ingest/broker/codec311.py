"""The packets of MQTT 3.1.1 (and of 3.1, which differs in its name only), read and written as those of version 5 without properties.

Source: OASIS MQTT Version 3.1.1, chapters 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
    Will,
)

FOREVER: Final = 0xFFFFFFFF
"""Session expiry of a session that does not end by itself."""
_QOS: Final = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)
_REFUSED: Final = 0x80
_CONNACK: Final[dict[int, int]] = {
    int(ConnAckReasonCode.SUCCESS): 0,
    int(ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION): 1,
    int(ConnAckReasonCode.CLIENT_ID_NOT_VALID): 2,
    int(ConnAckReasonCode.SERVER_UNAVAILABLE): 3,
    int(ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD): 4,
    int(ConnAckReasonCode.NOT_AUTHORIZED): 5,
}
"""Return codes of 3.1.1 (3.2.2.3); what it has no word for is "unavailable". The library's words cannot be hashed."""


class _Reader:
    """Reads the content of one packet. Every method raises ValueError when there is not enough of it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def packet_id(self) -> int:
        number = self.number()
        if number == 0:
            raise ValueError("a packet identifier is not 0")
        return number

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        text = self.binary().decode("utf-8")  # UnicodeDecodeError is a ValueError
        if "\0" in text:
            raise ValueError("a text has no null character")
        return text

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._content):
            raise ValueError("the packet is shorter than it says")
        piece = self._content[self._at : end]
        self._at = end
        return piece

    def rest(self) -> bytes:
        return self.take(len(self._content) - self._at)

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._content)


def read(buffer: memoryview) -> tuple[Packet, int]:
    """The first packet in a buffer, and how many bytes it has.

    Raises:
        IndexError: It is not whole yet.
        ValueError: It is none.
    """
    length, start = _length(buffer)
    end = start + length
    if end > len(buffer):
        raise IndexError("the packet is not whole")
    kind, flags = buffer[0] >> 4, buffer[0] & 0x0F
    if kind == 3:
        return _publish(flags, _Reader(bytes(buffer[start:end]))), end
    known = _READ.get(kind)
    if known is None:
        raise ValueError(f"a client does not send packets of type {kind}")
    expected, parse = known
    if flags != expected:
        raise ValueError(f"a packet of type {kind} has the flags {expected:04b}, not {flags:04b}")
    reader = _Reader(bytes(buffer[start:end]))
    packet = parse(reader)
    if not reader.is_empty:
        raise ValueError("the packet is longer than its content")
    return packet, end


def _length(buffer: memoryview) -> tuple[int, int]:
    """Remaining length, and where the content begins."""
    length = 0
    for place in range(1, 5):
        byte = buffer[place]  # IndexError while it is not there
        length |= (byte & 0x7F) << (7 * (place - 1))
        if not byte & 0x80:
            return length, place + 1
    raise ValueError("a length has at most four bytes")


def _connect(reader: _Reader) -> ConnectPacket:
    name, level, flags, keep_alive = reader.text(), reader.byte(), reader.byte(), reader.number()
    if (name, level & 0x7F) not in (("MQTT", 4), ("MQIsdp", 3)):
        raise ValueError(f"protocol '{name[:20]}' of level {level} is not known")
    if flags & 1 or flags & 0x18 == 0x18 or (not flags & 4 and flags & 0x38):
        raise ValueError(f"the connect flags {flags:08b} contradict each other")
    if flags & 0x40 and not flags & 0x80:
        raise ValueError("there is no password without a user name")
    client_id = reader.text()
    will = None
    if flags & 4:
        topic, payload = reader.text(), reader.binary()
        will = Will(topic, payload=payload, qos=_QOS[flags >> 3 & 3], retain=bool(flags & 0x20))
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    is_clean = bool(flags & 2)
    return ConnectPacket(
        client_id, username=username, password=password, clean_start=is_clean, will=will, keep_alive=keep_alive,
        session_expiry_interval=0 if is_clean else FOREVER,
    )  # fmt: skip


def _publish(flags: int, reader: _Reader) -> PublishPacket:
    level = flags >> 1 & 3
    if level == 3:
        raise ValueError("a QoS is 0, 1 or 2")
    topic = reader.text()
    packet_id = reader.packet_id() if level else None
    return PublishPacket(
        topic, reader.rest(), qos=_QOS[level], retain=bool(flags & 1), duplicate=bool(flags & 8 and level), packet_id=packet_id
    )


def _subscribe(reader: _Reader) -> SubscribePacket:
    packet_id, filters = reader.packet_id(), []
    while not reader.is_empty:
        pattern, level = reader.text(), reader.byte()
        if level > 2:
            raise ValueError("a requested QoS is 0, 1 or 2")
        filters.append(TopicFilter(pattern, max_qos=_QOS[level], retain_as_published=False))
    if not filters:
        raise ValueError("a subscription names at least one filter")
    return SubscribePacket(packet_id, filters)


def _unsubscribe(reader: _Reader) -> UnsubscribePacket:
    packet_id, patterns = reader.packet_id(), []
    while not reader.is_empty:
        patterns.append(reader.text())
    if not patterns:
        raise ValueError("there is at least one filter to unsubscribe from")
    return UnsubscribePacket(packet_id, patterns)


_READ: Final[dict[int, tuple[int, Callable[[_Reader], Packet]]]] = {
    1: (0, _connect),
    4: (0, lambda reader: PubAckPacket(reader.packet_id())),
    5: (0, lambda reader: PubRecPacket(reader.packet_id())),
    6: (2, lambda reader: PubRelPacket(reader.packet_id())),
    7: (0, lambda reader: PubCompPacket(reader.packet_id())),
    8: (2, _subscribe),
    10: (2, _unsubscribe),
    12: (0, lambda reader: PingReqPacket()),
    14: (0, lambda reader: DisconnectPacket()),
}
"""By type of packet: the flags it must have, and what reads it."""


def write(packet: Any) -> bytes:
    """A packet of the server as bytes; b"" for one that 3.1.1 does not have (a server's disconnect)."""
    if type(packet) is PublishPacket:
        return _written_publish(packet)
    known = _WRITE.get(type(packet))
    if known is None:
        return b""
    head, content_of = known
    content = content_of(packet)
    return bytes((head,)) + _written_length(len(content)) + content


def _written_publish(packet: PublishPacket) -> bytes:
    topic = packet.topic.encode()
    id = struct.pack(">H", packet.packet_id) if packet.packet_id is not None else b""
    head = 0x30 | packet.duplicate << 3 | int(packet.qos) << 1 | packet.retain
    length = 2 + len(topic) + len(id) + len(packet.payload)
    return bytes((head,)) + _written_length(length) + struct.pack(">H", len(topic)) + topic + id + packet.payload


def _written_length(length: int) -> bytes:
    written = bytearray()
    while True:
        length, low = length >> 7, length & 0x7F
        written.append(low | 0x80 if length else low)
        if not length:
            return bytes(written)


def _id(packet: Any) -> bytes:
    return struct.pack(">H", packet.packet_id)


_WRITE: Final[dict[Any, tuple[int, Callable[[Any], bytes]]]] = {
    ConnAckPacket: (0x20, lambda packet: bytes((packet.session_present, _CONNACK.get(int(packet.reason_code), 3)))),
    PubAckPacket: (0x40, _id),
    PubRecPacket: (0x50, _id),
    PubRelPacket: (0x62, _id),
    PubCompPacket: (0x70, _id),
    SubAckPacket: (0x90, lambda packet: _id(packet) + bytes(min(int(code), _REFUSED) for code in packet.reason_codes)),
    UnsubAckPacket: (0xB0, _id),
    PingRespPacket: (0xD0, lambda packet: b""),
}
