"""One connection of a client.

Source: MQTT 5.0, chapters 3 and 4; MQTT 3.1.1, chapter 3.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import mqtt5
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PubCompPacket,
    PubCompReasonCode,
    PublishPacket,
    PubRecPacket,
    PubRecReasonCode,
    PubRelPacket,
    PubRelReasonCode,
    SubAckPacket,
    SubscribePacket,
    UnsubAckPacket,
    UnsubscribePacket,
)

from cityhub.ingest.broker import codec311
from cityhub.ingest.broker.broker import Broker
from cityhub.ingest.broker.door import Account, Publication
from cityhub.ingest.broker.session import Outgoing, Session
from cityhub.ingest.broker.topics import check_topic
from cityhub.model.errors import CityHubError

SEND_MAX: Final = 200
"""Most messages under way to one client, whatever it allows."""
HIGH_WATER: Final = 512 * 1024
"""Bytes that wait to be sent to one client; beyond that messages of QoS 0 are dropped."""
END_OF_PACKETS: Final = 1024 * 1024 * 8
"""A client that lets so much wait to be sent is cut off."""
FIRST_BYTES: Final = 16 * 1024
"""Largest first packet. A client that nobody knows yet may have no more than that waiting here."""
PROBE_AFTER_S, PROBE_EVERY_S, PROBES = 60, 15, 4
"""A peer that says nothing is asked for life by TCP; half-open connections end two minutes after the last word."""
LINGER_S: Final = 2.0
"""How long a connection that the broker ended waits for the client to end it too."""
_REFUSED: Final = 0x80

log = logging.getLogger(__name__)


class Refusal(Exception):
    """The client broke the protocol or a bound; the connection ends with this reason."""

    def __init__(self, code: DisconnectReasonCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Pending:
    """A publication of the client that is not settled yet; answers go out in the order of the publications (4.6)."""

    __slots__ = ("answer", "is_durable", "is_settled")

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.is_settled = False
        self.is_durable = False


class Connection(asyncio.Protocol):
    """One client's connection.

    Attributes:
        receive_max: Most messages under way to the client.
        topic_alias_max: Most aliases that the client lets the broker make.
        deadline: When it is late, by the loop's clock; None: it may be silent for ever.
        heard_at: When something came from it last, by the same clock.

    Args:
        broker: Whose client this is.
        open_ones: All open connections; this one is in there while it is open.
    """

    def __init__(self, broker: Broker, open_ones: set[Connection]) -> None:
        self.receive_max = SEND_MAX
        self.topic_alias_max = 0
        self.deadline: float | None = None
        self.heard_at = broker.now()
        self._open = open_ones
        self._broker = broker
        self._limits = broker.limits
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._version = 0
        self._session: Session | None = None
        self._keep_s = 0.0
        self._aliases: dict[int, str] = {}
        self._pending: deque[_Pending] = deque()
        self._waiting: Publication | None = None
        self._is_waiting = False
        self._is_admitting = False
        self._is_welcome = False
        self._is_closing = False
        self._max_packet: int | None = None
        self._out: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        if len(self._open) >= self._limits.connections:
            transport.abort()
            return
        self._open.add(self)
        self.deadline = self._broker.now() + self._limits.connect_s
        connected = transport.get_extra_info("socket")
        if connected is not None:  # finds half-open connections of clients that want no keep-alive
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (("TCP_KEEPIDLE", PROBE_AFTER_S), ("TCP_KEEPINTVL", PROBE_EVERY_S), ("TCP_KEEPCNT", PROBES)):
                if hasattr(socket, name):
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._open.discard(self)
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        session, self._session = self._session, None
        if session is not None and session.line is self:
            self._broker.close_session(session, with_will=True)

    def data_received(self, data: bytes) -> None:
        """Reads the packets that came."""
        if self._is_closing:
            return
        self._buffer = self._buffer + data if self._buffer else data
        self.heard_at = self._broker.now()
        if self._session is not None and self._keep_s:
            self.deadline = self.heard_at + self._keep_s
        self._read_on()

    @property
    def is_held(self) -> bool:
        """Whether the broker does not read from it until there is room, so that its silence says nothing."""
        return self._is_waiting and not self._is_closing

    def eof_received(self) -> bool:
        """The client sends no more."""
        return False

    # -- Packets ---------------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Handles the packets in the buffer, unless an earlier one waits for room or for admission."""
        used = 0
        view = memoryview(self._buffer)
        try:
            while not (self._is_waiting or self._is_admitting or self._is_closing) and used < len(view):
                rest = view[used:]
                self._check_size(rest)
                packet, length = self._parse(rest)
                used += length
                self._handle(packet)
        except IndexError:  # the next packet is not whole yet
            pass
        except Refusal as refusal:
            self.end(refusal.code, str(refusal))
        except ValueError as error:
            self.end(DisconnectReasonCode.MALFORMED_PACKET, str(error))
        self._buffer = b"" if self._is_closing else self._buffer[used:]
        if self._is_waiting or self._is_admitting:
            self._pause()

    def _check_size(self, rest: memoryview) -> None:
        length = 0
        for place in range(1, min(len(rest), 5)):
            length |= (rest[place] & 0x7F) << (7 * (place - 1))
            if not rest[place] & 0x80:
                break
        most = self._limits.packet_bytes if self._session is not None else min(FIRST_BYTES, self._limits.packet_bytes)
        if length > most:
            raise Refusal(DisconnectReasonCode.PACKET_TOO_LARGE, f"a packet may have {most} bytes here, not {length}")

    def _parse(self, rest: memoryview) -> tuple[Any, int]:
        if self._version == 5:
            return mqtt5.read(rest)
        if self._version:
            return codec311.read(rest)
        self._version = _version_of(rest)
        packet, length = self._parse(rest)
        if not isinstance(packet, ConnectPacket):
            raise ValueError("the first packet is CONNECT")
        return packet, length

    def _handle(self, packet: Any) -> None:
        if self._session is None:
            if not isinstance(packet, ConnectPacket):
                raise Refusal(DisconnectReasonCode.PROTOCOL_ERROR, "the first packet is CONNECT")
            self._is_admitting = True
            self._begin(self._connect(packet))
            return
        handler = _HANDLERS.get(type(packet))
        if handler is None:
            raise Refusal(DisconnectReasonCode.PROTOCOL_ERROR, f"a client does not send {type(packet).__name__} here")
        handler(self, packet)

    # -- CONNECT, DISCONNECT ---------------------------------------------------------------------------------------------

    async def _connect(self, packet: ConnectPacket) -> None:
        """Admits a client (3.1.4), or answers why not and closes."""
        refusal, account = await self._admitted(packet)
        if self._is_closing:
            return
        if account is None:
            self._refuse(refusal)
            return
        former = self._broker.sessions.get(packet.client_id)
        if former is not None and isinstance(former.line, Connection):
            former.line.taken_over()
        opened = self._broker.open_session(packet, account, packet.session_expiry_interval)
        if opened is None:
            self._refuse(ConnAckReasonCode.QUOTA_EXCEEDED)
            return
        session, is_present = opened
        self._agree(packet)
        self.send(self._welcome(packet, session, is_present))
        self._session = session
        self._is_admitting, self._is_welcome = False, True
        session.connected(self)
        self._resume()

    async def _admitted(self, packet: ConnectPacket) -> tuple[ConnAckReasonCode, Account | None]:
        if packet.authentication_method is not None:
            return ConnAckReasonCode.BAD_AUTHENTICATION_METHOD, None
        if not packet.client_id and not packet.clean_start and self._version != 5:
            return ConnAckReasonCode.CLIENT_ID_NOT_VALID, None
        if len(packet.client_id) > 256 or "\0" in packet.client_id:
            return ConnAckReasonCode.CLIENT_ID_NOT_VALID, None
        try:
            account = await self._broker.door.admit(packet.client_id, packet.username or "", packet.password or b"", self._remote())
        except CityHubError as error:
            log.warning("a client could not be admitted: %s", error.detail)
            return ConnAckReasonCode.SERVER_UNAVAILABLE, None
        if account is None:
            return ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, None
        former = self._broker.sessions.get(packet.client_id)
        if former is not None and former.is_connected and former.account.id != account.id:
            return ConnAckReasonCode.CLIENT_ID_NOT_VALID, None  # nobody may push out a client of another account
        return ConnAckReasonCode.SUCCESS, account

    def _agree(self, packet: ConnectPacket) -> None:
        longest = self._limits.keep_alive_s
        self._keep_s = 1.5 * (min(packet.keep_alive or longest, longest) if self._version == 5 else packet.keep_alive)
        self.deadline = self._broker.now() + self._keep_s if self._keep_s else None
        self.receive_max = min(packet.receive_max, SEND_MAX)
        self.topic_alias_max = min(packet.topic_alias_max, self._limits.topic_alias_max)
        self._max_packet = packet.max_packet_size

    def _welcome(self, packet: ConnectPacket, session: Session, is_present: bool) -> ConnAckPacket:
        limits = self._limits
        expiry = session.expiry_s if session.expiry_s != packet.session_expiry_interval else None
        keep_alive = limits.keep_alive_s if not 0 < packet.keep_alive <= limits.keep_alive_s else None
        return ConnAckPacket(
            session_present=is_present, session_expiry_interval=expiry, assigned_client_id=None if packet.client_id else session.client_id,
            server_keep_alive=keep_alive, receive_max=limits.receive_max, topic_alias_max=limits.topic_alias_max,
            max_packet_size=limits.packet_bytes,
        )  # fmt: skip

    def _refuse(self, code: ConnAckReasonCode) -> None:
        self.send(ConnAckPacket(reason_code=code))
        self._close()

    def _disconnect(self, packet: DisconnectPacket) -> None:
        session = self._session
        assert session is not None
        if packet.session_expiry_interval is not None:
            if session.expiry_s == 0 and packet.session_expiry_interval > 0:
                raise Refusal(DisconnectReasonCode.PROTOCOL_ERROR, "a session that ends with the connection cannot be made to stay")
            session.expiry_s = min(packet.session_expiry_interval, self._limits.session_s)
        self._session = None
        self._broker.close_session(session, with_will=packet.reason_code == DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
        self._close()

    def taken_over(self) -> None:
        """Another connection goes on with the session."""
        session, self._session = self._session, None
        if session is not None and session.line is self:
            self._broker.close_session(session, with_will=True)
        self.end(DisconnectReasonCode.SESSION_TAKEN_OVER, "another connection has the session")

    def end(self, code: DisconnectReasonCode, detail: str) -> None:
        """Ends the connection for a reason, which version 5 tells."""
        if self._is_closing:
            return
        if self._version == 5 and self._is_welcome:
            self.send(DisconnectPacket(reason_code=code, reason_str=detail[:200]))
        log.debug("a client's connection ends: %s", detail, extra={"client": self._session.client_id if self._session else self._remote()})
        self._close()

    # -- PUBLISH from the client -----------------------------------------------------------------------------------------

    def _publish(self, packet: PublishPacket) -> None:
        topic = self._topic_of(packet)
        session = self._session
        assert session is not None
        wrong = check_topic(topic)
        if wrong:
            raise Refusal(DisconnectReasonCode.TOPIC_NAME_INVALID, wrong)
        qos = int(packet.qos)
        if qos and self._version == 5 and packet.packet_id not in session.received and self._under_way >= self._limits.receive_max:
            raise Refusal(DisconnectReasonCode.RECEIVE_MAX_EXCEEDED, f"at most {self._limits.receive_max} messages may be under way")
        if not session.account.may_publish(topic):
            self._not_allowed(packet, topic)
            return
        if qos == 2 and packet.packet_id in session.received:  # sent again: it was taken (4.3.3)
            self._answer_settled(PubRecPacket(packet.packet_id))
            return
        self._offer(_publication_of(packet, topic, session, self._broker.now()), packet)

    @property
    def _under_way(self) -> int:
        """Messages of the client that are not finished: of QoS 1 those that are not settled, of QoS 2 those that are not released."""
        received = self._session.received if self._session is not None else ()
        return len(received) + sum(type(pending.answer) is PubAckPacket for pending in self._pending)

    def _offer(self, publication: Publication, packet: PublishPacket) -> None:
        pending = self._pending_for(packet)
        if self._broker.publish(publication, lambda is_durable: self._settled(pending, is_durable)):
            if pending is not None and int(packet.qos) == 2 and packet.packet_id is not None and self._session is not None:
                self._session.received.add(packet.packet_id)
            return
        if pending is not None:
            self._pending.remove(pending)
        self._is_waiting = True
        self._begin(self._offer_later(publication, packet))

    async def _offer_later(self, publication: Publication, packet: PublishPacket) -> None:
        await self._broker.door.room()
        if self._is_closing or self._session is None:
            return
        self._is_waiting = False
        self.heard_at = self._broker.now()
        if self._keep_s:
            self.deadline = self.heard_at + self._keep_s
        self._offer(publication, packet)
        if not self._is_waiting:
            self._resume()

    def _pending_for(self, packet: PublishPacket) -> _Pending | None:
        if packet.packet_id is None:
            return None
        pending = _Pending(PubAckPacket(packet.packet_id) if int(packet.qos) == 1 else PubRecPacket(packet.packet_id))
        self._pending.append(pending)
        return pending

    def _settled(self, pending: _Pending | None, is_durable: bool) -> None:
        if pending is None or self._is_closing:
            return
        pending.is_settled, pending.is_durable = True, is_durable
        while self._pending and self._pending[0].is_settled:
            first = self._pending.popleft()
            if not first.is_durable:  # not acknowledged: the client sends it again when it comes back
                if isinstance(first.answer, PubRecPacket) and self._session is not None:
                    self._session.received.discard(first.answer.packet_id)
                self.end(DisconnectReasonCode.SERVER_BUSY, "the hub cannot keep messages now; come back later")
                return
            self.send(first.answer)

    def _answer_settled(self, answer: Any) -> None:
        pending = _Pending(answer)
        self._pending.append(pending)
        self._settled(pending, True)

    def _not_allowed(self, packet: PublishPacket, topic: str) -> None:
        """Version 5 hears that it may not; version 3.1.1 cannot be told and is cut off (3.3.5)."""
        client = self._session.client_id if self._session else ""
        log.info("a client may not publish to this topic", extra={"topic": topic[:200], "client": client})
        qos = int(packet.qos)
        if self._version != 5 and qos:
            raise Refusal(DisconnectReasonCode.NOT_AUTHORIZED, "it may not publish to this topic")
        if qos == 1 and packet.packet_id is not None:
            self._answer_settled(PubAckPacket(packet.packet_id, reason_code=PubAckReasonCode.NOT_AUTHORIZED))
        elif qos == 2 and packet.packet_id is not None:
            self._answer_settled(PubRecPacket(packet.packet_id, reason_code=PubRecReasonCode.NOT_AUTHORIZED))

    def _topic_of(self, packet: PublishPacket) -> str:
        alias = packet.topic_alias
        if alias is None:
            return packet.topic
        if not 0 < alias <= self._limits.topic_alias_max:
            raise Refusal(DisconnectReasonCode.TOPIC_ALIAS_INVALID, f"a topic alias is 1 to {self._limits.topic_alias_max}, not {alias}")
        if packet.topic:
            self._aliases[alias] = packet.topic
        elif alias not in self._aliases:
            raise Refusal(DisconnectReasonCode.TOPIC_ALIAS_INVALID, f"no topic was given for the alias {alias}")
        return self._aliases[alias]

    def _released(self, packet: PubRelPacket) -> None:
        session = self._session
        assert session is not None
        was_known = packet.packet_id in session.received
        session.received.discard(packet.packet_id)
        code = PubCompReasonCode.SUCCESS if was_known else PubCompReasonCode.PACKET_ID_NOT_FOUND
        self.send(PubCompPacket(packet.packet_id, reason_code=code))

    # -- Answers of the client to what it got ----------------------------------------------------------------------------

    def _acknowledged(self, packet: PubAckPacket | PubCompPacket) -> None:
        assert self._session is not None
        self._session.acknowledged(packet.packet_id)

    def _received(self, packet: PubRecPacket) -> None:
        assert self._session is not None
        is_refused = int(packet.reason_code) >= _REFUSED
        if self._session.received_by_client(packet.packet_id, is_refused):
            self.send(PubRelPacket(packet.packet_id))
        elif not is_refused:
            self.send(PubRelPacket(packet.packet_id, reason_code=PubRelReasonCode.PACKET_ID_NOT_FOUND))

    # -- SUBSCRIBE, UNSUBSCRIBE, PINGREQ ---------------------------------------------------------------------------------

    def _subscribe(self, packet: SubscribePacket) -> None:
        session = self._session
        assert session is not None
        codes, retained = [], []
        for wanted in packet.topic_filters:
            code, kept = self._broker.subscribe(session, wanted, packet.subscription_id)
            codes.append(code)
            retained += kept
        self.send(SubAckPacket(packet.packet_id, codes))
        for message in retained:
            session.deliver(Outgoing(message.publication, message.qos, True, message.ids))

    def _unsubscribe(self, packet: UnsubscribePacket) -> None:
        session = self._session
        assert session is not None
        self.send(UnsubAckPacket(packet.packet_id, [self._broker.unsubscribe(session, filter) for filter in packet.patterns]))

    def _ping(self, packet: PingReqPacket) -> None:
        self.send(PingRespPacket())

    # -- Sending ---------------------------------------------------------------------------------------------------------

    def send(self, packet: Any) -> None:
        """Sends a packet, together with others of this turn of the loop."""
        self._write(packet.write() if self._version == 5 else codec311.write(packet))

    def send_publish(self, packet: PublishPacket) -> bool:
        """Sends a message; False when the client takes none of that size, or no more of QoS 0 for now."""
        data = packet.write() if self._version == 5 else codec311.write(packet)
        if self._max_packet is not None and len(data) > self._max_packet:
            return False
        if self._transport is not None and packet.packet_id is None and self._transport.get_write_buffer_size() > HIGH_WATER:
            return False
        self._write(data)
        return True

    def _write(self, data: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        transport = self._transport
        if transport is None or transport.is_closing() or not out:
            return
        transport.write(out[0] if len(out) == 1 else b"".join(out))
        if transport.get_write_buffer_size() > END_OF_PACKETS:
            transport.abort()

    def _close(self) -> None:
        """Sends what there is and closes; what the client still sends is read and dropped for a while, or it would not see the reason."""
        self._is_closing = True
        self._flush()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._keep_s, self.deadline = 0.0, self._broker.now() + LINGER_S
        if transport.can_write_eof():
            transport.write_eof()
            transport.resume_reading()
        else:  # TLS
            transport.close()

    def cut(self) -> None:
        """Ends the connection at once, when it is late; with its reason if none was given yet."""
        if self._is_closing and self._transport is not None:
            self._transport.abort()
        self.end(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT, "it said nothing for longer than its keep-alive")

    def _pause(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._is_closing:
            self._transport.resume_reading()
            self._read_on()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection failed", exc_info=error)
            self.end(DisconnectReasonCode.UNSPECIFIED_ERROR, "the broker failed; its log says why")

    def _remote(self) -> str:
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(peer[0]) if peer else ""


_HANDLERS: Final[dict[Any, Callable[[Connection, Any], None]]] = {
    PublishPacket: Connection._publish,
    PubAckPacket: Connection._acknowledged,
    PubRecPacket: Connection._received,
    PubRelPacket: Connection._released,
    PubCompPacket: Connection._acknowledged,
    SubscribePacket: Connection._subscribe,
    UnsubscribePacket: Connection._unsubscribe,
    PingReqPacket: Connection._ping,
    DisconnectPacket: Connection._disconnect,
}


def _version_of(rest: memoryview) -> int:
    """The version that a CONNECT packet asks for: 5, or 4 for 3.1.1 and 3.1, which refuses what it does not know.

    Raises IndexError while too little of it is there, ValueError for what is no CONNECT.
    """
    if rest[0] != 0x10:
        raise ValueError("the first packet is CONNECT")
    place = 1
    while rest[place] & 0x80 and place < 4:
        place += 1
    name = place + 3
    length = rest[place + 1] << 8 | rest[place + 2]
    if length > 6:
        raise ValueError("the protocol is called MQTT")
    level = rest[name + length]
    return 5 if level == 5 and bytes(rest[name : name + length]) == b"MQTT" else 4


def _publication_of(packet: PublishPacket, topic: str, session: Session, now: float) -> Publication:
    expires = None if packet.message_expiry_interval is None else now + packet.message_expiry_interval
    return Publication(
        topic, packet.payload, int(packet.qos), packet.retain, session.client_id, session.account, packet.duplicate, expires,
        packet.payload_format_indicator, packet.content_type, packet.response_topic, packet.correlation_data, packet.user_properties,
    )  # fmt: skip
