"""The anomaly detector on series whose anomalies are known because they were put there."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cityhub.history.foresight.anomalies import THRESHOLD, AnomalyDetector, Tuning, anomaly_scores
from cityhub.model.errors import BadRequestData

STEP_S = 300.0
DAY = 288


def days(count: int, noise: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A daily wave with noise, every five minutes."""
    random = np.random.default_rng(seed)
    n = np.arange(count * DAY)
    return n * STEP_S, 50 + 20 * np.sin(2 * np.pi * n / DAY) + random.normal(0, noise, len(n))


def found(scores: np.ndarray, begin: int, end: int) -> bool:
    return bool((scores[begin:end] >= THRESHOLD).any())


def false_alarms(scores: np.ndarray, begin: int, end: int) -> int:
    return int((np.concatenate([scores[:begin], scores[end:]]) >= THRESHOLD).sum())


def test_an_ordinary_series_raises_hardly_an_alarm() -> None:
    times, values = days(20)
    assert (anomaly_scores(times, values) >= THRESHOLD).sum() <= 2


def test_a_spike_is_found_at_its_very_value() -> None:
    times, values = days(14)
    values[3000] += 60
    scores = anomaly_scores(times, values)
    assert scores[3000] >= THRESHOLD
    assert false_alarms(scores, 2995, 3160) <= 2


def test_a_shift_of_level_is_found_within_an_hour() -> None:
    times, values = days(14)
    values[3000:] += 30
    scores = anomaly_scores(times, values)
    assert found(scores, 3000, 3012)


def test_a_changed_period_is_found_though_every_value_is_usual() -> None:
    times, values = days(14)
    n = np.arange(3000, len(values))
    values[3000:] = 50 + 20 * np.sin(4 * np.pi * n / DAY) + np.random.default_rng(2).normal(0, 1, len(n))
    scores = anomaly_scores(times, values)
    assert values[3000:].max() < values[:3000].max() + 3
    assert found(scores, 3000, 3000 + DAY)
    assert false_alarms(scores, 3000, len(values)) <= 2


def test_a_missing_daily_peak_is_found() -> None:
    times, values = days(14)
    values[10 * DAY : 11 * DAY] = 50 + np.random.default_rng(3).normal(0, 1, DAY)
    assert found(anomaly_scores(times, values), 10 * DAY, 11 * DAY)


def test_one_event_is_reported_once_unless_it_grows() -> None:
    times, values = days(14)
    values[3000:3040] += 60
    scores = anomaly_scores(times, values)[3000:3040]
    assert 1 <= (scores >= THRESHOLD).sum() <= 3
    assert (scores > 0).sum() < 10


def test_a_value_is_judged_before_it_is_learned_and_nothing_is_known_of_later_ones() -> None:
    times, values = days(14)
    whole = anomaly_scores(times, values)
    changed = values.copy()
    changed[2500:] = 1e9
    assert (anomaly_scores(times, changed)[:2500] == whole[:2500]).all()


def test_scale_and_offset_change_nothing() -> None:
    times, values = days(14)
    values[3000] += 60
    assert anomaly_scores(times, values * 1000 + 5) == pytest.approx(anomaly_scores(times, values), abs=1e-6)


def test_a_resumed_detector_goes_on_as_if_it_had_never_stopped() -> None:
    times, values = days(10)
    first, whole = AnomalyDetector(), anomaly_scores(times, values)
    for at, value in zip(times[:1500], values[:1500], strict=True):
        first.score(at, value)
    second = AnomalyDetector.resume(first.state())
    assert [second.score(at, value) for at, value in zip(times[1500:], values[1500:], strict=True)] == whole[1500:].tolist()


def test_missing_values_score_nothing_and_are_not_learned() -> None:
    times, values = days(5)
    holes = values.copy()
    holes[700] = np.nan
    scores = anomaly_scores(times, holes)
    assert scores[700] == 0.0
    assert np.isfinite(scores).all()
    without = anomaly_scores(np.delete(times, 700), np.delete(values, 700))
    assert (np.delete(scores, 700) == without).all()


def test_a_constant_series_never_alarms_until_it_moves() -> None:
    times = np.arange(3000) * STEP_S
    values = np.full(3000, 7.0)
    values[2900] = 9.0
    scores = anomaly_scores(times, values)
    assert scores[2900] >= THRESHOLD
    assert scores[:2900].max() == 0.0


@pytest.mark.parametrize("state", [b"", b"\x80", b"nonsense", AnomalyDetector().state().replace(b"\xa11", b"\xa19")])
def test_what_is_no_state_is_refused(state: bytes) -> None:
    with pytest.raises(BadRequestData):
        AnomalyDetector.resume(state)


@pytest.mark.parametrize(
    "tuning", [Tuning(rest=0), Tuning(memory=10), Tuning(rare=0.0), Tuning(rare=1.0), Tuning(adaptation=2.0), Tuning(cap=0)]
)
def test_senseless_tuning_is_refused(tuning: Tuning) -> None:
    with pytest.raises(BadRequestData):
        AnomalyDetector(tuning)


def test_lists_of_unlike_length_are_refused() -> None:
    with pytest.raises(BadRequestData, match="2 times and 1 values"):
        anomaly_scores([0.0, 1.0], [1.0])


def test_ten_thousand_points_take_little_time() -> None:
    times, values = days(40)
    began = time.process_time()
    anomaly_scores(times[:10_000], values[:10_000])
    assert time.process_time() - began < 5.0  # half a second on a machine of 2026
