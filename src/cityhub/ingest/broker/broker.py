"""The broker: sessions, and the way of a publication to those who subscribed.

Source: MQTT 5.0, sections 3.1 to 3.3, 3.8, 3.14, 4.1 and 4.8.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from mqtt5 import ConnectPacket, RetainHandling, SubAckReasonCode, TopicFilter, UnsubAckReasonCode, Will

from cityhub.ingest.broker.door import Account, Door, Publication
from cityhub.ingest.broker.retained import Retained
from cityhub.ingest.broker.session import MAX_SUBSCRIPTIONS, Outgoing, Session, Subscription
from cityhub.ingest.broker.topics import SHARED, Subscriptions, check_filter, check_topic

TICK_S: Final = 0.5
"""How often what is due is looked for: keep-alives, wills, sessions that end."""
NEVER: Final = 0xFFFFFFFF

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """Bounds of a broker.

    Attributes:
        connections: Most open connections.
        sessions: Most sessions, with those of clients that are away.
        packet_bytes: Largest packet that a client may send.
        receive_max: Most QoS 1 and 2 messages of one client that are not acknowledged yet.
        topic_alias_max: Most topic aliases of one connection.
        keep_alive_s: Longest keep-alive; version 5 clients are told, others are taken at it.
        session_s: Longest time that a session is kept for a client that is away.
        connect_s: How long a client may take to say who it is.
    """

    connections: int = 20_000
    sessions: int = 50_000
    packet_bytes: int = 1024 * 1024
    receive_max: int = 256
    topic_alias_max: int = 32
    keep_alive_s: int = 60
    session_s: int = 7 * 86_400
    connect_s: float = 10.0


class Broker:
    """A broker without its listener; see `connection.py` for that.

    Args:
        door: Who may come in and who takes what is published.
        limits: Its bounds.
    """

    def __init__(self, door: Door, limits: Limits) -> None:
        self.door = door
        self.limits = limits
        self.now: Callable[[], float] = asyncio.get_running_loop().time
        self.sessions: dict[str, Session] = {}
        self.retained = Retained(self.now)
        self._subscriptions: Subscriptions[Session] = Subscriptions()
        self._wills: set[asyncio.Task[None]] = set()

    # -- Sessions --------------------------------------------------------------------------------------------------------

    def open_session(self, packet: ConnectPacket, account: Account, keeps: int) -> tuple[Session, bool] | None:
        """The session of a client that connects, and whether it was there before; None when there are too many.

        A session of another account under the same id is never gone on with. The caller ends the former connection.
        """
        client_id = packet.client_id or f"auto-{secrets.token_hex(8)}"
        before = self.sessions.get(client_id)
        if before is not None and before.will_due is not None and (packet.clean_start or before.account.id != account.id):
            self._publish_will(before)
        is_kept = before is not None and not packet.clean_start and before.account.id == account.id
        if before is not None and not is_kept:
            self.end_session(before)
        elif before is None and len(self.sessions) >= self.limits.sessions:
            return None
        session = before if before is not None and is_kept else Session(client_id, self.now)
        session.account = account
        session.expiry_s = min(keeps, self.limits.session_s)
        session.will = packet.will
        self.sessions[client_id] = session
        return session, is_kept

    def close_session(self, session: Session, *, with_will: bool) -> None:
        """A connection ended: the will becomes due, and the session stays as long as was agreed."""
        session.gone()
        session.expires = self.now() + session.expiry_s
        if session.will is not None and with_will:
            session.will_due = min(self.now() + session.will.will_delay_interval, session.expires)
        else:
            session.will = None
        self._sweep_one(session, self.now())

    def end_session(self, session: Session) -> None:
        """Forgets a session."""
        for filter in session.subscriptions:
            self._subscriptions.remove(filter, session)
        session.subscriptions.clear()
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def sweep(self) -> None:
        """Publishes wills that are due and ends sessions that have expired."""
        now = self.now()
        for session in [session for session in self.sessions.values() if session.line is None]:
            self._sweep_one(session, now)
        self.retained.sweep()

    def _sweep_one(self, session: Session, now: float) -> None:
        if session.line is not None:
            return
        if session.will_due is not None and session.will_due <= now:
            self._publish_will(session)
        if session.expires is not None and session.expires <= now:
            self.end_session(session)

    async def run(self) -> None:
        """Sweeps again and again until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.sweep()

    async def stop(self) -> None:
        """Gives up wills that nobody takes."""
        for task in self._wills:
            task.cancel()
        await asyncio.gather(*self._wills, return_exceptions=True)

    def _publish_will(self, session: Session) -> None:
        will, session.will, session.will_due = session.will, None, None
        if will is not None and session.account.may_publish(will.topic) and not check_topic(will.topic):
            task = asyncio.create_task(self._will(_will_of(session, will, self.now())))
            self._wills.add(task)
            task.add_done_callback(self._wills.discard)

    async def _will(self, publication: Publication) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while not self.publish(publication, lambda is_durable: None):
                await self.door.room()

    # -- Publications ----------------------------------------------------------------------------------------------------

    def publish(self, publication: Publication, settled: Callable[[bool], None]) -> bool:
        """Gives a publication to the feeds and to who subscribed; False when the feeds have no room, and nothing happened.

        `settled` as in `Door.take`. Subscribers get it at once.
        """
        if not self.door.take(publication, settled):
            return False
        if self.door.relays(publication.topic):
            if publication.retain:
                self.retained.keep(publication)
            self._route(publication)
        return True

    def tell(self, publication: Publication) -> int:
        """Gives a publication of the hub's own, such as a command, to who subscribed; how many those are."""
        return self._route(publication)

    def _route(self, publication: Publication) -> int:
        """One message for each client: with the best of the QoS asked for, and the ids of all its subscriptions that match (3.3.4)."""
        found = self._subscriptions.find(publication.topic)
        if not found:
            return 0
        messages: dict[Session, Outgoing] = {}
        for session, subscription in found:
            if subscription.no_local and session.client_id == publication.client:
                continue
            retain = publication.retain and subscription.keep_retain
            message = messages.setdefault(session, Outgoing(publication, 0, False, []))
            message.qos = max(message.qos, min(publication.qos, subscription.qos))
            message.retain = message.retain or retain
            if subscription.id is not None:
                message.ids = [*message.ids, subscription.id]
        for session, message in messages.items():
            session.deliver(message)
        return len(messages)

    # -- Subscriptions ---------------------------------------------------------------------------------------------------

    def subscribe(self, session: Session, wanted: TopicFilter, id: int | None) -> tuple[SubAckReasonCode, list[Outgoing]]:
        """Subscribes a client; the answer, and the retained messages that it gets after that."""
        pattern = wanted.pattern
        if check_filter(pattern) or (pattern.startswith(SHARED) and wanted.no_local):
            return SubAckReasonCode.TOPIC_FILTER_INVALID, []
        if not session.account.may_subscribe(pattern):
            return SubAckReasonCode.NOT_AUTHORIZED, []
        is_new = pattern not in session.subscriptions
        if is_new and len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
            return SubAckReasonCode.QUOTA_EXCEEDED, []
        subscription = Subscription(int(wanted.max_qos), wanted.no_local, wanted.retain_as_published, wanted.retain_handling, id)
        session.subscriptions[pattern] = subscription
        self._subscriptions.add(pattern, session, subscription)
        return SubAckReasonCode(subscription.qos), self._retained_for(session, pattern, subscription, is_new)

    def unsubscribe(self, session: Session, filter: str) -> UnsubAckReasonCode:
        """Ends a subscription."""
        if session.subscriptions.pop(filter, None) is None:
            return UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED
        self._subscriptions.remove(filter, session)
        return UnsubAckReasonCode.SUCCESS

    def _retained_for(self, session: Session, filter: str, subscription: Subscription, is_new: bool) -> list[Outgoing]:
        handling = subscription.retain_handling
        if filter.startswith(SHARED) or handling == RetainHandling.SEND_NEVER:
            return []
        if handling == RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS and not is_new:
            return []
        ids = [] if subscription.id is None else [subscription.id]
        return [
            Outgoing(kept, min(kept.qos, subscription.qos), True, ids)
            for kept in self.retained.find(filter)
            if session.account.may_subscribe(kept.topic)
        ]


def _will_of(session: Session, will: Will, now: float) -> Publication:
    expires = None if will.message_expiry_interval is None else now + will.message_expiry_interval
    return Publication(
        will.topic, will.payload or b"", int(will.qos), will.retain, session.client_id, session.account, False, expires,
        will.payload_format_indicator, will.content_type, will.response_topic, will.correlation_data, list(will.user_properties),
    )  # fmt: skip
