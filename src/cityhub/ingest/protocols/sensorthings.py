"""SensorThings over the hub's own MQTT broker: clients publish observations under v1.1/ and subscribe to what changes.

Source: OGC 18-088, section 14 (MQTT extension).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
import orjson
from msgspec import Meta

from cityhub.ingest.broker.station import Guest, Station, Tap, station_of
from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Message, Settled, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.broker import User
from cityhub.ingest.protocols.doors import certificate_of
from cityhub.ingest.protocols.reach import door
from cityhub.ingest.sensorthings.answers_to_gateway import Changes, Published, Told
from cityhub.ingest.sensorthings.topics import ROOT, read_topic
from cityhub.ingest.sensorthings.topics import Message as Change
from cityhub.model.errors import CityHubError, StoreUnavailable

MOST_UNDER_WAY: Final = 200
"""Messages that the hub works on at a time; further ones wait at their senders."""
REFRESH_S: Final = 0.5
"""How often the subscriptions of the broker are looked through."""
FOREVER_S: Final = 366 * 86_400.0

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where clients of SensorThings come in by MQTT. The broker is that of the feeds of protocol "broker" with the same address.

    Attributes:
        port: Port to listen on; 0 takes one that is free, and the feed's status says which.
        listen: Address to listen on; other than loopback it must be among the setting `feed_doors`.
        certificate, key: Of the door, PEM, "file:PATH"; with them it speaks TLS. Beyond loopback they are needed.
        users: Accounts; what they may publish and subscribe to are topics such as "v1.1/#".
        anonymous: Whether clients without a user name may connect from this machine and do everything under v1.1/.
    """

    port: Annotated[int, Meta(ge=0, le=65535)] = 1883
    listen: str = "127.0.0.1"
    certificate: str = ""
    key: str = ""
    users: Annotated[list[User], Meta(max_length=1000)] = []
    anonymous: bool = False

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("'certificate' and 'key' go together")
        if not self.certificate and not self.listen.startswith("127.") and self.listen != "::1":
            raise ValueError("passwords travel to this address: it needs 'certificate' and 'key'")


class _HubSink:
    """Gives what clients publish to the hub, which makes entities of it; bounded."""

    def __init__(self, feed: Feed, around: Surroundings) -> None:
        self._feed, self._around = feed, around
        self._under_way: set[asyncio.Task[None]] = set()
        self._free = asyncio.Event()

    async def put(self, message: Message) -> Settled:
        """See `cityhub.ingest.message.Sink.put`."""
        topic = "/".join(message.about["topic"])
        try:
            body = Published(self._feed.id, self._feed.tenant, topic, message.body, message.received_at)
            await self._around.ask("sensorthings_publish", body)
        except StoreUnavailable:
            raise
        except CityHubError as error:
            return Settled(refused=[error.detail])
        return Settled(written=1)

    def offer(self, message: Message, settled: Callable[[Settled | Exception], None]) -> bool:
        """See `cityhub.ingest.message.Sink.offer`."""
        if len(self._under_way) >= MOST_UNDER_WAY:
            return False
        task = asyncio.create_task(self._put(message, settled))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return True

    async def room(self) -> None:
        """See `cityhub.ingest.message.Sink.room`."""
        while len(self._under_way) >= MOST_UNDER_WAY:
            self._free.clear()
            await self._free.wait()

    async def _put(self, message: Message, settled: Callable[[Settled | Exception], None]) -> None:
        try:
            outcome: Settled | Exception = await self.put(message)
        except CityHubError as error:
            outcome = error
        self._around.notices.settled(outcome)
        settled(outcome)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._free.set()


class Connector:
    """SensorThings at one broker."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._feed, self._settings, self._around = feed, settings, around
        self._host = door(around, settings.listen)

    async def run(self, sink: Sink) -> None:
        """Serves until it is cancelled. Raises TroubleAtSource when the port is taken or the hub is away."""
        settings, around = self._settings, self._around
        tls = certificate_of(around.secret(settings.certificate), around.secret(settings.key)) if settings.certificate else None
        guests = [Guest(user.username, around.secret(user.password), tuple(user.publish), tuple(user.subscribe)) for user in settings.users]
        tap = Tap(
            self._feed.id, (f"{ROOT}#",), _HubSink(self._feed, around), self._message, lambda payload, correlation: None, "", guests, None,
            settings.anonymous, relays=False,
        )  # fmt: skip
        station = station_of(around.shared, self._host, settings.port, around.identify)
        try:
            await station.open(tap, tls, settings.certificate)
        except OSError as error:
            raise TroubleAtSource(f"Nobody can listen on {self._host} port {settings.port}: {error.strerror}") from None
        try:
            around.notices.listens(station.address)
            around.notices.state("running")
            await self._tell(station)
        finally:
            station.close(tap)

    async def _tell(self, station: Station) -> None:
        """Tells subscribers what changes."""
        loop = asyncio.get_running_loop()
        looked, wanted = 0.0, dict[str, list[tuple[str, tuple[str, ...]]]]()
        try:
            async for piece in self._around.follow("sensorthings_changes", Changes(self._feed.tenant), FOREVER_S):
                if loop.time() - looked > REFRESH_S:
                    looked, wanted = loop.time(), _wanted(station.patterns(ROOT))
                self._around.notices.connections(station.connections)
                for told in msgspec.msgpack.decode(piece, type=list[Told]):
                    station.tell(told.topic, told.document)
                    for pattern, select in wanted.get(told.topic, ()):
                        station.tell(pattern, Change(told.topic, orjson.loads(told.document)).payload(select))
        except StoreUnavailable as error:
            raise TroubleAtSource(f"The hub does not tell what changes: {error.detail}") from None

    def _message(self, payload: bytes, about: dict[str, Any], content_type: str, is_again: bool) -> Message:
        return Message(payload, about, self._around.now(), "", is_again)


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises Forbidden when feeds may not listen on the address."""
    return Connector(feed, settings, around)


def _wanted(patterns: set[str]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Subscriptions that name a topic otherwise than the hub does, by the hub's name of it."""
    wanted: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for pattern in patterns:
        topic, select = _read(pattern)
        if topic and topic != pattern:
            wanted.setdefault(topic, []).append((pattern, select))
    return wanted


@lru_cache(maxsize=10_000)
def _read(pattern: str) -> tuple[str, tuple[str, ...]]:
    try:
        return read_topic(pattern)
    except CityHubError:  # it has wildcards, or names nothing
        return "", ()
