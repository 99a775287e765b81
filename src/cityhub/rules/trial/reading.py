"""What a rule would have seen: the statements that read it from the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from cityhub.model.ports import Analysis
from cityhub.model.time import to_text
from cityhub.rules.engine.compiling import ANY, LOCATION, CompiledRule
from cityhub.rules.trial.frames import SCOPE

ROWS: Final = 200_000
"""About so many observations are read at a time."""
LONGEST: Final = timedelta(days=31)
SHORTEST: Final = timedelta(hours=1)
_ROW: Final = (
    "entity, type, attribute, strftime(coalesce(observed_at, modified_at)::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%f') AS time, number, text, json,"
    " lon, lat, unit, kind"
)
_DATED: Final = "((observed_at >= ? AND observed_at < ?) OR (observed_at IS NULL AND modified_at >= ? AND modified_at < ?))"
_BEFORE: Final = "((observed_at < ?) OR (observed_at IS NULL AND modified_at < ?))"


class Sight(msgspec.Struct, frozen=True):
    """What a rule looks at.

    Attributes:
        tenant: Whose.
        types: IRIs.
        attributes: IRIs; empty: all.
        lead: How long before a moment observations count for it.
    """

    tenant: str
    types: list[str]
    attributes: list[str]
    lead: timedelta

    def where(self) -> tuple[str, list[Any]]:
        """What the rows must satisfy, and its parameters."""
        types = " OR ".join("list_contains(string_split(type, ' '), ?)" for _ in self.types)
        text, values = f"dataset IS NULL AND deleted_at IS NULL AND ({types})", list[Any](self.types)
        if self.attributes:
            text += f" AND attribute IN ({', '.join('?' for _ in self.attributes)})"
            values += self.attributes
        return text, values


def sight_of(compiled: CompiledRule) -> Sight:
    """What a rule looks at."""
    types = {*compiled.watch.types}
    attributes = {*compiled.touches, *compiled.watch.reads, *compiled.reads.values(), LOCATION, SCOPE}
    lead = timedelta()
    for figure in compiled.figures:
        attributes |= set(figure.reads.values())
        lead = max(lead, timedelta(microseconds=figure.over))
        if figure.near is not None:
            types |= figure.near.watch.types
            attributes |= {*figure.near.watch.reads, *([figure.near.link] if figure.near.link else ())}
            if not figure.reads:
                attributes.add(ANY)
    every = ANY in attributes
    holds = [timedelta(microseconds=span) for level in compiled.levels for span in (level.hold, level.clear_hold)]
    return Sight(compiled.rule.tenant, sorted(types), [] if every else sorted(attributes), max([lead, *holds]))


async def count(analysis: Analysis, sight: Sight, start: str, end: str) -> int:
    """How many observations there are between two moments."""
    text, values = sight.where()
    found = await analysis.rows(
        sight.tenant, f"SELECT count(*) FROM observations WHERE {text} AND {_DATED}", [*values, start, end, start, end], timeout_s=60.0
    )
    return int(found.rows[0][0])


async def standing(analysis: Analysis, sight: Sight, start: str) -> bytes:
    """What was known last of each entity before a moment, as an Arrow stream."""
    text, values = sight.where()
    statement = (
        f"SELECT {_ROW} FROM observations WHERE {text} AND {_BEFORE} QUALIFY row_number() OVER (PARTITION BY entity, attribute "
        "ORDER BY coalesce(observed_at, modified_at) DESC, position DESC) = 1 ORDER BY time, entity"
    )
    return await _arrow(analysis, sight, statement, [*values, start, start])


async def between(analysis: Analysis, sight: Sight, start: str, end: str) -> bytes:
    """The observations between two moments, in the order of time, as an Arrow stream."""
    text, values = sight.where()
    statement = f"SELECT {_ROW} FROM observations WHERE {text} AND {_DATED} ORDER BY time, entity, position, ordinal"
    return await _arrow(analysis, sight, statement, [*values, start, end, start, end])


async def _arrow(analysis: Analysis, sight: Sight, statement: str, values: list[Any]) -> bytes:
    return b"".join([piece async for piece in analysis.stream(sight.tenant, statement, values, timeout_s=120.0)])


def spans(start: str, end: str, observations: int) -> Iterator[tuple[str, str]]:
    """The time between two moments in pieces, each with about `ROWS` observations."""
    begin, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    step = min(LONGEST, max(SHORTEST, (last - begin) * ROWS / max(observations, 1)))
    while begin < last:
        until = min(begin + step, last)
        yield to_text(begin), to_text(until)
        begin = until
