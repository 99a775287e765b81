"""Writes of one turn leave together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cityhub.web.joined import AT_ONCE, JoinedTransport


class Wire(asyncio.Transport):
    """Records what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.closing = True
        self.done.append("close")

    def abort(self) -> None:
        self.closing = True
        self.done.append("abort")

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
async def wire() -> Wire:
    return Wire()


async def test_head_and_body_leave_together(wire: Wire) -> None:
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"head ")
    joined.write(bytearray(b"body"))
    assert wire.done == []
    await asyncio.sleep(0)
    assert wire.done == [b"head body"]
    joined.write(b"next")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert wire.done == [b"head body", b"next"]


async def test_much_is_written_at_once(wire: Wire) -> None:
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"x" * AT_ONCE)
    assert wire.done == [b"head" + b"x" * AT_ONCE]
    joined.write(b"tail")
    await asyncio.sleep(0)
    assert wire.done[1:] == [b"tail"]


async def test_closing_writes_first_and_nothing_after(wire: Wire) -> None:
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"last words")
    joined.close()
    joined.write(b"too late")
    await asyncio.sleep(0)
    assert wire.done == [b"last words", "close"]


async def test_aborting_writes_nothing(wire: Wire) -> None:
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"never")
    joined.abort()
    await asyncio.sleep(0)
    assert wire.done == ["abort"]
