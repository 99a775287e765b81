import asyncio

import pytest

from cityhub.context.single_flight import SingleFlight


async def test_one_run_for_all():
    flights, runs = SingleFlight(), []

    async def work():
        runs.append(1)
        await asyncio.sleep(0.01)
        return len(runs)

    assert await asyncio.gather(*(flights.run("a", work) for _ in range(5))) == [1] * 5
    assert await flights.run("a", work) == 2


async def test_an_error_reaches_all_and_is_not_kept():
    flights = SingleFlight()

    async def fail():
        raise ValueError("no")

    results = await asyncio.gather(*(flights.run("a", fail) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3

    async def succeed():
        return 1

    assert await flights.run("a", succeed) == 1


async def test_one_who_leaves_does_not_stop_the_others():
    flights, go = SingleFlight(), asyncio.Event()

    async def work():
        await go.wait()
        return "done"

    first, second = asyncio.ensure_future(flights.run("a", work)), asyncio.ensure_future(flights.run("a", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == "done"
