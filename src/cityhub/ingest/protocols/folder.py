"""Files that somebody puts into a folder: each new or changed one is taken once.

A file is read when its size and time did not change between two looks, so that one still being written is left alone.
What was taken is moved to `done`, or remembered by its digest in the feed's bookmark.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import MAX_BODY, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.reach import hand_over, readable

MAX_FILES: Final = 100_000
"""Files in a folder that are looked at; a folder with more is trouble, not a queue."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which files are taken. The folder must lie in one that the setting `feed_folders` allows.

    Attributes:
        folder: Path of the folder; folders in it are not looked into.
        names: Pattern of the names, such as "*.csv".
        after: "move" puts what was taken into `done` and what cannot be into `failed`, folders beside the files; "remember" leaves the
            files and remembers their digests.
        every_s: Seconds between two looks; a file must stay the same for so long.
        max_bytes: Largest file; what is larger belongs into an import.
        remembered: Files that are remembered; older ones are forgotten and would be taken again.
    """

    folder: str
    names: str = "*"
    after: Literal["move", "remember"] = "move"
    every_s: Annotated[float, Meta(gt=0)] = 5.0
    max_bytes: Annotated[int, Meta(ge=1, le=MAX_BODY)] = MAX_BODY
    remembered: Annotated[int, Meta(ge=1, le=10_000)] = 1000

    def __post_init__(self) -> None:
        if not self.folder.startswith("/"):
            raise ValueError("'folder' must be an absolute path such as '/srv/city/rain'")


Look = dict[str, tuple[int, int]]
"""Size and time of change of each file by its name."""


class Connector:
    """A folder as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._folder = readable(around, settings.folder)
        self._taken: dict[str, str] = {}
        self._done_with: Look = {}

    async def run(self, sink: Sink) -> None:
        """Looks into the folder until it is cancelled. Raises TroubleAtSource when the folder cannot be read."""
        self._taken = dict((await self._around.bookmarks.last() or {}).get("taken", {}))
        before: Look = {}
        while True:
            seen = await asyncio.to_thread(self._look)
            for name in sorted(seen):
                if before.get(name) == seen[name] and self._done_with.get(name) != seen[name]:
                    await self._take(sink, name, seen[name])
                    self._done_with[name] = seen[name]
            self._done_with = {name: look for name, look in self._done_with.items() if name in seen}
            before = seen
            self._around.notices.state("running")
            await asyncio.sleep(self._settings.every_s)

    def _look(self) -> Look:
        found: Look = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not fnmatch(entry.name, self._settings.names):
                        continue
                    if entry.is_file(follow_symlinks=False):
                        found[entry.name] = _appearance(entry.stat(follow_symlinks=False))
                    if len(found) > MAX_FILES:
                        raise TroubleAtSource(f"More than {MAX_FILES} files are in {self._folder}; take some away")
        except OSError as error:
            raise TroubleAtSource(f"{self._folder} cannot be read: {error.strerror}") from None
        return found

    async def _take(self, sink: Sink, name: str, look: tuple[int, int]) -> None:
        path = self._folder / name
        body = await asyncio.to_thread(_content, path, self._settings.max_bytes)
        if body is None:
            return
        if len(body) > self._settings.max_bytes:
            self._around.notices.state("waiting", f"'{name}' is larger than {self._settings.max_bytes} bytes: bring it in as an import")
            await self._put_away(path, look, "failed")
            return
        digest = hashlib.sha256(body).hexdigest()
        if self._taken.get(name) != digest:
            settled = await hand_over(sink, Message(body, {"path": name}, self._around.now(), bookmark=self._bookmark(name, digest)))
            failed = bool(settled.refused) and not (settled.written or settled.late or settled.same)
            await self._put_away(path, look, "failed" if failed else "done")
        else:
            await self._put_away(path, look, "done")

    def _bookmark(self, name: str, digest: str) -> dict[str, Any]:
        """The files that were taken, the latest last. A moved file is remembered too: moving may fail after the data were kept."""
        self._taken.pop(name, None)
        self._taken[name] = digest
        while len(self._taken) > self._settings.remembered:
            del self._taken[next(iter(self._taken))]
        return {"taken": dict(self._taken)}

    async def _put_away(self, path: Path, look: tuple[int, int], where: str) -> None:
        if self._settings.after == "remember":
            return
        try:
            await asyncio.to_thread(_move, path, look, path.parent / where)
        except OSError as error:
            raise TroubleAtSource(f"'{path.name}' cannot be moved to '{where}': {error.strerror}; or write 'after: remember'") from None


def _content(path: Path, bound: int) -> bytes | None:
    """A file's content, one byte more than the bound at most; None when it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TroubleAtSource(f"'{path.name}' cannot be read: {error.strerror}") from None
    with open(handle, "rb") as file:
        return file.read(bound + 1)


def _appearance(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _move(path: Path, look: tuple[int, int], folder: Path) -> None:
    """Moves a file into a folder unless it is another by now; one of the same name that is there already keeps its own."""
    if not path.exists() or _appearance(path.lstat()) != look:
        return
    folder.mkdir(exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        target, number = folder / f"{path.stem}.{number}{path.suffix}", number + 1
    path.rename(target)


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises Forbidden when the folder is not one that feeds may read."""
    return Connector(feed, settings, around)
