"""The parameters of the models, as the feeds file of a district gives them."""

from __future__ import annotations

from typing import Any

import msgspec

Names = dict[str, str]


class Climate(msgspec.Struct, frozen=True):
    """Where the monthly means are, and how storms are."""

    entity: str
    reference_elevation_m: float
    mean_storm_depth_mm: float = 9.0
    storm_radius_km: float = 18.0


class Assumptions(msgspec.Struct, frozen=True):
    """What no public figure tells."""

    urban_towns: list[str]
    urban_population_each: float
    peak_kw_per_head: float
    spin_up_days: int = 12
    step_s: int = 300


class ReachPlan(msgspec.Struct, frozen=True):
    """A stretch of river, the towns that drain into it, and its gauge."""

    id: str
    names: Names
    river: str
    at_town: str
    towns: list[str]
    warning_m: float
    downstream: str = ""
    upstream_area_km2: float = 0.0
    storage_h: float = 2.0
    width_m: float = 60.0
    slope: float = 0.0012
    manning_n: float = 0.035
    offset_deg: tuple[float, float] = (0.0, 0.0)


class BasinPlan(msgspec.Struct, frozen=True):
    """A reservoir or lake and the town whose run-off it takes a share of."""

    id: str
    names: Names
    observes: str
    town: str
    share: float
    surface_km2: float
    full_m: float
    spillway_m: float
    release_m3_per_s: float


class SpotPlan(msgspec.Struct, frozen=True):
    """A scenic spot, how many people come on a mean day, and the town whose rain it has."""

    observes: str
    names: Names
    daily_visitors: float
    at_town: str


class Parameters(msgspec.Struct, frozen=True):
    """All parameters of the simulation of a district. `reach` stands in the order of the flow, upstream first."""

    climate: Climate
    assumptions: Assumptions
    reach: list[ReachPlan]
    basin: list[BasinPlan]
    spot: list[SpotPlan]


def read_parameters(content: dict[str, Any]) -> Parameters:
    """The parameters in a feeds file. Raises ValueError naming the field that is wrong, and for a river that flows upstream."""
    try:
        parameters = msgspec.convert(content, Parameters)
    except msgspec.ValidationError as error:
        raise ValueError(f"feeds file: {error}") from None
    seen: set[str] = set()
    for reach in reversed(parameters.reach):
        if reach.downstream and reach.downstream not in seen:
            raise ValueError(f"feeds file: reach '{reach.id}' must stand before its downstream reach '{reach.downstream}'")
        seen.add(reach.id)
    return parameters
