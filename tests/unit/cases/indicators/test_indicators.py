"""The indicators of cases at their door, with figures that were worked out by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cases.desk.site import CHECKER, DISPATCHER, URBAN, WATER, Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as made:
        yield made


async def close(site: Site, case: Any, *, handle_h: float) -> Any:
    """Takes a case from its handling to its closing."""
    site.clock.pass_by(hours=handle_h)
    for element, outcome, by in (
        ("handle", "done", site.handler(URBAN)), ("feedback", "done", site.handler(URBAN)), ("check", "pass", CHECKER),
        ("close", "close", DISPATCHER),
    ):  # fmt: skip
        case = await site.do(case, element, outcome, by)
    return case


async def test_figures(site: Site) -> None:
    await close(site, await site.to("handle"), handle_h=1)  # good
    await close(site, await site.to("handle"), handle_h=24 * 14)  # two weeks: the limit is 21 working hours
    returned = await site.operate(await site.to("handle"), "return", site.handler(URBAN), note="不明确")
    await close(site, await site.do(returned, "dispatch", "dispatch", DISPATCHER), handle_h=3)
    reopened = await site.operate(await site.to("none"), "reopen", CHECKER, note="未解决")
    await close(site, await site.do(reopened, "dispatch", "dispatch", DISPATCHER), handle_h=2)
    await site.operate(await site.open(), "withdraw", note="不计入")
    await site.do(await site.open(), "accept", "reject", DISPATCHER)
    answer = await site.ask("GET", "/api/indicators/cases?by=department")
    [row] = [row for row in answer["indicators"] if row["department"] == URBAN]
    assert (row["closed"], row["onTimeRate"], row["firstTimeFix"], row["reopenRate"]) == (4, 0.75, 0.5, 0.25)
    # 1 h, 14 d, returned at once, 3 h, at once in the first round, 2 h in the second
    assert row["medianHours"]["handle"] == pytest.approx((1 + 2) / 2, abs=0.01)
    assert list(row["medianHours"])[:3] == ["accept", "dispatch", "handle"]
    by_kind = await site.ask("GET", "/api/indicators/cases?by=kind")
    assert [(row["kind"], row["closed"]) for row in by_kind["indicators"]] == [("event.rubbish", 4)]
    assert {"onTimeRate", "firstTimeFix", "reopenRate", "medianHours"} <= {one["id"] for one in answer["definitions"]}
    assert all(one["formula"]["zh"] and one["formula"]["en"] for one in answer["definitions"])


async def test_a_case_counts_in_the_span_in_which_it_was_closed(site: Site) -> None:
    await site.to("none")
    for start, end, count in (("2026-03-01", "2026-03-03", 1), ("2026-03-03", "2026-04-01", 0), ("2026-02-01", "2026-03-02", 0)):
        span = f"from={start}T00:00:00%2B08:00&to={end}T00:00:00%2B08:00"
        assert sum(row["closed"] for row in (await site.ask("GET", f"/api/indicators/cases?{span}"))["indicators"]) == count


@pytest.mark.parametrize("query", ["by=colour", "from=yesterday", "from=2026-03-01", "colour=red"])
async def test_wrong_questions_are_refused(site: Site, query: str) -> None:
    await site.ask("GET", f"/api/indicators/cases?{query}", expect=400)


async def test_without_closed_cases_there_is_nothing_to_divide(site: Site) -> None:
    assert (await site.ask("GET", "/api/indicators/cases"))["indicators"] == []
    case = await site.do(await site.to("dispatch"), "dispatch", "dispatch", DISPATCHER, departments=[WATER])
    assert case["step"] == "handle" and (await site.ask("GET", "/api/indicators/cases"))["count"] == 0
