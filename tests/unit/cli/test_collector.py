"""The garbage collector in the hub's rhythm."""

from __future__ import annotations

import asyncio
import gc
import weakref

from cityhub.cli.collector import SET_ASIDE_S, YOUNG, tame


class Knot:
    """An object that refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.self = self


async def test_survivors_are_set_aside_and_freed_all_the_same() -> None:
    before = gc.get_threshold()
    task = asyncio.create_task(tame())
    await asyncio.sleep(0)
    kept = {number: [number] for number in range(1000)}
    aside = gc.get_freeze_count()
    await asyncio.sleep(SET_ASIDE_S * 1.5)
    assert gc.get_freeze_count() > aside  # the new objects are no longer looked at
    with_them = gc.get_freeze_count()
    kept.clear()
    assert gc.get_freeze_count() <= with_them - 1000  # freed by their last reference
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_young_cycles_are_freed() -> None:
    task = asyncio.create_task(tame())
    await asyncio.sleep(0)
    knot = weakref.ref(Knot())
    assert knot() is not None
    held = [[number] for number in range(2 * YOUNG)]
    assert knot() is None
    assert held
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
