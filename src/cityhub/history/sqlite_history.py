"""The history in one SQLite file of its own, `history.sqlite`.

One thread writes; what a call writes is one transaction with one fsync. Reads run in threads with connections of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from cityhub.history import select
from cityhub.history.rows import micros
from cityhub.history.schema import open_file, open_reading
from cityhub.history.writing import Writing
from cityhub.model.condition import Condition
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Evolution, Happening, Window
from cityhub.model.time import Clock, to_text

T = TypeVar("T")


def open_history(folder: Path, clock: Clock) -> SqliteHistory:
    """The history in `folder/history.sqlite`, made or migrated as needed.

    Raises:
        RuntimeError: The file was written by a newer version of the hub.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "history.sqlite")
    connection = open_file(path)
    return SqliteHistory(path, connection, clock)


class SqliteHistory:
    """The `History` port on a SQLite file."""

    def __init__(self, path: str, connection: apsw.Connection, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection = connection
        self._writing = Writing(connection)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cityhub-history-writer")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="cityhub-history-reader")
        self._local = threading.local()
        self._seed = self._writing.seed

    async def close(self) -> None:
        """Writes what is queued, moves the log into the file and closes it."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        with contextlib.suppress(apsw.Error):  # on a full disk the log stays as it is, and the next start finds it
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    # -- Writing -------------------------------------------------------------------------------------------------

    def position(self) -> int | None:
        """See `cityhub.model.ports.History.position`."""
        return self._writing.position

    async def append(self, happenings: Sequence[Happening], position: int) -> None:
        """See `cityhub.model.ports.History.append`."""
        await self._write(lambda: self._writing.append(happenings, position))

    async def follow(self, position: int) -> None:
        """See `cityhub.model.ports.History.follow`."""
        await self._write(lambda: self._writing.follow(position))

    async def put(self, tenant: str, id: str, types: Sequence[str], attributes: Attributes, *, create: bool) -> bool:
        """See `cityhub.model.ports.History.put`."""
        return await self._write(lambda: self._writing.put(tenant, id, types, attributes, self._now(), create=create))

    async def modify(self, tenant: str, id: str, attribute: str, instance_id: str, change: Callable[[Instance], Instance]) -> None:
        """See `cityhub.model.ports.History.modify`."""
        await self._write(lambda: self._writing.modify(tenant, id, attribute, instance_id, change, self._now()))

    async def delete_instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> None:
        """See `cityhub.model.ports.History.delete_instance`."""
        await self._write(lambda: self._writing.delete_instance(tenant, id, attribute, instance_id))

    async def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """See `cityhub.model.ports.History.delete_attribute`."""
        await self._write(lambda: self._writing.delete_attribute(tenant, id, attribute, dataset_id, delete_all))

    async def delete_entity(self, tenant: str, id: str) -> None:
        """See `cityhub.model.ports.History.delete_entity`."""
        await self._write(lambda: self._writing.delete_entity(tenant, id))

    async def expire(self) -> int:
        """See `cityhub.model.ports.History.expire`."""
        return await self._write(lambda: self._writing.expire(micros(self._now())))

    # -- Reading -------------------------------------------------------------------------------------------------

    async def entity(self, tenant: str, id: str) -> Evolution | None:
        """See `cityhub.model.ports.History.entity`."""
        return await self._read(lambda connection: select.entity(connection, tenant, id))

    async def scan(self, tenant: str, condition: Condition) -> AsyncIterator[list[Evolution]]:
        """See `cityhub.model.ports.History.scan`."""
        after = 0
        while True:
            block, after = await self._read(partial(select.block, tenant, condition, after))
            if not block:
                return
            yield block

    async def read(self, tenant: str, ids: Sequence[str], window: Window) -> list[Attributes]:
        """See `cityhub.model.ports.History.read`."""
        now = micros(self._now())
        return await self._read(lambda connection: select.instances(connection, self._seed, tenant, ids, window, now))

    # -- Threads -------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return to_text(self._clock.now())

    async def _write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._in_transaction, work)

    def _in_transaction(self, work: Callable[[], T]) -> T:
        changes = self._connection.total_changes()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            result = work()
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self._connection.total_changes() != changes or isinstance(error, apsw.Error):
                self._writing.forget()
            if isinstance(error, apsw.Error | OSError):
                raise StoreUnavailable(f"The history cannot take the write now ({error}); nothing of it was kept") from error
            raise
        self._writing.settled()
        return result

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._with_connection, work)

    def _with_connection(self, work: Callable[[apsw.Connection], T]) -> T:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reading(self._path)
        return work(connection)
