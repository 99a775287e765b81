"""From rain to the river: a soil store, a fast and a slow store for each catchment. Water is neither made nor lost.

Sources: Bergström, 'The HBV model', SMHI Reports RH 4 (1992): recharge by soil moisture, two linear stores.
Hamon, 'Computation of direct runoff amounts from storm rainfall', IAHS 63 (1963): potential evaporation.
"""

from __future__ import annotations

import math

import msgspec

from cityhub.ingest.simulation.weather import saturation_pressure_kpa


class Catchment(msgspec.Struct, frozen=True):
    """The fixed properties of a catchment."""

    area_km2: float
    field_capacity_mm: float = 180.0
    beta: float = 2.5
    fast_h: float = 8.0
    slow_h: float = 400.0
    percolation_mm_per_h: float = 0.06


class Stores(msgspec.Struct, frozen=True):
    """Water in a catchment, millimetres over its area."""

    soil_mm: float
    fast_mm: float = 0.0
    slow_mm: float = 0.0

    @property
    def total_mm(self) -> float:
        """All of it."""
        return self.soil_mm + self.fast_mm + self.slow_mm


class Fluxes(msgspec.Struct, frozen=True):
    """What came and went in one step, millimetres over the catchment's area."""

    rain_mm: float
    evaporation_mm: float
    runoff_mm: float


def daylight_h(latitude_deg: float, day_of_year: int) -> float:
    """Length of the day. Source: FAO Irrigation and Drainage Paper 56, equations 24, 25 and 34.

    >>> round(daylight_h(29.5, 172), 1)
    13.9
    """
    declination = 0.409 * math.sin(2.0 * math.pi * day_of_year / 365.0 - 1.39)
    cosine = -math.tan(math.radians(latitude_deg)) * math.tan(declination)
    return 24.0 / math.pi * math.acos(max(-1.0, min(1.0, cosine)))


def evaporation_mm_per_day(temperature_c: float, light_h: float) -> float:
    """Potential evaporation of a day. Source: Hamon 1963, in the form 29.8 D e / (T + 273.2), e in kPa.

    >>> round(evaporation_mm_per_day(25.0, 13.5), 1)
    4.3
    """
    return 29.8 * light_h * saturation_pressure_kpa(temperature_c) / (temperature_c + 273.2)


def step(catchment: Catchment, stores: Stores, rain_mm: float, potential_mm: float, step_h: float) -> tuple[Stores, Fluxes]:
    """One step of a catchment: rain_mm = evaporation + run-off + growth of the stores, to rounding.

    Args:
        catchment: Its properties.
        stores: Its water before the step.
        rain_mm: Rain of the step.
        potential_mm: Potential evaporation of the step.
        step_h: Length of the step, at most a few hours.
    """
    wetness = min(1.0, stores.soil_mm / catchment.field_capacity_mm)
    recharge_mm = rain_mm * wetness**catchment.beta
    soil_mm = stores.soil_mm + rain_mm - recharge_mm
    evaporation_mm = min(soil_mm, potential_mm * min(1.0, wetness / 0.7))
    soil_mm -= evaporation_mm
    surplus_mm = max(0.0, soil_mm - catchment.field_capacity_mm)
    soil_mm -= surplus_mm
    fast_mm = stores.fast_mm + recharge_mm + surplus_mm
    down_mm = min(fast_mm, catchment.percolation_mm_per_h * step_h)
    fast_mm -= down_mm
    slow_mm = stores.slow_mm + down_mm
    fast_out_mm = fast_mm * (1.0 - math.exp(-step_h / catchment.fast_h))
    slow_out_mm = slow_mm * (1.0 - math.exp(-step_h / catchment.slow_h))
    after = Stores(soil_mm, fast_mm - fast_out_mm, slow_mm - slow_out_mm)
    return after, Fluxes(rain_mm, evaporation_mm, fast_out_mm + slow_out_mm)


def volume_m3(depth_mm: float, area_km2: float) -> float:
    """Volume of a depth of water over an area.

    >>> volume_m3(1.0, 1.0)
    1000.0
    """
    return depth_mm * area_km2 * 1000.0
