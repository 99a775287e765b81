"""The lake: everything that the journal says about entities, in Iceberg tables and a tail in memory.

    lake = open_lake(Place(warehouse="/data/lake"), source, clock)
    lake.catch_up(position)                  # returns when everything up to there can be seen
    with lake.reading(tenant) as reading:    # reading.connection: DuckDB with the views `observations` and `entity_versions`
        reading.connection.execute("SELECT ...")
    lake.flush_due(), lake.flush()           # lays the tail down: one commit for each table that has something
    lake.status()
    lake.close()

All methods block and may be called from any thread. Readers never wait for a flush nor for upkeep.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import duckdb
import msgspec
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from cityhub.history.lake.erasing import Erasure, Pending, register
from cityhub.history.lake.flush import lay_down
from cityhub.history.lake.intake import Known, Reader
from cityhub.history.lake.place import Place
from cityhub.history.lake.reading import Half, Reading, State, make_views
from cityhub.history.lake.schema import ENTITY_VERSIONS, ENTITY_VERSIONS_SCHEMA, OBSERVATIONS, OBSERVATIONS_SCHEMA
from cityhub.history.lake.tables import SEED, LakeTable, locations, open_tables
from cityhub.history.lake.tail import SEQUENCE, bytes_in, joined, rows_in
from cityhub.model.change import Entry
from cityhub.model.errors import StoreUnavailable
from cityhub.model.time import Clock, to_text

GAP_TRIES: Final = 20
GAP_S: Final = 0.05
"""So often, and so far apart, a position is asked for that the journal does not give out before it is given up."""

log = logging.getLogger(__name__)


class JournalSource(Protocol):
    """The journal, as another process reads it."""

    def read(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries behind a position, in order; fewer when they are large, none at the end."""

    def last(self) -> int:
        """Position of the newest entry; 0 when there is none."""


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
        warehouse = Path(warehouse).absolute().as_uri()
    uri = place.catalog or f"sqlite:///{Path(place.warehouse).absolute()}/catalog.sqlite"
    catalog = SqlCatalog(place.name, uri=uri, warehouse=warehouse, **place.io)
    observations, versions = open_tables(catalog, begin, secrets.token_hex(4))
    return Lake(place, source, clock, catalog, observations, versions)


class Lake:
    """See the module."""

    def __init__(
        self, place: Place, source: JournalSource, clock: Clock, catalog: SqlCatalog, observations: LakeTable, versions: LakeTable
    ) -> None:
        self._place = place
        self._source = source
        self._clock = clock
        self._catalog = catalog
        self._tables = {OBSERVATIONS: observations, ENTITY_VERSIONS: versions}
        self._intake_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._swap_lock = threading.Lock()
        self._pins: dict[str, int] = {}
        self._readings = 0
        self._oldest: float | None = None
        self._flushing: tuple[tuple[pa.Table, ...], tuple[pa.Table, ...]] = ((), ())
        self._database = _database(place)
        first, second = observations.version(), versions.version()
        self._state = State(min(first.position, second.position), Half(first, (), Pending()), Half(second, (), Pending()))
        self.seed = observations.table.properties[SEED]
        self._reader = Reader(self.seed, self._lookup)

    def close(self) -> None:
        """Ends. What is in the tail is read from the journal again at the next start."""
        self._database.close()
        self._catalog.close()

    # -- Following the journal -----------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The journal position that can be seen."""
        return self._state.position

    def catch_up(self, position: int | None = None) -> int:
        """Reads the journal up to a position at least, or to its end; the position reached.

        Raises:
            StoreUnavailable: The journal does not give the position out.
        """
        target = self._source.last() if position is None else position
        tries = 0
        while self._state.position < target:
            with self._intake_lock:
                if self._state.position >= target:
                    break
                found = self._take()
            if found:
                tries = 0
                continue
            tries += 1
            if tries > GAP_TRIES:
                self._pass_gap(target)
            else:
                time.sleep(GAP_S)
        return self._state.position

    def _pass_gap(self, target: int) -> None:
        last = self._source.last()
        if last < target:
            raise StoreUnavailable(f"The journal ends at {last}; the change {target} is not in it")
        log.warning("the changes after %s are no more in the journal; the lake goes on at %s", self._state.position, last)
        with self._intake_lock:
            self._swap(msgspec.structs.replace(self._state, position=last))

    def _take(self) -> bool:
        """Takes in the next batch of the journal; whether there was one."""
        entries = self._source.read(self._state.position, self._place.batch)
        if not entries:
            return False
        enabled = gc.isenabled()
        gc.disable()  # a batch makes many small objects that are no garbage, and looking for it takes longer than the work
        try:
            state = self._state
            seen = (state.observations.version.position, state.versions.version.position)
            intake = self._reader.take(entries)
            observations = self._grown(OBSERVATIONS, state.observations, intake.observations, intake.erasures, seen[0])
            of_entities = [one for one in intake.erasures if one.attribute is None and one.instance is None]
            versions = self._grown(ENTITY_VERSIONS, state.versions, intake.versions, of_entities, seen[1])
            if self._oldest is None and (intake.observations or intake.versions or intake.erasures):
                self._oldest = time.monotonic()
            self._swap(State(entries[-1][0], observations, versions))
        finally:
            if enabled:
                gc.enable()
        return True

    def _grown(self, name: str, half: Half, new: Sequence[pa.Table], erasures: Sequence[Erasure], seen: int) -> Half:
        """A table with new rows and erasures; what was committed before a crash is there already and left out."""
        tail = half.tail
        for chunk in new:
            fresh = chunk if chunk.column(SEQUENCE)[0].as_py() > seen else chunk.filter(pa.compute.greater(chunk.column(SEQUENCE), seen))
            tail = joined(tail, fresh)
        fresh_erasures = Pending(tuple(one for one in erasures if one.sequence > seen))
        if not fresh_erasures:
            return Half(half.version, tail, half.pending)
        left, victims = self._without(name, tail, fresh_erasures)
        return Half(half.version, left, half.pending.with_([*self._resolved(name, half, fresh_erasures), *victims]))

    def _without(self, name: str, tail: tuple[pa.Table, ...], erasures: Pending) -> tuple[tuple[pa.Table, ...], list[Erasure]]:
        """The tail without what is erased, and the instances that were erased while a flush may be writing them."""
        connection = self._database.cursor()
        try:
            conditions = " AND ".join(register(connection, erasures, in_tail=True))
            left = []
            for chunk in tail:
                connection.register("chunk", chunk)
                kept = connection.execute(f"SELECT * FROM chunk r WHERE {conditions}").to_arrow_table()
                left.append(chunk if kept.num_rows == chunk.num_rows else kept.cast(chunk.schema))
            return tuple(chunk for chunk in left if chunk.num_rows), []
        finally:
            connection.close()

    def _resolved(self, name: str, half: Half, erasures: Pending) -> list[Erasure]:
        """Erasures as the files wait for them: those by time of observation become the instances that they meet."""
        return list(erasures.erasures)

    def _lookup(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        found: dict[tuple[str, str], Known] = {}
        for tenant, entity in keys:
            with self.reading(tenant) as reading:
                row = reading.connection.execute(
                    "SELECT type, kind FROM entity_versions WHERE entity = ? ORDER BY position DESC LIMIT 1", [entity]
                ).fetchone()
            if row is not None:
                found[(tenant, entity)] = Known(row[0].split(" "), row[0], row[1] == "deleted")
        return found

    # -- Reading -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self, tenant: str) -> Iterator[Reading]:
        """A look at one tenant's rows as they are now; its files stay until the end of the block."""
        self._notice_others()
        with self._swap_lock:
            state = self._state
            self._readings += 1
            for file in state.files:
                self._pins[file.path] = self._pins.get(file.path, 0) + 1
        connection = self._database.cursor()
        try:
            make_views(connection, state, tenant, to_text(self._clock.now()))
            yield Reading(connection, state.position, tenant, self.seed)
        finally:
            connection.close()
            with self._swap_lock:
                self._readings -= 1
                for file in state.files:
                    left = self._pins[file.path] - 1
                    if left:
                        self._pins[file.path] = left
                    else:
                        del self._pins[file.path]

    def _notice_others(self) -> None:
        """Takes up what another engine committed."""
        if not self._commit_lock.acquire(blocking=False):
            return
        try:
            now = locations(self._catalog)
            state = self._state
            if (now.get(OBSERVATIONS), now.get(ENTITY_VERSIONS)) == (state.observations.version.location, state.versions.version.location):
                return
            observations, versions = (self._tables[name].version() for name in (OBSERVATIONS, ENTITY_VERSIONS))
            with self._intake_lock:
                state = self._state
                self._swap(
                    State(
                        state.position,
                        msgspec.structs.replace(state.observations, version=observations),
                        msgspec.structs.replace(state.versions, version=versions),
                    )
                )
        finally:
            self._commit_lock.release()

    def _swap(self, state: State) -> None:
        with self._swap_lock:
            self._state = state

    # -- Flush ---------------------------------------------------------------------------------------------------

    def flush_due(self) -> bool:
        """Whether the tail is large or old enough to be laid down."""
        state, place = self._state, self._place
        if self._oldest is None:
            return False
        tails = (state.observations.tail, state.versions.tail)
        return (
            time.monotonic() - self._oldest >= place.flush_age_s
            or sum(map(rows_in, tails)) >= place.flush_rows
            or sum(map(bytes_in, tails)) >= place.flush_bytes
        )

    def flush(self) -> int:
        """Lays down what is in the tail, with the position and what is erased, in one commit for each table; the position."""
        with self._commit_lock:
            with self._intake_lock:
                state, self._oldest = self._state, None
            for name, schema, half in (
                (OBSERVATIONS, OBSERVATIONS_SCHEMA, state.observations),
                (ENTITY_VERSIONS, ENTITY_VERSIONS_SCHEMA, state.versions),
            ):
                if half.tail or half.pending:
                    version = lay_down(self._database, self._tables[name], schema, half, state.position)
                    self._laid_down(name, half, version)
            return state.position

    def _laid_down(self, name: str, flushed: Half, version: object) -> None:
        """Takes from the tail what is in the files now."""
        member = "observations" if name == OBSERVATIONS else "versions"
        with self._intake_lock:
            half: Half = getattr(self._state, member)
            position = version.position  # type: ignore[attr-defined]
            tail = []
            for chunk in half.tail:
                newer = chunk.filter(pa.compute.greater(chunk.column(SEQUENCE), position))
                if newer.num_rows:
                    tail.append(newer if newer.num_rows < chunk.num_rows else chunk)
            replaced = Half(version, tuple(tail), half.pending.after(position))  # type: ignore[arg-type]
            self._swap(msgspec.structs.replace(self._state, **{member: replaced}))

    # -- Status --------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """How the lake is."""
        state = self._state
        halves = {OBSERVATIONS: state.observations, ENTITY_VERSIONS: state.versions}
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
            readings=self._readings,
            set_aside={path: fault for half in halves.values() for path, fault in half.version.set_aside.items()},
        )


def _database(place: Place) -> duckdb.DuckDBPyConnection:
    """An empty DuckDB in memory that reads the lake's files and nothing else."""
    database = duckdb.connect(
        ":memory:", config={"threads": place.threads, "memory_limit": place.memory, "python_enable_replacements": "false"}
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true")
    return database
