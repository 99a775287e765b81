"""The gateway of a hub that has none: feeds can be written down, and none runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult, Described, FeedState, Trial
from cityhub.ingest.message import Command, Message, Settled
from cityhub.model.errors import StoreUnavailable

WHY = "This hub runs without the gateway, the process that runs feeds"


class NoGateway:
    """See `cityhub.ingest.gateway_port.Gateway`; everything that needs one raises StoreUnavailable."""

    async def arrange(self, feeds: Sequence[Feed]) -> None:
        """Takes note of nothing."""

    async def push(self, feed: str, message: Message, *, keep: bool = True) -> Settled:
        """Raises StoreUnavailable."""
        raise StoreUnavailable(WHY)

    async def trial(self, feed: Feed, message: Message) -> Trial:
        """Raises StoreUnavailable."""
        raise StoreUnavailable(WHY)

    async def command(self, feed: str, command: Command) -> CommandResult:
        """Raises StoreUnavailable."""
        raise StoreUnavailable(WHY)

    async def protocols(self) -> list[Described]:
        """None."""
        return []

    async def formats(self) -> list[Described]:
        """None."""
        return []

    def states(self) -> Mapping[str, FeedState]:
        """None."""
        return {}
