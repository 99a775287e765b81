"""Files on their way in: kept in the data folder part by part, so that an upload that was cut off goes on where it was."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.errors import BadRequestData, CityHubError, Conflict, NotFound, StoreUnavailable, TooLarge
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

COLLECTION: Final = "import_file"
FOLDER: Final = "imports"
"""The folder in the data folder."""
MAX_NAME: Final = 255
MAX_FILES: Final = 1_000
"""Files that are kept at a time, of all tenants."""
SPARE_BYTES: Final = 1_000_000_000
"""Room on the disk that an upload must leave."""
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


class Upload(msgspec.Struct, frozen=True):
    """A file that came, or is coming.

    Attributes:
        id: 32 hex digits.
        tenant: Whose it is.
        name: As its owner calls it; nothing is decided by it.
        size: In bytes.
        created: When it began to come.
        by: Who sent it.
    """

    id: str
    tenant: str
    name: str
    size: int
    created: str
    by: str = ""


class Uploads:
    """The files of a hub.

    Args:
        store: Where the records of them are.
        data: The data folder.
        clock: The present time.
        most_bytes: Largest file.
        keep_days: How long files are kept.
    """

    def __init__(self, store: Store, data: Path, clock: Clock, most_bytes: int, keep_days: float) -> None:
        self._store, self._clock = store, clock
        self._data = data / FOLDER
        self.most_bytes = most_bytes
        self._keep = timedelta(days=keep_days)
        self._locks: dict[str, asyncio.Lock] = {}

    async def begin(self, tenant: str, name: str, size: int, by: str) -> Upload:
        """Makes room for a file. Raises TooLarge, BadRequestData for a name, StoreUnavailable when the disk is full."""
        if not 0 < len(name) <= MAX_NAME or any(ord(letter) < 32 for letter in name):
            raise BadRequestData(f"'name' must have 1 to {MAX_NAME} visible characters")
        if size < 1:
            raise BadRequestData("The file is empty; 'size' must be its number of bytes")
        if size > self.most_bytes:
            raise TooLarge(f"A file may have at most {self.most_bytes} bytes (setting 'import_max_bytes'); it has {size}")
        await self._check_room(size)
        upload = Upload(secrets.token_hex(16), tenant, name, size, to_text(self._clock.now()), by)
        folder = self.folder(upload.id)
        await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
        await asyncio.to_thread((folder / "content").touch)
        await self._write(upload, msgspec.to_builtins(upload))
        return upload

    async def put(self, upload: Upload, begin: int, content: bytes) -> int:
        """Adds a part that begins at an offset; returns how many bytes are there now.

        A part that is there already is taken as such.

        Raises:
            Conflict: It would leave a gap.
            BadRequestData: It goes beyond the end.
        """
        if begin + len(content) > upload.size:
            raise BadRequestData(f"The part ends at byte {begin + len(content)}; the file has {upload.size}")
        async with self._locks.setdefault(upload.id, asyncio.Lock()):
            received = self.received(upload)
            if begin > received:
                raise Conflict(f"The part begins at byte {begin}, but only {received} have come: go on there", received=received)
            rest = content[received - begin :]
            if rest:
                await asyncio.to_thread(_append, self.folder(upload.id) / "content", received, rest)
            received += len(rest)
        if received == upload.size:
            self._locks.pop(upload.id, None)
        return received

    def received(self, upload: Upload) -> int:
        """How many bytes have come."""
        try:
            return (self.folder(upload.id) / "content").stat().st_size
        except FileNotFoundError:
            return 0

    async def find(self, tenant: str, id: str) -> Upload:
        """A file. Raises NotFound."""
        record = await self._store.fetch(tenant, id, COLLECTION)
        if record is None:
            raise NotFound(f"There is no file '{id[:100]}'; it may have been dropped, as files are after some days")
        return msgspec.convert(record, Upload)

    async def all(self, tenant: str | None) -> list[Upload]:
        """Files of one tenant or of all, the newest first."""
        found = await self._store.records(tenant, COLLECTION)
        return [msgspec.convert(record, Upload) for _, record in reversed(found)]

    async def drop(self, upload: Upload) -> None:
        """Removes a file with all that was made of it."""
        await self._write(upload, None)
        await asyncio.to_thread(shutil.rmtree, self.folder(upload.id), ignore_errors=True)

    async def sweep(self, used: frozenset[str]) -> None:
        """Drops files that are too old, except those in use; to be called now and then."""
        oldest = to_text(self._clock.now() - self._keep)
        for upload in await self.all(None):
            if upload.created < oldest and upload.id not in used:
                await self.drop(upload)

    def folder(self, id: str) -> Path:
        """Where a file lies, and what was made of it."""
        return self._data / id

    async def _check_room(self, size: int) -> None:
        if len(await self.all(None)) >= MAX_FILES:
            raise StoreUnavailable(f"{MAX_FILES} files are kept already: remove some")
        await asyncio.to_thread(self._data.mkdir, parents=True, exist_ok=True, mode=0o700)
        free = (await asyncio.to_thread(shutil.disk_usage, self._data)).free
        if free < 2 * size + SPARE_BYTES:
            raise StoreUnavailable(f"There is no room for a file of {size} bytes: the disk of the hub has {free} left")

    async def _write(self, upload: Upload, document: Document | None) -> None:
        results = await self._store.write(upload.tenant, [Write(upload.id, lambda before, at: (document, None), COLLECTION)])
        if isinstance(results[0], CityHubError):
            raise results[0]


def read_range(header: str, length: int, size: int) -> int:
    """The offset that a Content-Range header gives a part. Raises BadRequestData when it does not fit the body or the file."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise BadRequestData(f"Content-Range must be like 'bytes 0-{max(length - 1, 0)}/{size}', not '{header[:100]}'")
    begin, end, total = (int(part) for part in match.groups())
    if end - begin + 1 != length or total != size:
        raise BadRequestData(f"Content-Range '{header[:100]}' does not fit a body of {length} bytes and a file of {size}")
    return begin


def _append(path: Path, offset: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
