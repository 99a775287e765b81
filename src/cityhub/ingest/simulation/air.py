"""Air quality: concentrations that follow season, hour and rain, and the index of the national rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityhub.ingest.simulation.noise import smooth

_IAQI = (0, 50, 100, 150, 200, 300, 400, 500)
_BREAKS_UG_PER_M3: dict[str, Sequence[float]] = {
    "pm25": (0, 35, 75, 115, 150, 250, 350, 500),
    "pm10": (0, 50, 150, 250, 350, 420, 500, 600),
    "no2": (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    "o3": (0, 160, 200, 300, 400, 800, 1000, 1200),
}
_LEVELS = (
    (50, "excellent"), (100, "good"), (150, "lightlyPolluted"), (200, "moderatelyPolluted"), (300, "heavilyPolluted"),
)


class Air(msgspec.Struct, frozen=True):
    """Concentrations of a place, micrograms per cubic metre."""

    pm25: float
    pm10: float
    no2: float
    o3: float


def air(seed: int, place: int, local: datetime, urban: float, rain_mm_per_h: float) -> Air:
    """Concentrations of a place: more in winter and at rush hours, washed out by rain, ozone with the sun.

    Args:
        seed: Of all chance.
        place: Number of the place.
        local: Local time.
        urban: 0 for the countryside to 1 for the town centre.
        rain_mm_per_h: Rain now.
    """
    moment_s = local.timestamp()
    hour = local.hour + local.minute / 60
    winter = 0.5 + 0.5 * math.cos(2.0 * math.pi * (local.timetuple().tm_yday - 15) / 365.0)
    wash = 1.0 / (1.0 + 0.35 * rain_mm_per_h)
    spell = math.exp(0.35 * smooth(seed, 21, moment_s, 2 * 86_400) + 0.12 * smooth(seed, 2200 + place, moment_s, 2 * 3600))
    rush = math.exp(-0.5 * ((hour - 8.5) / 1.5) ** 2) + math.exp(-0.5 * ((hour - 19.0) / 2.0) ** 2)
    sun = max(0.0, math.sin(math.pi * (hour - 6.5) / 13.0)) if 6.5 < hour < 19.5 else 0.0
    pm25 = (12.0 + 24.0 * winter) * (0.7 + 0.4 * urban) * (1.0 + 0.2 * rush) * wash * spell
    no2 = (7.0 + 16.0 * urban) * (1.0 + 0.5 * rush) * (0.8 + 0.4 * winter) * spell
    o3 = 38.0 + 70.0 * sun * (1.0 - 0.6 * winter) * math.exp(0.2 * smooth(seed, 23, moment_s, 86_400))
    return Air(pm25, pm25 * 1.55 + 4.0, no2, o3)


def index_of(pollutant: str, concentration_ug_per_m3: float) -> float:
    """Individual index (0 to 500) of a concentration, by linear interpolation between the breakpoints.

    Nitrogen dioxide and ozone by their 1-hour limits, particles by their 24-hour limits as real-time reports do.

    Source: HJ 633-2012, table 1 and equation 1.

    >>> index_of("pm25", 75)
    100.0
    """
    breaks = _BREAKS_UG_PER_M3[pollutant]
    for place in range(1, len(breaks)):
        if concentration_ug_per_m3 <= breaks[place]:
            share = (concentration_ug_per_m3 - breaks[place - 1]) / (breaks[place] - breaks[place - 1])
            return _IAQI[place - 1] + share * (_IAQI[place] - _IAQI[place - 1])
    return 500.0


def air_quality_index(sample: Air) -> int:
    """The index: the largest individual index, rounded up. Source: HJ 633-2012, equation 2."""
    return math.ceil(max(index_of(name, getattr(sample, name)) for name in _BREAKS_UG_PER_M3))


def level_of(index: int) -> str:
    """The grade of an index, from "excellent" to "severelyPolluted". Source: HJ 633-2012, table 2."""
    return next((name for limit, name in _LEVELS if index <= limit), "severelyPolluted")
