"""What the quality checks of feeds remember, kept over a restart of the gateway: a file for each feed in the data folder.

    gateway/FEED.quality      zlib over msgpack, at most 1 MB

When it does not all fit, the things that spoke last are kept. A gateway that is killed loses what came since the last writing; flags that
were set are in the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
import zlib
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.stages import Quality

FOLDER: Final = "gateway"
"""Within the data folder."""
MAX_FILE: Final = 1 << 20
MAX_UNPACKED: Final = 4 << 20
MAX_TRACES: Final = 16_000
"""Pasts of attributes in one file; each takes some 150 bytes before it is packed."""
UNUSED_S: Final = 30 * 86_400.0
"""The file of a feed that brought nothing for so long, because it is no more or does not run, is removed at the next start."""

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A file.

    Attributes:
        checks: For which checks it holds, see `_fingerprint`.
        score: That of the feed.
        things: Id and what is remembered of the thing; those that spoke last are the last.
    """

    checks: bytes
    score: list[float]
    things: dict[str, Any]


class Memory:
    """The files.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._writing = asyncio.Lock()
        self._remove_unused()

    def recall(self, feed: Feed, quality: Quality) -> None:
        """The checks remember what was kept, if they are the same now; a file that cannot be used is passed over."""
        file = self._file(feed)
        try:
            kept = _read(file)
            if kept.checks == _fingerprint(feed):
                quality.restore({"score": kept.score, "things": kept.things})
        except FileNotFoundError:
            return
        except (OSError, ValueError, zlib.error, msgspec.DecodeError) as error:
            log.warning("feed '%s': what its checks remembered cannot be read from %s, they begin anew: %s", feed.id, file, error)

    async def keep(self, feed: Feed, quality: Quality) -> None:
        """Writes down what the checks remember. What keeps it from that is told in the log."""
        if not feed.checks:
            return
        async with self._writing:
            snapshot = quality.snapshot(MAX_TRACES)
            try:
                await asyncio.to_thread(self._write, feed, snapshot)
            except OSError as error:
                log.warning("feed '%s': what its checks remember cannot be kept: %s", feed.id, error)

    def _write(self, feed: Feed, snapshot: dict[str, Any]) -> None:
        room = MAX_UNPACKED
        while len(content := _packed(feed, snapshot, room)) > MAX_FILE:
            room //= 2
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._file(feed)
        fresh = file.with_suffix(".new")
        fresh.write_bytes(content)
        os.replace(fresh, file)

    def _file(self, feed: Feed) -> Path:
        return self._folder / f"{feed.id}.quality"

    def _remove_unused(self) -> None:
        bound = time.time() - UNUSED_S
        for file in self._folder.glob("*.quality"):
            try:
                if file.stat().st_mtime < bound:
                    file.unlink()
            except OSError as error:
                log.warning("%s cannot be removed: %s", file, error)


def _fingerprint(feed: Feed) -> bytes:
    """What must be the same for the past to hold: the checks, and how the values come about that they look at."""
    made = [[entity.type, entity.id, {name: entity.attributes.get(name) for name in feed.checks}] for entity in feed.entities]
    return hashlib.sha256(msgspec.json.encode([feed.tenant, feed.context, feed.checks, made])).digest()


def _packed(feed: Feed, snapshot: dict[str, Any], room: int) -> bytes:
    """A file's content with as many of the latest things as have room, in bytes; a thing that cannot be written is left out."""
    encode = msgspec.msgpack.Encoder().encode
    things: list[tuple[str, msgspec.Raw]] = []
    for id, remembered in reversed(snapshot["things"].items()):
        try:
            encoded = encode(remembered)
        except (OverflowError, ValueError):  # a value that msgpack cannot hold, such as a number beyond 64 bits
            continue
        room -= len(encoded) + len(id)
        if room < 0:
            break
        things.append((id, msgspec.Raw(encoded)))
    return zlib.compress(encode(Kept(_fingerprint(feed), snapshot["score"], dict(reversed(things)))), 1)


def _read(file: Path) -> Kept:
    """What a file says. Raises OSError, ValueError, zlib.error or msgspec.DecodeError."""
    packed = file.read_bytes()
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, 2 * MAX_UNPACKED)
    if not unpacking.eof:
        raise ValueError("it is not whole")
    return msgspec.msgpack.decode(content, type=Kept)
