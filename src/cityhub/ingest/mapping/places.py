"""Geometries out of what sources write: GeoJSON, WKT, or longitude and latitude in one of the usual forms.

    {"type": "Point", "coordinates": [108.77, 29.53]}
    "POINT (108.77 29.53)", "SRID=4490;POLYGON ((...))"
    [108.77, 29.53], [108.77, 29.53, 610.0], "108.77,29.53"
    {"lon": 108.77, "lat": 29.53}, also "lng", "longitude", "latitude", "alt", "height"

Source: RFC 7946; OGC 06-103r4 (well-known text) with the SRID prefix of PostGIS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from cityhub.ingest.mapping.datums import moved
from cityhub.ingest.mapping.numbers import number
from cityhub.ingest.mapping.problems import Unfit, shown
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import read_geometry

_LONGEST: Final = 2_000_000  # characters of a text
_GEOGRAPHIC: Final = frozenset({"4490", "4326", "4979"})
_SRID: Final = re.compile(r"SRID=(\d+);\s*", re.IGNORECASE)
_TAG: Final = re.compile(r"(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\b", re.IGNORECASE)
_NAMES: Final = (("lon", "lat"), ("lng", "lat"), ("longitude", "latitude"), ("x", "y"), ("经度", "纬度"))
_HEIGHTS: Final = ("alt", "altitude", "height", "z")
Move = Callable[[float, float], tuple[float, float]]


def geometry(value: Any, move: Move | None = None) -> dict[str, Any]:
    """A GeoJSON geometry. Raises Unfit for what is none.

    Args:
        value: In one of the forms above.
        move: From the datum of the source to CGCS2000.
    """
    if type(value) is dict and "coordinates" not in value:
        found = _named(value)
    elif type(value) is list:
        found = _point(value)
    elif type(value) is str and value[:1] not in ("{", " "):
        found = _written(value)
    else:
        found = value
    try:
        found = read_geometry(found, "value")
    except BadRequestData as error:
        raise Unfit(f"{shown(value)} is no geometry: {error.detail.removeprefix(chr(39) + 'value' + chr(39) + ' ')}") from None
    if found["type"] == "Point":
        _check_point(found["coordinates"])
    if move is None:
        return {"type": found["type"], "coordinates": found["coordinates"]}
    return {"type": found["type"], "coordinates": moved(found["coordinates"], move)}


def _point(position: list[Any]) -> dict[str, Any]:
    if not 2 <= len(position) <= 3:
        raise Unfit(f"{shown(position)} is no position: write [longitude, latitude] or [longitude, latitude, height]")
    return {"type": "Point", "coordinates": [number(item) for item in position]}


def _named(value: dict[str, Any]) -> dict[str, Any]:
    for lon, lat in _NAMES:
        if lon in value and lat in value:
            height = [value[name] for name in _HEIGHTS if value.get(name) is not None]
            return _point([value[lon], value[lat], *height[:1]])
    raise Unfit(f"{shown(value)} is no position: it must have 'lon' and 'lat'")


def _check_point(position: list[float]) -> None:
    if not -180.0 <= position[0] <= 180.0 or not -90.0 <= position[1] <= 90.0:
        raise Unfit(f"{shown(position[:2])} is no longitude (-180 to 180) and latitude (-90 to 90) in degrees, in this order")


def _written(text: str) -> dict[str, Any]:
    srid = _SRID.match(text)
    if srid and srid.group(1) not in _GEOGRAPHIC:
        raise Unfit(f"{shown(text)} has SRID {srid.group(1)}; only longitude and latitude (SRID 4490 or 4326) can be taken")
    plain = text[srid.end() :] if srid else text
    if _TAG.match(plain) and len(text) <= _LONGEST:
        return _well_known(plain)
    parts = re.split(r"[,，;\s]+", plain.strip(), maxsplit=3) if len(plain) <= 100 else []
    if len(parts) not in (2, 3) or not any(letter.isdigit() for letter in parts[0]):
        raise Unfit(f"{shown(text)} is no geometry: write GeoJSON, WKT ('POINT (108.77 29.53)') or 'longitude,latitude'")
    return _point(list(parts))


def _well_known(text: str) -> dict[str, Any]:
    import shapely

    try:
        found = shapely.from_wkt(text)
    except shapely.errors.GEOSException as error:
        raise Unfit(f"{shown(text)} is not well-known text: {str(error)[:200]}") from None
    return _as_lists(found.__geo_interface__)


def _as_lists(geometry: dict[str, Any]) -> dict[str, Any]:
    def lists(item: Any) -> Any:
        return [lists(part) for part in item] if isinstance(item, tuple | list) else item

    return {"type": geometry["type"], "coordinates": lists(geometry["coordinates"])}


def fence(area: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """Whether a geometry lies in an area or on its edge. Raises Unfit unless the area is a GeoJSON Polygon or MultiPolygon."""
    import shapely
    from shapely.geometry import shape

    try:
        checked = read_geometry(area, "within")
    except BadRequestData as error:
        raise Unfit(error.detail) from None
    polygon = shape(checked)
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or not polygon.is_valid:
        raise Unfit("'within' must be a GeoJSON Polygon or MultiPolygon whose rings do not cross themselves")
    shapely.prepare(polygon)

    def inside(found: dict[str, Any]) -> bool:
        if found["type"] == "Point":
            return bool(shapely.intersects_xy(polygon, *found["coordinates"][:2]))
        return bool(polygon.covers(shape(found)))

    return inside
