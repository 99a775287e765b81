"""The job that moves data files into the tier where they belong.

For each file: copy it, read the copy and compare, let the table name the copy in one commit (for several files together), and leave
the old file to the snapshots that still name it: it goes when they do. Broken off anywhere, the table names either the old file or
the new one, and both are whole; what is left over is removed by `clean`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from pyiceberg.table import Table

from cityhub.history.tiers.access import Accesses
from cityhub.history.tiers.plan import DAY_S, Plan, Tier, uri_of
from cityhub.history.tiers.shelves import PART, copy, files_in
from cityhub.history.tiers.tables import NAMES, Held, Replacing, held, moved, named
from cityhub.model.errors import StoreUnavailable
from cityhub.model.time import Clock

BATCH: Final = 50
"""Files that are committed together at most."""

log = logging.getLogger(__name__)


class Moved(msgspec.Struct, frozen=True):
    """How far a run is: files and bytes that moved, of how many; `left` could not be moved this time, with the reason."""

    files: int = 0
    bytes: int = 0
    of_files: int = 0
    of_bytes: int = 0
    left: dict[str, str] = {}


class Cleaned(msgspec.Struct, frozen=True):
    """What was removed, and which files of an archive no table uses but must stay, with the end of their retention (seconds since 1970)."""

    files: int = 0
    bytes: int = 0
    withheld: dict[str, float] = {}


class Move(msgspec.Struct, frozen=True):
    """A file and the tier into which it belongs."""

    file: Held
    tier: Tier


Report = Callable[[Moved], None]


def silent(progress: Moved) -> None:
    """Reports to nobody."""


def due(files: Sequence[Held], plan: Plan, accesses: Accesses | None, clock: Clock) -> list[Move]:
    """The files that lie in too hot a tier, and where they belong. Nothing moves from a colder tier to a hotter one."""
    now = clock.now()
    moves = []
    for file in files:
        tier = plan.wanted(file.table, file.tenant, file.newest, accesses.last(file.path) if accesses else None, now)
        if plan.place_of(tier.name) > plan.place_of(plan.tier_at(file.path).name):
            moves.append(Move(file, tier))
    return moves


def move(tables: Replacing, plan: Plan, accesses: Accesses | None, clock: Clock, report: Report = silent) -> Moved:
    """Moves what is due; what was moved. May be broken off and run again at any time."""
    moves = due(held(tables), plan, accesses, clock)
    done = Moved(of_files=len(moves), of_bytes=sum(one.file.size for one in moves))
    report(done)
    for name in NAMES:
        mine = [one for one in moves if one.file.table == name]
        for batch in _batches(mine):
            done = _move(tables, name, batch, done)
            report(done)
    return done


def _batches(moves: list[Move]) -> Iterator[list[Move]]:
    rest = iter(moves)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch


def _move(tables: Replacing, name: str, batch: list[Move], done: Moved) -> Moved:
    table = tables.table(name)
    left = dict(done.left)
    gone, added, size = [], [], 0
    for one in batch:
        file = one.file
        if not file.is_movable:
            left[file.path] = "another engine deleted rows of it; compaction writes it again first"
            continue
        target = target_of(table, file, one.tier)
        try:
            copy(table.io, file.path, target, one.tier)
        except (OSError, StoreUnavailable) as error:
            log.warning("%s could not be copied to the tier %s: %s", file.path, one.tier.name, error)
            left[file.path] = str(error)
            continue
        gone.append(file.described)
        added.append(moved(file.described, target))
        size += file.size
    if gone and not tables.replace(name, gone, added):
        left.update(dict.fromkeys((file.file_path for file in gone), "the table was changed meanwhile; the next run tries again"))
        gone, size = [], 0
    return msgspec.structs.replace(done, files=done.files + len(gone), bytes=done.bytes + size, left=left)


def target_of(table: Table, file: Held, tier: Tier) -> str:
    """Where a file lies in a tier: as in the table's own folder, under the table's name."""
    folder = file.path.split("/data/", 1)[-1] if "/data/" in file.path else file.path.rsplit("/", 1)[-1]
    return f"{uri_of(tier)}/{file.table}/data/{folder}"


def clean(tables: Replacing, plan: Plan, clock: Clock, *, grace_s: float) -> Cleaned:
    """Removes files of the colder tiers that no snapshot names: copies of broken runs, files that moved on, files written again.

    Files that are younger than the grace may be about to be committed and stay; so do files of an archive until its `erasure` allows it.
    """
    kept = set().union(*(named(tables.table(name)) for name in NAMES)) | tables.in_use()
    io = tables.table(NAMES[0]).io
    now = clock.now().timestamp()
    files, size, withheld = 0, 0, {}
    for tier in plan.tier[1:]:
        for path, length, written in files_in(io, tier):
            if path in kept or now - written < grace_s:
                continue
            end = written + tier.retention_days * DAY_S
            if tier.erasure == "after-retention" and now < end and not path.endswith(PART):
                withheld[path] = end
                continue
            io.delete(path)
            files, size = files + 1, size + length
        if tier.kind != "s3":
            _remove_empty(Path(tier.location))
    return Cleaned(files, size, withheld)


def _remove_empty(folder: Path) -> None:
    """Removes the folders within a folder that have become empty."""
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        try:
            inner.rmdir()
        except OSError:
            continue  # it is not empty
