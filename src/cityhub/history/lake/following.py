"""The lake's side towards the journal: entries become rows of the tail and erasures, each once."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import duckdb
import msgspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from cityhub.history.lake.erasing import Erasure, Pending, register
from cityhub.history.lake.intake import Known, Reader
from cityhub.history.lake.place import Place
from cityhub.history.lake.reading import Half, State, file_select, make_views
from cityhub.history.lake.schema import ENTITY_VERSIONS, OBSERVATIONS, OBSERVATIONS_SCHEMA
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tail import SEQUENCE, joined
from cityhub.model.change import Entry
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import HISTORY_EVENTS
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


class Following:
    """Reads the journal into the tail.

    Args:
        place: How the lake is tuned.
        source: The journal.
        clock: The time.
        standing: Whose state grows.
        database: For questions about what is there already.
        seed: What instanceIds begin with.
        backfill: Takes in a backfill, given its entry; called without any lock.
        relieve: Called after each batch without any lock; lays the tail down when it is too large.
    """

    def __init__(
        self, place: Place, source: JournalSource, clock: Clock, standing: Standing, database: duckdb.DuckDBPyConnection, seed: str,
        backfill: Callable[[Entry], None], relieve: Callable[[], None],
    ) -> None:  # fmt: skip
        self._batch = place.batch
        self._source = source
        self._clock = clock
        self._standing = standing
        self._database = database
        self._backfill = backfill
        self._relieve = relieve
        self._reader = Reader(seed, self._known, self._created)
        self._ahead: list[Entry] = []

    def catch_up(self, position: int | None = None) -> int:
        """Reads up to a position at least, or to the journal's present end; the position reached.

        Raises:
            StoreUnavailable: The journal does not give the position out.
        """
        standing = self._standing
        target = self._source.last() if position is None else position
        tries = 0
        while standing.state.position < target:
            with standing.intake:
                if standing.state.position >= target:
                    break
                entries = self._next()
                if entries and not _is(entries[0], "backfill"):
                    self._take(entries)
            if entries:
                tries = 0
                if _is(entries[0], "backfill"):
                    self._backfill(entries[0])
                self._relieve()
            elif tries < GAP_TRIES:
                tries += 1
                time.sleep(GAP_S)
            else:
                self._pass_gap(target)
        return standing.state.position

    def forget(self) -> None:
        """Forgets what was read ahead and what is remembered of entities; for the holder of `intake`."""
        self._ahead = []
        self._reader.forget()

    def _pass_gap(self, target: int) -> None:
        last = self._source.last()
        if last < target:
            raise StoreUnavailable(f"The journal ends at {last}; the change {target} is not in it")
        with self._standing.intake:
            state = self._standing.state
            log.warning("the changes after %s are no more in the journal; the lake goes on at %s", state.position, last)
            self._standing.swap(msgspec.structs.replace(state, position=max(last, state.position)))

    def _next(self) -> list[Entry]:
        """The next entries. One that must see all before it in its place comes first or not at all."""
        position = self._standing.state.position
        ahead = [entry for entry in self._ahead if entry[0] > position]
        if not ahead or ahead[0][0] > position + 1:  # what is missing may be a backfill that another thread is about to take in
            ahead = self._source.read(position, self._batch)
        for number, entry in enumerate(ahead):
            if entry[1] == HISTORY_EVENTS and (_is(entry, "modify") or _is(entry, "backfill")):
                cut = max(1, number)
                self._ahead = ahead[cut:]
                return ahead[:cut]
        self._ahead = []
        return ahead

    def _take(self, entries: list[Entry]) -> None:
        """Takes entries in; for the holder of `intake`."""
        enabled = gc.isenabled()
        gc.disable()  # a batch makes many small objects that are no garbage, and looking for it takes longer than the work
        try:
            state = self._standing.state
            intake = self._reader.take(entries)
            observations = self._grown(OBSERVATIONS, state.observations, intake.observations, Pending(tuple(intake.erasures)))
            versions = self._grown(ENTITY_VERSIONS, state.versions, intake.versions, Pending(tuple(intake.erasures)).of_entities())
            if intake.observations or intake.versions or intake.erasures:
                self._standing.note_arrival()
            self._standing.swap(State(entries[-1][0], observations, versions))
        finally:
            if enabled:
                gc.enable()

    def _grown(self, name: str, half: Half, new: Sequence[pa.Table], erasures: Pending) -> Half:
        """A table with new rows and erasures. What it had committed before a crash, further than the other table, is left out."""
        tail, seen = half.tail, half.version.position
        for chunk in new:
            tail = joined(tail, _newer(chunk, seen))
        fresh = erasures.after(seen)
        if not fresh:
            return Half(half.version, tail, half.pending)
        return Half(half.version, self._without(tail, fresh), half.pending.with_(self._met(name, half, fresh)))

    def _without(self, tail: tuple[pa.Table, ...], erasures: Pending) -> tuple[pa.Table, ...]:
        """The tail without what is erased."""
        connection = self._database.cursor()
        try:
            conditions = " AND ".join(register(connection, erasures, in_tail=True))
            left = []
            for chunk in tail:
                connection.register("chunk", chunk)
                kept = connection.execute(f"SELECT * FROM chunk r WHERE {conditions}").to_arrow_table()
                left.append(chunk if kept.num_rows == chunk.num_rows else kept.cast(chunk.schema))
            return tuple(chunk for chunk in left if chunk.num_rows)
        finally:
            connection.close()

    def _met(self, name: str, half: Half, erasures: Pending) -> list[Erasure]:
        """The erasures that files must wait for: of those by time of observation, which mostly meet nothing, those that do."""
        by_time = [one for one in erasures.erasures if one.observed_at is not None]
        if name != OBSERVATIONS or not by_time or self._standing.is_flushing:  # what is being flushed is in no file yet
            return list(erasures.erasures)
        others = [one for one in erasures.erasures if one.observed_at is None]
        connection = self._database.cursor()
        try:
            for tenant in {one.tenant for one in by_time}:
                mine = [one for one in by_time if one.tenant == tenant]
                files = [file for file in half.version.files if file.tenant == tenant]
                if not files:
                    continue
                keys = pa.table(
                    {
                        "n": pa.array(range(len(mine)), pa.int64()),
                        "entity": pa.array([one.entity for one in mine], pa.string()),
                        "attribute": pa.array([one.attribute for one in mine], pa.string()),
                        "dataset": pa.array([one.dataset for one in mine], pa.string()),
                        "observed_at": pa.array([one.observed_at for one in mine], pa.string()).cast(pa.timestamp("us", "UTC")),
                    }
                )
                connection.register("keys", keys)
                found = connection.execute(
                    f"SELECT DISTINCT k.n FROM ({file_select(connection, OBSERVATIONS_SCHEMA, half.version, files)}) r JOIN keys k "
                    "ON k.entity = r.entity AND k.attribute = r.attribute AND k.observed_at = r.observed_at "
                    "AND k.dataset = coalesce(r.dataset, '')"
                ).fetchall()
                others.extend(mine[n] for (n,) in found)
        finally:
            connection.close()
        return others

    # -- What is known already -----------------------------------------------------------------------------------

    def _known(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        found: dict[tuple[str, str], Known] = {}
        for tenant in {tenant for tenant, _ in keys}:
            ids = [entity for one, entity in keys if one == tenant]
            rows = self._ask(
                tenant,
                "SELECT entity, arg_max(type, position), arg_max(kind, position) FROM entity_versions "
                "WHERE entity IN (SELECT unnest(?::VARCHAR[])) GROUP BY entity",
                [ids],
            )
            for entity, types, kind in rows:
                found[(tenant, entity)] = Known(types.split(" "), types, kind == "deleted")
        return found

    def _created(self, tenant: str, entity: str, attribute: str, place: tuple[int, int]) -> str | None:
        rows = self._ask(
            tenant,
            "SELECT coalesce(created_at, modified_at) FROM observations "
            "WHERE entity = ? AND attribute = ? AND position = ? AND ordinal = ?",
            [entity, attribute, *place],
        )
        return to_text(rows[0][0]) if rows else None

    def _ask(self, tenant: str, statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        with self._standing.pinned() as state:
            connection = self._database.cursor()
            try:
                make_views(connection, state, tenant, to_text(self._clock.now()))
                return connection.execute(statement, parameters).fetchall()
            finally:
                connection.close()


def _newer(chunk: pa.Table, position: int) -> pa.Table:
    """The rows that a change after a position wrote."""
    sequence = chunk.column(SEQUENCE)
    return chunk if not chunk.num_rows or pc.min(sequence).as_py() > position else chunk.filter(pc.greater(sequence, position))


def newer(tail: Sequence[pa.Table], position: int) -> tuple[pa.Table, ...]:
    """The chunks with the rows that a change after a position wrote."""
    return tuple(left for chunk in tail if (left := _newer(chunk, position)).num_rows)


def _is(entry: Entry, event: str) -> bool:
    """Whether an entry is such an event of the history."""
    return entry[1] == HISTORY_EVENTS and entry[6] is not None and bool(orjson.loads(entry[6]).get("event") == event)
