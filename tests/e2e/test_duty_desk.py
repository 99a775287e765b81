"""The duty desk in a browser, on a running hub: from an alert to its closed case, with the people who may do each step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.web.centre import read_centre
from tests.e2e.browser import IN_BROWSER
from tests.e2e.hub_process import ROOT, RunningHub
from tests.e2e.test_centre import open_page, watched

pytestmark = [*IN_BROWSER, pytest.mark.skipif(not read_centre(), reason="needs the built pages: `make centre`")]
sync_api = pytest.importorskip("playwright.sync_api")

PERSON = "urn:ngsi-ld:Person:500114:"
GAUGE = "urn:ngsi-ld:DeskGauge:test:wenhui"
RULE = {
    "id": "desk-rain", "title": {"zh": "短时强降雨", "en": "Short heavy rain"}, "owner": "urn:ngsi-ld:Organization:500114:emergency-management",
    "watch": {"type": "DeskGauge"}, "levels": [{"severity": "orange", "condition": "deskRain >= 50"}],
    "opens": {"process": "standard", "kind": "emergency.flood", "departments": ["urn:ngsi-ld:Organization:500114:emergency-management"]},
    "tells": [{"post": "centre"}],
}  # fmt: skip
PAGES = {
    "duty": "/duty", "alerts": "/alerts", "cases": "/cases", "case-new": "/cases/new", "tasks": "/tasks", "indicators": "/indicators",
    "rules": "/rules", "rule": "/rules/desk-rain", "rule-edit": "/rules/desk-rain/edit", "processes": "/processes", "process": "/processes/standard",
    "warnings": "/warnings", "maintenance": "/maintenance", "roster": "/roster", "reports": "/reports", "notices": "/notices",
    "templates": "/templates",
}  # fmt: skip
WORD_KEYS = [key for key in json.loads((ROOT / "ui/src/words/zh.json").read_text("utf-8")) if "." in key]
"""Keys of the catalogue, which must not stand on a page where their texts ought to be."""


@pytest.fixture(scope="module")
def alarmed(hub: RunningHub) -> RunningHub:
    """The hub with an alert that has opened a case."""
    made = httpx.post(f"{hub.url}/api/rules", json=RULE)
    assert made.status_code == 201, made.text
    hub.wait_until(lambda status: hub.get("/api/rules/desk-rain").json()["status"]["state"] == "running")
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    gauge = {
        "id": GAUGE, "type": "DeskGauge", "deskRain": {"type": "Property", "value": 57, "unitCode": "MMT", "observedAt": at},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.77, 29.53]}},
    }  # fmt: skip
    assert httpx.post(f"{hub.url}/ngsi-ld/v1/entities", json=gauge).status_code == 201
    hub.wait_until(lambda status: bool(hub.get("/api/cases").json()["cases"]))
    return hub


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    yield watched(context.new_page())
    context.close()


def act_as(page: Any, person: str) -> None:
    """Lets the local user act for a person from now on."""
    page.evaluate("person => localStorage.setItem('cityhub.person', person)", PERSON + person)
    page.reload()
    page.wait_for_selector(".link[data-state=live]")


def do_task(page: Any, element: str, outcome: str) -> None:
    """Does the first task of an element that waits in the open case, and waits until it does not any more."""
    task = page.locator(f"[data-task={element}]")
    task.first.wait_for()
    before = task.count()
    task.first.locator(f"[data-outcome={outcome}]").click()
    sync_api.expect(task).to_have_count(before - 1, timeout=20_000)


def test_from_an_alert_to_its_closed_case(page: Any, alarmed: RunningHub) -> None:
    open_page(page, alarmed, "/duty?lang=zh")
    act_as(page, "centre-duty-1")
    row = page.locator(".queue li", has_text="短时强降雨")
    row.first.wait_for()
    assert row.count() == 1  # the alert stands there as its case
    row.locator("[data-acknowledge]").click()
    page.wait_for_selector(".queue [data-acknowledge]", state="detached")
    row.locator("button.open").click()
    assert alarmed.get("/api/alerts").json()["alerts"][0]["acknowledgedBy"] == PERSON + "centre-duty-1"
    do_task(page, "accept", "accept")
    do_task(page, "dispatch", "dispatch")
    act_as(page, "emergency-management-handler-1")
    do_task(page, "handle", "done")
    do_task(page, "feedback", "done")
    page.wait_for_selector("[data-task=check]")
    assert page.locator("[data-task=check] [data-outcome]").count() == 0  # who handled it may not check it
    act_as(page, "centre-checker-1")
    do_task(page, "check", "pass")
    act_as(page, "centre-duty-1")
    do_task(page, "close", "close")
    page.wait_for_selector(".title .mark:has-text('已结案')")
    case = alarmed.get("/api/cases?state=closed").json()["cases"][0]
    assert case["onTime"] is True
    done = [entry["element"] for entry in alarmed.get(f"/api/cases/{case['id']}").json()["timeline"] if entry["what"] == "completed"]
    assert done == ["accept", "dispatch", "handle", "feedback", "check", "close"]


def test_who_is_on_duty_is_told_and_has_read_it(page: Any, alarmed: RunningHub) -> None:
    person = alarmed.get("/api/notices", params={"why": RULE["id"]}).json()["notices"][0]["person"]

    def unread() -> int:
        count: int = alarmed.get("/api/notices/mine", headers={"CityHub-Person": person}).json()["count"]
        return count

    before = unread()
    assert before > 0
    open_page(page, alarmed, "/notices?lang=en")
    act_as(page, person.removeprefix(PERSON))
    page.wait_for_selector("[data-unread]")
    page.click("button:has-text('I have seen it') >> nth=0")
    alarmed.wait_until(lambda status: unread() < before)


def test_a_rule_is_written_checked_and_tried(page: Any, alarmed: RunningHub) -> None:
    open_page(page, alarmed, "/rules/desk-rain/edit?lang=en")
    editor = page.locator("[aria-label='Condition (expression)'].cm-content")
    editor.click()
    page.keyboard.press("End")
    page.keyboard.type(" and")
    page.wait_for_selector("[role=alert]:has-text('levels[0].condition')")
    for _ in " and":
        page.keyboard.press("Backspace")
    page.wait_for_selector("[role=alert]", state="detached")
    page.click("[data-try]")
    page.wait_for_selector("text=It would have fired 1 times", timeout=30_000)


def test_a_process_is_drawn_with_its_findings_and_the_mark_of_its_maker(page: Any, alarmed: RunningHub) -> None:
    open_page(page, alarmed, "/processes/standard?lang=zh")
    page.wait_for_selector(".djs-element[data-element-id=handle]")
    assert page.locator(".bjs-powered-by").is_visible()
    assert page.locator(".djs-palette [aria-label^='连线']").count() == 1
    page.click(".djs-element[data-element-id=check]")
    assert "notBy = handle" in page.input_value("#element-properties")
    assert page.input_value("#element-form").startswith("outcome | ")
    page.click("button:has-text('time-limits')")
    page.wait_for_selector(".dmn-decision-table-container, .djs-container .djs-element[data-element-id]")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_at_every_width(browser: Any, alarmed: RunningHub, language: str, theme: str, screens: Path | None) -> None:
    context = browser.new_context()
    page = watched(context.new_page())
    for name, path in PAGES.items():
        open_page(page, alarmed, f"{path}?lang={language}&theme={theme}")
        for width in (390, 1366, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, (name, width)
            if screens:
                page.screenshot(path=screens / f"centre-{name}-{language}-{theme}-{width}.png", full_page=True)
        text = page.inner_text("body")
        assert [key for key in WORD_KEYS if key in text] == [], name
    assert page.problems == []
    assert {url.startswith(alarmed.url) for url in page.asked} == {True}
    context.close()
