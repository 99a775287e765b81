"""SQL as a part of the historian: its limits from the settings, its folders from the data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cityhub.history.sql.answers import SqlAnswers
from cityhub.history.sql.limits import Limits
from cityhub.history.sql.shape import Reading
from cityhub.settings import Settings

if TYPE_CHECKING:
    from cityhub.history.sql.flight_server import FlightSqlServer

log = logging.getLogger(__name__)

STOP_S: Final = 3.0
"""How long a stopping server waits for the answers that it is giving."""
SPILL: Final = "sql-spill"
"""The folder within the data folder for what does not fit into memory."""


def limits_of(settings: Settings) -> Limits:
    """What statements may take."""
    return Limits(
        memory_mb=settings.sql_memory_mb,
        spill_mb=settings.sql_spill_mb,
        timeout_s=settings.sql_timeout_s,
        concurrent=settings.sql_concurrent,
    )


def spill_of(settings: Settings) -> Path:
    """Where statements lay down what does not fit into memory; what an earlier process left is removed."""
    folder = Path(settings.data).absolute() / SPILL
    if folder.is_dir():
        for file in folder.glob("duckdb_temp*"):
            file.unlink(missing_ok=True)
    return folder


class Followed(Protocol):
    """A lake that reads on in the journal."""

    def reading(self, tenant: str) -> AbstractContextManager[Reading]:
        """What there is now."""

    def catch_up(self) -> int:
        """Reads the journal to its end."""

    def examine(self) -> object:
        """Sets aside the files that cannot be read."""


class FlightDoor:
    """The door for tools, as long as the settings name a port for it."""

    def __init__(self, settings: Settings, sql: SqlAnswers, lake: Followed) -> None:
        self._settings = settings
        self._sql = sql
        self._lake = lake
        self._server: FlightSqlServer | None = None

    async def start(self) -> None:
        """Begins to listen. A port that is taken is told in the log, and the rest of the historian runs on."""
        if not self._settings.flight_port:
            return
        try:
            self._server = await asyncio.to_thread(self._open)
        except OSError as error:
            where = f"{self._settings.flight_host}:{self._settings.flight_port}"
            log.error("'flight_host' and 'flight_port' are '%s', where nothing can listen: %s", where, error)
            return
        log.info("the SQL door for tools is open", extra={"host": self._settings.flight_host, "port": self._server.port})

    async def stop(self) -> None:
        """Ends it, with the answers that it is giving."""
        if self._server is None:
            return
        done = asyncio.get_running_loop().run_in_executor(None, self._server.shutdown)
        await asyncio.wait((done,), timeout=STOP_S)

    def _open(self) -> FlightSqlServer:
        from cityhub.history.sql.flight_server import FlightSqlServer, LoopbackGate

        address = (self._settings.flight_host, self._settings.flight_port)
        fresh: Callable[[], object] = self._lake.catch_up
        return FlightSqlServer(address, self._sql.engine, self._sql.slots, self._lake.reading, fresh, LoopbackGate())
