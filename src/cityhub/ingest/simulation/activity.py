"""What people do by the hour: traffic, visitors and power load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from cityhub.ingest.simulation.noise import normal, smooth

TRAFFIC_BY_HOUR = (
    0.12, 0.08, 0.06, 0.06, 0.09, 0.20, 0.48, 0.88, 1.00, 0.84, 0.80, 0.82,
    0.78, 0.76, 0.80, 0.84, 0.90, 1.00, 0.96, 0.74, 0.58, 0.44, 0.30, 0.20,
)
LOAD_BY_HOUR = (
    0.56, 0.52, 0.50, 0.49, 0.50, 0.54, 0.64, 0.76, 0.84, 0.88, 0.90, 0.92,
    0.88, 0.85, 0.86, 0.88, 0.90, 0.93, 0.98, 1.00, 0.97, 0.88, 0.76, 0.64,
)
PRESENT_BY_HOUR = (
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.08, 0.22, 0.45, 0.72, 0.92,
    0.95, 0.98, 1.00, 0.95, 0.78, 0.52, 0.34, 0.24, 0.14, 0.06, 0.02, 0.0,
)
VISITS_BY_MONTH = (0.45, 0.60, 0.70, 1.00, 1.30, 0.95, 1.25, 1.30, 0.90, 1.50, 0.70, 0.45)


def by_hour(profile: Sequence[float], local: datetime) -> float:
    """A daily profile of 24 values, interpolated to the minute."""
    weight = local.minute / 60 + local.second / 3600
    return float(profile[local.hour]) * (1.0 - weight) + profile[(local.hour + 1) % 24] * weight


def vehicles_per_h(seed: int, node: int, local: datetime, population: float, rain_mm_per_h: float) -> float:
    """Vehicles that pass a node in an hour at the present rate; weekends have a fifth less, heavy rain up to a quarter less."""
    peak = 0.9 * float(population**0.7)
    weekend = 0.8 if local.weekday() >= 5 else 1.0
    wet = 1.0 - 0.25 * (1.0 - math.exp(-rain_mm_per_h / 4.0))
    mean = peak * by_hour(TRAFFIC_BY_HOUR, local) * weekend * wet * math.exp(0.08 * smooth(seed, 3100 + node, local.timestamp(), 1200))
    counting = math.sqrt(mean / 12.0) * 12.0 * 0.3 * normal(seed, 3200 + node, int(local.timestamp() // 300))
    return max(0.0, mean + counting)


def capacity_per_h(population: float) -> float:
    """Vehicles an hour that the node can pass."""
    return 1.35 * float(population**0.7)


def speed_km_per_h(flow_per_h: float, capacity_flow_per_h: float, free_km_per_h: float = 50.0) -> float:
    """Mean speed at a flow, on the uncongested branch.

    Source: Greenshields, 'A study of traffic capacity', HRB Proc. 14 (1935): v = vf/2 (1 + sqrt(1 - q/qmax)).

    >>> speed_km_per_h(0.0, 1000.0)
    50.0
    """
    load = min(1.0, flow_per_h / capacity_flow_per_h)
    return free_km_per_h / 2.0 * (1.0 + math.sqrt(1.0 - load))


def people_present(seed: int, spot: int, local: datetime, daily_visitors: float, rain_mm_per_h: float) -> int:
    """People at a scenic spot now; about a third of a day's visitors are there at the busiest hour."""
    weekend = 1.9 if local.weekday() >= 5 else 0.75
    wet = math.exp(-rain_mm_per_h / 5.0)
    day = math.exp(0.25 * normal(seed, 3300 + spot, local.toordinal()))
    share = 0.33 * by_hour(PRESENT_BY_HOUR, local) * math.exp(0.05 * smooth(seed, 3400 + spot, local.timestamp(), 900))
    return round(daily_visitors * VISITS_BY_MONTH[local.month - 1] * weekend * wet * day * share)


def load_kw(seed: int, place: int, local: datetime, population: float, temperature_c: float, peak_kw_per_head: float) -> float:
    """Electric load of a place: the daily profile, and and more for cooling above 24 degrees, heating below 10.

    The linear response to degrees is an assumption of this model; there is no measured load behind it.
    """
    climate = 1.0 + 0.030 * max(0.0, temperature_c - 24.0) + 0.015 * max(0.0, 10.0 - temperature_c)
    weekend = 0.93 if local.weekday() >= 5 else 1.0
    flicker = math.exp(0.02 * smooth(seed, 3500 + place, local.timestamp(), 600))
    return population * peak_kw_per_head * by_hour(LOAD_BY_HOUR, local) * climate * weekend * flicker
