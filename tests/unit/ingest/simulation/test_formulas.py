"""The formulas of the models: examples of their docstrings, ranges, and what must hold for any input."""

from __future__ import annotations

import doctest
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.simulation import activity, air, noise, places, rain, river, runoff, weather

MODULES = (noise, rain, weather, runoff, river, air, activity, places)
MONTHLY_MM = [19.1, 26.4, 60.5, 123.3, 188.5, 208.9, 203.4, 155.9, 126.1, 111.0, 58.1, 24.5]
PLACES = [(108.5 + 0.05 * i, 29.1 + 0.07 * (i % 9)) for i in range(9)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(st.integers(), st.integers(), st.integers())
def test_uniform_repeats_and_stays_inside(seed: int, a: int, b: int) -> None:
    value = noise.uniform(seed, a, b)
    assert 0.0 < value < 1.0
    assert value == noise.uniform(seed, a, b)


def test_noise_has_the_moments_of_its_name() -> None:
    flat = [noise.uniform(3, i) for i in range(20_000)]
    bell = [noise.normal(3, i) for i in range(20_000)]
    counts = [noise.poisson(0.7, noise.uniform(4, i)) for i in range(20_000)]
    assert sum(flat) / len(flat) == pytest.approx(0.5, abs=0.01)
    assert sum(bell) / len(bell) == pytest.approx(0.0, abs=0.03)
    assert sum(x * x for x in bell) / len(bell) == pytest.approx(1.0, abs=0.04)
    assert sum(counts) / len(counts) == pytest.approx(0.7, abs=0.03)


def test_rain_has_the_yearly_mean_and_the_seasons_of_the_climate() -> None:
    sums = [0.0] * 12
    years = 0
    for seed in range(6):
        field = rain.Rain(seed, MONTHLY_MM, PLACES)
        for year in range(2010, 2020):
            years += 1
            for month in range(12):
                start = datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
                end = datetime(year + month // 11, (month + 1) % 12 + 1, 1, tzinfo=UTC).timestamp()
                depths = field.depths_mm(start, end)
                sums[month] += sum(depths) / len(depths)
    means = [total / years for total in sums]
    assert sum(means) == pytest.approx(sum(MONTHLY_MM), rel=0.08)
    assert means[5] > 5 * means[0]


def test_rain_is_the_same_however_it_is_asked_for() -> None:
    field = rain.Rain(5, MONTHLY_MM, PLACES)
    start = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    whole = field.depths_mm(start, start + 10 * 86_400)
    parts = [0.0] * len(PLACES)
    for hour in range(240):
        for place, depth in enumerate(field.depths_mm(start + 3600 * hour, start + 3600 * (hour + 1))):
            parts[place] += depth
    assert parts == pytest.approx(whole)
    assert sum(whole) > 0
    again = rain.Rain(5, MONTHLY_MM, PLACES)
    assert again.depth_mm(4, start, start + 10 * 86_400) == pytest.approx(whole[4])


@given(st.floats(0, 4), st.floats(0, 1), st.floats(0, 1))
def test_storm_never_falls_backwards(hours: float, a: float, b: float) -> None:
    storm = rain.Storm(start_s=0.0, duration_s=3600 * (hours + 0.1), depth_mm=10.0, weights=(1.0,))
    early, late = sorted((a * 4 * 3600, b * 4 * 3600))
    assert 0.0 <= rain.fallen_fraction(storm, early) <= rain.fallen_fraction(storm, late) <= 1.0


@given(
    st.floats(0, 180), st.floats(0, 50), st.floats(0, 200), st.floats(0, 80), st.floats(0, 3), st.floats(0.02, 3),
)
def test_catchment_neither_makes_nor_loses_water(
    soil: float, fast: float, slow: float, rain_mm: float, potential: float, hours: float
) -> None:
    before = runoff.Stores(soil, fast, slow)
    after, flux = runoff.step(runoff.Catchment(80.0), before, rain_mm, potential, hours)
    assert before.total_mm + rain_mm == pytest.approx(after.total_mm + flux.evaporation_mm + flux.runoff_mm)
    assert min(after.soil_mm, after.fast_mm, after.slow_mm, flux.evaporation_mm, flux.runoff_mm) >= 0.0
    assert after.soil_mm <= 180.0 + 1e-9


@given(st.floats(0, 1e8), st.floats(0, 1e7), st.floats(0.02, 3))
def test_reach_and_basin_neither_make_nor_lose_water(stored: float, inflow: float, hours: float) -> None:
    for after, out in (
        river.route(river.Reach(), stored, inflow, hours),
        river.release(river.Basin(surface_km2=0.5, full_m=20.0), stored, inflow, hours),
    ):
        assert after + out == pytest.approx(stored + inflow)
        assert after >= 0.0
        assert out >= 0.0


def test_basin_spills_only_above_its_full_level() -> None:
    basin = river.Basin(surface_km2=1.0, full_m=10.0, release_m3_per_s=0.0)
    _, dry = river.release(basin, 9.9e6, 0.0, 1.0)
    after, spilt = river.release(basin, 1.1e7, 0.0, 1.0)
    assert dry == 0.0
    assert spilt > 0.0
    assert river.level_m(basin, after) >= 10.0


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_more_flow_stands_higher(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert river.stage_m(river.Reach(), low) <= river.stage_m(river.Reach(), high)


@pytest.mark.parametrize(
    ("pollutant", "concentration", "index"),
    [("pm25", 35, 50), ("pm25", 115, 150), ("pm10", 150, 100), ("no2", 200, 100), ("o3", 160, 50), ("pm25", 9_999, 500)],
)
def test_index_at_the_breakpoints_of_the_rule(pollutant: str, concentration: float, index: float) -> None:
    assert air.index_of(pollutant, concentration) == pytest.approx(index)


def test_grades_by_index() -> None:
    assert [air.level_of(index) for index in (50, 51, 101, 151, 201, 301)] == [
        "excellent", "good", "lightlyPolluted", "moderatelyPolluted", "heavilyPolluted", "severelyPolluted",
    ]


def test_it_is_colder_higher_up_and_in_january() -> None:
    means = [3.8, 5.5, 9.4, 15.0, 19.2, 22.4, 24.9, 24.6, 20.8, 15.5, 10.8, 5.6]
    july, january = datetime(2026, 7, 15, 14, tzinfo=UTC), datetime(2026, 1, 15, 14, tzinfo=UTC)
    low = weather.weather(1, 0, july, 300, means, 761, 0.0)
    high = weather.weather(1, 0, july, 1300, means, 761, 0.0)
    assert low.temperature_c - high.temperature_c == pytest.approx(6.5, abs=0.01)
    assert weather.weather(1, 0, january, 300, means, 761, 0.0).temperature_c < low.temperature_c - 10
    assert high.pressure_hpa < low.pressure_hpa
    assert weather.weather(1, 0, july, 300, means, 761, 8.0).relative_humidity > low.relative_humidity


@given(st.floats(0, 4000), st.floats(1, 4000))
def test_traffic_never_stands_still_below_capacity(flow: float, capacity: float) -> None:
    assert 25.0 <= activity.speed_km_per_h(flow, capacity) <= 50.0


def test_area_of_a_square_degree_at_the_equator_and_its_hole() -> None:
    ring = [[0.0, -0.5], [1.0, -0.5], [1.0, 0.5], [0.0, 0.5], [0.0, -0.5]]
    hole = [[0.25, -0.25], [0.75, -0.25], [0.75, 0.25], [0.25, 0.25], [0.25, -0.25]]
    full = places.area_km2({"type": "Polygon", "coordinates": [ring]})
    assert full == pytest.approx((6371.0 * math.pi / 180) ** 2, rel=1e-4)
    assert places.area_km2({"type": "MultiPolygon", "coordinates": [[ring, hole]]}) == pytest.approx(0.75 * full, rel=1e-3)


def test_profile_is_continuous_over_midnight() -> None:
    before = datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert activity.by_hour(activity.LOAD_BY_HOUR, before) == pytest.approx(
        activity.by_hour(activity.LOAD_BY_HOUR, before + timedelta(seconds=1)), abs=1e-3
    )
