"""What was found in rows, as updates of entities or as observations of the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa

from cityhub.ingest.files.conversion import Statement, Value
from cityhub.ingest.files.table import literal
from cityhub.model.entity import VALUE_KEY, Instance
from cityhub.model.ports import EntityUpdate

STAGED: Final = pa.schema(
    [
        ("entity", pa.string()), ("type", pa.string()), ("attribute", pa.string()), ("dataset", pa.string()),
        ("observed_at", pa.timestamp("us", "UTC")), ("number", pa.float64()), ("text", pa.string()), ("json", pa.string()),
        ("lon", pa.float64()), ("lat", pa.float64()), ("unit", pa.string()), ("kind", pa.string()),
    ]
)  # fmt: skip
"""The columns of observations as the history takes them in a staged file."""
_EXACT: Final = 2**53


def updates(connection: duckdb.DuckDBPyConnection, statement: Statement) -> list[tuple[int, EntityUpdate]]:
    """The updates in the relation "found" with the places of their rows, in their order; rows without any value give none."""
    names = [f"v{place}" for place in range(len(statement.values))] + [
        f"w{place}" for place, value in enumerate(statement.values) if value.form == "point"
    ]
    time = "strftime(observed AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    wanted = ", ".join(["place", "id", time, *names])
    answer = connection.execute(f"SELECT {wanted} FROM found WHERE fault IS NULL ORDER BY place").to_arrow_table()
    columns = [column.to_pylist() for column in answer.columns]
    places, ids, times, cells = columns[0], columns[1], columns[2], dict(zip(names, columns[3:], strict=True))
    made: list[dict[str, list[Instance]]] = [{} for _ in ids]
    for place, value in enumerate(statement.values):
        _fill(made, value, cells[f"v{place}"], cells.get(f"w{place}"), times)
    types = statement.types
    return [(place, EntityUpdate(id, types, attrs)) for place, id, attrs in zip(places, ids, made, strict=True) if attrs]


def observations(connection: duckdb.DuckDBPyConnection, statement: Statement) -> pa.Table:
    """The observations in the relation "found"."""
    parts = [
        f"SELECT id AS entity, {literal(statement.type)} AS type, {literal(value.iri)} AS attribute, NULL::VARCHAR AS dataset,"
        f" observed AS observed_at, {_columns(value, place)}, {literal(value.unit or None)}::VARCHAR AS unit, {literal(value.kind)} AS kind"
        f" FROM found WHERE fault IS NULL AND v{place} IS NOT NULL"
        for place, value in enumerate(statement.values)
    ]
    return connection.execute(" UNION ALL ".join(parts)).to_arrow_table().cast(STAGED)


def observations_of(updates: Iterable[EntityUpdate]) -> pa.Table:
    """Updates of entities as observations. An instance without a time of observation is none."""
    rows: list[dict[str, Any]] = []
    for update in updates:
        for iri, instances in update.attributes.items():
            for instance in instances:
                if "observedAt" in instance:
                    rows.append({"entity": update.id, "type": " ".join(update.types), "attribute": iri, **_row(instance)})
    written = STAGED.set(STAGED.get_field_index("observed_at"), pa.field("observed_at", pa.string()))
    return pa.Table.from_pylist(rows, schema=written).cast(STAGED)


def _columns(value: Value, place: int) -> str:
    number = text = json = lon = lat = "NULL"
    if value.form in ("number", "integer"):
        number = f"v{place}"
    elif value.form == "text":
        text = f"v{place}"
    elif value.form == "boolean":
        json = f"v{place}::VARCHAR"
    elif value.form == "point":
        lon, lat = f"v{place}", f"w{place}"
    elif value.kind == "GeoProperty":
        is_point = f"json_extract_string(v{place}, '$.type') = 'Point'"
        lon, lat = (f"CASE WHEN {is_point} THEN TRY_CAST(json_extract(v{place}, '$.coordinates[{axis}]') AS DOUBLE) END" for axis in (0, 1))
        json = f"CASE WHEN NOT ({is_point}) THEN v{place} END"
    else:
        json = f"v{place}"
    return f"{number}::DOUBLE AS number, {text}::VARCHAR AS text, {json}::VARCHAR AS json, {lon}::DOUBLE AS lon, {lat}::DOUBLE AS lat"


def _row(instance: Instance) -> dict[str, Any]:
    """The columns of an instance: those of `STAGED` that tell of its value."""
    value: Any = instance.get(VALUE_KEY[instance["type"]])
    row: dict[str, Any] = {"dataset": instance.get("datasetId"), "unit": instance.get("unitCode")}
    row.update(observed_at=instance["observedAt"], kind=instance["type"])
    if type(value) is float or (type(value) is int and -_EXACT <= value <= _EXACT):
        row["number"] = float(value)
    elif type(value) is str:
        row["text"] = value
    elif instance["type"] == "GeoProperty" and value["type"] == "Point" and len(value["coordinates"]) == 2:
        row["lon"], row["lat"] = (float(part) for part in value["coordinates"])
    else:
        row["json"] = orjson.dumps(value).decode()
    return row


def _fill(
    made: list[dict[str, list[Instance]]], value: Value, cells: Sequence[Any], seconds: Sequence[Any] | None, times: Sequence[str]
) -> None:  # fmt: skip
    """Puts the instances of one attribute where there is a value."""
    key, iri, kind, read = VALUE_KEY[value.kind], value.iri, value.kind, _READERS.get(value.form)
    for place, cell in enumerate(cells):
        if cell is None:
            continue
        if seconds is not None:
            cell = {"type": "Point", "coordinates": [cell, seconds[place]]}
        elif read is not None:
            cell = read(cell)
        instance: Instance = {"type": kind, key: cell, "observedAt": times[place]}
        if value.unit:
            instance["unitCode"] = value.unit
        made[place][iri] = [instance]


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and -_EXACT <= value <= _EXACT else value


_READERS: Final[dict[str, Callable[[Any], Any]]] = {"integer": int, "number": _number, "json": orjson.loads}
