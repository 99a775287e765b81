"""What comes next, between which bounds, and how well that would have gone in the past."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from cityhub.history.foresight.models import MODELS, NAIVE, VERSION
from cityhub.history.foresight.series import MIN_POINTS, Floats, Series, even
from cityhub.model.errors import BadRequestData

MAX_HORIZON: Final = 10_000
ORIGINS: Final = 10
"""A back-test forecasts from so many past moments, if the series is long enough."""


class Score(msgspec.Struct, frozen=True):
    """How a model did from past moments, each time with nothing but what was known then.

    Attributes:
        model: Which.
        mae: Mean absolute error, in the unit of the values.
        smape: Symmetric mean absolute percentage error, 0 to 200 %.
        coverage: Part of the values that lay between the bounds, 0 to 1; bounds were made from earlier origins only.
        origins: From how many moments it forecast; 0: the series is too short for a back-test, and the errors are NaN.
    """

    model: str
    mae: float
    smape: float
    coverage: float
    origins: int


class Forecast(msgspec.Struct, frozen=True):
    """What is expected.

    Attributes:
        times: Seconds since 1970 UTC, one for each step.
        values: The expected values.
        low, high: Bounds between which a value lies with probability `level`.
        model, version, parameters: What made it.
        scores: Back-test of each model, the chosen one first and the seasonal-naive yardstick among them.
        start_s, end_s, step_s, observations, filled: What it was trained on (see `Series`).
    """

    times: Floats
    values: Floats
    low: Floats
    high: Floats
    level: float
    model: str
    version: str
    parameters: dict[str, float | int]
    scores: list[Score]
    start_s: float
    end_s: float
    step_s: float
    observations: int
    filled: float


class Trial(msgspec.Struct, frozen=True):
    """The back-test of one model: its score, and its errors in standard deviations as the model saw them."""

    score: Score
    strain: Floats


def forecast(
    times: ArrayLike, values: ArrayLike, horizon: int, *, step_s: float | None = None, level: float = 0.9, model: str | None = None
) -> Forecast:
    """The next `horizon` steps of a series.

    Args:
        times: Seconds since 1970 UTC.
        values: As many; NaN where there is none.
        horizon: Steps to look ahead, 1 to 10,000.
        step_s: Distance of the steps in seconds; None: the usual one of the observations.
        level: Probability that a value lies within the bounds, above 0 and below 1.
        model: "seasonal-naive", "profile-ar" or "mean"; None: the one with the least error in the back-test.

    Raises:
        BadRequestData: If an argument is out of its range, or there are too few values.
    """
    if not 1 <= horizon <= MAX_HORIZON:
        raise BadRequestData(f"'horizon' must be from 1 to {MAX_HORIZON} steps, not {horizon}")
    if not 0 < level < 1:
        raise BadRequestData(f"'level' is a probability above 0 and below 1, such as 0.9, not {level}")
    if model is not None and model not in MODELS:
        raise BadRequestData(f"there is no model '{model}': right would be one of {', '.join(MODELS)}")
    series = even(times, values, step_s)
    trials = {name: back_test(series, name, horizon, level) for name in MODELS}
    chosen = model or best(trials)
    fitted = MODELS[chosen](series)
    expected, spread = fitted.ahead(horizon)
    reach = spread * _factor(trials[chosen].strain, level)
    scores = [trials[chosen].score, *(trial.score for name, trial in trials.items() if name != chosen)]
    return Forecast(
        series.end_s + series.step_s * np.arange(1.0, horizon + 1.0), expected, expected - reach, expected + reach, level,
        chosen, VERSION, fitted.parameters, scores, series.start_s, series.end_s, series.step_s, series.observations, series.filled,
    )  # fmt: skip


def best(trials: dict[str, Trial]) -> str:
    """The model with the least mean absolute error; the yardstick when nothing could be tried."""
    tried = {name: trial.score.mae for name, trial in trials.items() if trial.score.origins}
    return min(tried, key=lambda name: tried[name]) if tried else NAIVE


def back_test(series: Series, model: str, horizon: int, level: float) -> Trial:
    """The model from rolling origins: the last ones that leave `horizon` steps after and half of the series before them."""
    errors: list[Floats] = []
    sizes: list[Floats] = []
    strain = np.zeros(0)
    inside = asked = 0
    for origin in origins(len(series.values), horizon):
        truth = series.values[origin : origin + horizon]
        expected, spread = MODELS[model](series.first(origin)).ahead(len(truth))
        error = np.abs(truth - expected)
        inside += int((error <= spread * _factor(strain, level) + 1e-12).sum())
        asked += len(truth)
        errors.append(error)
        sizes.append(np.abs(truth) + np.abs(expected))
        strain = np.append(strain, error / np.maximum(spread, 1e-300))
    if not errors:
        return Trial(Score(model, float("nan"), float("nan"), float("nan"), 0), strain)
    error, size = np.concatenate(errors), np.concatenate(sizes)
    smape = 200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean()
    return Trial(Score(model, float(error.mean()), float(smape), inside / asked, len(errors)), strain)


def origins(length: int, horizon: int) -> list[int]:
    """Where a back-test stands: evenly over the second half of the series, the latest last; none when that is too short."""
    first, last = max(length // 2, MIN_POINTS), length - horizon
    if last < first:
        return []
    return sorted({round(place) for place in np.linspace(first, last, min(ORIGINS, last - first + 1))})


def _factor(strain: Floats, level: float) -> float:
    """By how much the model's own standard deviation is to be stretched so that `level` of the past errors lie within.

    Errors that a back-test saw are trusted more than the model's assumptions; without any, the normal distribution stands in.
    Source: Vovk et al., Algorithmic Learning in a Random World (conformal prediction).
    """
    normal = NormalDist().inv_cdf((1 + level) / 2)
    if len(strain) < 20:
        return normal
    return float(np.quantile(strain, min(1.0, level * (1 + 1 / len(strain)))))
