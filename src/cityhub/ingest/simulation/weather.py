"""Weather of one place: temperature, humidity, air pressure and wind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityhub.ingest.simulation.noise import normal, smooth

LAPSE_K_PER_M = 0.0065
"""Fall of temperature with height in the standard atmosphere. Source: ISO 2533."""


class Weather(msgspec.Struct, frozen=True):
    """The weather of a place at a moment. `relative_humidity` is 0 to 1."""

    temperature_c: float
    relative_humidity: float
    pressure_hpa: float
    wind_m_per_s: float


def between_months(monthly: Sequence[float], local: datetime) -> float:
    """A monthly mean interpolated to a moment: straight lines between the middles of the months."""
    place = local.month - 1 + (local.day - 1 + local.hour / 24) / 30.44 - 0.5
    low = math.floor(place)
    weight = place - low
    return monthly[low % 12] * (1.0 - weight) + monthly[(low + 1) % 12] * weight


def saturation_pressure_kpa(temperature_c: float) -> float:
    """Vapour pressure of saturated air over water. Source: Magnus form of Alduchov and Eskridge, J. Appl. Meteor. 35 (1996).

    >>> round(saturation_pressure_kpa(20.0), 2)
    2.33
    """
    return 0.61094 * math.exp(17.625 * temperature_c / (temperature_c + 243.04))


def pressure_hpa(elevation_m: float, sea_level_hpa: float = 1013.25) -> float:
    """Air pressure at a height. Source: barometric formula of the standard atmosphere, ISO 2533.

    >>> round(pressure_hpa(761.0))
    925
    """
    return sea_level_hpa * float((1.0 - 2.25577e-5 * elevation_m) ** 5.25588)


def weather(
    seed: int, place: int, local: datetime, elevation_m: float, monthly_mean_c: Sequence[float], reference_m: float,
    rain_mm_per_h: float,
) -> Weather:
    """Weather of a place.

    Args:
        seed: Of all chance.
        place: Number of the place, for its own small deviations.
        local: Local time, aware.
        elevation_m: Height of the place.
        monthly_mean_c: Mean temperatures of January to December at the height `reference_m`.
        reference_m: Height that the means are for.
        rain_mm_per_h: Rain now; it damps the daily course and moistens the air.

    Source: dew point near the day's lowest temperature: FAO Irrigation and Drainage Paper 56, equation 48.
    """
    moment_s = local.timestamp()
    wet = 1.0 - math.exp(-rain_mm_per_h)
    amplitude_k = 4.5 - 2.5 * wet
    daily_k = amplitude_k * math.cos(2.0 * math.pi * (local.hour + local.minute / 60 - 15.0) / 24.0)
    base_c = between_months(monthly_mean_c, local) - LAPSE_K_PER_M * (elevation_m - reference_m)
    base_c += 2.0 * smooth(seed, 11, moment_s, 3 * 86_400) + 0.3 * smooth(seed, 1200 + place, moment_s, 3 * 3600)
    temperature_c = base_c + daily_k - 1.5 * wet
    dew_point_c = min(temperature_c - 0.3, base_c - 4.5 + 4.0 * wet + 0.8 * smooth(seed, 12, moment_s, 86_400))
    humidity = saturation_pressure_kpa(dew_point_c) / saturation_pressure_kpa(temperature_c)
    sea_level_hpa = 1015.0 + 6.0 * smooth(seed, 13, moment_s, 4 * 86_400)
    gust = 0.15 * normal(seed, 1400 + place, int(moment_s // 60))
    wind = 1.6 * math.exp(0.5 * smooth(seed, 14, moment_s, 6 * 3600) + 0.3 * smooth(seed, 1300 + place, moment_s, 1800) + gust)
    return Weather(temperature_c, min(1.0, max(0.05, humidity)), pressure_hpa(elevation_m, sea_level_hpa), min(wind, 25.0))
