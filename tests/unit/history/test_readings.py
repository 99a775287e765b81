"""Work on the lake is interrupted as soon as nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import duckdb
import pytest

from cityhub.history.readings import Reading, Readings

FOREVER = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE a.range % 7 = b.range % 3"


class Look:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.position = 1
        self.seed = "s"


class Lake:
    def __init__(self) -> None:
        self.open = 0
        self._database = duckdb.connect()

    @contextlib.contextmanager
    def reading(self, tenant: str) -> Iterator[Look]:
        self.open += 1
        cursor = self._database.cursor()
        try:
            yield Look(cursor)
        finally:
            cursor.close()
            self.open -= 1


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
async def readings(lake: Lake) -> AsyncIterator[Readings]:
    readings = Readings(lake, threads=1)
    yield readings
    readings.close()


def forever(reading: Reading) -> object:
    return reading.connection.execute(FOREVER).fetchall()


async def test_work_that_nobody_waits_for_is_interrupted(lake: Lake, readings: Readings) -> None:
    work = asyncio.create_task(readings.run("", forever))
    while not lake.open:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    waiting = asyncio.create_task(readings.run("", forever))  # it waits for the only thread
    await asyncio.sleep(0.05)
    began = time.monotonic()
    for task in (waiting, work):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert time.monotonic() - began < 60
    assert lake.open == 0
    assert await readings.run("", lambda reading: reading.connection.execute("SELECT 42").fetchall()) == [(42,)]


async def test_a_stream_is_not_far_ahead_of_its_reader_and_ends_with_it(lake: Lake, readings: Readings) -> None:
    made: list[int] = []

    def pieces(reading: Reading) -> Iterator[bytes]:
        for number in range(1000):
            made.append(number)
            yield b"%d" % number

    async with aclosing(readings.stream("", pieces)) as stream:
        assert [await anext(stream) for _ in range(3)] == [b"0", b"1", b"2"]
        await asyncio.sleep(0.2)
        assert len(made) < 20
    assert lake.open == 0


async def test_what_a_stream_raises_comes_out(readings: Readings) -> None:
    def pieces(reading: Reading) -> Iterator[bytes]:
        yield b"1"
        raise duckdb.InvalidInputException("no")

    found = []
    with pytest.raises(duckdb.InvalidInputException):
        async for piece in readings.stream("", pieces):
            found.append(piece)
    assert found == [b"1"]
