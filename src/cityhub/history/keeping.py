"""The lake's upkeep in the historian: reading on, laying down, clearing up, each on its own schedule."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import msgspec

from cityhub.history.lake.copying import copy_of
from cityhub.history.questions import RowCounts, Rows
from cityhub.history.readings import Reading
from cityhub.model.errors import CityHubError

READ_S: Final = 0.5
"""How often the journal is read when nobody asks."""
FLUSH_S: Final = 1.0
"""How often it is looked whether what is in memory is to be laid down."""
UPKEEP_S: Final = 300.0
"""How often small files are merged, and what nothing needs any more is removed."""
RETRY_S: Final = 5.0

log = logging.getLogger(__name__)


class KeptLake(Protocol):
    """The lake, as far as the historian keeps it; `cityhub.history.lake` has it. All of it blocks."""

    @property
    def position(self) -> int:
        """The journal position that can be seen."""

    def catch_up(self, position: int | None = None) -> int:
        """Reads the journal at least up to a position, or as far as it goes; the position reached."""

    def reading(self, tenant: str) -> AbstractContextManager[Reading]:
        """The lake as a tenant sees it now."""

    def examine(self) -> object:
        """Sets aside the files that cannot be read."""

    def flush_due(self) -> bool:
        """Whether there is so much in memory, or for so long, that it is to be laid down."""

    def flush(self) -> int:
        """Lays down what is in memory; the position up to which the tables are."""

    def status(self) -> Any:
        """How it is; `LakeStatus` when it travels."""

    def compact(self) -> int:
        """Merges small files; how many went."""

    def expire(self) -> int:
        """Lets old snapshots go, with the files that only they name; how many files."""

    def clean(self) -> int:
        """Removes files that nothing names; how many."""

    def forget(self) -> int:
        """Rewrites the files so that none has what was deleted, and removes the old ones; how many went."""

    def held(self) -> AbstractContextManager[Any]:
        """The tables as they are committed, for a copy."""

    def close(self) -> None:
        """Ends; what is in memory comes again from the journal."""


class Keeping:
    """Keeps a lake."""

    def __init__(self, lake: KeptLake) -> None:
        self._lake = lake
        self._tasks: list[asyncio.Task[None]] = []
        self._held: list[int] = []

    async def catch_up(self, position: int) -> None:
        """Returns when the lake has seen everything up to a position of the journal."""
        if self._lake.position < position:
            await asyncio.to_thread(self._lake.catch_up, position)

    async def answer_status(self, body: bytes) -> bytes:
        """The handler "status". What is being copied counts as committed up to where the copy is: the journal must keep the rest."""
        status = await asyncio.to_thread(self._lake.status)
        return msgspec.msgpack.encode(msgspec.structs.replace(status, committed=min([status.committed, *self._held])))

    async def answer_copy(self, body: bytes) -> AsyncIterator[bytes]:
        """The handler "copy": the lake as a tar, then an empty piece; until the caller leaves, the journal keeps what is behind it."""
        await asyncio.to_thread(self._lake.flush)
        with self._lake.held() as held:
            position = min(table.version.position for table in held)
            self._held.append(position)
            try:
                pieces = copy_of(held)
                while piece := await asyncio.to_thread(next, pieces, b""):
                    yield piece
                yield b""
                await asyncio.Event().wait()
            finally:
                self._held.remove(position)

    async def answer_rows(self, body: bytes) -> bytes:
        """The handler "rows": how many rows there are of an entity."""
        return await asyncio.to_thread(self._rows, msgspec.msgpack.decode(body, type=Rows))

    async def answer_forget(self, body: bytes) -> bytes:
        """The handler "forget": makes all deletions final; how many files went. The work goes on when the caller leaves."""
        return msgspec.msgpack.encode(await asyncio.to_thread(self._lake.forget))

    def start(self) -> None:
        """Begins to read on and to lay down."""
        self._tasks = [
            asyncio.create_task(self._every(READ_S, self._read)),
            asyncio.create_task(self._every(FLUSH_S, self._flush)),
            asyncio.create_task(self._every(UPKEEP_S, self._tidy)),
        ]

    async def stop(self) -> None:
        """Ends the schedule and lays down what is in memory."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._lake.flush)

    def _rows(self, question: Rows) -> bytes:
        with self._lake.reading(question.tenant) as reading:
            counts = [
                reading.connection.execute(f"SELECT count(*) FROM {table} WHERE entity = ?", [question.entity]).fetchall()[0][0]
                for table in ("observations", "entity_versions")
            ]
        return msgspec.msgpack.encode(RowCounts(*counts))

    def _read(self) -> None:
        self._lake.catch_up()

    def _flush(self) -> None:
        if self._lake.flush_due():
            self._lake.flush()

    def _tidy(self) -> None:
        counts = {"merged": self._lake.compact(), "expired": self._lake.expire(), "orphans": self._lake.clean()}
        if any(counts.values()):
            log.info("the lake was tidied", extra=counts)

    async def _every(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                # A thread cannot be cancelled: the end waits for the work, so that nothing goes on behind it.
                await _to_the_end(asyncio.get_running_loop().run_in_executor(None, work))
            except CityHubError as error:
                log.warning("the lake could not be kept, it will be tried again: %s", error.detail)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("keeping the lake failed, it will be tried again")
                await asyncio.sleep(RETRY_S)


async def _to_the_end(work: asyncio.Future[Any]) -> None:
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await work
        raise
