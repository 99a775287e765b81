"""The hub's own MQTT broker: devices connect to the gateway itself, with an account or with their token of the device register.

Feeds that name the same address share one broker.

Source: OASIS MQTT 3.1.1 and 5.0.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cityhub.ingest.broker.station import Guest, Station, Tap, station_of
from cityhub.ingest.decoding import MEDIA_TYPES
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.doors import certificate_of
from cityhub.ingest.protocols.reach import door

NOTICE_S = 1.0
Topic = Annotated[str, Meta(min_length=1, max_length=1000)]


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An account that is no device of the register, such as that of a maker's platform.

    Attributes:
        username: Its name.
        password: "env:NAME" or "file:NAME".
        publish, subscribe: Filters of the topics that it may publish to and subscribe to.
    """

    username: Annotated[str, Meta(min_length=1, max_length=200)]
    password: str
    publish: list[Topic] = []
    subscribe: list[Topic] = []


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Messages that devices publish to the hub's own broker.

    Attributes:
        topics: Filters of the topics that this feed takes.
        port: Port to listen on (1883 by custom, 8883 with TLS); 0 takes one that is free, and the feed's status says which.
        listen: Address to listen on; other than loopback it must be among the setting `feed_doors`.
        certificate, key: Of the door, PEM, "file:PATH"; with them it speaks TLS. Beyond loopback they are needed.
        users: Accounts.
        devices: Whether devices of the register may connect: their name as user name, their token as password.
        device_publish, device_subscribe: Filters of the topics that a device may publish to and subscribe to; "{device}" is its name.
        anonymous: Whether clients without a user name may connect from this machine; they may publish to `topics`.
        command_topic: Where commands are published; "{device}" and "{command}" are filled in. A device's own address comes first.
        answer_topic: Filter of the topics on which devices answer: JSON with the command's "id", and "error" when it failed.
    """

    topics: Annotated[list[Topic], Meta(min_length=1, max_length=100)]
    port: Annotated[int, Meta(ge=0, le=65535)] = 1883
    listen: str = "127.0.0.1"
    certificate: str = ""
    key: str = ""
    users: Annotated[list[User], Meta(max_length=1000)] = []
    devices: bool = True
    device_publish: tuple[Topic, ...] = ("devices/{device}/#",)
    device_subscribe: tuple[Topic, ...] = ("devices/{device}/#",)
    anonymous: bool = False
    command_topic: str = "devices/{device}/commands"
    answer_topic: str = "devices/+/answers"

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("'certificate' and 'key' go together")
        if not self.certificate and not self.listen.startswith("127.") and self.listen != "::1":
            raise ValueError("passwords travel to this address: it needs 'certificate' and 'key'")


class Connector:
    """One feed of a broker."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._feed, self._settings, self._around = feed, settings, around
        self._host = door(around, settings.listen)
        self._answers: dict[str, asyncio.Future[CommandResult]] = {}
        self._station: Station | None = None

    async def run(self, sink: Sink) -> None:
        """Takes messages until it is cancelled. Raises TroubleAtSource when the port is taken."""
        settings, around = self._settings, self._around
        tls = certificate_of(around.secret(settings.certificate), around.secret(settings.key)) if settings.certificate else None
        guests = [Guest(user.username, around.secret(user.password), tuple(user.publish), tuple(user.subscribe)) for user in settings.users]
        tap = Tap(
            self._feed.id, tuple(settings.topics), sink, self._message, self._answered, settings.answer_topic, guests,
            (settings.device_publish, settings.device_subscribe) if settings.devices else None, settings.anonymous,
        )  # fmt: skip
        station = station_of(around.shared, self._host, settings.port, around.identify)
        try:
            await station.open(tap, tls, settings.certificate)
        except OSError as error:
            raise TroubleAtSource(f"Nobody can listen on {self._host} port {settings.port}: {error.strerror}") from None
        self._station = station
        try:
            around.notices.listens(station.address)
            around.notices.state("running")
            while True:
                around.notices.connections(station.connections)
                await asyncio.sleep(NOTICE_S)
        finally:
            self._station = None
            station.close(tap)

    async def command(self, command: Command) -> CommandResult:
        """Publishes a command; "acknowledged" when an answer came, "sent" when none is expected or came in time."""
        topic = str(command.address.get("topic") or self._settings.command_topic)
        topic = topic.replace("{device}", command.device.rpartition(":")[2]).replace("{command}", command.name)
        station = self._station
        if station is None:
            return CommandResult("failed", "The broker does not run")
        if not topic or "+" in topic or "#" in topic:
            return CommandResult("failed", "Where to is not known: right would be 'topic' in the device's address, or 'command_topic'")
        answer: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._answers[command.id] = answer
        body = msgspec.json.encode({"id": command.id, "name": command.name, "parameters": command.parameters})
        try:
            if not station.tell(topic, body, command.id.encode(), command.timeout_s):
                return CommandResult("failed", f"Nobody has subscribed to {topic}: the device is not connected")
            if not self._settings.answer_topic:
                return CommandResult("sent", f"Published to {topic}")
            async with asyncio.timeout(command.timeout_s):
                return await answer
        except TimeoutError:
            return CommandResult("sent", f"No answer within {command.timeout_s:.0f} s")
        finally:
            del self._answers[command.id]

    def _answered(self, payload: bytes, correlation: bytes | None) -> None:
        try:
            told: Any = msgspec.json.decode(payload)
        except ValueError:
            told = payload[:1000].decode("utf-8", "replace")
        id = told.get("id") if isinstance(told, dict) else None
        if id is None and correlation is not None:
            id = correlation.decode("utf-8", "replace")
        future = self._answers.get(str(id))
        if future is not None and not future.done():
            error = told.get("error") if isinstance(told, dict) else None
            future.set_result(CommandResult("failed", str(error), told) if error else CommandResult("acknowledged", "", told))

    def _message(self, payload: bytes, about: dict[str, Any], content_type: str, is_again: bool) -> Message:
        media_type = content_type.partition(";")[0].strip().lower()
        return Message(payload, about, self._around.now(), media_type if media_type in MEDIA_TYPES else "", is_again)


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises Forbidden when feeds may not listen on the address."""
    return Connector(feed, settings, around)
