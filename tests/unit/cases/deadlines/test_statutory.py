"""The district's limits at the boundaries that the regulations' rules name (ids as in `limits.yaml`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityhub.cases.deadlines.clocks import Clock, Event, Facts, opened_by, run_clocks
from cityhub.cases.desk.kinds import DistrictCases, read_district_cases
from cityhub.model.time import to_text

START = datetime(2026, 3, 2, 2, tzinfo=UTC)  # Monday, 10:00 in Chongqing
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def district() -> DistrictCases:
    return read_district_cases(Path(__file__).parents[4] / "districts" / "qianjiang")


def clocks(
    district: DistrictCases, kind: str, *events: tuple[str, timedelta], grade: str = "orange", data: dict[str, Any] | None = None
) -> dict[str, Clock]:
    happened = [Event(name, to_text(START + after), grade) for name, after in events]
    return {clock.limit: clock for clock in run_clocks(district.limits, district.hours, Facts(kind, happened, data=data or {}))}


CYBER = "system.cyber-incident"
MAJOR = {"severity": "major"}
HOURS = [  # rule, limit, kind, from, to, hours, data
    ("CQT-01", "report-city", "emergency.fire", "opened", "reported-city", 1, {}),
    ("CQT-02", "report-geological", "emergency.geological", "opened", "reported-city", 1, {}),
    ("CQT-05", "road-permit", "event.road-digging", "opened", "permit-issued", 24, {}),
    ("TFW-01", "health-1", "emergency.public-health", "opened", "reported-health", 2, {}),
    ("CRB-01", "class-a", "health.class-a", "opened", "reported-network", 2, {}),
    ("CRB-02", "class-bc", "health.class-bc", "opened", "reported-network", 24, {}),
    ("SJBG-01", "cyber-critical", CYBER, "opened", "reported-cyberspace", 1, {**MAJOR, "operator": "critical"}),
    ("SJBG-01", "cyber-central", CYBER, "opened", "reported-cyberspace", 2, {**MAJOR, "operator": "central"}),
    ("SJBG-01", "cyber-other", CYBER, "opened", "reported-cyberspace", 4, {**MAJOR, "operator": "other"}),
    ("WSJ-01", "data-risk", CYBER, "opened", "reported-authority", 24, {"public_interest": True}),
]


@pytest.mark.parametrize(("rule", "limit", "kind", "start", "end", "hours", "data"), HOURS, ids=[f"{one[0]} {one[1]}" for one in HOURS])
def test_hours_are_kept_to_the_second(
    district: DistrictCases, rule: str, limit: str, kind: str, start: str, end: str, hours: float, data: dict[str, Any]
) -> None:
    span = timedelta(hours=hours)
    in_time = clocks(district, kind, (start, timedelta()), (end, span), data=data)[limit]
    assert (in_time.rule, in_time.broken(in_time.ended_at)) == (rule, False)
    late = clocks(district, kind, (start, timedelta()), (end, span + SECOND), data=data)[limit]
    assert late.broken(late.ended_at)
    waiting = clocks(district, kind, (start, timedelta()), data=data)[limit]
    assert [waiting.broken(to_text(START + span + extra)) for extra in (timedelta(), SECOND)] == [False, True]


@pytest.mark.parametrize(("kind", "grade", "data"), [
    ("emergency.fire", "yellow", {}), ("emergency.geological", "yellow", {}), (CYBER, "orange", {"severity": "ordinary", "operator": "critical"}),
])
def test_ordinary_events_start_no_duty_to_report(district: DistrictCases, kind: str, grade: str, data: dict[str, Any]) -> None:
    running = clocks(district, kind, ("opened", timedelta()), grade=grade, data=data)
    assert [limit for limit in running if limit.startswith(("report", "cyber"))] == []


def test_a_case_that_becomes_grave_has_its_hour_from_then_on(district: DistrictCases) -> None:
    later = START + timedelta(hours=5)
    events = [Event("opened", to_text(START), "yellow"), Event("graded", to_text(later), "orange")]
    [clock] = [one for one in run_clocks(district.limits, district.hours, Facts("emergency.fire", events)) if one.limit == "report-city"]
    assert clock.due_at == to_text(later + timedelta(hours=1))


def test_each_report_of_a_public_health_emergency_has_two_hours_of_its_own(district: DistrictCases) -> None:
    hour = timedelta(hours=1)
    found = clocks(
        district, "emergency.public-health", ("opened", 0 * hour), ("reported-health", 2 * hour),
        ("reported-government", 4 * hour + SECOND), ("reported-upper", 6 * hour + SECOND),
    )  # fmt: skip
    assert [found[f"health-{number}"].broken("") for number in (1, 2, 3)] == [False, True, False]
    assert found["health-3"].due_at == to_text(START + 6 * hour + SECOND)


@pytest.mark.parametrize(("rule", "limit", "kind"), [
    ("CQT-06", "appearance-answer", "service.appearance-complaint"), ("CQT-07", "telecom-answer", "service.telecom-complaint"),
])
def test_complaints_are_answered_on_the_fifteenth_working_day_at_the_latest(
    district: DistrictCases, rule: str, limit: str, kind: str
) -> None:
    fifteenth = timedelta(days=21)  # three weeks without a holiday have fifteen working days; the day of acceptance does not count
    [kept] = [clocks(district, kind, ("accept.accept", timedelta()), ("feedback.done", fifteenth))[limit]]
    [late] = [clocks(district, kind, ("accept.accept", timedelta()), ("feedback.done", fifteenth + timedelta(days=1)))[limit]]
    assert (kept.rule, kept.broken(""), late.broken("")) == (rule, False, True)


def test_thirty_days_for_the_summary_of_an_incident(district: DistrictCases) -> None:
    found = [
        clocks(district, CYBER, ("handle.left", timedelta()), ("summarized", timedelta(days=days)), data=MAJOR)["cyber-summary"].broken("")
        for days in (30, 31)
    ]  # fmt: skip
    assert found == [False, True]


@pytest.mark.parametrize(("ahead", "broken"), [(timedelta(hours=24), False), (timedelta(hours=24) - SECOND, True)])
def test_a_planned_water_cut_is_told_a_day_ahead(district: DistrictCases, ahead: timedelta, broken: bool) -> None:
    clock = clocks(district, "service.water-cut", ("notice-given", timedelta()), ("cut-begins", ahead))["water-cut-notice"]
    assert (clock.rule, clock.broken("")) == ("CQT-08", broken)


@pytest.mark.parametrize(("length", "opened"), [(timedelta(hours=48), []), (timedelta(hours=48) + SECOND, ["water-cut-supply"])])
def test_a_long_water_cut_opens_the_task_of_emergency_supply(district: DistrictCases, length: timedelta, opened: list[str]) -> None:
    events = [Event("cut-begins", to_text(START)), Event("cut-ends", to_text(START + length))]
    found = opened_by(district.limits, district.hours, Facts("service.water-cut", events))
    assert [limit.id for limit in found] == opened


def test_the_hotline_has_no_limit_before_the_district_sets_one(district: DistrictCases) -> None:
    assert district.limits.by_id["hotline"].rule == "RX-01"
    assert "hotline" not in clocks(district, "service.hotline", ("accept.accept", timedelta()))
