"""Observations, read from the history: each is the instance that an attribute had at a time.

Of several rows of one time the one that came last counts: it corrected the others.

Source: ADR 0009; OGC 18-088, 8.2.6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
import orjson

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.expression import Call, Expression, Literal, Path, conjuncts
from cityhub.ingest.sensorthings.ids import STREAM, Stream, observation_id, observation_place, owner, part_id, stream_id
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.times import instant, shown, shown_span
from cityhub.model.entity import VALUE_KEY, Instance
from cityhub.model.errors import TooComplexQuery
from cityhub.model.ports import Analysis

CHUNK: Final = 1_000
"""Observations that are looked at at a time."""
MAX_LOOKED_AT: Final = 100_000
"""So many observations are looked at for one question at most."""
_COLUMNS: Final = "entity, attribute, dataset, observed_at, number, text, json, rest, modified_at"
_LATEST: Final = "QUALIFY row_number() OVER (PARTITION BY entity, attribute, dataset, observed_at ORDER BY position DESC, ordinal DESC) = 1"
_BY_TIME: Final = "observed_at, entity, attribute, dataset"
_ATTRS: Final = {name: words.ATTRIBUTES[name] for name in ("resultQuality", "validTime", "parameters")}
_FLIPPED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}
_SQL: Final = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Selection(msgspec.Struct, frozen=True):
    """Which observations: those of some Datastreams (None: of all), of a FeatureOfInterest ("": of any), with an id ("": any).

    `where` and `values` are further conditions in SQL.
    """

    streams: tuple[Stream, ...] | None = None
    feature: str = ""
    id: str = ""
    where: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()


class Observed:
    """Reads the observations of a tenant. Raises StoreUnavailable while the history cannot be asked."""

    def __init__(self, analysis: Analysis, tenant: str) -> None:
        self._analysis = analysis
        self._tenant = tenant

    async def rows(self, selection: Selection, query: Query, size: int | None) -> AsyncIterator[list[Row]]:
        """Observations that may match, in chunks, sorted by the query's order where SQL can; `size`: how many are likely wanted."""
        where, values = _where(selection, query.filter)
        order = sql_order(query) or _BY_TIME
        chunk = CHUNK if size is None else min(CHUNK, max(size, 1))
        for start in range(0, MAX_LOOKED_AT, CHUNK):
            limit = chunk if start == 0 else CHUNK
            at = 0 if start == 0 else chunk + start - CHUNK
            statement = f"SELECT {_COLUMNS} FROM observations WHERE {where} {_LATEST} ORDER BY {order} LIMIT {limit} OFFSET {at}"
            answer = await self._analysis.rows(self._tenant, statement, values, limit=limit)
            yield [row for row in map(row_of, answer.rows) if not selection.id or row.id == selection.id]
            if len(answer.rows) < limit:
                return
        raise TooComplexQuery(f"More than {MAX_LOOKED_AT} observations would have to be looked at. Name a Datastream and a phenomenonTime")

    async def count(self, selection: Selection, query: Query) -> list[tuple[Stream, int]]:
        """How many there are of each Datastream; for a filter that `is_exact`."""
        where, values = _where(selection, query.filter)
        key = "entity, attribute, dataset"
        statement = f"SELECT {key}, count(DISTINCT observed_at) FROM observations WHERE {where} GROUP BY {key}"
        answer = await self._analysis.rows(self._tenant, statement, values, limit=MAX_LOOKED_AT)
        return [(Stream(entity, attribute, dataset), int(number)) for entity, attribute, dataset, number in answer.rows]

    async def spans(self, stream: Stream) -> tuple[str, str] | None:
        """The first and the last time of a Datastream's observations; None when it has none."""
        where, values = _where(Selection((stream,)), None)
        statement = f"SELECT min(observed_at), max(observed_at) FROM observations WHERE {where}"
        [[first, last]] = (await self._analysis.rows(self._tenant, statement, values)).rows
        return (shown(instant(first) or first), shown(instant(last) or last)) if first else None


def row_of(values: Sequence[Any]) -> Row:
    """The Observation of a row of the history."""
    entity, attribute, dataset, observed_at, number, text, json, rest, _ = values
    stream = Stream(entity, attribute, dataset)
    attrs = orjson.loads(rest).get("attrs", {}) if rest else {}
    time = instant(observed_at) or observed_at
    datastream = stream_id(stream)
    result_time = words.value(attrs, words.RESULT_TIME)
    properties: dict[str, Any] = {
        "phenomenonTime": shown_span(words.value(attrs, words.PHENOMENON_TIME) or time),
        "result": _result(number, text, json), "resultTime": shown(result_time) if result_time else None,
    }  # fmt: skip
    for name, iri in _ATTRS.items():
        if iri in attrs:
            properties[name] = words.value(attrs, iri)
    if "validTime" in properties:
        properties["validTime"] = shown_span(properties["validTime"])
    own = words.value(attrs, words.MOVED_FROM) or observation_id(datastream, time)
    feature = words.value(attrs, words.FEATURE) or part_id(entity, "FeatureOfInterest")
    return Row("Observation", own, properties, {"Datastream": [datastream], "FeatureOfInterest": [feature]}, stream=stream)


def row_of_instance(stream: Stream, instance: Instance) -> Row:
    """The Observation that an instance in an entity stands for."""
    key = VALUE_KEY[instance["type"]]
    value = instance.get(key)
    rest = orjson.dumps({"attrs": instance["attrs"]}).decode() if "attrs" in instance else None
    json = orjson.dumps(value).decode()
    return row_of((stream.entity, stream.attribute, stream.dataset, instance["observedAt"], None, None, json, rest, None))


def _result(number: float | None, text: str | None, json: str | None) -> Any:
    if number is not None:
        return int(number) if float(number).is_integer() and abs(number) < 2**53 else number
    return text if text is not None else orjson.loads(json) if json is not None else None


def sql_order(query: Query) -> str | None:
    """The order of a query in SQL; None when it has none, or one that has to be worked out otherwise."""
    if len(query.order) != 1 or not isinstance(query.order[0][0], Path):
        return None
    path, descending = query.order[0][0].parts, " DESC" if query.order[0][1] else ""
    if path == ("phenomenonTime",):
        return f"observed_at{descending}, entity, attribute, dataset"
    if path == ("result",):
        return f"number{descending}, text{descending}, {_BY_TIME}"
    return None


def is_exact(filter: Expression | None) -> bool:
    """Whether what SQL makes of a filter is all of it."""
    return all(_exact(part) for part in conjuncts(filter))


def _exact(part: Expression) -> bool:
    found = _comparison(part)
    return found is not None and found[0] == ("phenomenonTime",) and found[1] in ("ge", "gt") and _moment(found[2]) is not None


def _comparison(part: Expression) -> tuple[tuple[str, ...], str, Literal] | None:
    """(path, operator, value) of a comparison of a property with a value."""
    if not isinstance(part, Call) or part.name not in _FLIPPED:
        return None
    one, other = part.arguments
    if isinstance(one, Path) and isinstance(other, Literal):
        return one.parts, part.name, other
    if isinstance(other, Path) and isinstance(one, Literal):
        return other.parts, _FLIPPED[part.name], one
    return None


def _moment(value: Literal) -> str | None:
    return instant(value.value) if value.kind in ("time", "text") else None


def _where(selection: Selection, filter: Expression | None) -> tuple[str, list[Any]]:
    parts = ["deleted_at IS NULL", "observed_at IS NOT NULL", "kind IN ('Property', 'JsonProperty')", *selection.where]
    values: list[Any] = list(selection.values)
    if selection.id:
        place = observation_place(selection.id)
        parts.append("(observed_at = CAST(? AS TIMESTAMPTZ) OR contains(rest, ?))")
        values += [place[1] if place else "0001-01-01T00:00:00Z", selection.id]
    if selection.streams is not None:
        given, more = _streams(selection.streams)
        parts.append(given)
        values += more
    if selection.feature:
        parts.append("contains(rest, ?)")
        values.append(selection.feature)
    for part in conjuncts(filter):
        found = _comparison(part)
        if found is not None:
            condition, more = _condition(*found)
            parts += condition
            values += more
    return " AND ".join(parts), values


def _streams(streams: tuple[Stream, ...]) -> tuple[str, list[Any]]:
    if not streams:
        return "false", []
    parts: list[str] = []
    values: list[Any] = []
    for stream in streams:
        parts.append(f"(entity = ? AND attribute = ? AND dataset {'IS NULL' if stream.dataset is None else '= ?'})")
        values += [stream.entity, stream.attribute, *([] if stream.dataset is None else [stream.dataset])]
    return f"({' OR '.join(parts)})", values


def _condition(path: tuple[str, ...], name: str, value: Literal) -> tuple[list[str], list[Any]]:
    """What SQL can say of a comparison: whatever satisfies the comparison satisfies it."""
    if path == ("phenomenonTime",):
        moment = _moment(value)
        return ([f"observed_at {_SQL[name]} CAST(? AS TIMESTAMPTZ)"], [moment]) if moment else ([], [])
    if path == ("result",) and value.kind == "number":
        return [f"(number {_SQL[name]} ? OR number IS NULL)"], [float(value.value)]
    if path in (("id",), ("@iot.id",)) and name == "eq" and value.kind == "text":
        place = observation_place(str(value.value))
        if place is not None:
            own = place[0].startswith(STREAM)
            head = "dataset = ?" if own else "entity = ?"
            return [head, "(observed_at = CAST(? AS TIMESTAMPTZ) OR rest IS NOT NULL)"], [place[0] if own else owner(place[0]), place[1]]
    return [], []
