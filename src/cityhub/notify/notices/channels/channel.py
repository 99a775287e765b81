"""The protocol of a channel."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from cityhub.model.ports import Person


class Parcel(msgspec.Struct, frozen=True):
    """What a channel carries.

    Attributes:
        id: Of the message; the same at each attempt.
        address: Where it goes. Personal: never in logs.
        person: Id of whom it is for.
        name: Of that person.
        language: "zh" or "en".
        subject: One line.
        text: The whole, or the short form for telephones.
        urgent: Whether it is urgent.
        key: What it is about.
        why: Who asked for it.
        link: Where it leads to: an address, on the screen a path in the operations centre; "".
        at: When it was made, RFC 3339 UTC.
    """

    id: str
    address: str
    person: str
    name: str
    language: str
    subject: str
    text: str
    urgent: bool
    key: str
    why: str
    link: str
    at: str


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended.

    Attributes:
        end: "sent"; "failed": it surely did not leave; "unknown": nobody can say.
        reason: Why; "" for what was sent.
        again: Whether a later attempt may succeed.
        receipt: The other side's id of it.
        delivered: Whether it has reached the person's device already.
    """

    end: Literal["sent", "failed", "unknown"]
    reason: str = ""
    again: bool = False
    receipt: str = ""
    delivered: bool = False


class Channel(Protocol):
    """A way to reach people.

    Attributes:
        name: As policies and contacts name it.
        repeatable: Whether the same message may be sent again, because the other side knows it by its id.
    """

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def repeatable(self) -> bool:
        """Whether sending the same message again does no harm."""

    def address(self, person: Person) -> str:
        """Where it reaches a person; "": not at all."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Tries once, within a bounded time. Does not raise for faults of the other side."""
