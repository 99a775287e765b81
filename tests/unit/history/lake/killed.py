"""A process that follows a journal into a lake, and is killed at some moment: flushes, compacts, expires, deletes as fast as it can.

    python killed.py FOLDER SEED
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.storage.journal_file import SqliteJournal


class StillClock:
    """It is always the same time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC)


def open_here(folder: Path) -> tuple[Lake, SqliteJournal]:
    """The lake in a folder, and the journal beside it."""
    source = SqliteJournal(folder / "hub.sqlite")
    place = Place(warehouse=str(folder / "lake"), data=str(folder), batch=50, keep_s=0, grace_s=0, threads=1)
    return open_lake(place, source, StillClock()), source


def main(folder: Path, seed: int) -> None:
    """Works until it is killed or done."""
    chance = random.Random(seed)
    lake, source = open_here(folder)
    print("open", flush=True)
    while True:
        position = min(lake.position + chance.randrange(1, 30), source.last())
        lake.catch_up(position)
        work = chance.choice([lake.flush, lake.flush, lake.compact, lambda: lake.compact(whole=True), lake.expire, lake.clean, lake.forget])
        work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
