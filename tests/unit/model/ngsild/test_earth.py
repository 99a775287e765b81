"""Distances on the earth against published and independently computed ones."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.ngsild.earth import distance_m, haversine_m, plane_around, widened

# Lines on WGS 84. The first is the Flinders Peak to Buninyong line of the Geodetic Datum of Australia manual (there on GRS 80, equal to
# the millimetre); the others were computed with Karney's algorithm (GeographicLib, as in PROJ 9).
LINES = [
    ((144.42486789, -37.95103342, 143.92649553, -37.65282114), 54_972.271),
    ((108.77, 29.53, 106.55, 29.56), 215_192.336),
    ((-0.127, 51.507, 116.407, 39.904), 8_162_968.621),
    ((179.9, 0, -179.9, 0), 22_263.898),
    ((0, 89.9, 180, 89.9), 22_338.796),
    ((0, 0, 0, 1), 110_574.389),
]


@pytest.mark.parametrize(("line", "metres"), LINES)
def test_distance_along_the_ellipsoid(line: tuple[float, float, float, float], metres: float) -> None:
    assert distance_m(*line) == pytest.approx(metres, abs=max(0.5, metres * 2e-6))


def test_distance_of_a_point_to_itself_and_to_its_antipode() -> None:
    assert distance_m(108.77, 29.53, 108.77, 29.53) == 0.0
    assert haversine_m(108.77, 29.53, 108.77, 29.53) == 0.0
    assert distance_m(0, 0, 180, 0) == pytest.approx(20_003_931, rel=0.005)
    assert distance_m(0, 90, 0, -90) == pytest.approx(20_003_931, rel=0.005)


def test_haversine_is_that_of_the_mean_sphere() -> None:
    assert haversine_m(0, 0, 90, 0) == pytest.approx(10_007_557.2, abs=1)


places = st.tuples(st.floats(-180, 180), st.floats(-88, 88))


@settings(deadline=None)
@given(places, st.floats(0, 100_000), st.floats(0, 6.283))
def test_the_plane_keeps_distances_of_a_city(place: tuple[float, float], metres: float, direction: float) -> None:
    lon, lat = place
    dlat = metres * np.cos(direction) / 111_000
    other = ((lon + metres * np.sin(direction) / 111_000 / max(0.03, np.cos(np.radians(lat))) + 180) % 360 - 180, min(90.0, max(-90.0, lat + dlat)))
    there = plane_around(lon, lat)(np.array([other]))[0]
    assert hypot(*there) == pytest.approx(distance_m(lon, lat, *other), rel=1e-3, abs=0.05)


@settings(deadline=None)
@given(places, places, st.floats(1, 3e7))
def test_widened_boxes_hold_all_that_is_near(place: tuple[float, float], other: tuple[float, float], metres: float) -> None:
    boxes = widened((*place, *place), metres)
    assert all(west <= east and south <= north and -180 <= west and east <= 180 for west, south, east, north in boxes)
    if distance_m(*place, *other) <= metres:
        assert any(west <= other[0] <= east and south <= other[1] <= north for west, south, east, north in boxes)
