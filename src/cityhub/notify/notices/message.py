"""A message: what one person is told on one channel, and how far it has come.

    queued -> sending -> sent -> delivered -> read
                      -> failed -> sending ...            a passing fault: again, later and later
                      -> dead                             given up, or no way to reach the person; a person may replay it
                      -> doubtful                         nobody knows whether it left; never sent again by itself
    queued -> gathered                                    above a quota: its words go into a digest
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

import msgspec

NOTICES: Final = "notice"
"""The collection of what people are to be told, in the tenant of who asked for it."""
MESSAGES: Final = "message"
"""The collection of messages, in the default tenant."""
TOLD: Final = "notice_told"
"""The collection of which notices have become messages, in the default tenant."""

State = Literal["queued", "sending", "sent", "delivered", "read", "failed", "dead", "doubtful", "gathered"]
STATES: Final[tuple[State, ...]] = ("queued", "sending", "sent", "delivered", "read", "failed", "dead", "doubtful", "gathered")
OPEN: Final[tuple[State, ...]] = ("queued", "failed")
"""What is still to be sent."""
ARRIVED: Final[tuple[State, ...]] = ("sent", "delivered", "read")
UNDER_WAY: Final[tuple[State, ...]] = ("queued", "sending", "failed", "doubtful")
"""What is never dropped from the ledger."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A message.

    Attributes:
        id: 32 hex digits that follow from whom it is for, about what, and on which channel.
        key: Of the notice.
        why: Id of the rule, case or person that asked for it.
        person: Id of whom it is for; "" when nobody was there to hear of it.
        channel: Its name; "" when nobody was there to hear of it.
        template: Id of the template, and `template_version`.
        language: "zh" or "en".
        subject: One line.
        text: The whole.
        created_at: RFC 3339 UTC, as all times here.
        due_at: Not before this is it sent.
        tenant: Of the notice.
        link: Path in the operations centre.
        urgent: Whether it goes before others, in quiet hours and above quotas.
        state: How far it has come.
        attempts: How often it was tried.
        detail: Why it is where it is.
        to: Where it went, masked.
        receipt: The gateway's own id of it.
        gathers: Ids of the messages whose words a digest has.
        gathered_in: Id of the digest that has its words.
        instead_of: Id of the message that did not surely arrive.
    """

    id: str
    key: str
    why: str
    person: str
    channel: str
    template: str
    language: str
    subject: str
    text: str
    created_at: str
    due_at: str
    template_version: int = 0
    tenant: str = ""
    link: str = ""
    urgent: bool = False
    state: State = "queued"
    attempts: int = 0
    detail: str = ""
    to: str = ""
    receipt: str = ""
    sent_at: str = ""
    delivered_at: str = ""
    read_at: str = ""
    gathers: list[str] = []
    gathered_in: str = ""
    instead_of: str = ""


def told_id(tenant: str, key: str) -> str:
    """The id of the record that says that a notice has become messages."""
    return f"{tenant}\n{key}"


def message_id(tenant: str, key: str, person: str, channel: str) -> str:
    """The id of the message to a person on a channel about a key: the same whenever it is worked out again."""
    return sha256("\n".join((tenant, key, person, channel)).encode()).hexdigest()[:32]
