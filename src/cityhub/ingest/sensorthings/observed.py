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

    `is_moved`: the one with the id is looked for among those whose time was changed.
    """

    streams: tuple[Stream, ...] | None = None
    feature: str = ""
    id: str = ""
    is_moved: bool = False


class Observed:
    """Reads the observations of a tenant. Raises StoreUnavailable while the history cannot be asked."""

    def __init__(self, analysis: Analysis, tenant: str) -> None:
        self._analysis = analysis
        self._tenant = tenant

    async def rows(self, selection: Selection, query: Query, size: int | None) -> AsyncIterator[list[Row]]:
        """Observations that may match, in chunks, sorted by the query's order where SQL can; `size`: how many are likely wanted."""
        statement, values = _statement(selection, query)
        limit = CHUNK if size is None else min(CHUNK, max(size, 1))
        start, before = 0, None
        while start < MAX_LOOKED_AT:
            answer = await self._analysis.rows(self._tenant, f"{statement} LIMIT {limit} OFFSET {start}", values, limit=limit)
            latest = []
            for row in answer.rows:
                if row[:4] != before:  # of one time the first row is the one that came last
                    before = row[:4]
                    latest.append(row)
            yield [row for row in map(row_of, latest) if not selection.id or row.id == selection.id]
            if len(answer.rows) < limit:
                return
            start, limit = start + limit, CHUNK
        raise TooComplexQuery(f"More than {MAX_LOOKED_AT} observations would have to be looked at. Name a Datastream and a phenomenonTime")

    async def count(self, selection: Selection, query: Query) -> list[tuple[Stream, int]]:
        """How many there are of each Datastream; for a filter that `is_exact`."""
        where, values, _, _ = _where(selection, query.filter)
        key = "entity, attribute, dataset"
        statement = f"SELECT {key}, count(DISTINCT observed_at) FROM observations WHERE {where} GROUP BY {key}"
        answer = await self._analysis.rows(self._tenant, statement, values, limit=MAX_LOOKED_AT)
        return [(Stream(entity, attribute, dataset), int(number)) for entity, attribute, dataset, number in answer.rows]

    async def spans(self, stream: Stream) -> tuple[str, str] | None:
        """The first and the last time of a Datastream's observations; None when it has none."""
        where, values, _, _ = _where(Selection((stream,)), None)
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


def _statement(selection: Selection, query: Query) -> tuple[str, list[Any]]:
    """The question for observations, but for its LIMIT, and its parameters.

    Of rows of one time only the last counts, so what is asked of a row's value is asked after the others are gone. In the order of time
    they stand beside each other and need not be taken apart by the database, which saves it from looking at all of them for a page.
    """
    where, values, value_where, more = _where(selection, query.filter)
    order = sql_order(query) or _BY_TIME
    if not value_where and "number" not in order:
        return f"SELECT {_COLUMNS} FROM observations WHERE {where} ORDER BY {order}, position DESC, ordinal DESC", values
    inner = f"SELECT {_COLUMNS} FROM observations WHERE {where} {_LATEST}"
    return f"SELECT * FROM ({inner}) WHERE {value_where or 'true'} ORDER BY {order}", values + more


def _where(selection: Selection, filter: Expression | None) -> tuple[str, list[Any], str, list[Any]]:
    """What is asked of place and time with its parameters, and what is asked of the value with its own."""
    parts = ["deleted_at IS NULL", "observed_at IS NOT NULL", "kind IN ('Property', 'JsonProperty')"]
    values: list[Any] = []
    value_parts: list[str] = []
    value_values: list[Any] = []
    if selection.id:
        place = observation_place(selection.id)
        parts.append("contains(rest, ?)" if selection.is_moved else "observed_at = CAST(? AS TIMESTAMPTZ)")
        values.append(selection.id if selection.is_moved or place is None else place[1])
    if selection.streams is not None:
        given, more = _streams(selection.streams)
        parts.append(given)
        values += more
    if selection.feature:
        value_parts.append("contains(rest, ?)")
        value_values.append(selection.feature)
    for part in conjuncts(filter):
        found = _comparison(part)
        if found is not None:
            condition, more = _condition(*found)
            of_value = found[0] == ("result",)
            (value_parts if of_value else parts).extend(condition)
            (value_values if of_value else values).extend(more)
    return " AND ".join(parts), values, " AND ".join(value_parts), value_values


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
            return [head, "(observed_at = CAST(? AS TIMESTAMPTZ) OR contains(rest, ?))"], [
                place[0] if own else owner(place[0]), place[1], str(value.value)]  # fmt: skip
    return [], []
