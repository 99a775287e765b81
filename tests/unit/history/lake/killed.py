"""A process that follows a journal into a lake as fast as it can: flushes, compacts, expires, deletes, until it is killed."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from multiprocessing.connection import Connection
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


def work(folder: Path, seed: int, ready: Connection) -> None:
    """Works until it is killed."""
    chance = random.Random(seed)
    lake, source = open_here(folder)
    ready.send(None)
    jobs = [lake.flush, lake.flush, lake.compact, lambda: lake.compact(whole=True), lake.expire, lake.clean, lake.forget]
    while True:
        lake.catch_up(min(lake.position + chance.randrange(1, 30), source.last()))
        chance.choice(jobs)()
