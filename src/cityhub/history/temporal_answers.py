"""What the historian answers for the temporal interface: entities, instances, and pages of them, out of a reading of the lake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

from cityhub.history import questions
from cityhub.history.instances import COLUMNS, FIRST_OF_SAME, instances_in
from cityhub.history.readings import Reading, Readings
from cityhub.history.selection import spanned, time_of
from cityhub.history.temporal_figures import figures_of
from cityhub.model.entity import Attributes
from cityhub.model.errors import TooManyResults
from cityhub.model.history_events import instance_place
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ports import Evolution
from cityhub.model.time import to_text
from cityhub.web.wire import Answering

BLOCK: Final = 1_000
"""Entities of one block of a scan."""
FEW: Final = 1_000
"""Up to so many instances of an attribute are chosen by their times first."""
MAX_INSTANCES: Final = 2_000_000
"""Most instances of one answer."""

_VERSIONS: Final = (
    "SELECT entity, arg_max(type, position) AS type, min(position) AS first, min(coalesce(created_at, modified_at)) AS created, "
    "max(modified_at) AS modified, arg_max(kind, position) AS kind, max(modified_at) FILTER (kind = 'deleted') AS deleted "
    "FROM entity_versions WHERE {0} GROUP BY entity"
)
_SEEN: Final = (
    "SELECT entity, any_value(type) AS type, min(position) AS first, min(coalesce(created_at, modified_at)) AS created, "
    "max(modified_at) AS modified FROM {1} WHERE {0} GROUP BY entity"
)
_NARROW: Final = "SELECT entity, type, attribute, number, text, json, lon, position, created_at, modified_at"
_KEEP: Final = ("NOT MATERIALIZED", "MATERIALIZED")
_EVOLUTION: Final = (
    "SELECT entity, type, created, modified, deleted FROM ("
    "SELECT entity, coalesce(v.type, s.type) AS type, coalesce(v.first, s.first) AS first, coalesce(v.created, s.created) AS created, "
    "greatest(v.modified, s.modified) AS modified, CASE WHEN v.kind = 'deleted' THEN v.deleted END AS deleted "
    "FROM versions v {0} JOIN seen s USING (entity))"
)
"""Versions know an entity from its beginning; what was filled in from files may be known by its instances only."""


class TemporalAnswers:
    """The handlers of the temporal interface."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def handlers(self) -> dict[str, Answering]:
        """By name."""
        return {"entities": self.entities, "scan": self.scan, "read": self.read, "aggregate": self.aggregate}

    async def entities(self, body: bytes) -> bytes:
        """Answers `questions.Entities`."""
        question = msgspec.msgpack.decode(body, type=questions.Entities)
        return msgspec.msgpack.encode(await self._readings.run(question.tenant, lambda reading: _entities(reading, question.ids)))

    async def scan(self, body: bytes) -> AsyncIterator[bytes]:
        """Answers `questions.Scan`."""
        question = msgspec.msgpack.decode(body, type=questions.Scan)

        def blocks(reading: Reading) -> Iterator[bytes]:
            found = _scan(reading, question)
            for at in range(0, len(found), BLOCK):
                yield msgspec.msgpack.encode(found[at : at + BLOCK])

        async for block in self._readings.stream(question.tenant, blocks):
            yield block

    async def read(self, body: bytes) -> bytes:
        """Answers `questions.Read`."""
        question = msgspec.msgpack.decode(body, type=questions.Read)
        return await self._readings.run(question.tenant, lambda reading: msgspec.msgpack.encode(_read(reading, question)))

    async def aggregate(self, body: bytes) -> AsyncIterator[bytes]:
        """Answers `questions.Aggregate`."""
        question = msgspec.msgpack.decode(body, type=questions.Aggregate)

        def blocks(reading: Reading) -> Iterator[bytes]:
            return map(msgspec.msgpack.encode, figures_of(reading, question))

        async for block in self._readings.stream(question.tenant, blocks):
            yield block


def _entities(reading: Reading, ids: list[str]) -> list[Evolution]:
    wanted = "entity IN (SELECT unnest(?::VARCHAR[]))"
    statement = (
        f"WITH versions AS ({_VERSIONS.format(wanted)}), seen AS ({_SEEN.format(wanted, 'observations')}) {_EVOLUTION.format('FULL')}"
    )
    found = {one.id: one for one in map(_evolution, _rows(reading, statement, [ids, ids]))}
    return [found[id] for id in ids if id in found]


def _scan(reading: Reading, question: questions.Scan) -> list[Evolution]:
    if question.window is None:
        span, join = "true", "FULL"
        values: list[Any] = []
    else:
        span, values = spanned(question.window)
        span, join = f"attribute <> '{SCOPE}'{span}", "RIGHT"
    seen = _SEEN.format("true", "spanned")
    if question.whole and question.window is not None:
        seen = _SEEN.format("entity IN (SELECT entity FROM spanned)", "observations")
    uses = seen.count("FROM spanned") + question.where.count("FROM spanned")
    statement = (
        f"WITH versions AS ({_VERSIONS.format('true')}), "
        f"spanned AS {_KEEP[uses > 1]} ({_NARROW} FROM observations WHERE {span}), seen AS ({seen}) "
        f"{_EVOLUTION.format(join)} WHERE {question.where} ORDER BY first, entity"
    )
    return [_evolution(row) for row in _rows(reading, statement, [*values, *question.values])]


def _evolution(row: tuple[Any, ...]) -> Evolution:
    entity, types, created, modified, deleted = row
    return Evolution(entity, types.split(" "), to_text(created), to_text(modified), None if deleted is None else to_text(deleted))


def _read(reading: Reading, question: questions.Read) -> list[Attributes]:
    """The instances; where a measurement came more than once it is counted out again, since limits are about the first of each only."""
    found, repeated = _read_rows(reading, question, once=False)
    if repeated and (question.page is not None or question.window.limit is not None):
        found, _ = _read_rows(reading, question, once=True)
    return found


def _read_rows(reading: Reading, question: questions.Read, *, once: bool) -> tuple[list[Attributes], bool]:
    window = question.window
    span, given = spanned(window)
    if question.instance is not None:
        place = instance_place(reading.seed, question.instance)
        if place is None:
            return [{} for _ in question.ids], False
        span, given = " AND list_contains(?, attribute) AND position = ? AND ordinal = ?", [sorted(window.attributes or ()), *place]
    where, values = f"entity IN (SELECT unnest(?::VARCHAR[])){span}", [question.ids, *given]
    time, direction = time_of(window), "DESC" if window.latest else "ASC"
    order = f"{time} {direction}, modified_at {direction}, position {direction}, ordinal {direction}"
    columns = ", ".join(COLUMNS)
    chosen = f"(SELECT {columns}, {time} AS moment FROM observations WHERE {where}{f' QUALIFY {FIRST_OF_SAME}' if once else ''})"
    if window.limit is not None:
        if window.limit <= FEW and not once:
            # Where the wanted ones end is found out from the times alone; only then are whole rows read.
            edge = f"{'max' if window.latest else 'min'}({time}, {window.limit:d})[-1]"
            ends = f"SELECT entity, attribute, {edge} AS edge FROM observations WHERE {where} GROUP BY entity, attribute"
            within = f"moment {'>=' if window.latest else '<='} edge"
            chosen = f"(SELECT c.* FROM {chosen} c JOIN ({ends}) USING (entity, attribute) WHERE {within})"
            values = values * 2
        first = f"row_number() OVER (PARTITION BY entity, attribute ORDER BY {order}) <= {window.limit:d}"
        reading.connection.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS SELECT * FROM {chosen} QUALIFY {first}", values)
        chosen, values = "chosen", []
    names: list[tuple[Any, ...]] = []
    kept = "true"
    if question.page is not None:
        names = _rows(reading, f"SELECT DISTINCT entity, attribute FROM {chosen} ORDER BY ALL", values)
        bounds = _rows(
            reading,
            f"SELECT moment FROM {chosen} WHERE attribute <> '{SCOPE}' ORDER BY moment {direction} LIMIT 1 OFFSET {question.page:d}",
            values,
        )
        if bounds:
            kept = f"(moment {'>=' if window.latest else '<='} ? OR attribute = '{SCOPE}')"
            values = [*values, bounds[0][0]]
    rows = _rows(reading, f"SELECT {columns} FROM {chosen} WHERE {kept} ORDER BY {order} LIMIT {MAX_INSTANCES + 1}", values)
    if len(rows) > MAX_INSTANCES:
        raise TooManyResults(f"The answer would have more than {MAX_INSTANCES} instances; ask for a shorter span of time or fewer entities")
    if window.latest:
        rows.reverse()
    found, repeated = instances_in(reading, question.ids, rows)
    for entity, attribute in names:
        found[entity].setdefault(attribute, [])
    return list(found.values()), repeated


def _rows(reading: Reading, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = reading.connection.execute(statement, values).fetchall()
    return found
