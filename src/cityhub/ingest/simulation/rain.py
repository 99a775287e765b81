"""Rain: storms that come as a Poisson process, with the monthly means of the climate.

Each storm has a start, a duration, a depth, a centre and a triangular course in time. Because a storm is a function of
the seed and its day, the rain of any hour, past or to come, can be asked for at any time.

Sources: Rodriguez-Iturbe, Cox, Isham, 'Some models for rainfall based on stochastic point processes', Proc. R. Soc. A 410
(1987): storms as a Poisson process. Yen and Chow, 'Design hyetographs for small drainage structures', J. Hydraul. Div. 106
(1980): the triangular course.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from cityhub.ingest.simulation.noise import poisson, uniform

DAY_S = 86_400
EARTH_RADIUS_KM = 6371.0
PEAK_FRACTION = 0.375
"""Where in its duration a storm is heaviest (Yen and Chow 1980, typical of observed storms)."""
LONGEST_STORM_S = 9 * 3600

Point = tuple[float, float]
"""Longitude and latitude in degrees."""


class Storm(msgspec.Struct, frozen=True):
    """One storm. `weights` has one factor per place, with a mean of 1 over all places."""

    start_s: float
    duration_s: float
    depth_mm: float
    weights: tuple[float, ...]


def distance_km(a: Point, b: Point) -> float:
    """Distance of two near places on a sphere, by the equirectangular approximation (below 0.1 % within 100 km)."""
    x = math.radians(b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return EARTH_RADIUS_KM * math.hypot(x, math.radians(b[1] - a[1]))


def fallen_fraction(storm: Storm, moment_s: float) -> float:
    """The part of a storm's depth (0 to 1) that has fallen by a moment: the integral of the triangular course."""
    x = (moment_s - storm.start_s) / storm.duration_s
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x < PEAK_FRACTION:
        return x * x / PEAK_FRACTION
    return 1.0 - (1.0 - x) ** 2 / (1.0 - PEAK_FRACTION)


class Rain:
    """The rain over a set of places.

    Args:
        seed: Of all chance.
        monthly_rain_mm: Mean rain of January to December, millimetres.
        places: Where the rain is asked for.
        utc_offset_h: Local time, which the months and days follow.
        mean_depth_mm: Mean depth of one storm.
        radius_km: How far a storm reaches: deviation of its bell-shaped footprint.
    """

    def __init__(
        self, seed: int, monthly_rain_mm: Sequence[float], places: Sequence[Point], utc_offset_h: float = 8.0,
        mean_depth_mm: float = 9.0, radius_km: float = 18.0,
    ) -> None:
        self._seed = seed
        self._monthly_mm = tuple(monthly_rain_mm)
        self._places = tuple(places)
        self._zone = timezone(timedelta(hours=utc_offset_h))
        self._offset_s = utc_offset_h * 3600
        self._mean_depth_mm = mean_depth_mm
        self._radius_km = radius_km
        self._days: dict[int, tuple[Storm, ...]] = {}

    def storms_of(self, day: int) -> tuple[Storm, ...]:
        """The storms that begin on a local day (days since 1970-01-01)."""
        storms = self._days.get(day)
        if storms is None:
            if len(self._days) > 64:
                self._days.clear()
            storms = self._days[day] = self._make_day(day)
        return storms

    def depth_mm(self, place: int, from_s: float, to_s: float) -> float:
        """Rain that falls on a place between two moments, millimetres."""
        total = 0.0
        for storm in self._between(from_s, to_s):
            total += storm.weights[place] * storm.depth_mm * (fallen_fraction(storm, to_s) - fallen_fraction(storm, from_s))
        return total

    def depths_mm(self, from_s: float, to_s: float) -> list[float]:
        """The same for every place."""
        totals = [0.0] * len(self._places)
        for storm in self._between(from_s, to_s):
            fallen_mm = storm.depth_mm * (fallen_fraction(storm, to_s) - fallen_fraction(storm, from_s))
            if fallen_mm > 0.0:
                for place, weight in enumerate(storm.weights):
                    totals[place] += weight * fallen_mm
        return totals

    def _between(self, from_s: float, to_s: float) -> list[Storm]:
        first = math.floor((from_s - LONGEST_STORM_S + self._offset_s) / DAY_S)
        last = math.floor((to_s + self._offset_s) / DAY_S)
        return [
            storm
            for day in range(first, last + 1)
            for storm in self.storms_of(day)
            if storm.start_s < to_s and storm.start_s + storm.duration_s > from_s
        ]

    def _make_day(self, day: int) -> tuple[Storm, ...]:
        midnight_s = day * DAY_S - self._offset_s
        local = datetime.fromtimestamp(midnight_s, UTC).astimezone(self._zone)
        month_mm = self._monthly_mm[local.month - 1]
        mean = month_mm / calendar.monthrange(local.year, local.month)[1] / self._mean_depth_mm
        count = poisson(mean, uniform(self._seed, day, 0))
        return tuple(self._make_storm(day, number, midnight_s) for number in range(count))

    def _make_storm(self, day: int, number: int, midnight_s: float) -> Storm:
        def chance(key: int) -> float:
            return uniform(self._seed, day, number + 1, key)

        centre = self._places[int(chance(4) * len(self._places))]
        raw = [math.exp(-0.5 * (distance_km(centre, place) / self._radius_km) ** 2) for place in self._places]
        mean = sum(raw) / len(raw)
        return Storm(
            start_s=midnight_s + chance(1) * DAY_S,
            duration_s=3600 * (1.0 + 7.0 * chance(2)),
            depth_mm=-self._mean_depth_mm * math.log(chance(3)),
            weights=tuple(weight / mean for weight in raw),
        )
