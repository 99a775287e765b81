"""The state of one client: its subscriptions and what is under way to it, across connections.

Source: MQTT 5.0, sections 3.3.4, 4.1 (session state), 4.3 (QoS), 4.4 (delivery retry), 4.9 (flow control).
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from mqtt5 import PublishPacket, PubRelPacket, QoS, RetainHandling, Will

from cityhub.ingest.broker.door import Account, Publication

MAX_QUEUED: Final = 1_000
"""Most messages that wait for one client; then the oldest goes."""
MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of payload that wait for one client."""
MAX_SUBSCRIPTIONS: Final = 1_000
LAST_ID: Final = 65_535
_QOS: Final = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)

log = logging.getLogger(__name__)


class Subscription(msgspec.Struct, frozen=True):
    """How a client wants the messages of a filter: members as in version 5."""

    qos: int
    no_local: bool = False
    keep_retain: bool = False
    retain_handling: RetainHandling = RetainHandling.SEND_ALWAYS
    id: int | None = None


class Outgoing(msgspec.Struct):
    """A message for one client.

    Attributes:
        publication: What.
        qos: With which QoS this client gets it.
        retain: The retain flag for this client.
        ids: Identifiers of the subscriptions that it matched.
        released: Of QoS 2: whether the client has it and only the release is missing.
    """

    publication: Publication
    qos: int
    retain: bool = False
    ids: list[int] = []
    released: bool = False


class Line(Protocol):
    """The open connection to a client."""

    receive_max: int
    topic_alias_max: int

    def send_publish(self, packet: PublishPacket) -> bool:
        """Sends it, or returns False when it is larger than the client takes."""

    def send(self, packet: PubRelPacket) -> None:
        """Sends a packet."""


class Session:
    """One client's state.

    Attributes:
        client_id: Its id.
        account: On whose behalf it is connected, or was last.
        subscriptions: By filter.
        line: Its connection; None while it is away.
        expiry_s: How long the session stays when it goes.
        expires: When a session without a connection ends, by the loop's clock.
        will: What is published for it when it goes without saying so.
        will_due: When, by the loop's clock; None: not due.
        received: Packet ids of incoming QoS 2 messages that were taken and not released.
    """

    def __init__(self, client_id: str, now: Callable[[], float]) -> None:
        self.client_id = client_id
        self.account = Account("")
        self.subscriptions: dict[str, Subscription] = {}
        self.line: Line | None = None
        self.expiry_s = 0
        self.expires: float | None = None
        self.will: Will | None = None
        self.will_due: float | None = None
        self.received: set[int] = set()
        self.dropped = 0
        self._now = now
        self._under_way: OrderedDict[int, Outgoing] = OrderedDict()
        self._queue: deque[Outgoing] = deque()
        self._queued_bytes = 0
        self._last_id = 0
        self._aliases: dict[str, int] = {}

    @property
    def is_connected(self) -> bool:
        """Whether it can be sent to."""
        return self.line is not None

    @property
    def waiting(self) -> int:
        """Messages that are not finished."""
        return len(self._queue) + len(self._under_way)

    def connected(self, line: Line) -> None:
        """Goes on over a new connection: what was under way is sent again, in its order (4.4)."""
        self.line = line
        self.expires = self.will_due = None
        self._aliases = {}
        for packet_id, message in list(self._under_way.items()):
            if message.released:
                line.send(PubRelPacket(packet_id))
            elif not self._send(line, message, packet_id, is_again=True):
                del self._under_way[packet_id]
        self._flow()

    def gone(self) -> None:
        """Has no connection any more."""
        self.line = None

    def deliver(self, message: Outgoing) -> None:
        """Sends a message, or keeps it until it can be sent. QoS 0 is not kept for a client that is away."""
        line = self.line
        if message.qos == 0:
            if line is not None:
                self._send(line, message, None)
            return
        if line is not None and not self._queue and len(self._under_way) < line.receive_max:
            self._begin(line, message)
        else:
            self._keep(message)

    def acknowledged(self, packet_id: int) -> None:
        """PUBACK or PUBCOMP: a message is finished."""
        if self._under_way.pop(packet_id, None) is not None:
            self._flow()

    def received_by_client(self, packet_id: int, is_refused: bool) -> bool:
        """PUBREC: the client has it, or refuses it. Returns whether such a message is under way and PUBREL is to follow."""
        message = self._under_way.get(packet_id)
        if message is None or message.qos != 2:
            return False
        if is_refused:
            self.acknowledged(packet_id)
            return False
        message.released = True
        return True

    def _keep(self, message: Outgoing) -> None:
        self._queue.append(message)
        self._queued_bytes += len(message.publication.payload)
        while len(self._queue) > MAX_QUEUED or self._queued_bytes > MAX_QUEUED_BYTES:
            self._queued_bytes -= len(self._queue.popleft().publication.payload)
            self.dropped += 1
            if self.dropped == 1:
                log.warning("a client's queue is full; its oldest messages go", extra={"client": self.client_id[:100]})

    def _flow(self) -> None:
        """Sends what waits, as far as the client takes more."""
        line = self.line
        while line is not None and self._queue and len(self._under_way) < line.receive_max:
            message = self._queue.popleft()
            self._queued_bytes -= len(message.publication.payload)
            if message.publication.expires is None or message.publication.expires > self._now():
                self._begin(line, message)

    def _begin(self, line: Line, message: Outgoing) -> None:
        packet_id = self._next_id()
        if self._send(line, message, packet_id):
            self._under_way[packet_id] = message

    def _next_id(self) -> int:
        """An id that no message under way has; there are fewer of those than ids."""
        while True:
            self._last_id = self._last_id % LAST_ID + 1
            if self._last_id not in self._under_way:
                return self._last_id

    def _send(self, line: Line, message: Outgoing, packet_id: int | None, is_again: bool = False) -> bool:
        publication = message.publication
        expiry = None if publication.expires is None else max(1, int(publication.expires - self._now()))
        topic, alias = self._alias_of(line, publication.topic)
        packet = PublishPacket(
            topic, publication.payload, qos=_QOS[message.qos], retain=message.retain, packet_id=packet_id, duplicate=is_again,
            payload_format_indicator=publication.payload_format, message_expiry_interval=expiry, content_type=publication.content_type,
            response_topic=publication.response_topic, correlation_data=publication.correlation, subscription_ids=message.ids,
            topic_alias=alias, user_properties=publication.properties,
        )  # fmt: skip
        is_sent = line.send_publish(packet)
        if is_sent and alias is not None:
            self._aliases[publication.topic] = alias
        return is_sent

    def _alias_of(self, line: Line, topic: str) -> tuple[str, int | None]:
        """Topic and alias to send (3.3.2.3.4): the first time both, then the alias alone; no alias beyond what the client allows."""
        known = self._aliases.get(topic)
        if known is not None:
            return "", known
        return topic, len(self._aliases) + 1 if len(self._aliases) < line.topic_alias_max else None
