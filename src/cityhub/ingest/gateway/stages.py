"""The stages that a message goes through, as the pipeline knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Message
from cityhub.model.ports import EntityUpdate


class Mapping(Protocol):
    """From a record to what it says of entities."""

    def records(self, decoded: list[Any], message: Message) -> list[Any]:
        """The records in what was decoded. Raises ValueError with the reason."""

    def apply(self, record: Any, message: Message) -> list[EntityUpdate]:
        """The updates. Raises ValueError with the reason for a record that cannot be mapped."""


class Quality(Protocol):
    """What is not normal is flagged."""

    def flag(self, updates: list[EntityUpdate], received_at: str, redelivered: bool = False) -> list[EntityUpdate]:
        """The updates, those with something unusual in another version that says so."""

    def is_flagged(self, update: EntityUpdate) -> bool:
        """Whether a value of an update has a flag."""

    def score(self, thing: str = "") -> float:
        """How good a thing's data are, or those of all together: 0 to 1."""

    def scores(self, things: Sequence[str], most: int) -> list[tuple[str, float, int]]:
        """Id, score and number of values of these things, or of all that are remembered; the worst first."""

    def snapshot(self, traces: int | None = None) -> dict[str, Any]:
        """What it remembers: "score", and "things" by id, those that spoke last at the end; so many pasts of attributes at most."""

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Remembers a snapshot again. Raises ValueError when it is none."""


Decoding = Callable[..., list[Any]]
"""From a payload, and what is known beside it, to its records. Raises ValueError with the reason."""


class Stages(msgspec.Struct, frozen=True):
    """The stages of one feed.

    Attributes:
        decoding: The decoding of a format; "" is the feed's own. Raises BadRequestData for a format that is not known.
        mapping: The mapping.
        quality: The checks.
    """

    decoding: Callable[[str], Decoding]
    mapping: Mapping
    quality: Quality


Compile = Callable[[Feed, Callable[[str], str]], Stages]
"""Makes the stages of a feed; the second argument turns a short name into its IRI. Raises BadRequestData naming what is wrong."""
