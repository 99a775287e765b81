"""The lake: everything that the journal says about entities, in Iceberg tables and a tail in memory.

    lake = open_lake(Place(warehouse="/data/lake"), source, clock)
    lake.catch_up(position)                  # returns when everything up to there can be seen
    with lake.reading(tenant) as reading:    # reading.connection: DuckDB with the views `observations` and `entity_versions`
        reading.connection.execute("SELECT ...")
    lake.flush_due(), lake.flush()           # lays the tail down: one commit for each table that has something
    lake.examine()                           # after a question failed: sets aside the files that cannot be read; then ask again
    lake.compact(report), lake.expire(report), lake.clean(report), lake.forget(report)   # upkeep, with progress
    lake.tidy(report)                        # compact, expire and clean, on a schedule
    lake.status()                            # status().committed: the journal may drop what is up to there
    lake.close()

All methods block and may be called from any thread. Readers never wait for a flush nor for upkeep.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from cityhub.history.lake.backfill import take_backfill
from cityhub.history.lake.copying import Held, settle
from cityhub.history.lake.erasing import Pending
from cityhub.history.lake.examining import examine
from cityhub.history.lake.file_reads import count_reads, taken_reads
from cityhub.history.lake.files import IMPLEMENTATION
from cityhub.history.lake.flush import flush
from cityhub.history.lake.following import Following, JournalSource
from cityhub.history.lake.objects import SCHEME, open_objects
from cityhub.history.lake.place import Place
from cityhub.history.lake.reading import Half, Reading, State, make_views
from cityhub.history.lake.schema import ENTITY_VERSIONS, NAMESPACE, OBSERVATIONS
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tables import POSITION, SEED, LakeTable, Version, locations, open_tables
from cityhub.history.lake.tail import bytes_in, rows_in
from cityhub.history.lake.upkeep import Progress, Report, Upkeep, silent
from cityhub.model.change import Entry
from cityhub.model.time import Clock, to_text

__all__ = ["JournalSource", "Lake", "Place", "Progress", "Reading", "Status", "open_lake"]

MANY: Final = 20_000
"""Pending erasures at which the tail is laid down: each question takes longer by them."""
OVERFULL: Final = 2
"""Whoever reads the journal lays the tail down himself when it is so many times as large as it should be."""

log = logging.getLogger(__name__)


class Status(msgspec.Struct, frozen=True):
    """How a lake is.

    Attributes:
        read: The journal position that can be seen.
        committed: The position up to which everything is in the tables; the journal may drop what is before it.
        tail_rows: Rows in memory.
        tail_bytes: Bytes of memory that they take.
        files: Files by table.
        rows: Rows in these files.
        size: Bytes of these files.
        pending: Erasures that wait for the next flush.
        readings: Questions that are being answered.
        set_aside: Files that cannot be read, and why.
    """

    read: int
    committed: int
    tail_rows: int
    tail_bytes: int
    files: dict[str, int]
    rows: dict[str, int]
    size: dict[str, int]
    pending: int
    readings: int
    set_aside: dict[str, str]


def open_lake(place: Place, source: JournalSource, clock: Clock, *, begin: int = 0) -> Lake:
    """The lake at a place, made when it is not there.

    Args:
        place: Where, and how.
        source: The journal.
        clock: The time, by which instances expire.
        begin: Where a new lake begins in the journal: the changes up to there are left out.
    """
    warehouse = place.warehouse
    if "://" not in warehouse:
        Path(warehouse).mkdir(parents=True, exist_ok=True)
        warehouse = f"file://{Path(warehouse).absolute()}"  # not percent-encoded: pyiceberg takes it as it is
    if not place.catalog:
        settle(Path(place.warehouse).absolute(), place.name)
    uri = place.catalog or f"sqlite:///{Path(place.warehouse).absolute()}/catalog.sqlite"
    if uri.startswith(("postgres://", "postgresql://")):
        uri = f"postgresql+psycopg://{uri.partition('://')[2]}"
    catalog = SqlCatalog(place.name, uri=uri, warehouse=warehouse, **{"py-io-impl": IMPLEMENTATION, **place.io})
    tables = open_tables(catalog, begin, secrets.token_hex(4))
    return Lake(place, source, clock, catalog, dict(zip((OBSERVATIONS, ENTITY_VERSIONS), tables, strict=True)))


class Lake:
    """See the module."""

    def __init__(
        self, place: Place, source: JournalSource, clock: Clock, catalog: SqlCatalog, tables: dict[str, LakeTable]
    ) -> None:
        self._place = place
        self._source = source
        self._clock = clock
        self._catalog = catalog
        self._tables = tables
        self._scratch = _scratch(place)
        self._database = _database(place, self._scratch / "questions", place.memory)
        self._workshop = _database(place, self._scratch / "work", place.work_memory)
        if place.count_reads:
            count_reads(self._database)
        observations, versions = (_not_beyond(tables[name], source.last()) for name in (OBSERVATIONS, ENTITY_VERSIONS))
        position = min(observations.position, versions.position)
        self._standing = Standing(State(position, Half(observations, (), Pending()), Half(versions, (), Pending())))
        self.seed = str(tables[OBSERVATIONS].table.properties[SEED])
        self._following = Following(place, source, clock, self._standing, self._workshop, self.seed, self._backfill, self._relieve)
        self._upkeep = Upkeep(place, self._standing, tables, self._workshop, clock)
        self.examine(deep=False)

    def close(self) -> None:
        """Ends. What is in the tail is read from the journal again at the next start."""
        self._database.close()
        self._workshop.close()
        self._catalog.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # -- Following and reading -----------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The journal position that can be seen."""
        return self._standing.state.position

    def catch_up(self, position: int | None = None) -> int:
        """Reads the journal up to a position at least, or to its present end; the position reached.

        A tail that has grown much too large is laid down on the way.
        Raises StoreUnavailable when the journal does not give the position out.
        """
        seen = self.position
        if position is None and self._source.last() < seen:
            self._begin_anew()
        return self._following.catch_up(position)

    def _begin_anew(self) -> None:
        """Goes on where the journal ends now: the store was replaced by an older state of it."""
        with self._standing.commit:
            flush(self._workshop, self._standing, self._tables)
            with self._standing.intake:
                last = self._source.last()
                halves = [Half(_not_beyond(table, last), (), Pending()) for table in self._tables.values()]
                self._standing.swap(State(min(last, self.position), *halves))
                self._following.forget()

    def _backfill(self, entry: Entry) -> None:
        with self._standing.commit:
            flush(self._workshop, self._standing, self._tables)
            take_backfill(self._place, self._workshop, self._standing, self._tables, entry)

    def _relieve(self) -> None:
        tails = [half.tail for half in self._standing.state.halves.values()]
        rows, size = sum(map(rows_in, tails)), sum(map(bytes_in, tails))
        if rows > OVERFULL * self._place.flush_rows or size > OVERFULL * self._place.flush_bytes:
            self.flush()

    @contextlib.contextmanager
    def reading(self, tenant: str) -> Iterator[Reading]:
        """A look at one tenant's rows as they are now; its files stay until the end of the block.

        Raises StoreUnavailable when another engine left the tables in a state that cannot be read here.
        """
        self._notice_others()
        with self._standing.pinned() as state:
            connection = self._database.cursor()
            try:
                make_views(connection, state, tenant, to_text(self._clock.now()))
                yield Reading(connection, state.position, tenant, self.seed)
            finally:
                connection.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[list[Held]]:
        """The tables as they are committed now, for a copy; their files stay until the end of the block."""
        self._notice_others()
        with self._standing.pinned() as state:
            yield [Held(name, self.seed, half.version, self._tables[name].table.io) for name, half in state.halves.items()]

    def _notice_others(self) -> None:
        """Takes up what another engine committed."""
        standing = self._standing
        if not standing.commit.acquire(blocking=False):
            return  # this lake is committing, and knows the newest itself
        try:
            now = locations(self._catalog)
            for name, half in standing.state.halves.items():
                if now.get(name) != half.version.location:
                    standing.swap_version(name, self._tables[name].version())
        finally:
            standing.commit.release()

    def examine(self, *, deep: bool = True) -> dict[str, str]:
        """Looks for files that cannot be read, names and sets them aside, so that the rest answers; the new ones with their fault.

        Files that were set aside and can be read again come back. Without `deep` a file only has to be there with all its bytes.
        """
        with self._standing.commit:
            return examine(self._database, self._standing, self._tables, deep=deep)

    # -- Flush and upkeep ----------------------------------------------------------------------------------------

    def flush_due(self) -> bool:
        """Whether the tail is large or old enough to be laid down."""
        standing, place = self._standing, self._place
        oldest = standing.oldest
        if oldest is None:
            return False
        tails = [half.tail for half in standing.state.halves.values()]
        return (
            time.monotonic() - oldest >= place.flush_age_s
            or sum(map(rows_in, tails)) >= place.flush_rows
            or sum(map(bytes_in, tails)) >= place.flush_bytes
            or sum(len(half.pending.erasures) for half in standing.state.halves.values()) >= MANY
        )

    def flush(self) -> int:
        """Lays down what is in the tail, with the position and what is erased, in one commit for each table; the position."""
        with self._standing.commit:
            self._take_up_others()
            return flush(self._workshop, self._standing, self._tables)

    def _take_up_others(self) -> None:
        now = locations(self._catalog)
        for name, half in self._standing.state.halves.items():
            if now.get(name) != half.version.location:
                self._standing.swap_version(name, self._tables[name].version())

    def compact(self, report: Report = silent, *, whole: bool = False) -> int:
        """Merges small files of the same partition (`whole`: also few of them); how many files went."""
        return self._upkeep.compact(report, whole=whole)

    def expire(self, report: Report = silent, *, keep_s: float | None = None) -> int:
        """Lets snapshots go that are older than `keep_s` (default: the place's), with the files that only they name; how many files."""
        return self._upkeep.expire(report, keep_s=keep_s)

    def clean(self, report: Report = silent, *, grace_s: float | None = None) -> int:
        """Removes files that no snapshot names and that are older than `grace_s` (default: the place's); how many."""
        return self._upkeep.clean(report, grace_s=grace_s)

    def forget(self, report: Report = silent) -> int:
        """Makes the deletions of all changes that can be seen final; how many files went.

        Afterwards no file of the lake has what was deleted: the files are rewritten, and all older snapshots go with their files.
        Files that a question is looking at go with the next clean-up.
        """
        report(Progress("forget", 0, 2, "steps"))
        self.flush()
        report(Progress("forget", 1, 2, "steps"))
        removed = self._upkeep.expire(keep_s=0)
        report(Progress("forget", 2, 2, "steps"))
        return removed

    def tidy(self, report: Report = silent) -> None:
        """All upkeep that is worth while now, for a schedule: small files are merged, old snapshots go, then what nobody names."""
        self.compact(report)
        self.expire(report)
        self.clean(report)

    # -- Files in other tiers ------------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """A table as its newest commit has it."""
        return self._catalog.load_table((NAMESPACE, name))

    def replace(self, name: str, gone: Sequence[DataFile], added: Sequence[DataFile]) -> bool:
        """Puts files with the same rows in the place of others in one commit; False when one of those is no longer in the table."""
        with self._standing.commit:
            self._take_up_others()
            version = self._standing.half(name).version
            if not {file.file_path for file in gone} <= {file.path for file in version.files}:
                return False
            self._standing.swap_version(name, self._tables[name].commit(version, added, gone, {}))
        return True

    def in_use(self) -> set[str]:
        """Paths of the files that a question is looking at, or that the next one would."""
        return self._standing.in_use()

    def count_reads(self) -> None:
        """Begins to count what is read of files; `file_reads` must then be called now and then."""
        count_reads(self._database)

    def file_reads(self) -> dict[str, tuple[int, int]]:
        """What was read of files since the last time: requests and bytes by path."""
        return taken_reads(self._database)

    # -- Status --------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """How the lake is."""
        standing = self._standing
        state = standing.state
        halves = state.halves
        waiting = [half.version.position for half in halves.values() if half.tail or half.pending]
        return Status(
            read=state.position,
            committed=min(waiting, default=state.position),
            tail_rows=sum(rows_in(half.tail) for half in halves.values()),
            tail_bytes=sum(bytes_in(half.tail) for half in halves.values()),
            files={name: len(half.version.files) for name, half in halves.items()},
            rows={name: sum(file.rows for file in half.version.files) for name, half in halves.items()},
            size={name: sum(file.size for file in half.version.files) for name, half in halves.items()},
            pending=sum(len(half.pending.erasures) for half in halves.values()),
            readings=standing.readings,
            set_aside={path: fault for half in halves.values() for path, fault in half.version.set_aside.items()},
        )


def _floor(unit_us: int) -> str:
    return f"make_timestamptz(epoch_us(moment) - (epoch_us(moment) % {unit_us} + {unit_us}) % {unit_us})"


_DATE_TRUNC: Final = (
    "CREATE MACRO date_trunc(part VARCHAR, moment TIMESTAMPTZ) AS CASE lower(part) "
    f"WHEN 'hour' THEN {_floor(3_600_000_000)} WHEN 'minute' THEN {_floor(60_000_000)} WHEN 'second' THEN {_floor(1_000_000)} "
    "ELSE system.main.date_trunc(part, moment) END"
)
"""DuckDB's own asks the calendar for each row, which takes ten times as long. Right for time zones of whole hours."""


def _not_beyond(table: LakeTable, last: int) -> Version:
    """A table as it is now; its position is set back to the journal's last one if it is beyond that."""
    version = table.version()
    if version.position <= last:
        return version
    log.warning("%s has changes up to %s, the journal only up to %s: the store was replaced", table.name, version.position, last)
    return table.commit(version, [], [], {POSITION: str(last)})


def _scratch(place: Place) -> Path:
    """An empty folder for what does not fit into memory."""
    if "://" in place.warehouse:
        return Path(tempfile.mkdtemp(prefix="cityhub-lake-"))
    folder = Path(place.warehouse) / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _database(place: Place, scratch: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """An empty DuckDB in memory: one for questions, another for the lake's own work, so that neither takes the other's memory."""
    scratch.mkdir()
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": place.threads,
        "memory_limit": memory,
        "temp_directory": str(scratch),
        "python_enable_replacements": "false",
    }
    database = duckdb.connect(":memory:", config=settings)
    database.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true")
    database.execute(_DATE_TRUNC)
    if place.warehouse.startswith(SCHEME) or "s3.access-key-id" in place.io:
        open_objects(database, place.io)
    return database
