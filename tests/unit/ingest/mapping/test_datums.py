"""Datums of Chinese map services: round trips, and points that others published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.mapping.datums import TO_CGCS2000, from_bd09, from_gcj02, moved, to_bd09, to_gcj02

LON = st.floats(73.5, 135.0)
LAT = st.floats(4.0, 53.5)


@given(LON, LAT)
def test_gcj02_comes_back(lon: float, lat: float) -> None:
    assert from_gcj02(*to_gcj02(lon, lat)) == pytest.approx((lon, lat), abs=1e-9)


@given(LON, LAT)
def test_bd09_comes_back(lon: float, lat: float) -> None:
    assert from_bd09(*to_bd09(lon, lat)) == pytest.approx((lon, lat), abs=1e-8)


@given(LON, LAT)
def test_the_shift_is_some_hundred_metres(lon: float, lat: float) -> None:
    there = to_gcj02(lon, lat)
    assert 1e-5 < abs(there[0] - lon) + abs(there[1] - lat) < 0.03


@pytest.mark.parametrize(
    ("lat", "lon", "gcj_lat", "gcj_lon"),
    [  # of the tests of googollee/eviltransform: Shanghai, Shenzhen, Beijing
        (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
        (22.543847, 113.912316, 22.540796131694766, 113.9171764808363),
        (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
    ],
)
def test_published_points(lat: float, lon: float, gcj_lat: float, gcj_lon: float) -> None:
    assert to_gcj02(lon, lat) == pytest.approx((gcj_lon, gcj_lat), abs=1e-6)
    assert from_gcj02(gcj_lon, gcj_lat) == pytest.approx((lon, lat), abs=1e-6)


@pytest.mark.parametrize("position", [(2.35, 48.85), (-74.0, 40.7), (151.2, -33.9)])
def test_outside_of_china_nothing_moves(position: tuple[float, float]) -> None:
    assert to_gcj02(*position) == from_gcj02(*position) == from_bd09(*position) == to_bd09(*position) == position


def test_whole_geometries_move_and_heights_stay() -> None:
    move = TO_CGCS2000["GCJ-02"]
    assert move is not None
    lon, lat = to_gcj02(108.77, 29.53)
    ring = moved([[[lon, lat, 610.0], [lon, lat]]], move)
    assert ring == [[[pytest.approx(108.77, abs=1e-7), pytest.approx(29.53, abs=1e-7), 610.0], [pytest.approx(108.77), pytest.approx(29.53)]]]
