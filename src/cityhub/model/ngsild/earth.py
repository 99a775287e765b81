"""Distances on the earth.

Source: WGS 84 ellipsoid; W. D. Lambert (1942), "The distance between two widely separated points on the surface of the
earth", whose error stays below 10 m over distances of thousands of kilometres; the haversine formula for ordering
(GS CIM 009 V1.9.1 clause 4.23.1).
"""

from __future__ import annotations

from collections.abc import Callable
from math import asin, atan, cos, degrees, pi, radians, sin, sqrt, tan
from typing import Any, Final

import numpy as np
import numpy.typing as npt

EQUATORIAL_RADIUS_M: Final = 6_378_137.0
FLATTENING: Final = 1 / 298.257223563
MEAN_RADIUS_M: Final = 6_371_008.8
_SQUARED_ECCENTRICITY: Final = FLATTENING * (2 - FLATTENING)
_SHORTEST_RADIUS_M: Final = EQUATORIAL_RADIUS_M * (1 - _SQUARED_ECCENTRICITY)  # of curvature: the meridian at the equator
_MARGIN: Final = 1.001  # widens boxes by more than the error of any distance here

Box = tuple[float, float, float, float]
"""west, south, east, north in degrees."""
Array = npt.NDArray[np.float64]


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """The distance between two points (degrees) along the ellipsoid, in metres; within 10 m unless nearly antipodal.

    >>> round(distance_m(144.424868, -37.951033, 143.926496, -37.652821))  # Flinders Peak to Buninyong: 54972.271
    54972
    """
    shrink = 1 - FLATTENING
    beta1, beta2 = atan(shrink * tan(radians(lat1))), atan(shrink * tan(radians(lat2)))
    half = sin((beta2 - beta1) / 2) ** 2 + cos(beta1) * cos(beta2) * sin(radians(lon2 - lon1) / 2) ** 2
    if half <= 0.0:
        return 0.0
    angle = 2 * asin(sqrt(min(1.0, half)))
    middle, apart = (beta1 + beta2) / 2, (beta2 - beta1) / 2
    far = 1 - half
    x = (angle - sin(angle)) * (sin(middle) * cos(apart)) ** 2 / far if far > 1e-12 else 0.0
    y = (angle + sin(angle)) * (cos(middle) * sin(apart)) ** 2 / half
    return EQUATORIAL_RADIUS_M * (angle - FLATTENING / 2 * (x + y))


def haversine_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """The distance between two points (degrees) on the sphere of the earth's mean radius, in metres."""
    phi1, phi2 = radians(lat1), radians(lat2)
    half = sin((phi2 - phi1) / 2) ** 2 + cos(phi1) * cos(phi2) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * MEAN_RADIUS_M * asin(sqrt(min(1.0, half)))


def widened(box: Box, by_m: float) -> list[Box]:
    """The boxes that hold every point within a distance of a box: two across the antimeridian, a cap at a pole."""
    west, south, east, north = box
    angle = by_m * _MARGIN / _SHORTEST_RADIUS_M
    down, up = south - degrees(angle), north + degrees(angle)
    if down <= -90 or up >= 90 or angle >= pi / 2:
        return [(-180.0, max(-90.0, down), 180.0, min(90.0, up))]
    # The meridian that only touches the circle around a point lies this far away; nearest the pole it is farthest.
    aside = degrees(asin(min(1.0, sin(angle) / cos(radians(max(abs(south), abs(north)))))))
    west, east = west - aside, east + aside
    if east - west >= 360:
        return [(-180.0, down, 180.0, up)]
    if west < -180:
        return [(west + 360, down, 180.0, up), (-180.0, down, east, up)]
    if east > 180:
        return [(west, down, 180.0, up), (-180.0, down, east - 360, up)]
    return [(west, down, east, up)]


def plane_around(lon: float, lat: float) -> Callable[[Array], Array]:
    """The projection of positions (n x 2, degrees) to metres in a plane around a point.

    Azimuthal equidistant on the sphere, stretched to the ellipsoid's curvature at the point: distances in the plane
    are right within 0.1 % up to 100 km from the point and within 1 % up to 1,000 km.
    """
    phi0, lambda0 = radians(lat), radians(lon)
    sin0, cos0 = sin(phi0), cos(phi0)
    bend = sqrt(1 - _SQUARED_ECCENTRICITY * sin0 * sin0)
    across_m = EQUATORIAL_RADIUS_M / bend
    along_m = _SHORTEST_RADIUS_M / bend**3

    def project(positions: Array) -> Array:
        phi, away = np.radians(positions[:, 1]), np.radians(positions[:, 0]) - lambda0
        sin_phi, cos_phi = np.sin(phi), np.cos(phi)
        x = cos_phi * np.sin(away)
        y = cos0 * sin_phi - sin0 * cos_phi * np.cos(away)
        sine = np.hypot(x, y)
        angle = np.arctan2(sine, sin0 * sin_phi + cos0 * cos_phi * np.cos(away))
        stretch: Any = np.where(sine > 1e-15, angle / np.maximum(sine, 1e-15), 1.0)
        return np.column_stack((x * stretch * across_m, y * stretch * along_m))

    return project
