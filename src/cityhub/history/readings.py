"""Work on the lake in threads: each answer has a reading of its own, and work that nobody waits for any more is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
THREADS: Final = 8
"""Most answers that are worked on at one time."""
AHEAD: Final = 4
"""Most pieces of a streamed answer that wait for the caller."""
INTERRUPT_S: Final = 0.05


class Reading(Protocol):
    """The lake at one moment, as one tenant sees it.

    `connection` has the views `observations` and `entity_versions` (columns of `cityhub.history.lake.schema`).
    """

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...
    @property
    def position(self) -> int: ...
    @property
    def seed(self) -> str: ...


class Readable(Protocol):
    """A lake, as far as it is read."""

    def reading(self, tenant: str) -> AbstractContextManager[Reading]:
        """What there is now; files stay until the end of the block."""


class _Stopped(Exception):
    """Nobody waits for the answer any more."""


class _Work:
    """One answer in the making: its connection, once there is one, and whether it is still wanted."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.stopped = threading.Event()

    def stop(self) -> None:
        """Interrupts what the connection does now; to be repeated, since a statement may begin a moment later."""
        self.stopped.set()
        if self.connection is not None:
            with contextlib.suppress(Exception):  # it may be closed by now
                self.connection.interrupt()


class Readings:
    """Runs work on readings of a lake."""

    def __init__(self, lake: Readable, threads: int = THREADS) -> None:
        self._lake = lake
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="historian")

    async def run(self, tenant: str, work: Callable[[Reading], T]) -> T:
        """What the work makes of a reading. It is interrupted when the caller is cancelled."""
        state = _Work()

        def whole() -> T:
            with self._opened(tenant, state) as reading:
                return work(reading)

        made = self._threads.submit(whole)
        future = asyncio.wrap_future(made)
        try:
            return await asyncio.shield(future)
        finally:
            await _ended(made, future, state)

    async def stream(self, tenant: str, work: Callable[[Reading], Iterator[bytes]]) -> AsyncIterator[bytes]:
        """The pieces that the work makes of a reading, one after the other, not far ahead of the caller."""
        loop = asyncio.get_running_loop()
        state = _Work()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        room = threading.Semaphore(AHEAD)

        def whole() -> None:
            try:
                with self._opened(tenant, state) as reading:
                    for piece in work(reading):
                        while not room.acquire(timeout=INTERRUPT_S):
                            if state.stopped.is_set():
                                return
                        loop.call_soon_threadsafe(pieces.put_nowait, piece)
            finally:
                loop.call_soon_threadsafe(pieces.put_nowait, None)

        made = self._threads.submit(whole)
        future = asyncio.wrap_future(made)
        try:
            while (piece := await pieces.get()) is not None:
                room.release()
                yield piece
            await future
        finally:
            await _ended(made, future, state)

    @contextlib.contextmanager
    def _opened(self, tenant: str, state: _Work) -> Iterator[Reading]:
        if state.stopped.is_set():
            raise _Stopped
        with self._lake.reading(tenant) as reading:
            state.connection = reading.connection
            try:
                yield reading
            finally:
                state.connection = None

    def close(self) -> None:
        """Waits for the work that was begun and takes no more."""
        self._threads.shutdown(cancel_futures=True)


async def _ended(made: Future[Any], future: asyncio.Future[Any], state: _Work) -> None:
    """Ends the work: does not let it begin, or interrupts it until it has ended. What it raises by then interests nobody."""
    made.cancel()
    while not made.done():
        state.stop()
        await asyncio.wait((future,), timeout=INTERRUPT_S)
    if future.done() and not future.cancelled():
        future.exception()
