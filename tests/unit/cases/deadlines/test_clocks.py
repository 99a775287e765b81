"""Working hours, holidays, pauses, extensions and rounds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.cases.deadlines.clocks import Event, Facts, Pause, run_clocks
from cityhub.cases.deadlines.hours import Span, WorkingHours
from cityhub.cases.deadlines.limits import Limit, Limits
from cityhub.cases.deadlines.workdays import is_workday, workday_after, workdays_between
from cityhub.model.errors import BadRequestData
from cityhub.model.time import to_text

HOURS = WorkingHours([("09:00", "12:00"), ("14:00", "18:00")], "Asia/Shanghai")


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(("start", "hours", "due"), [
    ("2026-03-02T10:00", 2, "2026-03-02T12:00"),
    ("2026-03-02T11:00", 2, "2026-03-02T15:00"),  # over noon
    ("2026-03-02T20:00", 1, "2026-03-03T10:00"),  # after work
    ("2026-03-06T17:30", 1, "2026-03-09T09:30"),  # over the weekend
    ("2026-09-30T17:00", 2, "2026-10-08T10:00"),  # over the National Day's holiday
    ("2026-10-09T17:00", 2, "2026-10-10T10:00"),  # into a Saturday that is made up for
])  # fmt: skip
def test_working_hours(start: str, hours: float, due: str) -> None:
    assert HOURS.due(local(start), Span(hours, "hour", "working")) == local(due)


def test_a_year_whose_holidays_are_not_known_has_weekends_only_and_says_so() -> None:
    assert is_workday(date(2098, 10, 1)) and not is_workday(date(2098, 10, 4))
    start = local("2098-09-30T10:00")
    span = Span(3, "day", "working")
    assert HOURS.assumed(start, HOURS.due(start, span), span) == [2098]
    assert HOURS.assumed(local("2026-03-02T10:00"), local("2026-03-05T10:00"), span) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 740_000), st.integers(1, 2400))
def test_what_has_passed_at_the_due_moment_is_the_span(start: int, minutes: int) -> None:
    span = Span(minutes, "minute", "working")
    begun = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    due = HOURS.due(begun, span)
    assert HOURS.passed(begun, due, span) == pytest.approx(minutes)
    assert HOURS.passed(begun, due - timedelta(seconds=30), span) < minutes


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2025, 1, 1), date(2026, 6, 1)), st.integers(1, 60))
def test_working_days_are_counted_as_they_are_added(day: date, count: int) -> None:
    end = workday_after(day, count)
    assert is_workday(end) and workdays_between(day, end) == count


def one(limit: Limit, *events: Event, **more: object) -> list[tuple[str, str, bool]]:
    facts = Facts("other", list(events), **more)  # type: ignore[arg-type]
    return [(clock.due_at, clock.ended_at, clock.paused) for clock in run_clocks(Limits([limit]), HOURS, facts)]


def at(hour: float) -> str:
    return to_text(local("2026-03-02T09:00") + timedelta(hours=hour))


ANSWER = Limit("answer", {}, ["opened"], ["done"], 3, pausable=True, once=False)


def test_a_clock_stands_still_while_the_reporter_is_waited_for() -> None:
    waits = one(ANSWER, Event("opened", at(0)), pauses=[Pause(at(1))])
    assert waits == [(at(3), "", True)]
    assert one(ANSWER, Event("opened", at(0)), pauses=[Pause(at(1), at(6))]) == [(at(8), "", False)]
    assert one(ANSWER, Event("opened", at(0)), pauses=[Pause(at(4), at(6))]) == [(at(3), "", False)], "it had run out before"


def test_a_limit_by_law_goes_on_while_others_stand_still() -> None:
    lawful = Limit("law", {}, ["opened"], ["done"], 3)
    assert one(lawful, Event("opened", at(0)), pauses=[Pause(at(1), at(6))]) == [(at(3), "", False)]


def test_an_extension_moves_the_due_moment() -> None:
    assert one(ANSWER, Event("opened", at(0)), extensions={"answer": 2.0}) == [(at(5), "", False)]


def test_each_round_has_a_clock() -> None:
    events = [Event("opened", at(0)), Event("done", at(1)), Event("opened", at(4)), Event("done", at(9))]
    assert one(ANSWER, *events) == [(at(3), at(1), False), (at(7), at(9), False)]


@pytest.mark.parametrize("limit", [
    Limit("a", {}, ["x"], ["y"], 0), Limit("a", {}, [], ["y"], 1), Limit("a", {}, ["x"], ["y"], 1, when="1 +"),
])
def test_a_limit_that_cannot_be_right_is_refused(limit: Limit) -> None:
    with pytest.raises(BadRequestData):
        Limits([limit])


def test_an_id_stands_once() -> None:
    with pytest.raises(BadRequestData, match="id of its own"):
        Limits([ANSWER, ANSWER])


def test_working_hours_that_overlap_are_refused() -> None:
    with pytest.raises(BadRequestData, match="in order"):
        WorkingHours([("09:00", "12:00"), ("11:00", "18:00")], "Asia/Shanghai")
