"""Windows say what a look at all observations says, in whatever order they came."""

from __future__ import annotations

from fractions import Fraction
from statistics import median, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.rules.engine import windows
from cityhub.rules.engine.moments import DAY, SECOND, Days, micros, span, text_of
from cityhub.rules.engine.windows import Window, WindowPlan

ZONE = Days("Asia/Shanghai")
HOUR = 3_600 * SECOND
FUNCTIONS = ["sum", "average", "minimum", "maximum", "count", "median", "stddev", "first", "last", "increase"]
observations = st.lists(st.tuples(st.integers(0, 100), st.integers(-5000, 5000).map(lambda n: n / 100)), min_size=1, max_size=80)


def plan(function: str, kind: Any = "sliding", over: int = 20, lateness: int = 1_000) -> WindowPlan:
    """How the window is, in seconds."""
    return WindowPlan(function, kind, over * SECOND, lateness * SECOND, ZONE, False)


def looked_at(function: str, values: list[float]) -> Any:
    """The figure by the book."""
    exact = [Fraction(str(value)) for value in values]
    figures = {
        "sum": lambda: sum(exact), "average": lambda: sum(exact) / len(exact), "minimum": lambda: min(exact), "maximum": lambda: max(exact),
        "count": lambda: len(exact), "median": lambda: median(exact), "stddev": lambda: stdev(exact) if len(exact) > 1 else None,
        "first": lambda: exact[0], "last": lambda: exact[-1], "increase": lambda: exact[-1] - exact[0],
    }  # fmt: skip
    found = figures[function]()
    return None if found is None else float(found)


def in_window(said: dict[int, float], kind: str, over: int) -> list[float]:
    """The values that a window of so many seconds has."""
    moments, newest = sorted(said), max(said)
    if kind == "sliding":
        return [said[at] for at in moments if at > newest - over]
    if kind == "tumbling":
        return [said[at] for at in moments if at // over == newest // over]
    start = len(moments) - 1
    while start and moments[start] - moments[start - 1] <= over:
        start -= 1
    return [said[at] for at in moments[start:]]


@pytest.mark.parametrize("kind", ["sliding", "tumbling", "session"])
@given(observations, st.sampled_from(FUNCTIONS))
@settings(max_examples=50, deadline=None)
def test_a_window_says_what_a_look_at_all_says(kind: str, said: list[tuple[int, float]], function: str) -> None:
    window, known = Window(plan(function, kind)), {}
    for at, value in said:
        window.put(at * SECOND, value)
        known[at] = value
    expected = looked_at(function, in_window(known, kind, 20))
    found = window.value()
    assert found == (expected if function != "stddev" else pytest.approx(expected, abs=1e-9))


def test_a_long_life_keeps_memory_bounded_and_figures_exact() -> None:
    window = Window(plan("sum", over=10))
    for second in range(5_000):
        window.put(second * SECOND, 0.1)
    assert window.value() == 1 and len(window) < 600


def test_a_window_that_is_too_full_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_SAMPLES", 5)
    window = Window(plan("count", over=1_000))
    for second in range(7):
        window.put(second * SECOND, 1)
    assert window.is_full and window.value() == 5


def test_weeks_begin_on_mondays_and_days_at_midnight_of_the_place() -> None:
    sunday, monday = (micros(f"2026-11-{day}T15:59:59.000000Z") for day in (22, 23))
    assert ZONE.bucket(sunday, 7 * DAY) + 1 == ZONE.bucket(sunday + SECOND, 7 * DAY) == ZONE.bucket(monday, 7 * DAY)
    assert ZONE.bucket(monday, DAY) + 1 == ZONE.bucket(monday + SECOND, DAY)


def test_a_day_of_a_place_that_changes_its_clock_begins_at_its_midnight() -> None:
    berlin = Days("Europe/Berlin")
    assert berlin.bucket(micros("2026-03-29T21:59:59.000000Z"), DAY) + 1 == berlin.bucket(micros("2026-03-29T22:00:00.000000Z"), DAY)


def test_texts_and_moments_are_each_other() -> None:
    assert text_of(micros("2026-11-23T06:05:00.123456Z")) == "2026-11-23T06:05:00.123456Z"
    assert span("PT1H30M", "over", DAY) == 3 * HOUR // 2
