"""The port between the hub's register of feeds and the process that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Command, Message, Settled

Stage = Literal["decode", "map", "check", "take"]


class FeedState(msgspec.Struct, frozen=True, omit_defaults=False, rename="camel"):
    """How a feed stands and what it has brought since it was started.

    Attributes:
        state: "connecting", "running", "waiting" (it will be tried again), "stopped" (somebody must change it, or it is not enabled).
        detail: Why, in words for the operator; "" when all is well.
        since: Since when it is in that state, RFC 3339 UTC; "" when nobody knows.
        received: Messages.
        written, late, same, flagged: Updates; see `cityhub.ingest.message.Settled`.
        refused: Messages or records that became dead letters.
        per_second: Messages per second, over the last ten seconds or so.
        last_at: When the last message came, RFC 3339 UTC; "" when none has.
        connections: Peers that are connected.
        address: Where it listens, "host:port"; "" when it does not.
        score: Quality of what it brings, 0 to 1; None when there is nothing to judge.
    """

    state: Literal["connecting", "running", "waiting", "stopped"] = "stopped"
    detail: str = ""
    since: str = ""
    received: int = 0
    written: int = 0
    late: int = 0
    same: int = 0
    refused: int = 0
    flagged: int = 0
    per_second: float = 0.0
    last_at: str = ""
    connections: int = 0
    score: float | None = None
    address: str = ""


class Problem(msgspec.Struct, frozen=True):
    """What went wrong with one record of a trial. `record` is its place, from 0; -1: the message as a whole."""

    record: int
    stage: Stage
    reason: str


class Trial(msgspec.Struct, frozen=True):
    """What a sample would become; nothing of it is kept.

    Attributes:
        records: As decoded.
        entities: Concise NGSI-LD with the names of the feed's @context.
        problems: In the order of the records.
    """

    records: list[Any] = []
    entities: list[dict[str, Any]] = []
    problems: list[Problem] = []


class Described(msgspec.Struct, frozen=True):
    """A protocol or a format as the screen shows it.

    Attributes:
        name: As it stands in a feed ("mqtt", "csv").
        summary: What it is, one line.
        schema: JSON Schema of its settings: `source` of a protocol, `decoder` of a format; {} when it has none.
        title: What it is called, by language ("zh", "en"); {} where the name is all.
    """

    name: str
    summary: str = ""
    schema: dict[str, Any] = {}
    title: dict[str, str] = {}


class Score(msgspec.Struct, frozen=True, array_like=True):
    """How good the data of one thing are.

    Attributes:
        thing: Id of the entity.
        score: Share of its values without a flag, 0 to 1, the latest 100 counting most.
        values: How many values that is of.
    """

    thing: str
    score: float
    values: int


class CommandResult(msgspec.Struct, frozen=True):
    """What became of a command on its way down.

    Attributes:
        state: "sent": it went out and no answer is expected here; "acknowledged": the device answered; "failed": it cannot be sent, or
            the device said no.
        detail: Why, or what the device answered.
        value: The device's answer as JSON; None: none.
    """

    state: Literal["sent", "acknowledged", "failed"]
    detail: str = ""
    value: Any = None


class Gateway(Protocol):
    """The process that runs the feeds, as seen from the hub."""

    async def arrange(self, feeds: Sequence[Feed]) -> None:
        """Says which feeds there are now; called at the start and after each change. Those that are enabled run, all others do not.

        A feed whose version is as before goes on undisturbed; one with another version is started anew with it. Never raises: a
        gateway that is away hears of them when it is back.
        """

    async def push(self, feed: str, message: Message, *, keep: bool = True) -> Settled:
        """Takes one message of a feed, whatever its protocol, as if it had come by it, and returns when all of it is durable.

        `keep`: Whether what cannot be taken becomes dead letters; False for a dead letter that is tried again.
        Raises TooBusy when there is no room, StoreUnavailable when gateway or store are away, Conflict when the feed does not run,
        NotFound when there is no such feed.
        """

    async def trial(self, feed: Feed, message: Message) -> Trial:
        """What a message would become under a definition, which need not be one of the register.

        Raises BadRequestData for a definition that cannot be used, naming the member; StoreUnavailable when the gateway is away.
        """

    async def command(self, feed: str, command: Command) -> CommandResult:
        """Sends a command down by the protocol of a feed. Returns within its `timeout_s`; "sent" when no answer came until then.

        Raises StoreUnavailable when the gateway is away, so that the command was not sent.
        """

    async def protocols(self) -> list[Described]:
        """The protocols that a feed may name. Raises StoreUnavailable when the gateway is away."""

    async def formats(self) -> list[Described]:
        """The formats that a feed may name. Raises StoreUnavailable when the gateway is away."""

    async def scores(self, feed: str, things: Sequence[str], most: int) -> list[Score]:
        """How good the data of these things of a feed are, or of all that it remembers (no things): at most so many, the worst first.

        A thing that is not remembered is left out. Raises StoreUnavailable when the gateway is away, Conflict when the feed does not run.
        """

    def states(self) -> Mapping[str, FeedState]:
        """The last report of each feed that the gateway knows, by id. Quick, as it is asked again and again."""
