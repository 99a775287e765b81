"""The simulated district at a moment: what every sensor would show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from cityhub.ingest.simulation import activity, air, runoff, weather
from cityhub.ingest.simulation.noise import uniform
from cityhub.ingest.simulation.parameters import Parameters
from cityhub.ingest.simulation.places import Town, Village
from cityhub.ingest.simulation.rain import DAY_S, Rain
from cityhub.ingest.simulation.waters import Gauge, Waters

HOUR_S = 3600.0


class World:
    """A simulated district.

    Args:
        seed: Of all chance: the same seed and moments give the same values.
        start: The first moment, aware. The water is spun up from the rain of the days before.
        parameters: Of the models.
        towns: The townships.
        villages: The villages, each in one of the towns.
        monthly_mean_c: Mean temperatures of January to December.
        monthly_rain_mm: Mean rain of January to December.
        utc_offset_h: Local time.
    """

    def __init__(
        self, seed: int, start: datetime, parameters: Parameters, towns: Sequence[Town], villages: Sequence[Village],
        monthly_mean_c: Sequence[float], monthly_rain_mm: Sequence[float], utc_offset_h: float = 8.0,
    ) -> None:
        self.parameters = parameters
        self.towns = towns
        self.villages = villages
        self._seed = seed
        self._monthly_mean_c = monthly_mean_c
        self._zone = timezone(timedelta(hours=utc_offset_h))
        self._number = {town.code: number for number, town in enumerate(towns)}
        climate = parameters.climate
        self.rain = Rain(
            seed, monthly_rain_mm, [town.point for town in towns], utc_offset_h, climate.mean_storm_depth_mm,
            climate.storm_radius_km,
        )
        self.waters = Waters(parameters, towns)
        self._step_s = parameters.assumptions.step_s
        days = parameters.assumptions.spin_up_days
        self._water_s = math.floor(start.timestamp() / DAY_S - days) * DAY_S
        self.advance_to(start)

    def advance_to(self, moment: datetime) -> None:
        """Moves the water on to a moment, in whole steps of the model; what is past already stays."""
        while self._water_s + self._step_s <= moment.timestamp():
            self._step()

    def town_number(self, code: str) -> int:
        """Place of a town in the list of towns. Raises KeyError for a code that is none."""
        return self._number[code]

    def local(self, moment: datetime) -> datetime:
        """A moment in local time."""
        return moment.astimezone(self._zone)

    def rain_mm_per_h(self, town: int, moment: datetime) -> float:
        """Rain at a town now: that of the last ten minutes, as a rate."""
        now_s = moment.timestamp()
        return 6.0 * self.rain.depth_mm(town, now_s - 600.0, now_s)

    def weather(self, town: int, moment: datetime) -> weather.Weather:
        """Weather at a town."""
        place = self.towns[town]
        return weather.weather(
            self._seed, town, self.local(moment), place.elevation_m, self._monthly_mean_c,
            self.parameters.climate.reference_elevation_m, self.rain_mm_per_h(town, moment),
        )

    def air(self, town: int, moment: datetime) -> air.Air:
        """Air at a town."""
        urban = 1.0 if self.towns[town].urban else min(0.7, self.towns[town].population / 40_000)
        return air.air(self._seed, town, self.local(moment), urban, self.rain_mm_per_h(town, moment))

    def village_rain_mm(self, village: int, moment: datetime, hours: float) -> float:
        """Rain at a village in the last hours: that of its town, with a factor of its own between 0.85 and 1.15."""
        now_s = moment.timestamp()
        own = 0.85 + 0.3 * uniform(self._seed, 4100, village)
        return own * self.rain.depth_mm(self.villages[village].town, now_s - hours * HOUR_S, now_s)

    def gauge(self, reach_id: str) -> Gauge:
        """What the gauge of a reach shows."""
        return self.waters.gauge(reach_id)

    def vehicles_per_h(self, town: int, moment: datetime) -> float:
        """Traffic at a town's main crossing."""
        place = self.towns[town]
        return activity.vehicles_per_h(
            self._seed, town, self.local(moment), place.population, self.rain_mm_per_h(town, moment)
        )

    def people_present(self, spot: int, moment: datetime) -> int:
        """People at a scenic spot."""
        plan = self.parameters.spot[spot]
        rain = self.rain_mm_per_h(self._number[plan.at_town], moment)
        return activity.people_present(self._seed, spot, self.local(moment), plan.daily_visitors, rain)

    def load_kw(self, town: int, moment: datetime) -> float:
        """Electric load of a town."""
        return activity.load_kw(
            self._seed, town, self.local(moment), self.towns[town].population, self.weather(town, moment).temperature_c,
            self.parameters.assumptions.peak_kw_per_head,
        )

    def _step(self) -> None:
        end_s = self._water_s + self._step_s
        step_h = self._step_s / HOUR_S
        rain_mm = self.rain.depths_mm(self._water_s, end_s)
        rain_mm.append(sum(rain_mm) / len(rain_mm))
        local = datetime.fromtimestamp(end_s, UTC).astimezone(self._zone)
        light_h = runoff.daylight_h(self.towns[0].point[1], local.timetuple().tm_yday)
        mean_c = weather.between_months(self._monthly_mean_c, local)
        potential_mm = runoff.evaporation_mm_per_day(mean_c, light_h) * step_h / 24.0
        self.waters.step(rain_mm, [potential_mm] * len(rain_mm), step_h)
        self._water_s = end_s
