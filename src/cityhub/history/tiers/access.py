"""How much questions read of which data file, and when last: what policies and the cost report go by.

The engine itself tells: each read of a file with its bytes. What a question did not have to open, because its bounds ruled the file
out, is not counted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.time import Clock

Reads = Mapping[str, tuple[int, int]]
"""Requests and bytes by path."""

KEPT_DAYS: Final = 30
"""Reads are counted by day, for so many days."""
FILE: Final = "accesses.json"


class Touched(msgspec.Struct):
    """Of one file: when it was last read; requests and bytes of each day (ISO date)."""

    last: datetime
    days: dict[str, tuple[int, int]]


class Accesses:
    """Counts by the name of a file, which stays when the file moves. Kept in memory; `save` writes them down.

    Args:
        folder: Where the counts are kept between runs.
        clock: The time.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._file = folder / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._touched: dict[str, Touched] = {}
        try:
            self._touched = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Touched])
        except (FileNotFoundError, msgspec.DecodeError):
            pass  # counts are an aid: without them policies go by age

    def note(self, reads: Reads) -> None:
        """Questions have read these files."""
        now = self._clock.now()
        day = now.date().isoformat()
        with self._lock:
            for path, (requests, size) in reads.items():
                touched = self._touched.setdefault(name_of(path), Touched(now, {}))
                touched.last = now
                before = touched.days.get(day, (0, 0))
                touched.days[day] = (before[0] + requests, before[1] + size)

    def last(self, path: str) -> datetime | None:
        """When a file was last read; None: never as far as known."""
        touched = self._touched.get(name_of(path))
        return touched.last if touched else None

    def month(self, path: str) -> tuple[int, int]:
        """Requests and bytes of a file in the last 30 days."""
        touched = self._touched.get(name_of(path))
        days = touched.days.values() if touched else ()
        return sum(requests for requests, _ in days), sum(size for _, size in days)

    def save(self, paths: Iterable[str]) -> None:
        """Writes the counts down; those of files that are no longer there, and of days long gone, are let go."""
        today = self._clock.now().date()
        names = {name_of(path) for path in paths}
        with self._lock:
            self._touched = {name: touched for name, touched in self._touched.items() if name in names}
            for touched in self._touched.values():
                touched.days = {
                    day: reads for day, reads in touched.days.items() if (today - datetime.fromisoformat(day).date()).days < KEPT_DAYS
                }
            document = msgspec.json.encode(self._touched)
        part = self._file.with_name(self._file.name + ".part")
        part.write_bytes(document)
        os.replace(part, self._file)


def name_of(path: str) -> str:
    """The name of a file without its folders."""
    return path.rsplit("/", 1)[-1]
