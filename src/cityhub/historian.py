"""The historian: the process that keeps the lake and answers from it. The hub starts it and gives it its orders on standard input.

    python -m cityhub.historian < orders      (one line of JSON; the process ends when its input closes)

It reads the journal as one more reader, keeps what is not in the tables yet in memory, lays it down now and then, and answers
on a Unix socket. The parts that answer are put together in `open_parts`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from cityhub.history.exchange.files import file_pieces
from cityhub.history.folder import LAKE, alone
from cityhub.history.keeping import Keeping, KeptLake
from cityhub.history.lake.objects import SCHEME, io_of
from cityhub.history.lake.place import Place
from cityhub.history.readings import Readings
from cityhub.history.sql.answers import SqlAnswers
from cityhub.history.sql.engine import Answer
from cityhub.history.sql.formats import Writer
from cityhub.history.sql.limits import bound_process
from cityhub.history.sql.part import FlightDoor, Followed, limits_of, spill_of
from cityhub.history.sql.questions import Statement
from cityhub.history.supervision import Orders, read_orders
from cityhub.history.temporal_answers import TemporalAnswers
from cityhub.history.tiers.answers import TierAnswers
from cityhub.history.tiers.plan import Plan, locations, read_plan
from cityhub.model.errors import CityHubError
from cityhub.model.time import SystemClock
from cityhub.settings import Settings, SettingsError
from cityhub.web.companion import end_of_hub, orders_line
from cityhub.web.logging import configure
from cityhub.web.wire import Answering, WireServer

log = logging.getLogger("cityhub.historian")

FORMER: Final = "history.sqlite"
FILE_FORMATS: Final = ("xlsx", "gpkg")
MARGIN_MB: Final = 3072
"""What the process may allocate beside DuckDB's own bound."""
LOCK_S: Final = 60.0
"""How long it waits for an earlier historian of the same folder that has not ended yet."""


class Surroundings(msgspec.Struct, frozen=True):
    """What a part may use.

    Attributes:
        settings: The hub's settings.
        readings: Runs work on the lake in threads.
        keeping: The lake and its upkeep.
        lake: The lake itself.
    """

    settings: Settings
    readings: Readings
    keeping: Keeping
    lake: Followed


class Part(msgspec.Struct, frozen=True):
    """One part of the historian: what it answers on the wire, and what it begins and ends beside that."""

    handlers: Mapping[str, Answering]
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None


def open_parts(around: Surroundings) -> Sequence[Part]:
    """All parts, in the order in which they start. Names of handlers must differ."""
    return (
        Part({"status": around.keeping.answer_status, "copy": around.keeping.answer_copy}),
        Part({"rows": around.keeping.answer_rows, "forget": around.keeping.answer_forget}),
        Part(TemporalAnswers(around.readings).handlers()),
        sql_part(around),
        *tier_parts(around),
    )


def file_writer(form: str) -> Writer:
    """What writes answers in a form that SQL does not have itself."""

    def write(answer: Answer, batches: Iterator[pa.RecordBatch], question: Statement) -> Iterator[bytes]:
        return file_pieces(batches, answer.schema, form)

    return write


def sql_part(around: Surroundings) -> Part:
    """SQL: statements, and what they can ask."""
    settings = around.settings
    writers = {form: file_writer(form) for form in FILE_FORMATS}
    sql = SqlAnswers(around.readings, limits_of(settings), writers, around.lake.examine)
    door = FlightDoor(settings, sql, around.lake)
    folders = [place_of(settings).warehouse, *locations(plan_of(settings))]

    async def start() -> None:
        await sql.prepare(folders, spill_of(settings))
        await door.start()

    async def stop() -> None:
        await door.stop()
        await sql.stop()

    return Part(sql.handlers(), start, stop)


def tier_parts(around: Surroundings) -> Sequence[Part]:
    """Tiers: what they cost, and the moves of the plan. It starts after SQL, which locks the database's settings."""
    from cityhub.history.lake.lake import Lake  # heavy: only where a lake is open

    if not isinstance(around.lake, Lake):
        return ()
    settings = around.settings
    tiers = TierAnswers(around.lake, plan_of(settings), Path(settings.data), SystemClock())
    return (Part(tiers.handlers(), tiers.start, tiers.stop),)


def plan_of(settings: Settings) -> Plan | None:
    """The hub's plan of tiers; None when it has none."""
    return read_plan(settings.tiers) if settings.tiers is not None else None


def main() -> int:
    """Runs until standard input closes, or SIGTERM or SIGINT. Returns 0, or 1 when it could not run."""
    line = orders_line()
    if not line:
        return 0
    orders = read_orders(line)
    configure(orders.settings.log_format, orders.settings.log_level)
    try:
        with alone(Path(orders.settings.data), LOCK_S) as is_alone:
            if not is_alone:
                raise RuntimeError(f"another historian has the folder {orders.settings.data}")
            return asyncio.run(_run(orders))
    except (OSError, RuntimeError, CityHubError, SettingsError) as error:
        log.error("the historian cannot run: %s", error)
        return 1


async def _run(orders: Orders) -> int:
    from cityhub.history.lake.lake import open_lake  # heavy: only after the orders are known to be good
    from cityhub.storage.journal_file import open_journal

    end = end_of_hub()
    settings = orders.settings
    bound_process(settings.sql_memory_mb + MARGIN_MB)
    place = place_of(settings)
    if (Path(settings.data) / FORMER).exists():
        log.warning("%s is of a version before the first release and is not read; it may be removed", Path(settings.data) / FORMER)
    with contextlib.closing(open_journal(settings.store, Path(settings.data))) as journal:
        lake = await asyncio.to_thread(open_lake, place, journal, SystemClock())
        try:
            async with answering(lake, settings, Path(orders.socket)) as keeping:
                log.info("the historian answers", extra={"position": lake.position})
                keeping.start()
                await end.wait()
                await keeping.stop()
        finally:
            await asyncio.to_thread(lake.close)
    return 0


@contextlib.asynccontextmanager
async def answering(lake: KeptLake, settings: Settings, socket: Path) -> AsyncIterator[Keeping]:
    """Answers from a lake on a socket for as long as the block runs; the lake's upkeep is for the block to start."""
    keeping = Keeping(lake)
    readings = Readings(lake)
    parts = open_parts(Surroundings(settings, readings, keeping, lake))
    server = WireServer("historian", _together(parts), keeping.catch_up)
    stops = [part.stop for part in reversed(parts) if part.stop is not None]
    try:
        for part in parts:
            if part.start is not None:
                await part.start()
        await server.start(socket)
        yield keeping
    finally:
        for stop in (server.stop, *stops):
            try:
                await stop()
            except Exception:  # what follows must be closed all the same
                log.exception("a part of the historian did not stop in order")
        await asyncio.to_thread(readings.close)


def place_of(settings: Settings) -> Place:
    """Where the lake of a hub is."""
    data = Path(settings.data).absolute()
    places = [settings.lake, *locations(plan_of(settings))]
    io = io_of(os.environ) if any(place.startswith(SCHEME) for place in places) else {}
    return Place(warehouse=settings.lake or str(data / LAKE), catalog=settings.lake_catalog, io=io, data=str(data))


def _together(parts: Sequence[Part]) -> dict[str, Answering]:
    handlers: dict[str, Answering] = {}
    for part in parts:
        if twice := handlers.keys() & part.handlers.keys():
            raise RuntimeError(f"two parts answer {', '.join(sorted(twice))}")
        handlers.update(part.handlers)
    return handlers


if __name__ == "__main__":
    sys.exit(main())
