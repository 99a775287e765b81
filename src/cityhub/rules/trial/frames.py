"""What the hub and the process of a trial say to each other: a length in four bytes, then MessagePack."""

from __future__ import annotations

import asyncio
from typing import IO, Any, Final

import msgspec

from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Signal

SCOPE: Final = "scope"
"""The name under which the history keeps scopes."""
MOST_BYTES: Final = 512 * 1024 * 1024


class Orders(msgspec.Struct, frozen=True):
    """What is to be tried.

    Attributes:
        rule: The rule.
        iris, prefixes: Of its @context, see `cityhub.model.jsonld.TermMap.definitions`.
        zone: The district's time zone.
        start, end: Which signals count, RFC 3339 UTC.
    """

    rule: Rule
    iris: dict[str, str | None]
    prefixes: list[str]
    zone: str
    start: str
    end: str


class Part(msgspec.Struct, frozen=True):
    """A piece of the past.

    Attributes:
        rows: An Arrow stream of observations in the order of time; empty: none.
        until: How far the time has come with it, RFC 3339 UTC.
        known: Entities with what has no time of observation, such as where they are and what they belong to, as it is now.
        learned: Entities that the rule follows links to, as JSON by id; None: there is none.
        is_last: Whether nothing comes after it.
    """

    rows: bytes
    until: str
    known: list[dict[str, Any]] = []
    learned: dict[str, dict[str, Any] | None] = {}
    is_last: bool = False


class Heard(msgspec.Struct, frozen=True):
    """What a piece gave.

    Attributes:
        signals: In their order.
        observations: How many it had.
        problems: Why evaluations failed.
        missing: Ids of entities that the rule follows links to.
    """

    signals: list[Signal]
    observations: int
    problems: list[str]
    missing: list[str]


_encode: Final = msgspec.msgpack.Encoder().encode


def frame_of(value: Any) -> bytes:
    """A value as a frame."""
    body = _encode(value)
    return len(body).to_bytes(4, "big") + body


def read_frame(stream: IO[bytes]) -> bytes:
    """The next frame's content. Raises EOFError."""
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    return stream.read(int.from_bytes(head, "big"))


async def receive_frame(stream: asyncio.StreamReader) -> bytes:
    """The next frame's content. Raises asyncio.IncompleteReadError, and ValueError for one that is too long."""
    size = int.from_bytes(await stream.readexactly(4), "big")
    if size > MOST_BYTES:
        raise ValueError(f"a frame of {size} bytes")
    return await stream.readexactly(size)
