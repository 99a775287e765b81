"""What of a message could not be taken, and the dead letters that become of it."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import orjson

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.outlet import MOST_REASONS
from cityhub.ingest.message import PICKED, Message
from cityhub.model.ports import DeadLetter

MOST_LETTERS: Final = 100
"""Of one message so many records at most become dead letters of their own; when more are wrong, the message as a whole is one."""
Stage = Literal["decode", "map", "take"]


class Wrong:
    """The faults found in one message.

    Attributes:
        keep: Whether they become dead letters.
        reasons: Why, for the sender.

    Args:
        feed: The feed.
        message: The message.
    """

    __slots__ = ("_feed", "_found", "_message", "keep", "reasons")

    def __init__(self, feed: Feed, message: Message, keep: bool) -> None:
        self._feed = feed
        self._message = message
        self._found: list[tuple[int, Any, Stage, str]] = []
        self.keep = keep
        self.reasons: list[str] = []

    def whole(self, stage: Stage, reason: str) -> None:
        """The message as a whole is wrong."""
        self.record(-1, None, stage, reason)

    def record(self, place: int, record: Any, stage: Stage, reason: str) -> None:
        """One record of it is wrong."""
        reason = reason.replace("\0", "\ufffd")  # a database server keeps no such character
        self._found.append((place, record, stage, reason))
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(reason if place < 0 else f"Record {place}: {reason}")

    def letters(self) -> list[DeadLetter]:
        """The dead letters: one for each record, or one for the whole message."""
        found = self._found
        if not found or not self.keep:
            return []
        if len(found) > MOST_LETTERS:
            _, _, stage, reason = found[0]
            return [self._whole(stage, f"{len(found)} records are wrong; the first: {reason}")]
        return [self._whole(stage, reason) if place < 0 else self._one(record, stage, reason) for place, record, stage, reason in found]

    def _whole(self, stage: Stage, reason: str) -> DeadLetter:
        message = self._message
        body, form = message.body, message.format or self._feed.format
        if message.records is not None:
            body, form = as_json(message.records), "json"
        return DeadLetter(self._feed.id, reason, stage, body, form, told(message.about), message.received_at, self._feed.version)

    def _one(self, record: Any, stage: Stage, reason: str) -> DeadLetter:
        about = {**told(self._message.about), PICKED: True}
        return DeadLetter(self._feed.id, reason, stage, as_json(record), "json", about, self._message.received_at, self._feed.version)


class Refused:
    """Makes the letters of messages of which the hub refuses updates.

    Args:
        feed: The feed.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def letter(self, message: Message, entities: list[str], reason: str) -> DeadLetter:
        """The letter: the whole message, as what was taken of it already does no harm when it comes again."""
        body, form = message.body, message.format or self._feed.format
        if message.records is not None:
            body, form = as_json(message.records), "json"
        about = {**told(message.about), "entities": entities}
        return DeadLetter(self._feed.id, reason, "take", body, form, about, message.received_at, self._feed.version)


def as_json(record: Any) -> bytes:
    """A record as JSON; what JSON does not know as text."""
    try:
        return orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(repr(record)[:10_000])


def told(about: dict[str, Any]) -> dict[str, Any]:
    """What is known beside a message, as plain JSON values."""
    plain: dict[str, Any] = msgspec.json.decode(as_json(about))
    return plain
