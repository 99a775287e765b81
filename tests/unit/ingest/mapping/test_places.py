"""Geometries out of what sources write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.mapping.places import fence, geometry
from cityhub.ingest.mapping.problems import Unfit

POINT = {"type": "Point", "coordinates": [108.77, 29.53]}
SQUARE = {"type": "Polygon", "coordinates": [[[108.0, 29.0], [109.0, 29.0], [109.0, 30.0], [108.0, 30.0], [108.0, 29.0]]]}


@pytest.mark.parametrize("written", [
    POINT, '{"type": "Point", "coordinates": [108.77, 29.53]}', [108.77, 29.53], ["108.77", "29.53"], "108.77,29.53", "108.77 29.53", "108.77，29.53",
    "POINT (108.77 29.53)", "point(108.77 29.53)", "SRID=4490;POINT(108.77 29.53)", {"lon": 108.77, "lat": 29.53}, {"lng": 108.77, "lat": 29.53},
    {"longitude": "108.77", "latitude": "29.53"}, {"经度": 108.77, "纬度": 29.53}, {**POINT, "crs": {}},
])  # fmt: skip
def test_forms(written: Any) -> None:
    assert geometry(written) == POINT


def test_more_than_points() -> None:
    assert geometry("POLYGON((108 29,109 29,109 30,108 30,108 29))") == SQUARE
    assert geometry("LINESTRING Z (1 2 3, 4 5 6)") == {"type": "LineString", "coordinates": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}
    assert geometry({"lon": 108.77, "lat": 29.53, "alt": 610}) == {"type": "Point", "coordinates": [108.77, 29.53, 610]}


@pytest.mark.parametrize(("written", "reason"), [
    ([29.53, 208.77], "longitude"), ([108.77, 95], "latitude"), ("POINT(", "well-known"), ("hello", "no geometry"), ({"a": 1}, "'lon' and 'lat'"),
    ([1], "no position"), ("SRID=3857;POINT(1 2)", "SRID 3857"), (7, "no geometry"), ({"type": "Circle", "coordinates": [1, 2]}, "GeoJSON"), ("GEOMETRYCOLLECTION EMPTY", "no geometry"),
    ("POINT EMPTY", "no geometry|position"), ({"lon": "x", "lat": 1}, "not a number"), ([float("nan"), 1.0], "finite"), (["1e400", 1], "finite"),
])  # fmt: skip
def test_what_is_no_geometry(written: Any, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        geometry(written)


def test_fence() -> None:
    inside = fence(SQUARE)
    assert inside(POINT)
    assert inside({"type": "Point", "coordinates": [108.0, 29.0]})
    assert not inside({"type": "Point", "coordinates": [107.9, 29.5]})
    assert not inside({"type": "LineString", "coordinates": [[108.5, 29.5], [110.0, 29.5]]})


@pytest.mark.parametrize("area", [POINT, {}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}])
def test_what_is_no_fence(area: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        fence(area)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=30), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "coordinates", "lon", "lat"]), inner)))
def test_nothing_but_unfit(value: Any) -> None:
    try:
        geometry(value)
    except Unfit:
        pass
