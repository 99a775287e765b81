"""`cityhub backup` and `cityhub restore`: everything that a hub keeps, in one file, and back.

The file is a tar with `store.ndjson.gz` (state, records and journal in the portable form of `cityhub.storage.backup`,
so that it can go into the other backend) and `lake.tar` (the tables of the history, see `cityhub.history.lake.copying`).
The lake is copied first: what it lacks then is in the store's journal, and the historian adds it after the restoration.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import apsw

from cityhub.cli.connection import command
from cityhub.cli.presence import DATABASE, claim
from cityhub.cli.progress import Progress
from cityhub.history.folder import LAKE, alone
from cityhub.history.supervision import SOCKET
from cityhub.model.time import SystemClock, to_text
from cityhub.settings import Settings
from cityhub.storage.backup import Summary, restore
from cityhub.storage.backup import backup as write_backup
from cityhub.storage.sqlite import open_sqlite
from cityhub.storage.sqlite_portable import SqliteSnapshot, sqlite_snapshot
from cityhub.web.wire import socket_path
from cityhub.web.wire_client import WireClient

STORE: Final = "store.ndjson.gz"
HISTORY: Final = "lake.tar"
COPY_S: Final = 3600.0
"""How long the copy of the lake and that of the store may take together."""


def backup(settings: Settings, file: Path) -> int:
    """Writes a backup of the hub, which may be running; returns 0, or 1 when it could not be written."""
    return _run(lambda: _backup(settings, file))


def restore_from(settings: Settings, file: Path, replace: bool) -> int:
    """Fills an empty data folder or database from a backup; returns 0, or 1 when nothing was changed."""
    return _run(lambda: _restore(settings, file, replace))


def _run(work: Callable[[], Awaitable[str]]) -> int:
    async def told() -> int:
        print(await work())
        return 0

    try:
        return command(told)
    except (tarfile.TarError, apsw.Error) as error:
        print(f"cityhub: {error}", file=sys.stderr)
        return 1


async def _backup(settings: Settings, file: Path) -> str:
    data = Path(settings.data)
    if not file.absolute().parent.is_dir():
        raise RuntimeError(f"The backup would be {file}: right would be a file in a folder that exists")
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".cityhub-backup-") as folder:
        parts = [Path(folder) / STORE, Path(folder) / HISTORY]
        async with _portable(settings) as store, _lake_copied(data, parts[1]):
            summary = await _with_progress(store, parts[0], sys.stderr)
        await asyncio.to_thread(_pack, parts, Path(folder) / "whole", file)
    return f"{file}: {_told(summary)}"


async def _restore(settings: Settings, file: Path, replace: bool) -> str:
    data = Path(settings.data)
    with claim(data), tempfile.TemporaryDirectory(dir=data, prefix=".cityhub-restore-") as name:
        folder = Path(name)
        await asyncio.to_thread(_unpack, file, folder)
        if settings.store.startswith("postgres"):
            summary = await _fill_postgres(settings.store, folder / STORE, replace)
        else:
            store = await open_sqlite(data, SystemClock())
            try:
                summary = await restore(folder / STORE, store, replace)
            finally:
                await store.close()
        await asyncio.to_thread(_restore_lake, folder / HISTORY, data / LAKE)
    return f"restored: {_told(summary)}"


async def _fill_postgres(url: str, file: Path, replace: bool) -> Summary:
    # Imported here, as the driver is an extra that the embedded hub does without.
    from cityhub.storage.postgres import open_postgres

    store = await open_postgres(url, SystemClock())
    try:
        return await restore(file, store, replace)
    finally:
        await store.close()


class _File:
    """A SQLite store that is only read; the hub that owns it may be running."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def snapshot(self) -> AbstractAsyncContextManager[SqliteSnapshot]:
        """What the file holds now."""
        return sqlite_snapshot(str(self._path), to_text(SystemClock().now()))


@asynccontextmanager
async def _portable(settings: Settings) -> AsyncIterator[Any]:
    if settings.store.startswith("postgres"):
        from cityhub.storage.postgres import open_postgres

        store = await open_postgres(settings.store, SystemClock())
        try:
            yield store
        finally:
            await store.close()
        return
    path = Path(settings.data) / DATABASE
    if not path.is_file():
        raise RuntimeError(f"'data' is '{settings.data}', where no hub has been yet: right would be the folder of one (--data)")
    yield _File(path)


async def _with_progress(store: Any, file: Path, stream: TextIO) -> Summary:
    """Writes the store's part; a terminal sees how far it is, anything else nothing, as backups are mostly made by timers."""
    if not stream.isatty():
        return await write_backup(store, file)
    progress = Progress(0, "items", "store", stream)
    summary = await write_backup(store, file, lambda items: progress.show(items, items, 0))
    items = summary.entities + summary.records + summary.changes
    progress.show(items, items, 0, last=True)
    return summary


@asynccontextmanager
async def _lake_copied(data: Path, target: Path) -> AsyncIterator[None]:
    """A copy of the lake; until the end of the block the journal of a running hub keeps what is not in it."""
    with alone(data) as is_free:
        if is_free:  # no process keeps the lake now, nor can one begin
            await asyncio.to_thread(_write, target, lambda: _stored(data / LAKE))
            yield
            return
    client = WireClient("historian", socket_path(data, SOCKET))
    async with aclosing(client.stream("copy", None, fresh=False, timeout_s=COPY_S)) as pieces:
        with target.open("wb") as file:
            async for piece in pieces:
                if not piece:
                    break
                await asyncio.to_thread(file.write, piece)
        yield


def _stored(warehouse: Path) -> Iterator[bytes]:
    # Imported here, as the lake's libraries are large and other commands do without.
    from cityhub.history.lake.copying import stored

    return stored(warehouse.absolute())


def _write(target: Path, pieces: Callable[[], Iterator[bytes]]) -> None:
    with target.open("wb") as file:
        for piece in pieces():
            file.write(piece)


def _restore_lake(copy: Path, warehouse: Path) -> None:
    shutil.rmtree(warehouse, ignore_errors=True)
    if copy.is_file() and copy.stat().st_size:
        from cityhub.history.lake.copying import restore as restore_lake

        restore_lake(copy, warehouse.absolute())


def _pack(parts: list[Path], whole: Path, file: Path) -> None:
    with tarfile.open(whole, "w") as tar:
        for part in parts:
            tar.add(part, part.name)
    with open(whole, "rb") as written:
        os.fsync(written.fileno())
    os.replace(whole, file)


def _unpack(file: Path, folder: Path) -> None:
    """Takes the two known members out of the file, and nothing else."""
    if not tarfile.is_tarfile(file):
        raise tarfile.TarError(f"{file} is no backup of a hub")
    with tarfile.open(file) as tar:
        names = {member.name: member for member in tar if member.isreg()}
        if STORE not in names:
            raise tarfile.TarError(f"{file} is no backup of a hub: it has no {STORE}")
        for name in (STORE, HISTORY):
            content = tar.extractfile(names[name]) if name in names else None
            if content is not None:
                with open(folder / name, "wb") as target:
                    shutil.copyfileobj(content, target)


def _told(summary: Summary) -> str:
    return (
        f"{summary.entities:,} entities, {summary.records:,} records, {summary.changes:,} journal entries "
        f"at journal position {summary.state.position:,} ({summary.state.at})"
    )
