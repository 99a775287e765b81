"""What the broker asks of its surroundings: who may connect, and who takes what is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from cityhub.ingest.broker.topics import matches


class Account(msgspec.Struct, frozen=True):
    """Who is connected, and what it may do.

    Attributes:
        id: Of the device or account.
        publish, subscribe: Topic filters; a topic (or a filter) that none of them covers is refused.
    """

    id: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()

    def may_publish(self, topic: str) -> bool:
        """Whether it may publish to a topic."""
        return any(matches(filter, topic) for filter in self.publish)

    def may_subscribe(self, filter: str) -> bool:
        """Whether everything that a filter matches is covered by one of its own.

        >>> Account("a", subscribe=("a/#",)).may_subscribe("a/+/b"), Account("a", subscribe=("a/+",)).may_subscribe("a/#")
        (True, False)
        """
        return any(_covers(own, filter) for own in self.subscribe)


class Publication(msgspec.Struct):
    """A message on its way from who published it to who gets it.

    Attributes:
        topic, payload, qos, retain: As published.
        client: Id of the client that published it.
        account: On whose behalf.
        duplicate: Whether the client may have sent it before.
        expires: Moment of the loop's clock after which nobody gets it any more; None: never.
        payload_format, content_type, response_topic, correlation, properties: What version 5 passes on as it is.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    client: str = ""
    account: Account = Account("")
    duplicate: bool = False
    expires: float | None = None
    payload_format: int = 0
    content_type: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    properties: list[tuple[str, str]] = []


class Door(Protocol):
    """The broker's surroundings."""

    async def admit(self, client_id: str, username: str, password: bytes, remote: str) -> Account | None:
        """The account behind the credentials; None when they are wrong. Raises StoreUnavailable when that cannot be found out now."""

    def take(self, publication: Publication, settled: Callable[[bool], None]) -> bool:
        """Takes a publication for whoever wants to keep it, or returns False when there is no room; `room` then tells when there is.

        `settled` is called in the event loop: True when everything is durable, at once when nobody keeps it; False when it could not be
        kept now and must be sent again.
        """

    def relays(self, topic: str) -> bool:
        """Whether clients that subscribed get what others publish to a topic, as it is. False where the hub itself tells them."""

    async def room(self) -> None:
        """Returns when there is room again."""


def _covers(own: str, filter: str) -> bool:
    if filter.startswith("$share/"):
        filter = filter.split("/", 2)[2]
    mine, asked = own.split("/"), filter.split("/")
    for place, level in enumerate(mine):
        if level == "#":
            return not (place == 0 and asked[0].startswith("$"))
        if place >= len(asked) or asked[place] == "#":
            return False
        if level != asked[place] and not (level == "+" and not (place == 0 and asked[0].startswith("$"))):
            return False
    return len(mine) == len(asked)
