"""The ledger of messages: what was sent to whom and why. The store has it whole; what is needed to find and to send is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from cityhub.model.errors import CityHubError, NotFound
from cityhub.model.ports import Document, Notice, Store, Write
from cityhub.notify.notices.message import ARRIVED, MESSAGES, NOTICES, OPEN, TOLD, UNDER_WAY, Message, State, told_id

DROP_AT_ONCE: Final = 500


class Line(msgspec.Struct):
    """What is known of a message without asking the store."""

    tenant: str
    key: str
    why: str
    person: str
    channel: str
    state: State
    created_at: str
    due_at: str
    urgent: bool
    sent_at: str
    read_at: str

    def is_unread(self) -> bool:
        """Whether it stands on the screen of its person and was not read."""
        return self.channel == "screen" and not self.read_at and self.state in ARRIVED


Found = tuple[list[str], int]
Change = Callable[[Message, str], Message | None]
"""A message and the present time to the message that it becomes; None: it stays as it is."""


class Ledger:
    """All messages.

    Args:
        store: Where they are kept.
        keep: So many messages that have ended are kept; then the oldest go.
        changed: Hears of every message that was written.
    """

    def __init__(self, store: Store, keep: int, changed: Callable[[str, Line], None]) -> None:
        self._store = store
        self._keep = keep
        self._changed = changed
        self._lines: dict[str, Line] = {}
        self._of_person: dict[str, dict[str, None]] = {}
        self._of_key: dict[str, dict[str, None]] = {}
        self._of_receipt: dict[tuple[str, str], str] = {}
        self._read: set[str] = set()

    async def load(self) -> None:
        """Reads what is kept."""
        for _, document in await self._store.records("", MESSAGES):
            self._take(_message(document))

    # -- Reading -------------------------------------------------------------------------------------------------

    def line(self, id: str) -> Line | None:
        """What is known of a message; None: there is none."""
        return self._lines.get(id)

    def lines(self) -> Iterable[tuple[str, Line]]:
        """All, the oldest first."""
        return self._lines.items()

    def find(self, matches: Callable[[Line], bool], limit: int, offset: int, *, person: str | None = None, key: str | None = None) -> Found:
        """Ids of those that match, the newest first, and how many match; only those of a person or a key if one is named."""
        if key is not None:
            ids: Iterable[str] = reversed(self._of_key.get(key, {}))
        else:
            ids = reversed(self._lines if person is None else self._of_person.get(person, {}))
        found = [id for id in ids if matches(self._lines[id])]
        return found[offset : offset + limit], len(found)

    def of_receipt(self, channel: str, receipt: str) -> str | None:
        """Id of the message of a channel that a receipt names, by the gateway's id or by the hub's; None: there is none."""
        if (line := self._lines.get(receipt)) is not None and line.channel == channel:
            return receipt
        return self._of_receipt.get((channel, receipt))

    def of_key(self, key: str) -> list[str]:
        """Ids of the messages about a key, the oldest first."""
        return list(self._of_key.get(key, ()))

    def unread(self, person: str) -> list[str]:
        """Ids of what stands on a person's screen and was not read: the urgent first, then the newest."""
        ids = [id for id in reversed(self._of_person.get(person, {})) if self._lines[id].is_unread()]
        return sorted(ids, key=lambda id: not self._lines[id].urgent)

    def is_read(self, key: str) -> bool:
        """Whether one of those who were told of a key has said that they have seen it."""
        return key in self._read

    def channels_of(self, key: str, person: str) -> frozenset[str]:
        """The channels on which a person is told of a key."""
        return frozenset(line.channel for id in self._of_key.get(key, ()) if (line := self._lines[id]).person == person)

    async def read(self, id: str) -> Message:
        """A message. Raises NotFound."""
        document = await self._store.fetch("", id, MESSAGES) if id in self._lines else None
        if document is None:
            raise NotFound(f"There is no message '{id[:100]}'")
        return _message(document)

    async def notice(self, tenant: str, key: str) -> Notice | None:
        """What was asked for under a key; None when it is not known any more."""
        document = await self._store.fetch(tenant, key, NOTICES)
        return notice_of(document) if document is not None else None

    # -- Writing -------------------------------------------------------------------------------------------------

    async def expand(self, tenant: str, key: str, messages: list[Message], trace: str = "") -> bool:
        """Writes the messages of a notice and marks it as told, in one transaction; False when it was told already."""
        first = _First(tenant, key)
        marks = Write(told_id(tenant, key), first.mark, TOLD)
        results = await self._store.write("", [marks, *(Write(one.id, first.write(one), MESSAGES) for one in messages)], trace)
        self._took(results)
        return first.is_first

    async def change(self, id: str, change: Change, also: Iterable[Message] = (), trace: str = "") -> Message:
        """Takes a message a step on and adds others with it, in one transaction; the message as it is then.

        Others are added only when the message changed and only when they are not known. Raises NotFound, and what `change` raises.
        """
        step = _Step(change)
        writes = [Write(id, step.take, MESSAGES), *(Write(one.id, step.add(one), MESSAGES) for one in also)]
        results = await self._store.write("", writes, trace)
        if isinstance(results[0], CityHubError):
            raise results[0]
        self._took(results)
        return _message(results[0])

    async def write_all(self, writes: list[Write]) -> list[Message]:
        """Writes of messages in one transaction; the messages as they are then. Raises the first refusal."""
        results = await self._store.write("", writes)
        for result in results:
            if isinstance(result, CityHubError):
                raise result
        self._took(results)
        return [_message(result) for result in results if isinstance(result, dict)]

    async def drop_surplus(self) -> int:
        """Drops the oldest messages that have ended when more than `keep` are kept; how many."""
        surplus = len(self._lines) - self._keep
        if surplus <= 0:
            return 0
        ended = (id for id, line in self._lines.items() if line.state not in UNDER_WAY and not line.is_unread())
        ids = [id for id, _ in zip(ended, range(min(surplus, DROP_AT_ONCE)), strict=False)]
        await self._store.write("", [Write(id, _gone, MESSAGES) for id in ids])
        for id in ids:
            await self._forget(id)
        return len(ids)

    async def _forget(self, id: str) -> None:
        line = self._lines.pop(id)
        self._of_person[line.person].pop(id, None)
        self._of_receipt = {key: one for key, one in self._of_receipt.items() if one != id} if line.channel == "sms" else self._of_receipt
        others = self._of_key[line.key]
        others.pop(id, None)
        if not others:
            del self._of_key[line.key]
            self._read.discard(line.key)
            await self._store.write("", [Write(told_id(line.tenant, line.key), _gone, TOLD)])
            await self._store.write(line.tenant, [Write(line.key, _gone, NOTICES)])

    def _took(self, results: Iterable[Any]) -> None:
        for result in results:
            if isinstance(result, dict):
                self._take(_message(result))

    def _take(self, message: Message) -> None:
        line = Line(
            message.tenant, message.key, message.why, message.person, message.channel, message.state, message.created_at,
            message.due_at, message.urgent, message.sent_at, message.read_at,
        )  # fmt: skip
        self._lines[message.id] = line
        self._of_person.setdefault(message.person, {})[message.id] = None
        self._of_key.setdefault(message.key, {})[message.id] = None
        if message.receipt and message.channel == "sms":
            self._of_receipt[message.channel, message.receipt] = message.id
        if message.read_at:
            self._read.add(message.key)
        self._changed(message.id, line)


class _First:
    """Marks a notice as told, once, and lets its messages in only then."""

    def __init__(self, tenant: str, key: str) -> None:
        self._tenant = tenant
        self._key = key
        self.is_first = False

    def mark(self, current: Document | None, at: str) -> tuple[Document | None, None]:
        self.is_first = current is None
        return ({"tenant": self._tenant, "key": self._key, "at": at} if self.is_first else current), None

    def write(self, message: Message) -> Callable[[Document | None, str], tuple[Document | None, Document | None]]:
        def transition(current: Document | None, at: str) -> tuple[Document | None, Document | None]:
            if current is not None or not self.is_first:
                return current, None
            document = document_of(message)
            return document, document

        return transition


class _Step:
    """A step of one message, with others that are added when it is taken."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._took = False

    def take(self, current: Document | None, at: str) -> tuple[Document | None, Document]:
        if current is None:
            raise NotFound("The message is gone")
        new = self._change(_message(current), at)
        self._took = new is not None
        if new is None:
            return current, current
        document = document_of(new)
        return document, document

    def add(self, message: Message) -> Callable[[Document | None, str], tuple[Document | None, Document | None]]:
        def transition(current: Document | None, at: str) -> tuple[Document | None, Document | None]:
            if current is not None or not self._took:
                return current, None
            document = document_of(message)
            return document, document

        return transition


def _gone(current: Document | None, at: str) -> tuple[None, None]:
    return None, None


def document_of(message: Message) -> Document:
    """A message as it is kept."""
    document: Document = msgspec.to_builtins(message)
    return document


def _message(document: Document) -> Message:
    return msgspec.convert(document, Message)


def notice_of(document: Document) -> Notice:
    """What was asked for, from its record."""
    return msgspec.convert(document["notice"], Notice)


def is_open(state: State) -> bool:
    """Whether a message in this state is still to be sent."""
    return state in OPEN
