"""The residents' open-data page in a browser, on a running hub with its feeds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.browser import IN_BROWSER
from tests.e2e.hub_process import RunningHub

pytestmark = IN_BROWSER
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    # A resident, who comes through the proxy: not somebody of this machine.
    context = browser.new_context(viewport={"width": 1366, "height": 768}, extra_http_headers={"X-Forwarded-For": "192.0.2.7"})
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    assert page.problems == []
    context.close()


def open_list(page: Any, hub: RunningHub, query: str = "") -> None:
    page.goto(f"{hub.url}/open-data{query}")
    page.wait_for_selector("#datasets > li")


def open_one(page: Any, hub: RunningHub, name: str, query: str = "") -> None:
    page.goto(f"{hub.url}/open-data/{name}{query}")
    page.wait_for_selector("#one h1")


def test_find_open_and_come_back(page: Any, hub: RunningHub) -> None:
    open_list(page, hub)
    page.fill("#words", "下雨")
    page.click("#search button")
    page.locator("#count", has_text="下雨").wait_for()
    first = page.locator("#datasets h3 a").first
    assert first.text_content() == "村级雨量监测"
    assert "模拟" in page.locator("#datasets .trust").first.text_content()
    first.click()
    page.wait_for_selector("#one h1")
    assert page.title() == "村级雨量监测"
    assert [link.split("\n")[0] for link in page.locator(".downloads a").all_inner_texts()] == ["CSV", "JSON", "XLSX"]
    assert page.locator("table.sample tbody tr").count() == 10
    assert "毫米" in page.locator("table.fields").inner_text()
    page.go_back()
    page.wait_for_selector("#datasets > li")
    assert page.input_value("#words") == "下雨"


def test_filters_stand_in_the_address(page: Any, hub: RunningHub) -> None:
    open_list(page, hub)
    page.get_by_role("checkbox", name="文化旅游 2").check()
    page.locator("#count", has_text="共 2 项数据").wait_for()
    assert "theme=culture-tourism" in page.url
    page.reload()
    page.wait_for_selector("#datasets > li")
    assert page.locator("#datasets > li").count() == 2
    page.fill("#words", "没有这种东西的火星车")
    page.click("#search button")
    page.wait_for_selector("#datasets .empty")


def test_residents_see_what_is_open_and_staff_what_is_not(page: Any, browser: Any, hub: RunningHub) -> None:
    page.goto(f"{hub.url}/open-data?q=用电负荷")
    page.locator("#count", has_text="用电负荷").wait_for()
    assert "用电负荷" not in page.locator("#datasets").inner_text()
    staff = browser.new_context()
    other = staff.new_page()
    open_list(other, hub, "?q=用电负荷")
    assert other.locator("#datasets h3").first.text_content() == "用电负荷模拟未开放"
    staff.close()


@pytest.mark.parametrize("width", [390, 1366])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", ["usual", "large"])
def test_nothing_overflows(page: Any, hub: RunningHub, width: int, language: str, size: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for visit in (lambda: open_list(page, hub, f"?lang={language}"), lambda: open_one(page, hub, "weather-observed", f"?lang={language}")):
        visit()
        if (page.get_attribute("#large", "aria-pressed") == "true") != (size == "large"):
            page.click("#large")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_english_page_has_no_chinese_words(page: Any, hub: RunningHub) -> None:
    open_list(page, hub, "?lang=en")
    page.evaluate("document.getElementById('language').remove()")
    assert re.findall(r"[\u4e00-\u9fff]+", page.inner_text("body")) == []
    open_one(page, hub, "weather-observed", "?lang=en")
    page.evaluate("document.getElementById('language').remove()")
    assert re.findall(r"[\u4e00-\u9fff]+", page.inner_text("body")) == []


def test_what_is_not_there_is_said(page: Any, hub: RunningHub) -> None:
    page.goto(f"{hub.url}/open-data/nothing-of-this-name")
    page.wait_for_selector("#notice:not([hidden])")
    assert "没有这项数据" in page.inner_text("#notice")
    page.problems = [problem for problem in page.problems if "404" not in problem]


def test_the_keyboard_is_enough(page: Any, hub: RunningHub) -> None:
    open_list(page, hub)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#datasets') !== null"):
            break
    page.focus("#words")
    page.keyboard.type("空气")
    page.keyboard.press("Enter")
    page.locator("#count", has_text="空气").wait_for()
    assert page.locator("#datasets h3 a").first.text_content() == "空气质量监测"


def test_policy_lets_nothing_else_in(page: Any, hub: RunningHub) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_list(page, hub)
    open_one(page, hub, "village")
    assert {url.startswith(hub.url) for url in asked} == {True}
    assert "default-src 'none'" in hub.get("/open-data").headers["content-security-policy"]
