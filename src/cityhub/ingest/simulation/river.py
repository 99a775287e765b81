"""Rivers and reservoirs: linear reaches, stages by Manning, spillways as weirs. Volumes balance exactly."""

from __future__ import annotations

import math

import msgspec

GRAVITY_M_PER_S2 = 9.81


class Reach(msgspec.Struct, frozen=True):
    """A stretch of river that ends at a gauge."""

    storage_h: float = 2.0
    width_m: float = 60.0
    slope: float = 0.0012
    manning_n: float = 0.035


class Basin(msgspec.Struct, frozen=True):
    """A reservoir or lake with upright banks."""

    surface_km2: float
    full_m: float
    spillway_m: float = 20.0
    release_m3_per_s: float = 1.0


def route(reach: Reach, stored_m3: float, inflow_m3: float, step_h: float) -> tuple[float, float]:
    """(water stored after the step, outflow of the step), both m3, of a linear reach: stored + in = stored' + out.

    Source: the linear reservoir of Nash, 'The form of the instantaneous unit hydrograph', IAHS 45 (1957).
    """
    total_m3 = stored_m3 + inflow_m3
    outflow_m3 = total_m3 * (1.0 - math.exp(-step_h / reach.storage_h))
    return total_m3 - outflow_m3, outflow_m3


def stage_m(reach: Reach, flow_m3_per_s: float) -> float:
    """Depth of a flow in a wide rectangular channel. Source: Manning, Q = B h^(5/3) sqrt(S) / n.

    >>> round(stage_m(Reach(width_m=60.0, slope=0.0012, manning_n=0.035), 100.0), 2)
    1.37
    """
    return float((max(0.0, flow_m3_per_s) * reach.manning_n / (reach.width_m * math.sqrt(reach.slope))) ** 0.6)


def level_m(basin: Basin, stored_m3: float) -> float:
    """Depth of the water in a basin above its empty level."""
    return stored_m3 / (basin.surface_km2 * 1e6)


def release(basin: Basin, stored_m3: float, inflow_m3: float, step_h: float) -> tuple[float, float]:
    """(water stored after the step, outflow of the step), both m3: the fixed release, and the spillway above the full level.

    Source: broad-crested weir, Q = 2/3 sqrt(2/3 g) L h^(3/2) (ISO 3846, without coefficients).
    """
    total_m3 = stored_m3 + inflow_m3
    step_s = step_h * 3600
    over_m = max(0.0, level_m(basin, total_m3) - basin.full_m)
    spill_m3_per_s = 2 / 3 * math.sqrt(2 / 3 * GRAVITY_M_PER_S2) * basin.spillway_m * over_m**1.5
    spill_m3 = min(spill_m3_per_s * step_s, over_m * basin.surface_km2 * 1e6)
    outflow_m3 = min(total_m3, basin.release_m3_per_s * step_s + spill_m3)
    return total_m3 - outflow_m3, outflow_m3
