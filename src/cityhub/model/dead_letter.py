"""A dead letter as it is kept: a small record to list it by, and its body in a record of its own.

Who lists a hundred thousand letters reads no bodies. The id begins with the time of arrival, so that the order of ids is that of
time.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from cityhub.model.ports import DEAD_LETTERS, DeadLetter, Document, Write

DEAD_LETTER_BODIES: Final = "dead_letter_body"
"""The collection of the bodies of dead letters; the id is that of the letter."""
MOST_BODY: Final = 64 * 1024
"""So many bytes of a body are kept; of a longer one the beginning, and the letter says so."""
MOST_REASON: Final = 1000
MOST_ABOUT: Final = 50
"""So many members of what is known beside a letter are kept, texts up to so many characters as `MOST_REASON`."""


def letter_id(letter: DeadLetter, place: int = 0) -> str:
    """The id of a letter: the same letter has the same id, so that one that is delivered again is there once.

    Args:
        letter: The letter.
        place: Its number among those of the same transaction with the same content, from 0.
    """
    digest = blake2b(digest_size=10)
    for part in (letter.feed, letter.stage, letter.reason, str(place)):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    digest.update(letter.body)
    return f"{letter.received_at}-{digest.hexdigest()}"


def letter_writes(letter: DeadLetter, place: int = 0) -> list[Write]:
    """What keeps a letter; nothing when it is kept already."""
    id = letter_id(letter, place)
    return [Write(id, _made(_header(id, letter)), DEAD_LETTERS), Write(id, _made(_body(id, letter.body)), DEAD_LETTER_BODIES)]


def letter_removal(id: str) -> list[Write]:
    """What takes a letter away; nothing when it is not there."""
    return [Write(id, _gone, collection) for collection in (DEAD_LETTERS, DEAD_LETTER_BODIES)]


def body_of(document: Document) -> bytes:
    """The bytes of a body as it is kept."""
    return base64.b64decode(document["body"])


def body_document(id: str, body: bytes) -> Document:
    """A body as it is kept, up to `MOST_BODY` bytes of it."""
    return _body(id, body)


def _header(id: str, letter: DeadLetter) -> Document:
    about = {name[:100]: _short(value) for name, value in list(letter.about.items())[:MOST_ABOUT]}
    header: Document = {
        "id": id, "feed": letter.feed, "stage": letter.stage, "reason": letter.reason[:MOST_REASON], "format": letter.format,
        "about": about, "receivedAt": letter.received_at, "version": letter.version, "size": len(letter.body), "attempts": 0,
    }  # fmt: skip
    return header


def _body(id: str, body: bytes) -> Document:
    return {"id": id, "body": base64.b64encode(body[:MOST_BODY]).decode()}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MOST_REASON]
    if isinstance(value, dict):
        return {str(name)[:100]: _short(one) for name, one in list(value.items())[:MOST_ABOUT]}
    return [_short(one) for one in value[:MOST_ABOUT]] if isinstance(value, list) else value


def _made(document: Document) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    return lambda current, at: (document if current is None else current, current is None)


def _gone(current: Document | None, at: str) -> tuple[Document | None, Any]:
    return None, current is not None
