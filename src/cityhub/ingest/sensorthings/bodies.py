"""Bodies of requests, checked: the properties of an entity as NGSI-LD attributes, and what its links name.

Source: OGC 18-088, 8.2 (properties and their multiplicity), 10.2 and 10.3.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.kinds import GEOJSON, Kind
from cityhub.ingest.sensorthings.query import DERIVED
from cityhub.ingest.sensorthings.times import read_time
from cityhub.model.entity import Attributes
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import looks_like_geometry, read_geometry

MAX_TEXT: Final = 100_000
_TEXTS: Final = frozenset(("name", "description", "encodingType", "definition", "observationType"))
_OBJECTS: Final = frozenset(("properties", "unitOfMeasurement", "parameters"))


class Reference(msgspec.Struct, frozen=True):
    """What a link in a body names: an entity that exists (`id`), or one to be made (`body`)."""

    id: str = ""
    body: dict[str, Any] | None = None


def read_object(given: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises BadRequestData."""
    if not isinstance(given, dict):
        raise BadRequestData(f"{what} must be a JSON object, not {type(given).__name__}")
    return given


def check_members(kind: Kind, body: dict[str, Any], *, partial: bool) -> None:
    """Raises BadRequestData for a member that is none of the kind, or a required one that is missing."""
    for name in body:
        known = name in kind.properties or name in kind.links or name in DERIVED.get(kind.name, ()) or "@" in name
        if not known:
            allowed = ", ".join((*kind.properties, *kind.links))
            raise BadRequestData(f"'{name[:50]}' is no property of a {kind.name}; known: {allowed}")
    for name in kind.required:
        if (not partial or name in body) and body.get(name) is None:
            raise BadRequestData(f"'{name}' is missing: {kind.plural} must have {', '.join(kind.required)}")


def attributes_of(kind: Kind, body: dict[str, Any]) -> Attributes:
    """The properties of a body as attributes of the entity that keeps them. Raises BadRequestData."""
    attributes: Attributes = {}
    for name in kind.properties:
        given = body.get(name)
        if given is None:
            continue
        if name in ("location", "feature"):
            attributes |= place_of(name, given, body.get("encodingType"))
        else:
            attributes[words.ATTRIBUTES[name]] = [words.instance_of(_checked(name, given))]
    return attributes


def _checked(name: str, given: Any) -> Any:
    if name in _TEXTS and (not isinstance(given, str) or not 0 < len(given) <= MAX_TEXT):
        raise BadRequestData(f"'{name}' must be a text of 1 to {MAX_TEXT} characters")
    if name in _OBJECTS and not isinstance(given, dict):
        raise BadRequestData(f"'{name}' must be a JSON object")
    if name == "unitOfMeasurement":
        missing = [part for part in ("name", "symbol", "definition") if part not in given]
        if missing:
            raise BadRequestData(f"'unitOfMeasurement' must have name, symbol and definition (null for none); '{missing[0]}' is missing")
    return read_time("time", given) if name == "time" else given


def place_of(name: str, given: Any, encoding: Any) -> Attributes:
    """A location or feature as attributes: a geometry as the entity's location, anything else as it came."""
    shape = given.get("geometry") if isinstance(given, dict) and given.get("type") == "Feature" else given
    attributes: Attributes = {}
    if looks_like_geometry(shape) or encoding in GEOJSON:
        attributes[words.PLACE] = [{"type": "GeoProperty", "value": read_geometry(shape, name)}]
    if shape is not given or not attributes:
        attributes[words.DOCUMENT] = [words.instance_of(given)]
    return attributes


def references(kind: Kind, body: dict[str, Any], name: str) -> list[Reference] | None:
    """What a link in a body names; None when it is not there. Raises BadRequestData."""
    given = body.get(name)
    if given is None:
        return None
    if kind.links[name].many:
        if not isinstance(given, list):
            raise BadRequestData(f"'{name}' must be a list of objects")
        return [_reference(name, item) for item in given]
    return [_reference(name, given)]


def _reference(name: str, given: Any) -> Reference:
    inner = read_object(given, f"'{name}'")
    id = inner.get("@iot.id")  # clients send what they know of the entity with it; the id counts
    if id is None:
        return Reference(body=inner)
    if isinstance(id, bool) or not isinstance(id, str | int) or not str(id):
        raise BadRequestData(f"'{name}' must be a link such as {{\"@iot.id\": \"...\"}}, or a whole entity without an @iot.id")
    return Reference(id=str(id))
