"""The simulated district: its water balances, its seed repeats, its values stay physical."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cityhub.ingest.district import District
from cityhub.ingest.live import LiveFeeds, build_world
from cityhub.ingest.simulation.parameters import read_parameters
from cityhub.ingest.simulation.waters import Waters
from cityhub.ingest.simulation.world import World
from tests.unit.ingest.conftest import JULY


def test_catchments_cover_the_district(world: World) -> None:
    assert sum(town.area_km2 for town in world.towns) == pytest.approx(2391.85, rel=0.01)


def test_water_in_is_water_out_and_storage(world: World) -> None:
    waters = Waters(world.parameters, world.towns)
    began_m3 = waters.stored_m3
    for step in range(600):
        rain_mm = [1.5 if step % 97 < 20 else 0.0] * (len(world.towns) + 1)
        waters.step(rain_mm, [0.02] * len(rain_mm), 1 / 3)
    balance = waters.balance
    assert balance.rain_m3 > 1e8
    assert balance.outflow_m3 > 1e7
    gained = balance.rain_m3 - balance.evaporation_m3 - balance.outflow_m3
    assert waters.stored_m3 - began_m3 == pytest.approx(gained, rel=1e-9)


def test_rivers_rise_with_rain_and_grow_downstream(world: World) -> None:
    waters = Waters(world.parameters, world.towns)
    none, much = [0.0] * (len(world.towns) + 1), [20.0] * (len(world.towns) + 1)
    waters.step(none, none, 1.0)
    before = waters.gauge("apeng-zhoubai").level_m
    for _ in range(6):
        waters.step(much, none, 1.0)
    after = waters.gauge("apeng-zhoubai").level_m
    for _ in range(6):
        waters.step(none, none, 1.0)
    assert after > before + 1.0
    assert waters.gauge("apeng-apengjiang").flow_m3_per_s > waters.gauge("mala").flow_m3_per_s


def test_same_seed_gives_the_same_world_and_another_seed_another(district: District) -> None:
    moments = [JULY + timedelta(seconds=second) for second in range(8)]
    one, two, other = (LiveFeeds(district, seed, JULY) for seed in (7, 7, 8))
    first = [one.next(moment) for moment in moments]
    assert first == [two.next(moment) for moment in moments]
    assert first != [other.next(moment) for moment in moments]


def test_restart_goes_on_where_it_was(district: District) -> None:
    later = JULY + timedelta(hours=5)
    ran = build_world(district, 7, JULY)
    ran.advance_to(later)
    fresh = build_world(district, 7, later)
    assert fresh.weather(3, later) == ran.weather(3, later)
    assert fresh.gauge("apeng-fengjia").level_m == pytest.approx(ran.gauge("apeng-fengjia").level_m, rel=1e-6)


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_values_stay_physical(district: District, month: int) -> None:
    moment = datetime(2026, month, 10, tzinfo=UTC)
    world = build_world(district, 3, moment)
    for _ in range(28):
        moment += timedelta(hours=3)
        world.advance_to(moment)
        for town in (0, 6, 12, 22):
            weather, air = world.weather(town, moment), world.air(town, moment)
            assert -15 < weather.temperature_c < 43
            assert 0.05 <= weather.relative_humidity <= 1.0
            assert 820 < weather.pressure_hpa < 1000
            assert 0 <= weather.wind_m_per_s <= 25
            assert 0 < air.pm25 < air.pm10 < 600
            assert 0 <= world.vehicles_per_h(town, moment) < 4000
            assert 0 < world.load_kw(town, moment) < 60_000
        assert 0 <= world.village_rain_mm(5, moment, 1) <= world.village_rain_mm(5, moment, 24) < 500
        assert 0 <= world.people_present(0, moment) < 30_000
        for plan in world.parameters.reach:
            assert 0 <= world.gauge(plan.id).level_m < 12
        for basin in world.parameters.basin:
            assert 0 < world.waters.basin_level_m(basin.id) < basin.full_m + 3


def test_river_that_flows_upstream_is_refused(district: District) -> None:
    content = {**district.simulation, "reach": list(reversed(district.simulation["reach"]))}
    with pytest.raises(ValueError, match="must stand before its downstream reach"):
        read_parameters(content)


def test_wrong_parameter_is_named(district: District) -> None:
    with pytest.raises(ValueError, match=r"feeds file: .*seed|feeds file: .*climate"):
        read_parameters({**district.simulation, "climate": {"entity": 5}})
