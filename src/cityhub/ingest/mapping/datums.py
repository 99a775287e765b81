"""Positions in the coordinates of Chinese map services, turned into CGCS2000, and back.

CGCS2000 and WGS 84 differ by centimetres and are taken as one. GCJ-02 shifts every position in China by some hundred metres;
BD-09 shifts GCJ-02 once more. Their forward formulas are public by use, the way back has no closed form: it is found by
iteration, to less than 1e-9 degrees (a tenth of a millimetre).

Source: the published code of the shift (googollee/eviltransform, MIT, after the widely known `transform` functions); Baidu's shift as in
the same place; its terms are described in "Restrictions on geographic data in China", Wikipedia. The ellipsoid is Krasovsky 1940.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, hypot, pi, radians, sin, sqrt
from typing import Any, Final

Position = tuple[float, float]
"""Longitude and latitude in degrees."""

_A: Final = 6378245.0  # semi-major axis of Krasovsky's ellipsoid, metres
_EE: Final = 0.00669342162296594323  # its first eccentricity, squared
_BAIDU: Final = pi * 3000.0 / 180.0
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
_CLOSE: Final = 1e-10
_ROUNDS: Final = 30
_DIGITS: Final = 8


def in_china(lon: float, lat: float) -> bool:
    """Whether a position lies in the box where the map services shift; it reaches beyond the borders."""
    return _WEST <= lon <= _EAST and _SOUTH <= lat <= _NORTH


def to_gcj02(lon: float, lat: float) -> Position:
    """CGCS2000 to GCJ-02; positions outside China stay as they are."""
    if not in_china(lon, lat):
        return lon, lat
    x, y = lon - 105.0, lat - 35.0
    ripple = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + ripple
    d_lat += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    d_lat += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + ripple
    d_lon += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    d_lon += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = radians(lat)
    magic = 1.0 - _EE * sin(phi) ** 2
    d_lat = d_lat * 180.0 / (_A * (1.0 - _EE) / (magic * sqrt(magic)) * pi)
    d_lon = d_lon * 180.0 / (_A / sqrt(magic) * cos(phi) * pi)
    return lon + d_lon, lat + d_lat


def to_bd09(lon: float, lat: float) -> Position:
    """CGCS2000 to BD-09; positions outside China stay as they are."""
    if not in_china(lon, lat):
        return lon, lat
    return _baidu_shift(*to_gcj02(lon, lat))


def _baidu_shift(lon: float, lat: float) -> Position:
    z = hypot(lon, lat) + 0.00002 * sin(lat * _BAIDU)
    theta = atan2(lat, lon) + 0.000003 * cos(lon * _BAIDU)
    return z * cos(theta) + 0.0065, z * sin(theta) + 0.006


def from_gcj02(lon: float, lat: float) -> Position:
    """GCJ-02 to CGCS2000; positions outside China stay as they are.

    >>> lon, lat = from_gcj02(*to_gcj02(108.77, 29.53))
    >>> round(lon, 7), round(lat, 7)
    (108.77, 29.53)
    """
    return _back(to_gcj02, lon, lat)


def from_bd09(lon: float, lat: float) -> Position:
    """BD-09 to CGCS2000; positions outside China stay as they are."""
    return _back(to_bd09, lon, lat)


def _back(forth: Callable[[float, float], Position], lon: float, lat: float) -> Position:
    if not in_china(lon, lat):
        return lon, lat
    x, y = lon, lat
    for _ in range(_ROUNDS):
        there_x, there_y = forth(x, y)
        off_x, off_y = lon - there_x, lat - there_y
        x, y = x + off_x, y + off_y
        if abs(off_x) < _CLOSE and abs(off_y) < _CLOSE:
            break
    return x, y


TO_CGCS2000: Final[dict[str, Callable[[float, float], Position] | None]] = {
    "CGCS2000": None,
    "WGS84": None,
    "GCJ-02": from_gcj02,
    "BD-09": from_bd09,
}
"""By the name of the datum; None where nothing has to be done."""


def moved(coordinates: Any, move: Callable[[float, float], Position]) -> Any:
    """The coordinates of a GeoJSON geometry with every position moved; heights stay."""
    if type(coordinates[0]) is list:
        return [moved(item, move) for item in coordinates]
    lon, lat = move(coordinates[0], coordinates[1])
    return [round(lon, _DIGITS), round(lat, _DIGITS), *coordinates[2:]]
