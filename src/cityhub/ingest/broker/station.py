"""One broker and the feeds that tap it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from cityhub.ingest.broker.door import Account, Publication
from cityhub.ingest.broker.listener import Listener, listen
from cityhub.ingest.broker.topics import Subscriptions, matches
from cityhub.ingest.message import Message, Settled, SharedPart, Sink
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable

GRACE_S: Final = 5.0
"""How long a feed that stopped keeps its place: it is probably only started anew with another definition."""
MOST_SECRET: Final = 1024
DEVICE: Final = "{device}"
"""Stands for the name of the device in filters."""

log = logging.getLogger(__name__)

Identify = Callable[[str, str], Awaitable[str]]
"""Tells the id of the device that has a name and a token; "" when there is none. Raises StoreUnavailable."""


class Guest(msgspec.Struct, frozen=True):
    """An account of a feed's own definition."""

    username: str
    password: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


class Tap:
    """What one feed takes of a broker, and whom it lets in.

    Args:
        feed: Id of the feed.
        topics: Filters of what it takes.
        sink: Where that goes.
        message: Makes a message of payload, what is known beside it, content type, and whether it may have come before.
        answered: Takes the answer of a device to a command, with its correlation data.
        answer_topic: Filter of the topics of such answers; "" has none.
        guests: Accounts.
        devices: Filters that devices of the register may publish and subscribe to; None lets no device in.
        anonymous: Whether clients of this machine may do without an account.
        relays: Whether clients get from each other what they publish there.
    """

    def __init__(
        self,
        feed: str,
        topics: tuple[str, ...],
        sink: Sink,
        message: Callable[[bytes, dict[str, Any], str, bool], Message],
        answered: Callable[[bytes, bytes | None], None],
        answer_topic: str = "",
        guests: list[Guest] | None = None,
        devices: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
        anonymous: bool = False,
        relays: bool = True,
    ) -> None:
        self.feed = feed
        self.topics = topics
        self.sink = sink
        self.message = message
        self.answered = answered
        self.answer_topic = answer_topic
        self.guests = {guest.username: guest for guest in guests or []}
        self.devices = devices
        self.anonymous = anonymous
        self.relays = relays
        self.is_open = True


class Station:
    """A broker with its feeds; the door that the broker asks (`cityhub.ingest.broker.door.Door`).

    Args:
        host, port: Where it listens.
        identify: Asks the register of devices.
    """

    def __init__(self, host: str, port: int, identify: Identify) -> None:
        self._host, self._port = host, port
        self._identify = identify
        self._taps: dict[str, Tap] = {}
        self._subscriptions: Subscriptions[Tap] = Subscriptions()
        self._listener: Listener | None = None
        self._certificate = ""
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """Open connections."""
        return self._listener.connections if self._listener is not None else 0

    @property
    def address(self) -> str:
        """Where it listens, "host:port"; "" while it does not."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._listener.port}" if self._listener is not None else ""

    # -- Feeds -----------------------------------------------------------------------------------------------------------

    async def open(self, tap: Tap, tls: ssl.SSLContext | None, certificate: str) -> None:
        """Lets a feed take part; the first one starts the broker.

        Raises:
            OSError: It cannot listen.
            BadRequestData: The broker runs with another certificate than this feed names.
        """
        async with self._lock:
            if self._listener is None:
                self._listener = await listen(self, self._host, self._port, tls)
                self._certificate = certificate
            elif certificate != self._certificate:
                raise BadRequestData(f"Another feed has the broker on {self._host} port {self._port} with another 'certificate'")
            self._forget(tap.feed)
            self._taps[tap.feed] = tap
            for topic in tap.topics:
                self._subscriptions.add(topic, tap, None)
        self._tell_changed()

    def close(self, tap: Tap) -> None:
        """The feed stops. What it would take is not acknowledged for a while, so that it is not lost if it is only started anew."""
        tap.is_open = False
        self._begin(self._leave(tap))

    async def stop(self) -> None:
        """Ends the broker at once."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.stop()

    async def _leave(self, tap: Tap) -> None:
        await asyncio.sleep(GRACE_S)
        async with self._lock:
            if self._taps.get(tap.feed) is tap:
                self._forget(tap.feed)
            if not self._taps and self._listener is not None:
                listener, self._listener = self._listener, None
                await listener.stop()
        self._tell_changed()

    def _forget(self, feed: str) -> None:
        tap = self._taps.pop(feed, None)
        if tap is not None:
            for topic in tap.topics:
                self._subscriptions.remove(topic, tap)

    def _tell_changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def tell(self, topic: str, payload: bytes, correlation: bytes | None = None, expiry_s: float | None = None) -> int:
        """Publishes for the hub; how many clients get it."""
        if self._listener is None:
            return 0
        broker = self._listener.broker
        expires = None if expiry_s is None else broker.now() + expiry_s
        return broker.tell(Publication(topic, payload, 1, correlation=correlation, expires=expires))

    def patterns(self, beginning: str) -> set[str]:
        """The filters that clients have subscribed to and that begin so."""
        sessions = self._listener.broker.sessions.values() if self._listener is not None else ()
        return {filter for session in sessions for filter in session.subscriptions if filter.startswith(beginning)}

    # -- The broker's door -----------------------------------------------------------------------------------------------

    async def admit(self, client_id: str, username: str, password: bytes, remote: str) -> Account | None:
        """See `Door.admit`: an account of a feed, a device of the register, or nobody by name from this machine."""
        if len(password) > MOST_SECRET or len(username) > MOST_SECRET:
            return None
        taps = list(self._taps.values())
        if not username:
            free = [tap for tap in taps if tap.anonymous]
            if not free or password or not _is_loopback(remote):
                return None
            return Account("", tuple(topic for tap in free for topic in tap.topics), ("#",))
        guests = [tap.guests[username] for tap in taps if username in tap.guests]
        if guests:
            good = [guest for guest in guests if _same(guest.password.encode(), password)]
            return _joined(f"user:{username}", good) if good else None
        rights = [tap.devices for tap in taps if tap.devices is not None]
        id = await self._identify(username, password.decode("utf-8", "replace")) if rights else ""
        return _device_account(id, rights) if id else None

    def take(self, publication: Publication, settled: Callable[[bool], None]) -> bool:
        """See `Door.take`: each feed that wants it gets it once; it is durable when all of them say so."""
        taps = list(dict.fromkeys(tap for tap, _ in self._subscriptions.find(publication.topic)))
        if any(not tap.is_open for tap in taps):
            return False
        if self._is_answer(publication):
            settled(True)
            return True
        if not taps:
            settled(True)
            return True
        remaining, is_durable = len(taps), True

        def one(outcome: Settled | Exception) -> None:
            nonlocal remaining, is_durable
            remaining -= 1
            is_durable = is_durable and _is_kept(outcome)
            if not remaining:
                settled(is_durable)

        for place, tap in enumerate(taps):
            message = tap.message(publication.payload, _about(publication), publication.content_type or "", publication.duplicate)
            if tap.sink.offer(message, one):
                continue
            if place == 0:
                return False
            self._begin(_offered(tap.sink, message, one))
        return True

    def relays(self, topic: str) -> bool:
        """See `Door.relays`."""
        return all(tap.relays for tap, _ in self._subscriptions.find(topic))

    async def room(self) -> None:
        """See `Door.room`."""
        while any(not tap.is_open for tap in self._taps.values()):
            await self._changed.wait()
        for tap in list(self._taps.values()):
            await tap.sink.room()

    def _is_answer(self, publication: Publication) -> bool:
        is_answer = False
        for tap in self._taps.values():
            if tap.answer_topic and matches(tap.answer_topic, publication.topic):
                is_answer = True
                tap.answered(publication.payload, publication.correlation)
        return is_answer

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def station_of(shared: dict[str, SharedPart], host: str, port: int, identify: Identify) -> Station:
    """The station of an address; feeds that name the same one share it."""
    station = shared.setdefault(f"broker {host} {port}", Station(host, port, identify))
    assert isinstance(station, Station)
    return station


async def _offered(sink: Sink, message: Message, settled: Callable[[Settled | Exception], None]) -> None:
    """A message that several feeds take and one of them had no room for."""
    with contextlib.suppress(asyncio.CancelledError):
        while not sink.offer(message, settled):
            await sink.room()


def _is_kept(outcome: Settled | Exception) -> bool:
    """Whether the sender may forget it: it is durable, or it was refused for good."""
    return isinstance(outcome, Settled) or (isinstance(outcome, CityHubError) and not isinstance(outcome, StoreUnavailable))


def _about(publication: Publication) -> dict[str, Any]:
    about: dict[str, Any] = {"topic": publication.topic.split("/"), "client": publication.client}
    if publication.account.id.startswith("urn:"):
        about["device"] = publication.account.id
    if publication.properties:
        about["headers"] = dict(publication.properties)
    return about


def _joined(id: str, guests: list[Guest]) -> Account:
    publish = tuple(topic for guest in guests for topic in guest.publish)
    return Account(id, publish, tuple(topic for guest in guests for topic in guest.subscribe))


def _device_account(id: str, rights: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> Account | None:
    name = id.rpartition(":")[2]
    if not name or set("/+#") & set(name):  # it would reach beyond its own topics
        log.warning("a device's name cannot stand in topics", extra={"device": id[:200]})
        return None
    publish = tuple(filter.replace(DEVICE, name) for filters, _ in rights for filter in filters)
    return Account(id, publish, tuple(filter.replace(DEVICE, name) for _, filters in rights for filter in filters))


def _same(one: bytes, other: bytes) -> bool:
    """Whether two secrets are the same, in a time that does not tell how far they agree."""
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())


def _is_loopback(remote: str) -> bool:
    try:
        return ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
