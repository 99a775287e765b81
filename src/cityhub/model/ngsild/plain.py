"""The attributes that most messages consist of, read at once: numbers and texts with unit and time, points, single relationships.

Everything else, and everything that is wrong, is left to `cityhub.model.ngsild.attribute`, which says what is wrong.

Source: GS CIM 009 clauses 4.5.2, 4.5.3, 5.2.5 to 5.2.7.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Any, Final

from cityhub.model.entity import NULL, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.geometry import is_plain_point
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.values import LEAST, MOST

_USUAL: Final = 128
"""Longest URIs and times that are remembered."""

usual_uri = lru_cache(maxsize=4096)(is_uri)
"""Many relationships lead to few entities."""


@lru_cache(maxsize=4096)
def _moment(text: str) -> tuple[str, bool] | None:
    """A DateTime in the internal form, and whether it would be shown as it was written; None when it is none."""
    try:
        found = moment.read(text, "")
    except BadRequestData:
        return None
    return found, moment.show(found) == text


def plain_instance(document: dict[str, Any]) -> Instance | None:
    """The instance of a normalized attribute that is plain and right; None for any other."""
    kind = document.get("type")
    if kind == "Property":
        return _property(document)
    if len(document) != 2:
        return None
    if kind == "Relationship":
        object = document.get("object")
        if type(object) is str and len(object) <= _USUAL and usual_uri(object):
            return {"type": kind, "object": object}
    elif kind == "GeoProperty":
        value = document.get("value")
        if type(value) is dict and is_plain_point(value):
            return {"type": kind, "value": value}
    return None


def _property(document: dict[str, Any]) -> Instance | None:
    value = document.get("value")
    kind = type(value)
    if kind is str:
        if value == NULL:
            return None
    elif kind is int:
        if not LEAST <= value <= MOST:  # type: ignore[operator]
            return None
    elif kind is float:
        if not isfinite(value):  # type: ignore[arg-type]
            return None
    elif kind is not bool:
        return None
    instance: Instance = {"type": "Property", "value": value}
    if len(document) == 2:
        return instance
    for key, item in document.items():
        if key == "unitCode":
            if type(item) is not str or not item or item == NULL:
                return None
            instance[key] = item
        elif key == "observedAt":
            found = _moment(item) if type(item) is str and len(item) <= _USUAL else None
            if found is None:
                return None
            instance[key], is_canonical = found
            if not is_canonical:
                instance["observedAtText"] = item
        elif key != "value" and key != "type":
            return None
    return instance
