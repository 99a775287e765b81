"""The hub's side of SensorThings over MQTT: what the gateway asks of it over the wire.

    sensorthings_publish   a `Published`; answered when it is durable, or is a dead letter
    sensorthings_changes   a stream of `[Told, ...]`: what changes from now on in a tenant
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from cityhub.ingest.sensorthings.topics import MqttDoor
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import DeadLetter, Intake, Journal

BLOCK: Final = 500
"""Changes that are looked at at a time."""


class Published(msgspec.Struct, frozen=True, array_like=True):
    """What a client published: to which topic of which feed, and when it came (RFC 3339 UTC)."""

    feed: str
    tenant: str
    topic: str
    payload: bytes
    received_at: str


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What is told to a topic, in the form of `cityhub.ingest.sensorthings.topics.read_topic`: a JSON object."""

    topic: str
    document: bytes


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """Asks for what changes in a tenant."""

    tenant: str


class GatewayAnswers:
    """Answers the gateway.

    Args:
        door: What a message makes, and which topics a change is told to.
        intake: Takes what nothing can be made of as dead letters.
        journal: Has the changes.
    """

    def __init__(self, door: MqttDoor, intake: Intake, journal: Journal) -> None:
        self._door = door
        self._intake = intake
        self._journal = journal
        self._encode = msgspec.msgpack.Encoder().encode

    def handlers(self) -> dict[str, Callable[[bytes], Awaitable[bytes] | AsyncIterator[bytes]]]:
        """By name, for the wire."""
        return {"sensorthings_publish": self._publish, "sensorthings_changes": self._changes}

    async def _publish(self, body: bytes) -> bytes:
        published = msgspec.msgpack.decode(body, type=Published)
        try:
            return (await self._door.on_publish(published.topic, published.payload, published.tenant)).encode()
        except StoreUnavailable:
            raise
        except CityHubError as error:
            letter = DeadLetter(
                published.feed, error.detail, "map", published.payload, "json", {"topic": published.topic.split("/")}, published.received_at
            )
            await self._intake.take(published.tenant, [], [letter])
            raise

    async def _changes(self, body: bytes) -> AsyncIterator[bytes]:
        tenant = msgspec.msgpack.decode(body, type=Changes).tenant
        position = self._journal.last()
        while True:
            await self._journal.wait(position)
            changes = await self._journal.read(position, BLOCK)
            if not changes:
                continue
            position = changes[-1].position
            messages = [message for change in changes if change.tenant == tenant for message in self._door.topics_of(change)]
            if messages:
                yield self._encode([Told(message.topic, message.payload()) for message in messages])
