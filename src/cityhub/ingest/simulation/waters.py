"""The water of the whole district: catchments, basins and reaches, step by step, with its balance."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cityhub.ingest.simulation import river, runoff
from cityhub.ingest.simulation.parameters import BasinPlan, Parameters, ReachPlan
from cityhub.ingest.simulation.places import Town


class Balance(msgspec.Struct):
    """Volumes since the beginning, m3."""

    rain_m3: float = 0.0
    evaporation_m3: float = 0.0
    outflow_m3: float = 0.0


class Gauge(msgspec.Struct, frozen=True):
    """What a gauge shows: depth and flow."""

    level_m: float
    flow_m3_per_s: float


class Waters:
    """The stores of water of a district.

    The last catchment is the land upstream, outside the district, that the first reaches receive.
    """

    def __init__(self, parameters: Parameters, towns: Sequence[Town]) -> None:
        self._reaches = parameters.reach
        self._basins = parameters.basin
        upstream_km2 = sum(reach.upstream_area_km2 for reach in parameters.reach)
        self._catchments = [runoff.Catchment(town.area_km2) for town in towns] + [runoff.Catchment(upstream_km2)]
        self._stores = [runoff.Stores(soil_mm=120.0, fast_mm=0.5, slow_mm=18.0) for _ in self._catchments]
        self._town_number = {town.code: number for number, town in enumerate(towns)}
        self._reach_of = {code: reach.id for reach in parameters.reach for code in reach.towns}
        self._reach_m3 = {reach.id: 0.0 for reach in parameters.reach}
        self._basin_m3 = {basin.id: 0.8 * basin.full_m * basin.surface_km2 * 1e6 for basin in parameters.basin}
        self._flow_m3_per_s = {reach.id: 0.0 for reach in parameters.reach}
        self.balance = Balance()

    @property
    def stored_m3(self) -> float:
        """All water in the stores."""
        soil = sum(runoff.volume_m3(s.total_mm, c.area_km2) for s, c in zip(self._stores, self._catchments, strict=True))
        return soil + sum(self._reach_m3.values()) + sum(self._basin_m3.values())

    def step(self, rain_mm: Sequence[float], potential_mm: Sequence[float], step_h: float) -> None:
        """Lets rain fall for one step. `rain_mm` and `potential_mm` have one value per town and a last one for the land upstream."""
        inflow_m3 = {reach.id: 0.0 for reach in self._reaches}
        taken = {basin.town: basin for basin in self._basins}
        numbers = {number: code for code, number in self._town_number.items()}
        for number, catchment in enumerate(self._catchments):
            self._stores[number], flux = runoff.step(
                catchment, self._stores[number], rain_mm[number], potential_mm[number], step_h
            )
            self.balance.rain_m3 += runoff.volume_m3(flux.rain_mm, catchment.area_km2)
            self.balance.evaporation_m3 += runoff.volume_m3(flux.evaporation_mm, catchment.area_km2)
            volume_m3 = runoff.volume_m3(flux.runoff_mm, catchment.area_km2)
            if number not in numbers:
                self._share_upstream(volume_m3, inflow_m3)
                continue
            code = numbers[number]
            if code in taken:
                volume_m3 = self._through_basin(taken[code], volume_m3, step_h)
            self._hand_on(self._reach_of.get(code, ""), volume_m3, inflow_m3)
        for plan in self._reaches:
            self._route(plan, inflow_m3, step_h)

    def gauge(self, reach_id: str) -> Gauge:
        """What the gauge at the end of a reach shows."""
        plan = next(reach for reach in self._reaches if reach.id == reach_id)
        flow = self._flow_m3_per_s[reach_id]
        return Gauge(river.stage_m(_reach(plan), flow), flow)

    def basin_level_m(self, basin_id: str) -> float:
        """Depth of the water in a basin above its empty level."""
        plan = next(basin for basin in self._basins if basin.id == basin_id)
        return river.level_m(_basin(plan), self._basin_m3[basin_id])

    def basin_stored_m3(self, basin_id: str) -> float:
        """Water in a basin."""
        return self._basin_m3[basin_id]

    def _share_upstream(self, volume_m3: float, inflow_m3: dict[str, float]) -> None:
        total_km2 = sum(reach.upstream_area_km2 for reach in self._reaches)
        for reach in self._reaches:
            if reach.upstream_area_km2:
                inflow_m3[reach.id] += volume_m3 * reach.upstream_area_km2 / total_km2

    def _through_basin(self, plan: BasinPlan, volume_m3: float, step_h: float) -> float:
        into_m3 = volume_m3 * plan.share
        self._basin_m3[plan.id], out_m3 = river.release(_basin(plan), self._basin_m3[plan.id], into_m3, step_h)
        return volume_m3 - into_m3 + out_m3

    def _hand_on(self, reach_id: str, volume_m3: float, inflow_m3: dict[str, float]) -> None:
        """Gives water to a reach; to no reach means that it leaves the district."""
        if reach_id:
            inflow_m3[reach_id] += volume_m3
        else:
            self.balance.outflow_m3 += volume_m3

    def _route(self, plan: ReachPlan, inflow_m3: dict[str, float], step_h: float) -> None:
        stored_m3, out_m3 = river.route(_reach(plan), self._reach_m3[plan.id], inflow_m3[plan.id], step_h)
        self._reach_m3[plan.id] = stored_m3
        self._flow_m3_per_s[plan.id] = out_m3 / (step_h * 3600)
        self._hand_on(plan.downstream, out_m3, inflow_m3)


def _reach(plan: ReachPlan) -> river.Reach:
    return river.Reach(plan.storage_h, plan.width_m, plan.slope, plan.manning_n)


def _basin(plan: BasinPlan) -> river.Basin:
    return river.Basin(plan.surface_km2, plan.full_m, plan.spillway_m, plan.release_m3_per_s)
