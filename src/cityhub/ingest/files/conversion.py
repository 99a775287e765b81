"""From cells to what they say of entities, many rows at once: one mapping of a plan in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from cityhub.ingest.feed import AttributeMapping, EntityMapping
from cityhub.ingest.files.expressions import column_of, joined_of, moment_of, pair_of
from cityhub.ingest.files.plan import Column
from cityhub.ingest.files.table import literal, quoted
from cityhub.ingest.files.typed import EARLIEST, LATEST, RIGHT, moment, typed
from cityhub.ingest.mapping.datums import TO_CGCS2000
from cityhub.ingest.mapping.units import code_of, conversion

PLACE: Final = "#place"
"""The column with the place of a row in its table, the first being 0."""
MAX_NAME: Final = 2_000
Find = Callable[[str], str]


class Value(msgspec.Struct, frozen=True):
    """One attribute in SQL.

    Attributes:
        iri: Its name.
        kind: What it is in NGSI-LD.
        form: What `sql` gives: "number", "integer", "text", "boolean", "json", or "point" for longitude in `sql` and latitude in `second`.
        sql: The value, NULL where there is none or it is wrong.
        given: What stands in the cells.
        right: What is said when there is something given and no value; "" when that cannot be.
        head: The column's head.
        unit: Its unitCode; "" for none.
        columns: All columns that it needs.
    """

    iri: str
    kind: str
    form: str
    sql: str
    given: str
    right: str
    head: str
    columns: list[str]
    second: str = "NULL"
    unit: str = ""


class Statement(msgspec.Struct, frozen=True):
    """One mapping in SQL: `select` gives, from the relation "cells", a row for each that is not blank: place, id, observed, fault (NULL for
    none), and for each attribute v0, v1, ... and w0, ... (latitudes) and f0, ... (what is wrong with the cell)."""

    type: str
    types: list[str]
    columns: list[str]
    values: list[Value]
    select: str
    time_zone: str
    has_time: bool


def statement_of(
    mapping: EntityMapping, columns: Mapping[str, Column], heads: Mapping[str, str], names: Find, arrived: str
) -> Statement | None:  # fmt: skip
    """A mapping in SQL; None when an expression in it is more than SQL is made for here.

    Args:
        mapping: The mapping.
        columns: What columns hold.
        heads: How columns are called in the file, for messages.
        names: The IRI of a name.
        arrived: Time of arrival, for mappings without a time of observation; RFC 3339.

    Raises:
        Unfit: A unit is unknown.
    """
    id = joined_of(mapping.id, columns)
    time = moment_of(mapping.observed_at, columns) if mapping.observed_at else ""
    if mapping.when or mapping.within is not None or id is None or time is None:
        return None
    values: list[Value] = []
    for name, attribute in mapping.attributes.items():
        value = _value(names(name), attribute, columns, heads)
        if value is None:
            return None
        values.append(value)
    used = list(dict.fromkeys([*id.columns, *([time] if time else []), *(column for value in values for column in value.columns)]))
    at = moment(quoted(time), columns[time].form) if time else f"TIMESTAMPTZ {literal(arrived)}"
    fault = _row_fault([heads[column] for column in id.columns], heads.get(time, ""), quoted(time) if time else "")
    blank = " AND ".join(f"{quoted(column)} IS NULL" for column in used) or "false"
    given = f'SELECT *, {id.sql} AS "#id", {at} AS "#at" FROM cells WHERE NOT ({blank})'
    parts = ", ".join(
        f"{value.sql} AS v{place}, {value.second} AS w{place}, {_cell_fault(value)} AS f{place}" for place, value in enumerate(values)
    )
    found = f'SELECT "{PLACE}" AS place, "#id" AS id, "#at" AS observed, {fault} AS fault, {parts} FROM ({given})'
    return Statement(names(mapping.type), [names(mapping.type)], used, values, found, mapping.time_zone, bool(time))


def run(connection: duckdb.DuckDBPyConnection, statement: Statement, cells: pa.Table, dropped: bool = False) -> None:
    """Makes the relation "found" of some cells: the statement's rows without those whose places stand in the relation "dropped"."""
    connection.execute("SET TimeZone = ?", [statement.time_zone])
    connection.register("cells", cells)
    without = " WHERE place NOT IN (SELECT place FROM dropped)" if dropped else ""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT * FROM ({statement.select}){without}")
    connection.unregister("cells")


def faults(connection: duckdb.DuckDBPyConnection, statement: Statement) -> list[tuple[int, str, str, str]]:
    """What is wrong in "found": place, head, reason and content."""
    counts = ", ".join(f"count(f{place})" for place in range(len(statement.values)))
    wrong = connection.execute(f"SELECT count(fault), {counts} FROM found").fetchone() or (0,)
    if not any(wrong):
        return []
    parts = ["SELECT place, '' AS head, fault AS reason, coalesce(id, '') AS content FROM found WHERE fault IS NOT NULL"]
    for place, value in enumerate(statement.values):
        if wrong[place + 1]:
            told = f"SELECT place, {literal(value.head)}, {literal(value.right)}, f{place}"
            parts.append(f"{told} FROM found WHERE f{place} IS NOT NULL AND fault IS NULL")
    return connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY place").fetchall()


def _value(iri: str, mapping: AttributeMapping, columns: Mapping[str, Column], heads: Mapping[str, str]) -> Value | None:
    if mapping.table or mapping.observed_at or mapping.dataset:
        return None
    if mapping.kind == "GeoProperty":
        return _place(iri, mapping, columns, heads)
    if mapping.kind == "Relationship":
        target = joined_of(mapping.value, columns)
        if target is None:
            return None
        return Value(iri, "Relationship", "text", target.sql, "NULL", "", "", target.columns)
    name = column_of(mapping.value, columns)
    if mapping.kind != "Property" or name is None or columns[name].type in ("geometry", "object"):
        return None  # the names within objects are those of the @context, which a mapping row by row sees to
    changed = bool(mapping.unit) or mapping.scale != 1.0 or mapping.offset != 0.0 or mapping.decimals is not None
    column = msgspec.structs.replace(columns[name], type="number") if changed and columns[name].type != "integer" else columns[name]
    sql = typed(quoted(name), column)
    form = {"number": "number", "integer": "integer", "boolean": "boolean"}.get(column.type, "text")
    if column.type == "time":
        sql = f"strftime({sql} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if changed:
        sql, form = _changed(sql, mapping), "number"
    right = RIGHT.get(column.type, "")
    unit = code_of(mapping.to or mapping.unit) if mapping.to or mapping.unit else ""
    return Value(iri, "Property", form, sql, quoted(name), right, heads[name], [name], unit=unit)


def _changed(sql: str, mapping: AttributeMapping) -> str:
    """Calibration, conversion of the unit and rounding; see `cityhub.ingest.mapping.attribute`."""
    scale, offset = conversion(mapping.unit, mapping.to) if mapping.to else (1.0, 0.0)
    factor, add = mapping.scale * scale, mapping.offset * scale + offset
    if factor != 1.0 or add != 0.0:
        sql = f"({sql}) * {factor!r}::DOUBLE + {add!r}::DOUBLE"
    return f"round_even({sql}, {mapping.decimals})" if mapping.decimals is not None else sql


def _place(iri: str, mapping: AttributeMapping, columns: Mapping[str, Column], heads: Mapping[str, str]) -> Value | None:
    name = column_of(mapping.value, columns)
    if name is not None and columns[name].type == "geometry" and TO_CGCS2000[mapping.datum] is None:
        cell = quoted(name)
        return Value(iri, "GeoProperty", "json", typed(cell, columns[name]), cell, RIGHT["geometry"], heads[name], [name])
    pair = pair_of(mapping.value, columns)
    if pair is None:
        return None
    lon, lat = (typed(quoted(column), msgspec.structs.replace(columns[column], type="number")) for column in pair)
    within = f"({lon}) BETWEEN -180 AND 180 AND ({lat}) BETWEEN -90 AND 90"
    given = f"nullif(concat_ws(' ', {quoted(pair[0])}, {quoted(pair[1])}), '')"
    right = "no place; right would be degrees of longitude (-180 to 180) and of latitude (-90 to 90)"
    functions = [f"moved_{axis}('{mapping.datum}', {lon}, {lat})" for axis in ("lon", "lat")]
    sql, second = functions if TO_CGCS2000[mapping.datum] is not None else (f"({lon})", f"({lat})")
    head = f"{heads[pair[0]]}, {heads[pair[1]]}"
    return Value(
        iri, "GeoProperty", "point", f"CASE WHEN {within} THEN {sql} END", given, right, head, list(pair),
        f"CASE WHEN {within} THEN {second} END",
    )  # fmt: skip


def define_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Adds the functions that statements need."""

    def lon(datum: str, x: float, y: float) -> float:
        move = TO_CGCS2000[datum]
        return round(move(x, y)[0], 8) if move else x

    def lat(datum: str, x: float, y: float) -> float:
        move = TO_CGCS2000[datum]
        return round(move(x, y)[1], 8) if move else y

    kinds: Any = ["VARCHAR", "DOUBLE", "DOUBLE"]
    connection.create_function("moved_lon", lon, kinds, "DOUBLE")
    connection.create_function("moved_lat", lat, kinds, "DOUBLE")


def _cell_fault(value: Value) -> str:
    if not value.right:
        return "NULL::VARCHAR"
    return f"CASE WHEN ({value.given}) IS NOT NULL AND ({value.sql}) IS NULL THEN ({value.given})::VARCHAR END"


def _row_fault(id_heads: list[str], time_head: str, time: str) -> str:
    empty = literal(f"the id needs {', '.join(repr(head) for head in id_heads)}, which is empty")
    lines = [
        f"WHEN \"#id\" IS NULL THEN {empty}",
        "WHEN NOT regexp_matches(\"#id\", '^[A-Za-z][A-Za-z0-9+.-]*:[^\\pC\\pZ<>\"{}|\\\\^`]+$')"
        " THEN 'the id ''' || \"#id\" || ''' is no URI; right would be one such as urn:ngsi-ld:Device:A1, without blanks'",
        f"WHEN length(\"#id\") > {MAX_NAME} THEN 'the id is longer than {MAX_NAME} characters'",
    ]
    if time:
        said = f"'''' || ({time}) || '''"
        lines += [
            f"WHEN ({time}) IS NULL THEN {literal(f'the time {time_head!r} is empty')}",
            f"WHEN \"#at\" IS NULL THEN {said} in ''' || {literal(time_head)} || ''' is {RIGHT['time']}'",
            f"WHEN \"#at\" < TIMESTAMPTZ '{EARLIEST}' OR \"#at\" > TIMESTAMPTZ '{LATEST}' THEN {said} is before 1678 or after 2261'",
        ]
    return f"CASE {' '.join(lines)} END"
