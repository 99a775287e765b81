"""Forecasts of series whose future is known."""

from __future__ import annotations

import numpy as np
import pytest

from cityhub.history.foresight.forecasts import back_test, forecast, origins
from cityhub.history.foresight.models import MODELS, NAIVE, PROFILE
from cityhub.history.foresight.series import even
from cityhub.model.errors import BadRequestData

HOUR = 3600.0
MONDAY = 4 * 86400.0


def hourly(weeks: int, noise: float = 2.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A day's wave that is lower at weekends, with noise that lasts for some hours."""
    random = np.random.default_rng(seed)
    n = np.arange(weeks * 168)
    rest = np.zeros(len(n))
    shocks = random.normal(0, noise, len(n))
    for i in range(1, len(n)):
        rest[i] = 0.8 * rest[i - 1] + shocks[i]
    return MONDAY + n * HOUR, 100 + 30 * np.sin(2 * np.pi * n / 24) - 20 * (n // 24 % 7 >= 5) + rest


def test_the_week_is_learned_and_the_yardstick_beaten() -> None:
    times, values = hourly(10)
    made = forecast(times[: 9 * 168], values[: 9 * 168], 168)
    assert made.times.tolist() == times[9 * 168 :].tolist()
    truth = values[9 * 168 :]
    naive = np.abs(values[8 * 168 + 144 : 9 * 168][np.arange(168) % 24] - truth).mean()
    assert np.abs(made.values - truth).mean() < 0.7 * naive
    assert made.model == made.scores[0].model
    assert {score.model for score in made.scores} == set(MODELS)


def test_bounds_hold_as_often_as_they_promise() -> None:
    inside = []
    for seed in range(12):
        times, values = hourly(8, seed=seed)
        made = forecast(times[:-48], values[:-48], 48, level=0.8)
        truth = values[-48:]
        inside.append(((made.low <= truth) & (truth <= made.high)).mean())
        assert 0.6 <= made.scores[0].coverage <= 0.95
    assert 0.68 <= np.mean(inside) <= 0.92


def test_a_back_test_knows_nothing_of_later_values() -> None:
    times, values = hourly(6)
    series = even(times, values)
    first = origins(len(values), 24)[0]
    changed = values.copy()
    changed[first + 24 :] += 1e6
    for name in MODELS:
        early = MODELS[name](series.first(first)).ahead(24)
        assert (early[0] == MODELS[name](even(times, changed).first(first)).ahead(24)[0]).all()
    changed = values.copy()
    changed[-24:] += 1e6
    assert back_test(even(times, changed), NAIVE, 24, 0.9).score.mae > 1000


def test_gaps_and_late_readings_come_onto_the_grid() -> None:
    random = np.random.default_rng(4)
    times, values = hourly(4)
    keep = random.random(len(times)) > 0.2
    keep[[0, -1]] = True
    jitter = times[keep] + random.uniform(0, 60, keep.sum())
    series = even(random.permutation(jitter), np.zeros(keep.sum()))
    assert series.step_s == HOUR
    assert 0.1 < series.filled < 0.3
    assert series.seasons == (24, 168)
    made = forecast(jitter, values[keep], 24)
    assert made.times[0] == times[-1] + HOUR


def test_a_constant_series_goes_on_and_has_no_spread() -> None:
    made = forecast(np.arange(100) * HOUR, np.full(100, 5.0), 10)
    assert made.values == pytest.approx(5.0)
    assert made.high == pytest.approx(5.0)


def test_a_short_series_is_forecast_naively_and_says_that_nothing_was_tried() -> None:
    made = forecast(np.arange(9) * HOUR, np.arange(9.0), 24)
    assert made.model == NAIVE
    assert made.values.tolist() == [8.0] * 24
    assert made.scores[0].origins == 0
    assert np.isnan(made.scores[0].mae)


def test_a_model_can_be_demanded() -> None:
    times, values = hourly(4)
    assert forecast(times, values, 24, model=PROFILE).model == PROFILE
    with pytest.raises(BadRequestData, match="seasonal-naive, profile-ar, mean"):
        forecast(times, values, 24, model="crystal ball")


@pytest.mark.parametrize("horizon", [0, -1, 10_001])
def test_horizons_out_of_range_are_refused(horizon: int) -> None:
    with pytest.raises(BadRequestData, match="horizon"):
        forecast(*hourly(4), horizon)


@pytest.mark.parametrize("step", [0.0, -5.0, float("nan")])
def test_senseless_steps_are_refused(step: float) -> None:
    with pytest.raises(BadRequestData, match="step"):
        forecast(*hourly(4), 24, step_s=step)


@pytest.mark.parametrize(("times", "values"), [([], []), ([1.0] * 20, [1.0] * 20), ([1.0, 2.0], [1.0]), ([1.0] * 9, [float("nan")] * 9)])
def test_too_little_is_refused(times: list[float], values: list[float]) -> None:
    with pytest.raises(BadRequestData):
        forecast(times, values, 3)
