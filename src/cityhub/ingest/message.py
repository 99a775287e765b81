"""The words between a protocol and the pipeline behind it: what came, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from cityhub.model.errors import StoreUnavailable

MAX_BODY: Final = 16 * 1024 * 1024
"""Largest payload of one message in bytes; what is larger comes as a file."""


PICKED: Final = "cityhub:picked"
"""A member of `Message.about` of a dead letter, and of the message that tries it again: it is one record, picked out of what was decoded
already, so that neither the decoder nor the feed's 'records' is asked again."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One payload as it came.

    Attributes:
        body: Its bytes.
        about: What is known beside it and may be used in mappings: "topic" (list of its levels), "path", "headers", "remote", "device", ...
        received_at: When it came, RFC 3339 UTC.
        format: Its format where the message itself says it ("application/cbor"); "" is the feed's.
        redelivered: Whether the sender may have sent it before.
        records: What a protocol without payloads (SQL, Modbus, OPC UA, SNMP) read, decoded already; `body` is then empty.
        bookmark: Where reading goes on after it; kept in the very transaction that keeps its data. None: nothing to keep.
    """

    body: bytes
    about: dict[str, Any] = {}
    received_at: str = ""
    format: str = ""
    redelivered: bool = False
    records: list[dict[str, Any]] | None = None
    bookmark: dict[str, Any] | None = None


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """What became of a message; everything in it is durable now.

    Attributes:
        written: Updates that are the current state now.
        late: Updates older than the current state; they are in the history.
        same: Updates that were there already.
        refused: Reasons of the records that could not be taken; each is a dead letter.
        flagged: Updates with at least one quality flag.
    """

    written: int = 0
    late: int = 0
    same: int = 0
    refused: list[str] = []
    flagged: int = 0


class Sink(Protocol):
    """Where a protocol puts its messages. It is bounded: a protocol that is not let in must not read on from its source."""

    async def put(self, message: Message) -> Settled:
        """Takes a message and returns when it is durable. Waits while there is no room. Raises StoreUnavailable when the hub is away."""

    def offer(self, message: Message, settled: Callable[[Settled | Exception], None]) -> bool:
        """Takes a message without waiting, or returns False when there is no room; `room` then tells when there is.

        `settled` is called in the event loop when the message is durable, in the order of the offers, or with the reason why it was not.
        """

    async def room(self) -> None:
        """Returns when there is room for a message."""


State = Literal["connecting", "running", "waiting", "stopped"]


class Notices(Protocol):
    """What a protocol tells of its own state."""

    def state(self, state: State, detail: str = "") -> None:
        """Says how it stands; `detail` says why in words for the operator, or "" when all is well."""

    def connections(self, count: int) -> None:
        """Says how many peers are connected."""

    def settled(self, outcome: Settled | Exception) -> None:
        """Counts what became of a message that did not go through the feed's sink."""

    def listens(self, address: str) -> None:
        """Says where it listens, "host:port"; "" when it does not any more."""


class Command(msgspec.Struct, frozen=True, array_like=True):
    """An order to a device.

    Attributes:
        id: Of the command.
        device: Id of the device.
        name: What it is to do, a name of its own protocol.
        parameters: JSON values.
        address: How the device is reached: what the register knows ("topic", "url", ...).
        timeout_s: How long it may take to answer.
    """

    id: str
    device: str
    name: str
    parameters: Any = None
    address: dict[str, Any] = {}
    timeout_s: float = 30.0


class Connector(Protocol):
    """One running feed. A module of `cityhub.ingest.protocols` has a class of it."""

    async def run(self, sink: Sink) -> None:
        """Brings messages until it is cancelled.

        Raises TroubleAtSource for what may pass; it is then started again after a growing pause, and the screen says why.
        Any other error stops the feed until somebody changes it.
        """


class TroubleAtSource(Exception):
    """The source cannot be had now: not reachable, refused, ended. The message is for the operator."""


class Bookmarks(Protocol):
    """Where the feed was read up to, as kept with its data."""

    async def last(self) -> dict[str, Any] | None:
        """The bookmark of the last message that is durable; None for a feed that begins."""


class SharedPart(Protocol):
    """What feeds of one gateway share."""

    async def stop(self) -> None:
        """Ends it."""


async def _nobody(name: str, token: str) -> str:
    return ""


async def _unasked(name: str, question: Any) -> bytes:
    raise StoreUnavailable("There is no hub to ask here")


def _unheard(name: str, question: Any, timeout_s: float) -> AsyncIterator[bytes]:
    raise StoreUnavailable("There is no hub to follow here")


class Surroundings(msgspec.Struct, frozen=True):
    """What a connector is given beside its feed's definition.

    Attributes:
        notices: Where it tells how it stands.
        bookmarks: Where it left off.
        secret: The secret behind "env:NAME" or "file:PATH"; any other text is returned as it is. Raises BadRequestData when it is
            not there.
        allow: The addresses that may be used for (host, port). Raises Forbidden with the reason when policy allows none.
        now: The time, RFC 3339 UTC.
        folders: Folders of this machine whose files a feed may read.
        doors: Addresses of this machine on which a feed may listen besides loopback ("0.0.0.0", "::", "10.1.2.3").
        shared: What feeds of one gateway share, such as a listener, by a name that says whose it is.
        ask: Asks the hub over the wire: name of a handler, its question. Raises CityHubError as the handler does.
        follow: A stream of answers of the hub; the last argument is for how long at most, in seconds.
        identify: The id of the device of the register that has a name and a token; "" when there is none. Raises StoreUnavailable.
    """

    notices: Notices
    bookmarks: Bookmarks
    secret: Callable[[str], str]
    allow: Callable[[str, int], list[str]]
    now: Callable[[], str]
    folders: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    shared: dict[str, SharedPart] = {}
    identify: Callable[[str, str], Awaitable[str]] = _nobody
    ask: Callable[[str, Any], Awaitable[bytes]] = _unasked
    follow: Callable[[str, Any, float], AsyncIterator[bytes]] = _unheard
