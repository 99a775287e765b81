"""Three models of an even series: the seasonal-naive yardstick, a profile of the week with an autoregressive rest, and their mean.

Why not a library: the libraries of the field (statsmodels with SciPy and pandas, statsforecast with Numba) add 260 to 450 megabytes to an
installation and fit each series for seconds, while these models are least squares that NumPy does in milliseconds, so that a
statement can forecast a thousand sensors. Simple seasonal models and their means are hard to beat on hourly and daily city data; the
back-test says for each series whether it holds, and the yardstick is in every answer.

Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), 5.2 (seasonal naive), 5.5 (its spread), 9.3 and 13.4
(combinations); Brockwell and Davis, Time Series: Theory and Methods, 8.1 (Yule-Walker).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from cityhub.history.foresight.series import Floats, Series

VERSION: Final = "1"
"""Grows with every change that changes a forecast."""
NAIVE, PROFILE, MEAN = "seasonal-naive", "profile-ar", "mean"
RECENT: Final = 8
"""The profile is of about so many of the last seasons."""
ORDER: Final = 3
"""Order of the autoregression."""

Ahead = Callable[[int], tuple[Floats, Floats]]
"""Number of steps -> expected values, and their standard deviations as the model sees them."""


class Fitted(msgspec.Struct, frozen=True):
    """A model fitted to a series: what it learned, and what it expects."""

    name: str
    parameters: dict[str, float | int]
    ahead: Ahead


def seasonal_naive(series: Series) -> Fitted:
    """What was, one season ago (a day, where the series has days); without a season the last value."""
    values = series.values
    season = series.seasons[0] if series.seasons else 1
    spread = float(np.sqrt(np.mean((values[season:] - values[:-season]) ** 2))) if len(values) > season else 0.0

    def ahead(steps: int) -> tuple[Floats, Floats]:
        n = np.arange(steps)
        return values[len(values) - season + n % season], spread * np.sqrt(n // season + 1)

    return Fitted(NAIVE, {"season": season, "spread": spread}, ahead)


def profile_ar(series: Series) -> Fitted:
    """The usual value of the time of the week (or day), plus what is left of the present deviation from it."""
    values = series.values
    profile = _profile(series)
    rest = values - profile[np.arange(len(values)) % len(profile)]
    offset = float(rest[-RECENT * len(profile) :].mean())
    weights = _yule_walker(rest - offset)
    noise = float(np.std(_residuals(rest - offset, weights)))

    def ahead(steps: int) -> tuple[Floats, Floats]:
        # Plain numbers: for three at a time they are faster than arrays.
        factors = [float(weight) for weight in weights]
        state = [float(value) for value in (rest - offset)[-ORDER:]]
        impulse = [0.0] * (ORDER - 1) + [1.0]
        for _ in range(steps):
            for series_of in (state, impulse):
                series_of.append(sum(factor * series_of[-1 - lag] for lag, factor in enumerate(factors)))
        spread = noise * np.sqrt(np.cumsum(np.array(impulse[ORDER - 1 : -1]) ** 2))
        expected = profile[(len(values) + np.arange(steps)) % len(profile)] + offset + np.array(state[ORDER:])
        return expected, spread

    parameters: dict[str, float | int] = {"season": len(profile), "offset": offset, "noise": noise}
    return Fitted(PROFILE, parameters | {f"ar{n + 1}": float(weight) for n, weight in enumerate(weights)}, ahead)


def mean_of_both(series: Series) -> Fitted:
    """The mean of the two others."""
    one, other = seasonal_naive(series), profile_ar(series)

    def ahead(steps: int) -> tuple[Floats, Floats]:
        (first, its_spread), (second, other_spread) = one.ahead(steps), other.ahead(steps)
        return (first + second) / 2, (its_spread + other_spread) / 2

    return Fitted(MEAN, {f"{part.name}.{name}": value for part in (one, other) for name, value in part.parameters.items()}, ahead)


MODELS: Final[dict[str, Callable[[Series], Fitted]]] = {NAIVE: seasonal_naive, PROFILE: profile_ar, MEAN: mean_of_both}


def _profile(series: Series) -> Floats:
    """One value for each step of the longest season, later seasons weighing more; a week's steps lean on the day's."""
    values, seasons = series.values, series.seasons
    if not seasons:
        return np.array([values.mean()])
    day = _weighted_seasons(values, seasons[0])
    if len(seasons) == 1:
        return day
    week = seasons[1]
    weeks = min(len(values) // week, RECENT)
    days = np.tile(day, week // len(day))
    return np.asarray((weeks * _weighted_seasons(values, week) + days) / (weeks + 1))


def _weighted_seasons(values: Floats, season: int) -> Floats:
    """Mean of each step of the season over its last occurrences, in the phase of the first value."""
    count = min(len(values) // season, 2 * RECENT)
    last = values[len(values) - count * season :].reshape(count, season)
    weights = (1 - 1 / RECENT) ** np.arange(count - 1, -1, -1)
    return np.roll(weights @ last / weights.sum(), (len(values) - count * season) % season)


def _yule_walker(values: Floats) -> Floats:
    """Coefficients of the autoregression, newest value first; always stationary, zeros for what is constant."""
    power = float(values @ values)
    if power <= 0.0 or len(values) <= ORDER:
        return np.zeros(ORDER)
    lags = np.array([float(values[lag:] @ values[: len(values) - lag]) / power for lag in range(ORDER + 1)])
    matrix = np.array([[lags[abs(row - column)] for column in range(ORDER)] for row in range(ORDER)]) + 1e-9 * np.eye(ORDER)
    return np.asarray(np.linalg.solve(matrix, lags[1:]))


def _residuals(values: Floats, weights: Floats) -> Floats:
    count = len(values) - ORDER
    if count < 1:
        return values
    return np.asarray(values[ORDER:] - sum(weights[lag] * values[ORDER - 1 - lag : ORDER - 1 - lag + count] for lag in range(ORDER)))
