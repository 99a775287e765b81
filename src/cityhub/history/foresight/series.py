"""A series on an even grid of time, from observations that came when they came."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityhub.model.errors import BadRequestData, TooComplexQuery

Floats = NDArray[np.float64]
DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
MAX_OBSERVATIONS: Final = 5_000_000
MAX_POINTS: Final = 20_000
"""Points of the grid that a model learns from: the latest ones."""
MIN_POINTS: Final = 8


class Series(msgspec.Struct, frozen=True):
    """Values at start_s, start_s + step_s, ...

    Attributes:
        start_s: Time of the first value, seconds since 1970 UTC.
        step_s: Distance of the values in seconds.
        values: One value a step; no NaN.
        filled: Part of the values that no observation fell on and that stand on the line between their neighbours, 0 to 1.
        observations: How many observations it was made of.
    """

    start_s: float
    step_s: float
    values: Floats
    filled: float
    observations: int

    @property
    def end_s(self) -> float:
        """Time of the last value."""
        return self.start_s + (len(self.values) - 1) * self.step_s

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps of a day and of a week, where the step divides them and the series has at least two of them (a week: three)."""
        lengths = ((DAY_S, 2), (WEEK_S, 3))
        found = [
            round(span / self.step_s) for span, times in lengths if self._divides(span) and len(self.values) * self.step_s >= times * span
        ]
        return tuple(length for length in found if length >= 2)

    def _divides(self, span: int) -> bool:
        steps = span / self.step_s
        return abs(steps - round(steps)) < 1e-6 * steps

    def first(self, count: int) -> Series:
        """The same series up to its first `count` values."""
        return msgspec.structs.replace(self, values=self.values[:count])


def even(times: ArrayLike, values: ArrayLike, step_s: float | None = None) -> Series:
    """The series on an even grid: the mean of the observations of each step, gaps on the line between their neighbours.

    Args:
        times: Seconds since 1970 UTC, in any order.
        values: As many; NaN and infinities are left out.
        step_s: Distance of the grid in seconds; None: the usual distance of the observations.

    Raises:
        BadRequestData: If the lists differ in length or there is too little.
        TooComplexQuery: If there are more than 5,000,000 observations.
    """
    seconds, numbers = np.asarray(times, np.float64), np.asarray(values, np.float64)
    if seconds.ndim != 1 or seconds.shape != numbers.shape:
        raise BadRequestData(f"as many times as values are needed: there are {seconds.size} and {numbers.size}")
    if seconds.size > MAX_OBSERVATIONS:
        raise TooComplexQuery(
            f"{seconds.size} observations are more than the {MAX_OBSERVATIONS} that a model is trained on: take a shorter span"
        )
    good = np.isfinite(seconds) & np.isfinite(numbers)
    order = np.argsort(seconds[good], kind="stable")
    seconds, numbers = seconds[good][order], numbers[good][order]
    step = _step(seconds, step_s)
    last = np.floor(seconds[-1] / step) if len(seconds) else 0.0
    recent = seconds >= (last - MAX_POINTS + 1) * step
    seconds, numbers = seconds[recent], numbers[recent]
    place = np.floor(seconds / step).astype(np.int64)
    first = int(place[0]) if len(place) else 0
    count = int(place[-1]) - first + 1 if len(place) else 0
    sums, hits = np.bincount(place - first, numbers, count), np.bincount(place - first, minlength=count)
    known = np.flatnonzero(hits)
    if len(known) < MIN_POINTS:
        raise BadRequestData(f"{len(known)} values at steps of {step:g} s are too few: a model needs at least {MIN_POINTS}")
    grid = np.interp(np.arange(count), known, sums[known] / hits[known])
    return Series(first * step, step, grid, 1 - len(known) / count, len(seconds))


def _step(seconds: Floats, wanted: float | None) -> float:
    if wanted is not None:
        if not (np.isfinite(wanted) and wanted > 0):
            raise BadRequestData(f"the step must be a number of seconds above 0, not {wanted}")
        return float(wanted)
    gaps = np.diff(seconds)
    gaps = gaps[gaps > 0]
    if not len(gaps):
        raise BadRequestData("a model needs values of at least two moments")
    usual = float(np.median(gaps))
    # To a round step that divides the day, where one is near: sensors are a little late or early.
    round_steps = np.array([1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400])
    nearest = float(round_steps[np.argmin(np.abs(np.log(round_steps / usual)))])
    return nearest if abs(nearest / usual - 1) < 0.1 else usual
