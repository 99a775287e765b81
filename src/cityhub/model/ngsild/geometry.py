"""GeoJSON geometries as values of GeoProperties.

Source: GS CIM 009 clauses 4.6.3 and 4.7; RFC 7946.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from cityhub.model.errors import BadRequestData

# How deep the positions lie in "coordinates".
_DEPTH: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
GEOMETRIES: Final = frozenset(_DEPTH)
"""The geometry types that a GeoProperty may have; GeometryCollection is not one of them."""
_RING = 4  # positions of the smallest ring: a triangle, closed
_FAR = 1e9  # keeps every calculation with coordinates finite


def looks_like_geometry(value: Any) -> bool:
    """Whether a value is meant as a geometry, which makes its attribute a GeoProperty where no type is stated."""
    return type(value) is dict and "coordinates" in value and type(value.get("type")) is str and value["type"] in GEOMETRIES


def read_geometry(value: Any, where: str) -> dict[str, Any]:
    """A geometry, checked; one that was encoded as a JSON text comes back as the object.

    Positions are longitude, latitude and perhaps a height. RFC 7946 sets no range: a geometry that crosses the
    antimeridian may go beyond 180 degrees, and published examples have latitudes beyond 90, so whoever calculates with
    positions must take any number. Raises BadRequestData naming what is wrong.
    """
    if type(value) is str:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadRequestData(f"'{where}' must be a GeoJSON geometry; this text is not JSON") from None
    kind = value.get("type") if type(value) is dict else None
    depth = _DEPTH.get(kind) if type(kind) is str else None
    if depth is None or type(kind) is not str:
        raise BadRequestData(f"'{where}' must be a GeoJSON geometry of type {', '.join(_DEPTH)}")
    problem = _problem(value.get("coordinates"), depth, kind)
    if problem:
        raise BadRequestData(f"'{where}' is not a valid {kind}: {problem}")
    return dict(value)


def is_plain_point(value: dict[str, Any]) -> bool:
    """Whether an object is a valid Point of longitude and latitude alone, as nearly all are."""
    if value.get("type") != "Point":
        return False
    position = value.get("coordinates")
    if type(position) is not list or len(position) != 2:
        return False
    lon, lat = position
    return (
        (type(lon) is float or type(lon) is int)
        and (type(lat) is float or type(lat) is int)
        and -_FAR <= lon <= _FAR
        and -_FAR <= lat <= _FAR
    )


def _problem(coordinates: Any, depth: int, kind: str) -> str:
    if depth == 0:
        return _position_problem(coordinates)
    if type(coordinates) is not list or not coordinates:
        return "'coordinates' must be a list that is not empty, nested as the type asks"
    if depth == 1 and kind in ("LineString", "MultiLineString") and len(coordinates) < 2:
        return "a line needs at least two positions"
    if depth == 1 and kind in ("Polygon", "MultiPolygon") and (len(coordinates) < _RING or coordinates[0] != coordinates[-1]):
        return "a ring needs at least four positions, the last equal to the first"
    for item in coordinates:
        problem = _problem(item, depth - 1, kind)
        if problem:
            return problem
    return ""


def _position_problem(position: Any) -> str:
    if type(position) is not list or not 2 <= len(position) <= 3:
        return "a position must be a list of longitude, latitude and perhaps height"
    for number in position:
        if (type(number) is not float and type(number) is not int) or not -_FAR <= number <= _FAR:
            return "a position must consist of numbers of usual size"
    return ""
