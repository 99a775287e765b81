"""Upkeep: merging small files, letting old snapshots go, and clearing away what no snapshot names.

Every step is one commit or the removal of files that nothing refers to, so that it can be broken off anywhere.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import msgspec
from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from cityhub.history.lake.flush import sorted_file
from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.place import Place
from cityhub.history.lake.reading import SCHEMAS, file_select, quoted
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tables import File, LakeTable, Version
from cityhub.model.time import Clock, to_text

TIER: Final = 4
"""Files of about one size are merged when there are so many of them; each size is so many times the one below."""
SMALLEST: Final = 1_000_000
"""Files smaller than this are of one size, in bytes."""

log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """How far a job is: `done` of `total` of what it counts."""

    job: str
    done: int
    total: int
    unit: str


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Reports to nobody."""


class Upkeep:
    """The jobs. Only one runs at a time; a flush may come between any two steps."""

    def __init__(
        self, place: Place, standing: Standing, tables: dict[str, LakeTable], database: duckdb.DuckDBPyConnection, clock: Clock
    ) -> None:
        self._place = place
        self._clock = clock
        self._standing = standing
        self._tables = tables
        self._database = database
        self._names: dict[str, frozenset[str]] = {}

    # -- Compaction ----------------------------------------------------------------------------------------------

    def compact(self, report: Report = silent, *, whole: bool = False) -> int:
        """Merges small files of the same partition, and takes out what has expired; how many files went.

        Args:
            report: Hears how many files are done.
            whole: Whether all files of a partition that are below the target size are merged, however few they are.
        """
        merged = 0
        with self._standing.upkeep:
            groups = [(name, group) for name in self._tables for group in self._groups(name, whole)]
            total = sum(len(group) for _, group in groups)
            done = 0
            report(Progress("compact", 0, total, "files"))
            for name, group in groups:
                merged += len(group) if self._merge(name, group) else 0
                done += len(group)
                report(Progress("compact", done, total, "files"))
        return merged

    def _groups(self, name: str, whole: bool) -> list[list[File]]:
        """Files to make one of: small ones, and each by itself that has rows which must go."""
        # What lies outside the table's folder was moved to another tier, and stays as it is.
        own = [file for file in self._standing.half(name).version.files if lies_in(self._tables[name].table, file.path)]
        partitions: dict[tuple[Any, ...], list[File]] = defaultdict(list)
        for file in own:
            if file.size < self._place.target_bytes // 2:
                partitions[file.partition].append(file)
        groups: list[list[File]] = []
        for files in partitions.values():
            tiers: dict[int, list[File]] = defaultdict(list)
            for file in files:
                tiers[0 if whole else _tier(file.size)].append(file)
            for tier in tiers.values():
                groups.extend(self._bins(tier, 2 if whole else TIER))
        merged = {file.path for group in groups for file in group}
        now = micros(self._clock)
        groups += [[file] for file in own if file.path not in merged and (file.has_deletes or (file.first_expiry or now) < now)]
        return groups

    def _bins(self, files: list[File], fewest: int) -> Iterator[list[File]]:
        """Files in groups of at most the target size."""
        group: list[File] = []
        for file in sorted(files, key=lambda file: file.size):
            if group and sum(one.size for one in group) + file.size > self._place.target_bytes:
                if len(group) >= fewest:
                    yield group
                group = []
            group.append(file)
        if len(group) >= fewest:
            yield group

    def _merge(self, name: str, group: list[File]) -> bool:
        """Merges files into one; False when a flush was there first."""
        table, standing = self._tables[name], self._standing
        with standing.pinned():
            version = standing.half(name).version
            if not _has_all(version, group):
                return False
            connection = self._database.cursor()
            try:
                query = file_select(connection, SCHEMAS[name], version, group)
                if any(file.first_expiry is not None for file in group):
                    now = quoted(to_text(self._clock.now()))
                    query = f"SELECT * FROM ({query}) WHERE expires_at IS NULL OR expires_at > {now}::TIMESTAMPTZ"
                writer = FileWriter(table.table.io, table.table.metadata)
                added = sorted_file(connection, name, query, group[0].partition, writer)
            finally:
                connection.close()
        with standing.commit:
            version = standing.half(name).version
            if not _has_all(version, group):
                for file in added:
                    table.table.io.delete(file.file_path)
                return False
            standing.swap_version(name, table.commit(version, added, [file.described for file in group], {}))
        return True

    # -- Snapshots -----------------------------------------------------------------------------------------------

    def expire(self, report: Report = silent, *, keep_s: float | None = None) -> int:
        """Lets snapshots go that are older than `keep_s`, and removes the files that no other one names; how many files.

        Files that a question is looking at stay; the next clean-up takes them.
        """
        keep = self._place.keep_s if keep_s is None else keep_s
        removed = 0
        with self._standing.upkeep:
            for number, (name, table) in enumerate(self._tables.items()):
                with self._standing.commit:
                    removed += self._expire(name, table, keep)
                report(Progress("expire", number + 1, len(self._tables), "tables"))
        return removed

    def _expire(self, name: str, table: LakeTable, keep_s: float) -> int:
        version = table.version()
        current = table.table.metadata.current_snapshot_id
        bound = datetime.now(UTC) - timedelta(seconds=keep_s)
        old = [one for one in table.table.snapshots() if one.snapshot_id != current and one.timestamp_ms < bound.timestamp() * 1000]
        if not old:
            return 0
        before = self._referred(table.table)
        expiry = table.table.maintenance.expire_snapshots().by_ids([one.snapshot_id for one in old])
        expiry.commit()
        self._standing.swap_version(name, msgspec.structs.replace(table.version(), left=version.left))
        return self._remove(table.table, before - self._referred(table.table))

    def clean(self, report: Report = silent, *, grace_s: float | None = None) -> int:
        """Removes files that no snapshot names and that are older than `grace_s`; how many."""
        grace = self._place.grace_s if grace_s is None else grace_s
        removed = 0
        with self._standing.upkeep:
            for number, table in enumerate(self._tables.values()):
                with self._standing.commit:
                    table.table.refresh()
                    kept = self._referred(table.table)
                    found = {path for path, age in _files_of(table.table) if age >= grace}
                    removed += self._remove(table.table, found - kept)
                report(Progress("clean", number + 1, len(self._tables), "tables"))
        if removed:
            log.info("removed %s files that no snapshot names", removed)
        return removed

    def _remove(self, table: Table, paths: set[str]) -> int:
        """Removes files of the table's folder that nobody looks at; how many. Other tiers have a clean-up of their own."""
        gone = {path for path in paths - self._standing.in_use() if lies_in(table, path)}
        for path in gone:
            try:
                table.io.delete(path)
            except FileNotFoundError:
                log.info("%s is gone already", path)
        return len(gone)

    def _referred(self, table: Table) -> set[str]:
        """Every file that the table's metadata names, with that metadata."""
        metadata = table.metadata
        named = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
        named.update(statistics.statistics_path for statistics in (*metadata.statistics, *metadata.partition_statistics))
        manifests: dict[str, frozenset[str]] = {}
        for snapshot in metadata.snapshots:
            named.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                path = manifest.manifest_path
                if path not in manifests:
                    manifests[path] = self._names.get(path) or frozenset(
                        entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                    )
        self._names = {**{path: names for path, names in self._names.items() if path in manifests}, **manifests}
        return named.union(manifests, *manifests.values())


def lies_in(table: Table, path: str) -> bool:
    """Whether a file lies in the table's own folder."""
    return _plain(path).startswith(_plain(table.location()).rstrip("/") + "/")


def _plain(location: str) -> str:
    return location.removeprefix("file:").replace("///", "/", 1) if location.startswith("file:") else location


def micros(clock: Clock) -> int:
    """The present time in microseconds since 1970."""
    return (clock.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _tier(size: int) -> int:
    tier, bound = 0, SMALLEST
    while size >= bound:
        tier, bound = tier + 1, bound * TIER
    return tier


def _has_all(version: Version, group: list[File]) -> bool:
    return {file.path for file in group} <= {file.path for file in version.files}


def _files_of(table: Table) -> Iterator[tuple[str, float]]:
    """Every file in a table's folder with its age in seconds."""
    location = table.location()
    scheme, netloc, path = PyArrowFileIO.parse_location(location, table.io.properties)
    assert isinstance(table.io, PyArrowFileIO)
    head = location[: len(location) - len(path)] if location.endswith(path) else ""
    now = time.time()
    selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
    for info in table.io.fs_by_scheme(scheme, netloc).get_file_info(selector):
        if info.type == fs.FileType.File:
            yield head + info.path, now - info.mtime.timestamp()
