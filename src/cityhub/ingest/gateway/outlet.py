"""The way from the gateway into the hub: one bounded queue for all feeds, taken from in batches.

While the hub writes some batches, the next are on their way. Should one ever arrive first, nothing is lost by that: what was observed
before what is there already goes into the history. What was sent and not answered is sent again, marked as redelivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from cityhub.ingest.gateway.tally import Tally
from cityhub.ingest.gateway.words import LATE, REFUSED, SAME, WRITTEN, EncodedBatch, Outcome
from cityhub.ingest.message import Message, Settled
from cityhub.model.errors import CityHubError, StoreUnavailable, TooBusy, TooLarge
from cityhub.model.ports import DeadLetter, EntityUpdate
from cityhub.web.wire_client import WireClient

MOST_PARTS: Final = 2_000
MOST_BYTES: Final = 4 * 1024 * 1024
"""A batch has at most so many parts of messages, and ends with the one that brings it to so many bytes."""
QUEUE_MESSAGES: Final = 20_000
QUEUE_BYTES: Final = 32 * 1024 * 1024
"""What may be in the gateway at once, of all feeds together; one message more may always come in when it is empty."""
ON_THE_WAY: Final = 4
"""Batches that may be on their way at once."""
TAKE_S: Final = 60.0
MOST_REASONS: Final = 20
"""So many reasons are told to the sender."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0

log = logging.getLogger(__name__)

_ONE_WRITTEN: Final = Settled(1)
Done = Callable[[Settled | Exception], None]
Refusal = Callable[[Message, list[str], str], DeadLetter]


class Parcel:
    """A message on its way, in one part or in several.

    Attributes:
        size: Bytes that it holds in the queue.
        left: Parts that are not settled yet.
        refused: Why something of it could not be taken.
        flagged: Updates with a flag.
        counts: Updates by what became of them; None stands for one that is written, as it is with most.

    Args:
        tally: Counts what became of it.
        done: Hears of it.
    """

    __slots__ = ("_done", "_tally", "counts", "flagged", "left", "refused", "size")

    def __init__(self, tally: Tally, done: Done, size: int) -> None:
        self._tally = tally
        self._done = done
        self.size = size
        self.left = 1
        self.refused: list[str] = []
        self.flagged = 0
        self.counts: list[int] | None = None

    def settle(self) -> None:
        """Tells what became of it."""
        if self.counts is None and not self.refused and not self.flagged:
            self._tally.written += 1
            self._done(_ONE_WRITTEN)
            return
        written, late, same = self.counts or (1, 0, 0)
        outcome = Settled(written, late, same, self.refused, self.flagged)
        self._tally.count(outcome)
        self._done(outcome)


class Part:
    """What goes into one batch: updates that belong together, letters, a bookmark.

    Attributes:
        parcel: The message.
        tenant: Where it goes.
        updates: The list of updates, msgpack.
        count: How many those are.
        letters: Dead letters.
        bookmark: Feed and bookmark.
        redelivered: Whether it may have been taken before.
        letter: Makes the dead letter of a message of which the hub refuses updates, from the message, the ids of those, and why;
            None keeps none.
        source: The message and the updates.
    """

    __slots__ = ("bookmark", "count", "letter", "letters", "parcel", "redelivered", "source", "tenant", "updates")

    def __init__(
        self,
        parcel: Parcel,
        tenant: str,
        updates: bytes,
        count: int,
        letters: Sequence[DeadLetter],
        bookmark: tuple[str, dict[str, Any]] | None,
        redelivered: bool,
        letter: Refusal | None = None,
        source: tuple[Message, list[EntityUpdate]] | None = None,
    ) -> None:
        self.parcel = parcel
        self.tenant = tenant
        self.updates = updates
        self.count = count
        self.letters = letters
        self.bookmark = bookmark
        self.redelivered = redelivered
        self.letter = letter
        self.source = source

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.updates) + sum(len(letter.body) + 500 for letter in self.letters)

    def refuse(self, refused: Sequence[tuple[int, str]]) -> DeadLetter | None:
        """Notes that the hub refuses updates (place and reason); the dead letter that becomes of it, None when none is kept."""
        self.parcel.refused += [reason for _, reason in refused[:MOST_REASONS]]
        if self.letter is None or self.source is None:
            return None
        message, updates = self.source
        reason = refused[0][1] if len(refused) == 1 else f"{len(refused)} entities are refused; the first: {refused[0][1]}"
        return self.letter(message, [updates[place].id for place, _ in refused[:MOST_REASONS]], reason)


class Outlet:
    """Sends what feeds bring to the hub.

    Args:
        hub: The wire.
    """

    def __init__(self, hub: WireClient) -> None:
        self._hub = hub
        self._queue: deque[Part] = deque()
        self._wake = asyncio.Event()
        self._freed = asyncio.Event()
        self._encode = msgspec.msgpack.Encoder().encode
        self._outcome = msgspec.msgpack.Decoder(Outcome).decode
        self._sent = 0
        self._settled = 0
        self._done: dict[int, list[Part]] = {}
        self.messages = 0
        self.bytes = 0
        self.trouble = ""

    def has_room(self) -> bool:
        """Whether a message may come in."""
        return self.messages < QUEUE_MESSAGES and self.bytes < QUEUE_BYTES

    async def room(self) -> None:
        """Returns when a message may come in."""
        while not self.has_room():
            self._freed.clear()
            await self._freed.wait()

    def enter(self, parcel: Parcel) -> None:
        """Counts a message in; its parts follow with `add`."""
        self.messages += 1
        self.bytes += parcel.size

    def add(self, part: Part) -> None:
        """Queues a part of a message that was counted in."""
        self._queue.append(part)
        if not self._wake.is_set():
            self._wake.set()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(ON_THE_WAY):
                group.create_task(self._send())

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)  # what has arrived already comes along
            if not self._queue:
                self._wake.clear()
                continue
            batch, number = self._next(), self._sent
            self._sent += 1
            await self._deliver(batch)
            self._done[number] = batch
            while (done := self._done.pop(self._settled, None)) is not None:  # in the order in which they came
                self._settled += 1
                for part in done:
                    self._settle(part.parcel)
            self._freed.set()

    def _next(self) -> list[Part]:
        """The parts of the next batch: of one tenant, and all of them redelivered or none."""
        queue = self._queue
        first = queue.popleft()
        batch, size = [first], first.size
        tenant, redelivered = first.tenant, first.redelivered
        while queue and len(batch) < MOST_PARTS and size < MOST_BYTES:
            part = queue[0]
            if part.tenant != tenant or part.redelivered != redelivered:
                break
            batch.append(queue.popleft())
            size += part.size
        return batch

    def _settle(self, parcel: Parcel) -> None:
        parcel.left -= 1
        if parcel.left:
            return
        self.messages -= 1
        self.bytes -= parcel.size
        try:
            parcel.settle()
        except Exception:  # a connector that is gone must not stop the others
            log.exception("a feed did not take that its message is settled")

    async def _deliver(self, batch: list[Part]) -> None:
        """Returns when all of the batch is durable; what the hub refuses became dead letters."""
        try:
            outcome = await self._take(batch, batch[0].redelivered)
        except CityHubError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._deliver(batch[:middle])
                await self._deliver(batch[middle:])
            else:
                await self._refuse(batch[0], error.detail)
            return
        await self._letters(batch[0].tenant, _account(batch, outcome))

    async def _take(self, batch: list[Part], redelivered: bool) -> Outcome:
        """Sends a batch until the hub has it. Raises an error that trying again would not change."""
        pause_s = FIRST_PAUSE_S
        while True:
            letters = [letter for part in batch for letter in part.letters]
            bookmarks = [part.bookmark for part in batch if part.bookmark is not None]
            updates = [msgspec.Raw(part.updates) for part in batch]
            body = EncodedBatch(batch[0].tenant, updates, letters, bookmarks, redelivered)
            try:
                answer = await self._hub.call("take", body, fresh=False, timeout_s=TAKE_S)
            except ValueError as error:
                raise TooLarge(str(error)) from None
            except (StoreUnavailable, TooBusy) as error:
                if not self.trouble:
                    log.warning("the hub does not take what feeds bring: %s", error.detail)
                self.trouble = error.detail
            else:
                if self.trouble:
                    log.warning("the hub takes what feeds bring again")
                self.trouble = ""
                return self._outcome(answer)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            redelivered = True  # it may have been kept, only the answer was lost

    async def _refuse(self, part: Part, reason: str) -> None:
        """Makes a letter of a part that the hub cannot keep as it is."""
        part.parcel.counts = part.parcel.counts or [0, 0, 0]
        refusal = part.refuse([(place, reason) for place in range(part.count)]) if part.count else None
        await self._letters(part.tenant, [*part.letters, *([refusal] if refusal is not None else [])])

    async def _letters(self, tenant: str, letters: list[DeadLetter]) -> None:
        """Keeps letters, each with a transaction of its own: they are few, and may be large."""
        for letter in letters:
            carrier = Part(Parcel(Tally(str), lambda _: None, 0), tenant, b"\x90", 0, [letter], None, True)
            try:
                await self._take([carrier], True)
            except CityHubError as error:
                log.error("a dead letter cannot be kept: %s", error.detail)


def _account(batch: list[Part], outcome: Outcome) -> list[DeadLetter]:
    """Tells each message what became of its updates; the letters of those that were refused."""
    marks, place = outcome.marks, 0
    letters: list[DeadLetter] = []
    for part in batch:
        count, parcel = part.count, part.parcel
        if count == 1 and marks[place] == WRITTEN and parcel.left == 1 and parcel.counts is None:
            place += 1
            continue  # as most are; no counts stand for one that is written
        counts = parcel.counts = parcel.counts or [0, 0, 0]
        of_part = marks[place : place + count]
        for index, mark in enumerate((WRITTEN, LATE, SAME)):
            counts[index] += of_part.count(mark)
        if REFUSED in of_part:
            refused = [(n, outcome.reasons.get(place + n, "The hub refused it")) for n, mark in enumerate(of_part) if mark == REFUSED]
            letter = part.refuse(refused)
            letters += [letter] if letter is not None else []
        place += count
    return letters
