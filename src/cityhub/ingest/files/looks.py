"""Previews of files: made once by the process that opens files, then kept beside them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from cityhub.ingest.files.found import Looked, Standing
from cityhub.ingest.files.frames import Look
from cityhub.ingest.files.plan import Reading, key_of
from cityhub.ingest.files.process import Process, start
from cityhub.model.errors import BadRequestData, CityHubError

AT_ONCE: Final = 2
WAITING: Final = 20
WAYS: Final = 30
"""In so many ways one file is read; each leaves a table beside it."""
BASE_S: Final = 120.0
BYTES_PER_S: Final = 2_000_000
"""A file that takes longer than `BASE_S` and a second for so many bytes is made to do harm."""

log = logging.getLogger(__name__)


class Looks:
    """Makes previews.

    Args:
        most_bytes: What an archive may unpack to.
    """

    def __init__(self, most_bytes: int, begin: Callable[[Look], Awaitable[Process]] = start) -> None:
        self._most = most_bytes
        self._begin = begin
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[tuple[Path, str], asyncio.Task[None]] = {}
        self._failed: dict[tuple[Path, str], str] = {}

    def standing(self, folder: Path, key: str) -> Standing:
        """What was read before. Raises BadRequestData when nothing was."""
        try:
            return msgspec.json.decode((folder / "tables" / f"{key}.json").read_bytes(), type=Standing)
        except FileNotFoundError:
            raise BadRequestData("The file was not looked into in this way: ask for its preview first") from None

    async def look(self, folder: Path, reading: Reading, wait_s: float) -> Looked | None:
        """What is in the file of a folder; None when it is not known within `wait_s`: ask again.

        Raises:
            BadRequestData: It cannot be read; says why.
        """
        key = key_of(reading)
        place = (folder, key)
        if place not in self._tasks and place not in self._failed and not (folder / "tables" / f"{key}.json").exists():
            if len(self._tasks) >= WAITING:
                return None
            if len(list((folder / "tables").glob("*.json"))) + sum(1 for other, _ in self._failed if other == folder) >= WAYS:
                raise BadRequestData(f"The file was read in {WAYS} ways already: remove it and send it again")
            self._tasks[place] = asyncio.create_task(self._run(folder, reading, key))
        if place in self._tasks:
            await asyncio.wait({self._tasks[place]}, timeout=wait_s)
        if place in self._tasks:
            return None
        if place in self._failed:
            raise BadRequestData(self._failed[place])
        return self.standing(folder, key).looked

    def forget(self, folder: Path) -> None:
        """Forgets what went wrong with a file."""
        self._failed = {place: reason for place, reason in self._failed.items() if place[0] != folder}

    async def stop(self) -> None:
        """Ends what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, folder: Path, reading: Reading, key: str) -> None:
        place = (folder, key)
        try:
            async with self._turns:
                reason = await self._looked(folder, Look(str(folder), reading, key, self._most))
            if reason:
                self._failed[place] = reason
        except (OSError, CityHubError) as error:
            self._failed[place] = f"The file could not be looked into: {error}"
        finally:
            del self._tasks[place]

    async def _looked(self, folder: Path, order: Look) -> str:
        """Why it failed; "" when it did not."""
        size = (folder / "content").stat().st_size
        timeout_s = BASE_S + size / BYTES_PER_S
        process = await self._begin(order)
        try:
            said = await asyncio.wait_for(process.answer(), timeout_s)
        except TimeoutError:
            return f"The file takes longer than {timeout_s:.0f} s to read; it is larger inside than it looks"
        finally:
            await process.end()
        if said is None:
            log.error("the process that looked into %s ended without a word", folder)
            return "The file needs more memory or time to be read than a file may have, or is broken in a way that nobody foresaw"
        word, raw = said
        return "" if word == "looked" else msgspec.msgpack.decode(raw, type=str)
