"""Swaps: two people exchange shifts, or one takes over from the other; it counts when both have agreed."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from cityhub.cases.duty.roster import Shift
from cityhub.cases.duty.rota import Rota
from cityhub.model.errors import BadRequestData, CityHubError, Conflict, Forbidden, NotFound
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock
from cityhub.registers.versioned import Deed

SWAPS: Final = "duty_swap"
MOMENT: Final = timedelta(microseconds=1)


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody's turn: a shift of a post, as it stands in the roster."""

    post: str
    start: datetime
    person: str


class Swap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A swap as it is proposed.

    Attributes:
        give: The turn that is given away.
        to: Id of who takes it.
        take: The turn of theirs that is taken in exchange; None: nothing.
        note: Why.
    """

    give: Turn
    to: str
    take: Turn | None = None
    note: str = ""


class Swaps:
    """The swaps.

    Args:
        store: Where they are kept.
        rota: Whose shifts are swapped.
        clock: The present time.
    """

    def __init__(self, store: Store, rota: Rota, clock: Clock) -> None:
        self._store = store
        self._rota = rota
        self._clock = clock

    async def propose(self, swap: Swap, by: str, trace: str) -> Document:
        """Keeps a proposal by one of the two. Raises BadRequestData, Forbidden, NotFound."""
        both = (swap.give.person, swap.to)
        if by not in both:
            raise Forbidden("A swap is proposed by one of the two whose shifts it is about: name them with 'CityHub-Person'")
        if swap.give.person == swap.to or (swap.take is not None and swap.take.person != swap.to):
            raise BadRequestData("'to' must be somebody else, and 'take' a turn of theirs")
        for turn in filter(None, (swap.give, swap.take)):
            self._shift(turn)
        id = secrets.token_hex(8)
        document: Document = {
            "id": id, "swap": msgspec.to_builtins(swap), "state": "proposed", "agreed": [by],
            "waitsFor": next(one for one in both if one != by),
        }  # fmt: skip
        return await self._write(id, lambda current, at: {**document, "at": at}, trace)

    async def agree(self, id: str, by: str, trace: str) -> Document:
        """The other one agrees, and the shifts are swapped. Raises NotFound, Forbidden, Conflict."""
        record = await self.read(id)
        if record["state"] != "proposed":
            raise Conflict(f"The swap is '{record['state']}' already")
        if by != record["waitsFor"]:
            raise Forbidden(f"The swap waits for '{record['waitsFor']}' to agree")
        swap = msgspec.convert(record["swap"], Swap)
        deed = Deed(by, f"swap {id}", trace)
        await self._rota.exchange(self._changes(swap), deed)
        agreed = [*record["agreed"], by]
        return await self._write(id, lambda current, at: {**current, "state": "agreed", "agreed": agreed, "agreedAt": at}, trace)

    async def refuse(self, id: str, by: str, trace: str) -> Document:
        """One of the two does not want it any more. Raises NotFound, Forbidden, Conflict."""
        record = await self.read(id)
        if record["state"] != "proposed":
            raise Conflict(f"The swap is '{record['state']}' already")
        if by not in (record["waitsFor"], *record["agreed"]):
            raise Forbidden("Only the two whose shifts it is about can refuse a swap")
        return await self._write(id, lambda current, at: {**current, "state": "refused", "refusedBy": by, "refusedAt": at}, trace)

    async def read(self, id: str) -> Document:
        """A swap. Raises NotFound."""
        record = await self._store.fetch("", id, SWAPS)
        if record is None:
            raise NotFound(f"There is no swap '{id[:100]}'")
        return record

    async def all(self) -> list[Document]:
        """All swaps, the newest first."""
        return [record for _, record in reversed(await self._store.records("", SWAPS))]

    def _changes(self, swap: Swap) -> list[tuple[str, Shift]]:
        """What the shifts become. Raises Conflict when the roster has changed since."""
        made = [(swap.give.post, _exchanged(self._shift(swap.give), swap.give.person, swap.to))]
        if swap.take is not None:
            taken = _exchanged(self._shift(swap.take), swap.to, swap.give.person)
            made.append((swap.take.post, taken))
        return made

    def _shift(self, turn: Turn) -> Shift:
        """The shift that a turn names. Raises NotFound."""
        around = self._rota.shifts(turn.post, turn.start, turn.start + MOMENT)
        found = [shift for shift in around if shift.start == turn.start and turn.person in shift.people]
        if not found:
            raise NotFound(f"'{turn.person}' has no shift at '{turn.post[:100]}' that begins at {turn.start.isoformat()}")
        return found[0]

    async def _write(self, id: str, change: Any, trace: str) -> Document:
        (result,) = await self._store.write("", [Write(id, lambda current, at: (new := change(current, at), new), SWAPS)], trace)
        if isinstance(result, CityHubError):
            raise result
        document: Document = result
        return document


def _exchanged(shift: Shift, gone: str, come: str) -> Shift:
    if come in shift.people:
        raise Conflict(f"'{come}' is in that shift already")
    return Shift(shift.start, shift.end, [come if id == gone else id for id in shift.people])
