"""What the historian answers about SQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from cityhub.history.readings import Reading, Readings
from cityhub.history.sql.engine import Engine, FileFault
from cityhub.history.sql.formats import Writer, pieces, rows_of
from cityhub.history.sql.functions import FUNCTIONS
from cityhub.history.sql.limits import Limits, Slots, load_spatial, lock
from cityhub.history.sql.questions import Called, Schema, Statement, Table, Tables
from cityhub.history.sql.views import View
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import Principal
from cityhub.web.wire import Answering

log = logging.getLogger(__name__)

EXAMINE_S: Final = 60.0
"""How often at most the lake's files are looked through because a statement met one that cannot be read."""
DEFAULT_ROWS: Final = 10_000


class SqlAnswers:
    """The handlers of SQL.

    Args:
        readings: Runs work on the lake.
        limits: What statements may take.
        more: Formats of answers beside the usual ones.
        examine: Sets aside the files of the lake that cannot be read.
    """

    def __init__(
        self,
        readings: Readings,
        limits: Limits,
        more: Mapping[str, Writer] | None = None,
        examine: Callable[[], object] = lambda: None,
    ) -> None:
        self.engine = Engine(limits)
        self.slots = Slots(limits)
        self._readings = readings
        self._limits = limits
        self._more = more or {}
        self._examine = examine
        self._examined = -EXAMINE_S
        self._warming: asyncio.Task[None] | None = None

    def handlers(self) -> dict[str, Answering]:
        """By name."""
        return {"sql.rows": self.rows, "sql.stream": self.stream, "sql.tables": self.tables}

    async def prepare(self, folders: list[str], spill: Path) -> None:
        """Loads what statements need, then locks the lake's DuckDB; see `limits.lock`."""

        def work(reading: Reading) -> None:
            load_spatial(reading.connection)
            lock(reading.connection, folders, spill, self._limits)

        await self._readings.run("", work)
        # The first look at a long history takes seconds: nobody should have to wait for it.
        self._warming = asyncio.create_task(self._warm(), name="shape of the history")

    async def _warm(self) -> None:
        with contextlib.suppress(CityHubError):
            await self._readings.run("", lambda reading: self.engine.views(reading, "", Principal()))

    async def stop(self) -> None:
        """Ends what was begun in `prepare`."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def rows(self, body: bytes) -> bytes:
        """Answers a `Statement` with `Rows`."""
        question = msgspec.msgpack.decode(body, type=Statement)

        def work(reading: Reading) -> bytes:
            with self.engine.answer(reading, question) as answer:
                limit = DEFAULT_ROWS if question.limit is None else question.limit
                return msgspec.msgpack.encode(rows_of(answer, limit, self._limits))

        async with self.slots.held():
            try:
                return await self._readings.run(question.tenant, work)
            except (FileFault, duckdb.Error) as fault:  # DuckDB's own: the reading could not even be opened
                await self.set_aside(fault)
            return await self._readings.run(question.tenant, work)

    async def stream(self, body: bytes) -> AsyncIterator[bytes]:
        """Answers a `Statement` with the pieces of a file."""
        question = msgspec.msgpack.decode(body, type=Statement)

        def work(reading: Reading) -> Iterator[bytes]:
            with self.engine.answer(reading, question) as answer:
                yield from pieces(answer, question, self._limits, self._more)

        async with self.slots.held():
            begun = False
            try:
                async with aclosing(self._readings.stream(question.tenant, work)) as made:  # type: ignore[type-var]
                    async for piece in made:
                        begun = True
                        yield piece
                return
            except (FileFault, duckdb.Error) as fault:  # DuckDB's own: the reading could not even be opened
                if begun:
                    raise StoreUnavailable(said(fault)) from None
                await self.set_aside(fault)
            async with aclosing(self._readings.stream(question.tenant, work)) as made:  # type: ignore[type-var]
                async for piece in made:
                    yield piece

    async def set_aside(self, fault: Exception) -> None:
        """Sets aside what cannot be read, so that the statement can be run again. Raises StoreUnavailable when that was just done."""
        log.warning("a statement met a file that cannot be read; the files are looked through", exc_info=fault)
        now = time.monotonic()
        if now - self._examined < EXAMINE_S:
            raise StoreUnavailable(said(fault)) from None
        self._examined = now
        await asyncio.to_thread(self._examine)

    async def tables(self, body: bytes) -> bytes:
        """Answers `Tables`."""
        question = msgspec.msgpack.decode(body, type=Tables)
        views = await self._readings.run(
            question.tenant, lambda reading: self.engine.views(reading, question.tenant, question.principal)
        )
        return msgspec.msgpack.encode(schema_of(views))


def said(fault: Exception) -> str:
    """What a fault of a file says to its caller."""
    return fault.detail if isinstance(fault, FileFault) else "A file of the lake cannot be read; the log says which"


def schema_of(views: list[View]) -> Schema:
    """The views as they are told of."""
    return Schema(
        [Table(view.name, view.kind, view.about, list(view.columns)) for view in views],
        [Called(one.name, f"{one.name}({one.parameters})", one.about, one.example, one.table) for one in FUNCTIONS],
    )
