"""Places of CAP messages: polygons and circles as their text has them, and as GeoJSON.

CAP writes latitude before longitude, GeoJSON longitude before latitude; both mean WGS 84.

Source: CAP 1.2, clause 3.2.4; RFC 7946.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import shapely

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.earth import plane_around

MOST_POINTS: Final = 5_000
"""So many points may a polygon have."""
MOST_RADIUS_KM: Final = 20_038.0
"""Half the way around the earth."""
DECIMALS: Final = 5
"""Of degrees as they are written: about a metre."""
_NUMBER: Final = r"[+-]?\d{1,3}(?:\.\d{1,20})?"
_POINT: Final = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_RADIUS: Final = re.compile(r"\d{1,6}(?:\.\d{1,20})?", re.ASCII)

Point = tuple[float, float]
"""Latitude and longitude in degrees."""


def polygon_points(text: str, where: str) -> list[Point]:
    """The points of a polygon. Raises BadRequestData for one that is broken, not closed, or crosses itself."""
    points = [_point(part, where) for part in text.split()]
    if len(points) < 4:
        raise BadRequestData(f"'{where}' has {len(points)} points; right would be at least four, the last the same as the first")
    if len(points) > MOST_POINTS:
        raise BadRequestData(f"'{where}' has {len(points)} points; at most {MOST_POINTS} are taken")
    if points[0] != points[-1]:
        raise BadRequestData(f"'{where}' is not closed: its last point must be the same as its first")
    shape = shapely.Polygon([(lon, lat) for lat, lon in points])
    if not shape.is_valid or shape.area == 0:
        reason = shapely.is_valid_reason(shape) if not shape.is_valid else "it has no area"
        raise BadRequestData(f"'{where}' must be a polygon that does not cross or touch itself: {reason}")
    return points


def circle_of(text: str, where: str) -> tuple[Point, float]:
    """Centre and radius (km) of a circle. Raises BadRequestData."""
    centre, _, radius = text.partition(" ")
    point = _point(centre, where)
    if not _RADIUS.fullmatch(radius) or float(radius) > MOST_RADIUS_KM:
        raise BadRequestData(f"'{where}' must be 'latitude,longitude radius' with the radius in km, not '{text[:50]}'")
    return point, float(radius)


def _point(text: str, where: str) -> Point:
    match = _POINT.fullmatch(text)
    if match is None:
        raise BadRequestData(f"'{where}' has '{text[:50]}'; right would be points 'latitude,longitude' with a blank between them")
    lat, lon = float(match[1]), float(match[2])
    if abs(lat) > 90 or abs(lon) > 180:
        raise BadRequestData(f"'{where}' has '{text[:50]}': latitude (-90 to 90) comes first, then longitude (-180 to 180)")
    return lat, lon


def polygons_of(geometry: Any) -> list[str]:
    """The polygons of a shapely geometry as CAP writes them: without holes, since CAP has none, rounded and still valid.

    What is no area (points, lines) is left out.
    """
    return [_text(part) for part in _parts(geometry)]


def _parts(geometry: Any) -> Iterator[Any]:
    rounded = shapely.set_precision(geometry, 10.0**-DECIMALS)
    for part in shapely.get_parts(rounded):
        if part.geom_type == "Polygon" and not part.is_empty:
            yield from _without_holes(part)


def _without_holes(polygon: Any) -> Iterator[Any]:
    """The polygon cut through its holes until none is left."""
    if not polygon.interiors:
        yield polygon
        return
    west, south, east, north = polygon.bounds
    hole = polygon.interiors[0].bounds
    middle = round((hole[0] + hole[2]) / 2, DECIMALS)
    for side in (shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)):
        for part in _parts_of(shapely.intersection(polygon, side, grid_size=10.0**-DECIMALS)):
            yield from _without_holes(part)


def _parts_of(geometry: Any) -> list[Any]:
    return [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon" and not part.is_empty]


def _text(polygon: Any) -> str:
    return " ".join(f"{_written(lat)},{_written(lon)}" for lon, lat in polygon.exterior.coords)


def _written(number: float) -> str:
    return f"{round(number, DECIMALS) + 0.0:.{DECIMALS}f}".rstrip("0").rstrip(".")


def shape_of_texts(polygons: list[str], circles: list[str], where: str = "area") -> Any:
    """What polygons and circles cover together, as a shapely geometry of longitude and latitude; empty without any."""
    shapes = [shapely.Polygon([(lon, lat) for lat, lon in polygon_points(text, f"{where}.polygon")]) for text in polygons]
    shapes += [_disc(*circle_of(text, f"{where}.circle")) for text in circles]
    return shapely.union_all(shapes)


def _disc(centre: Point, radius_km: float) -> Any:
    """A circle on the earth as a polygon of 64 corners; one of radius 0 is its point."""
    lat, lon = centre
    if radius_km == 0:
        return shapely.Point(lon, lat)
    return buffered(shapely.Point(lon, lat), radius_km * 1000)


def buffered(shape: Any, metres: float) -> Any:
    """All that lies within a distance of a shape (degrees); exact within 1 % up to some 100 km."""
    if metres <= 0:
        return shape
    centre = shape.centroid
    project = plane_around(centre.x, centre.y)
    scale = 1e-3  # degrees over which the plane is taken as straight
    east, north = (project(np.array([[centre.x + dx * scale, centre.y + dy * scale]]))[0] / scale for dx, dy in ((1, 0), (0, 1)))
    kx, ky = float(east[0]), float(north[1])  # metres in a degree
    flat = shapely.transform(shape, lambda p: (p - [centre.x, centre.y]) * [kx, ky])
    return shapely.transform(shapely.buffer(flat, metres, quad_segs=16), lambda p: p / [kx, ky] + [centre.x, centre.y])
