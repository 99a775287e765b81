"""Large bodies take turns; small ones and those that give up are in nobody's way."""

from __future__ import annotations

import asyncio

import pytest

from cityhub.model.errors import TooBusy
from cityhub.web.body_room import BodyRoom


async def test_what_does_not_fit_waits_for_its_turn_in_order() -> None:
    room, inside = BodyRoom(10, 5.0), []

    async def visit(name: str, size: int) -> None:
        await room.enter(size)
        inside.append(name)
        await asyncio.sleep(0.02)
        inside.append(f"-{name}")
        room.leave(size)

    await asyncio.gather(visit("a", 6), visit("b", 4), visit("c", 8), visit("d", 1))
    assert inside[:2] == ["a", "b"]
    assert inside.index("c") > inside.index("-a")
    assert inside.index("d") > inside.index("c"), "nobody overtakes"


async def test_what_is_larger_than_the_room_goes_in_alone() -> None:
    room = BodyRoom(10, 5.0)
    await room.enter(3)
    large = asyncio.create_task(room.enter(50))
    await asyncio.sleep(0.01)
    assert not large.done()
    room.leave(3)
    await large
    room.leave(50)
    await room.enter(10)


async def test_who_waits_in_vain_is_told_and_leaves_no_trace() -> None:
    room = BodyRoom(10, 0.02)
    await room.enter(10)
    with pytest.raises(TooBusy, match="try again"):
        await room.enter(5)
    room.leave(10)
    await room.enter(10)


async def test_who_goes_away_while_waiting_blocks_nobody_behind() -> None:
    room = BodyRoom(10, 5.0)
    await room.enter(6)
    gone, patient = asyncio.create_task(room.enter(8)), asyncio.create_task(room.enter(4))
    await asyncio.sleep(0.01)
    assert not patient.done()
    gone.cancel()
    await asyncio.wait_for(patient, 60)
    room.leave(6)
    room.leave(4)
    await room.enter(10)
