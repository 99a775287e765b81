"""Instances as rows of `observations`, and back: nothing of an instance is lost on the way.

A value stands in one of the columns number, text, json, or lon and lat; everything that has no column of its own is in `rest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from cityhub.model.entity import VALUE_KEY, Instance
from cityhub.model.history_events import instance_id
from cityhub.model.time import to_text

Value = tuple[float | None, str | None, str | None, float | None, float | None]
"""number, text, json, lon, lat."""

_EXACT: Final = 2**53
_TIME_LENGTH: Final = len("2026-11-23T06:05:00.000000Z")
_OWN: Final = frozenset(("createdAt", "modifiedAt", "instanceId"))
"""Members that follow from the row's own columns."""
_NOTHING: Final[Value] = (None, None, None, None, None)


def value_columns(kind: str, value: Any) -> Value:
    """The columns of a value.

    >>> value_columns("Property", 21.5), value_columns("Property", True)
    ((21.5, None, None, None, None), (None, None, 'true', None, None))
    """
    if is_number(value):
        return float(value), None, None, None, None
    if type(value) is str:
        return None, value, None, None, None
    lon, lat, is_plain = _place(value) if kind == "GeoProperty" else (None, None, False)
    return None, None, None if is_plain else orjson.dumps(value).decode(), lon, lat


def is_number(value: Any) -> bool:
    """Whether a value is a number that a double holds exactly, and that comes back as what it was."""
    return type(value) is float or (type(value) is int and -_EXACT <= value <= _EXACT)


def _place(value: Any) -> tuple[float | None, float | None, bool]:
    """Longitude and latitude of a point, and whether that is all there is of it."""
    if type(value) is not dict or value.get("type") != "Point":
        return None, None, False
    place = value.get("coordinates")
    if type(place) is not list or len(place) < 2 or not (is_number(place[0]) and is_number(place[1])):
        return None, None, False
    return float(place[0]), float(place[1]), len(place) == 2 and len(value) == 2


def row_of(
    tenant: str, entity: str, types: str, attribute: str, instance: Instance, at: str, position: int, ordinal: int, sequence: int,
    created_at: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """The row of an instance that comes into the history at a time; times are still texts.

    Args:
        tenant: The tenant.
        entity: The entity's id.
        types: Its types with a space between them.
        attribute: The attribute's IRI.
        instance: In the internal form.
        at: When the hub learned of it.
        position: With `ordinal` what makes the instanceId.
        ordinal: See `position`.
        sequence: Position of the change that writes it.
        created_at: When the instance was created, if earlier than `at`.
    """
    kind = instance["type"]
    key = VALUE_KEY[kind]
    number, text, json, lon, lat = value_columns(kind, instance[key]) if key in instance else _NOTHING
    rest: dict[str, Any] = {}
    lifted: dict[str, str | None] = {"datasetId": None, "unitCode": None, "observedAt": None, "deletedAt": None, "expiresAt": None}
    for name, member in instance.items():
        if name in lifted and type(member) is str and (name[-2:] != "At" or _is_time(member)):
            lifted[name] = member
        elif name not in ("type", key) and name not in _OWN:
            rest[name] = member
    return (
        tenant, entity, types, attribute, lifted["datasetId"], lifted["observedAt"], at, number, text, json, lon, lat,
        lifted["unitCode"], _quality(instance), position, ordinal, kind, orjson.dumps(rest).decode() if rest else None, created_at,
        lifted["deletedAt"], lifted["expiresAt"], sequence,
    )  # fmt: skip


def _is_time(text: str) -> bool:
    """Whether a text is a time just as `to_text` writes it, so that it comes back the same."""
    if len(text) != _TIME_LENGTH or text[-1] != "Z":
        return False
    try:
        return to_text(datetime.fromisoformat(text)) == text
    except ValueError:
        return False


def _quality(instance: Instance) -> str | None:
    for name, instances in instance.get("attrs", {}).items():
        if name == "quality" or name.endswith(("/quality", "#quality")):
            value = instances[0].get("value")
            return value if type(value) is str else None if value is None else orjson.dumps(value).decode()
    return None


def instance_of(row: Mapping[str, Any], seed: str) -> Instance:
    """The instance of a row of `observations`, given by column; times are datetimes."""
    kind = row["kind"]
    instance: Instance = {"type": kind}
    value = _value_of(row)
    if value is not _NOTHING:
        instance[VALUE_KEY[kind]] = value
    for name, column in (("datasetId", "dataset"), ("unitCode", "unit")):
        if row[column] is not None:
            instance[name] = row[column]
    for name, column in (("observedAt", "observed_at"), ("deletedAt", "deleted_at"), ("expiresAt", "expires_at")):
        if row[column] is not None:
            instance[name] = to_text(row[column].astimezone(UTC))
    if row["rest"] is not None:
        instance.update(orjson.loads(row["rest"]))
    instance["instanceId"] = instance_id(seed, row["position"], row["ordinal"])
    instance["modifiedAt"] = to_text(row["modified_at"])
    instance["createdAt"] = to_text(row["created_at"]) if row["created_at"] is not None else instance["modifiedAt"]
    return instance


def _value_of(row: Mapping[str, Any]) -> Any:
    if row["number"] is not None:
        return number_of(row["number"])
    if row["text"] is not None:
        return row["text"]
    if row["json"] is not None:
        return orjson.loads(row["json"])
    if row["lon"] is not None:
        return {"type": "Point", "coordinates": [number_of(row["lon"]), number_of(row["lat"])]}
    return _NOTHING


def number_of(value: float) -> float | int:
    """A number as JSON would write it: whole ones without a fraction.

    >>> number_of(3.0), number_of(3.5)
    (3, 3.5)
    """
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value
