"""Geometries of GeoProperties."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import looks_like_geometry, read_geometry

RING = [[0, 0], [4, 0], [4, 4], [0, 0]]


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [108.77, 29.53]},
        {"type": "Point", "coordinates": [108.77, 29.53, 512.4]},
        {"type": "MultiPoint", "coordinates": [[108.77, 29.53]]},
        {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        {"type": "LineString", "coordinates": [[179, 0], [181, 0]]},
        {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]},
        {"type": "Polygon", "coordinates": [RING, [[1, 1], [2, 1], [2, 2], [1, 1]]]},
        {"type": "MultiPolygon", "coordinates": [[RING], [RING]]},
        {"type": "Point", "coordinates": [1, 2], "bbox": [1, 2, 1, 2]},
    ],
)
def test_geometries_of_all_types(geometry: dict[str, Any]) -> None:
    assert read_geometry(geometry, "location") == geometry
    assert looks_like_geometry(geometry)


def test_a_geometry_may_be_encoded_as_text() -> None:
    assert read_geometry('{"type": "Point", "coordinates": [17.1, 48.7]}', "location") == {"type": "Point", "coordinates": [17.1, 48.7]}


@pytest.mark.parametrize(
    "geometry",
    [
        None, 5, "not a geometry", "[1, 2]", [1, 2], {}, {"type": "Point"}, {"coordinates": [1, 2]}, {"type": ["Point"], "coordinates": [1, 2]},
        {"type": "GeometryCollection", "geometries": []}, {"type": "point", "coordinates": [1, 2]},
        {"type": "Point", "coordinates": []}, {"type": "Point", "coordinates": [1]}, {"type": "Point", "coordinates": [1, 2, 3, 4]},
        {"type": "Point", "coordinates": [True, 2]}, {"type": "Point", "coordinates": ["1", 2]}, {"type": "Point", "coordinates": [[1, 2]]},
        {"type": "Point", "coordinates": [1e308, 2]}, {"type": "Point", "coordinates": [float("nan"), 2]}, {"type": "Point", "coordinates": {}},
        {"type": "MultiPoint", "coordinates": []}, {"type": "LineString", "coordinates": [[0, 0]]}, {"type": "LineString", "coordinates": [0, 0]},
        {"type": "MultiLineString", "coordinates": [[[0, 0]]]}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4]]]}, {"type": "Polygon", "coordinates": RING},
        {"type": "MultiPolygon", "coordinates": [RING]}, {"type": "Polygon", "coordinates": [RING, []]},
    ],
)  # fmt: skip
def test_what_is_no_geometry_is_refused_by_name(geometry: Any) -> None:
    with pytest.raises(BadRequestData, match="'area'"):
        read_geometry(geometry, "area")


def test_deep_coordinates_do_not_recurse() -> None:
    deep: Any = [1, 2]
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(BadRequestData):
        read_geometry({"type": "MultiPolygon", "coordinates": deep}, "location")
