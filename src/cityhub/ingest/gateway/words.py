"""What hub and gateway say to each other over the wire (`cityhub.web.wire`); the hub answers, the gateway asks.

    take      a `Batch` for the context; the answer is an `Outcome`, after the journal has it
    orders    a stream of orders, the first of which says which feeds run
    answer    what became of an order that is a job: an `Answer`
    report    how each feed stands: feed id -> `FeedState`
    bookmark  how far a feed was read: a `BookmarkQuestion`, answered by the bookmark or null
    identify  which device has a name and a token: a `Claim`, answered by its id or ""
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Command, Message
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import DeadLetter, EntityUpdate
from cityhub.web.wire import Problem

SOCKET: Final = "gateway.sock"
"""The name of the socket's file; the hub listens there."""
WRITTEN, LATE, SAME, REFUSED = b"wlsx"
"""What became of an update, one byte each."""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What is taken in one transaction.

    Attributes:
        tenant: Of all of it.
        updates: Of each part of a message a list.
        letters: What could not be taken.
        bookmarks: Feed and bookmark.
        redelivered: Whether some of it may have been taken before.
        trace: Trace id.
    """

    tenant: str
    updates: list[list[EntityUpdate]] = []
    letters: list[DeadLetter] = []
    bookmarks: list[tuple[str, dict[str, Any]]] = []
    redelivered: bool = False
    trace: str = ""


class EncodedBatch(msgspec.Struct, frozen=True, array_like=True):
    """A `Batch` whose updates are encoded already: how the gateway writes one."""

    tenant: str
    updates: list[msgspec.Raw] = []
    letters: list[DeadLetter] = []
    bookmarks: list[tuple[str, dict[str, Any]]] = []
    redelivered: bool = False
    trace: str = ""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a batch.

    Attributes:
        marks: One byte for each update, in order.
        reasons: Why an update was refused, by its place.
    """

    marks: bytes
    reasons: dict[int, str] = {}


class FeedOrder(msgspec.Struct, frozen=True, array_like=True):
    """A feed that runs, and the terms of its @context: IRIs of terms, and the terms that are prefixes."""

    feed: Feed
    iris: dict[str, str | None] = {}
    prefixes: list[str] = []

    def terms(self) -> TermMap:
        """The term map."""
        return TermMap({}, self.iris, set(self.prefixes))


class Arrange(msgspec.Struct, frozen=True, tag="arrange"):
    """The feeds that run from now on; all others do not."""

    feeds: list[FeedOrder]


class Push(msgspec.Struct, frozen=True, tag="push"):
    """A message of a feed that came to the hub itself. `keep`: whether what cannot be taken becomes a dead letter."""

    job: int
    feed: str
    message: Message
    keep: bool = True


class Try(msgspec.Struct, frozen=True, tag="try"):
    """What would a message become under this definition?"""

    job: int
    order: FeedOrder
    message: Message


class Describe(msgspec.Struct, frozen=True, tag="describe"):
    """Which protocols or formats are there?"""

    job: int
    what: Literal["protocols", "formats"]


class Rate(msgspec.Struct, frozen=True, tag="rate"):
    """How good are the data of these things, or of all that the feed remembers? The `most` worst."""

    job: int
    feed: str
    things: list[str]
    most: int


class Instruct(msgspec.Struct, frozen=True, tag="instruct"):
    """A command for a device."""

    job: int
    feed: str
    command: Command


Job = Push | Try | Describe | Rate | Instruct
Order = Arrange | Push | Try | Describe | Rate | Instruct


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a job: its result (msgpack), or why there is none."""

    job: int
    result: bytes = b""
    problem: Problem | None = None


class Tried(msgspec.Struct, frozen=True, array_like=True):
    """The answer to `Try`: records, updates, and for what went wrong (place of the record, stage, reason)."""

    records: list[Any] = []
    updates: list[EntityUpdate] = []
    problems: list[tuple[int, str, str]] = []


class BookmarkQuestion(msgspec.Struct, frozen=True, array_like=True):
    """Where a feed was read up to."""

    tenant: str
    feed: str


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """A device that says who it is."""

    name: str
    token: str
