"""The status page in a browser, on a running hub with its feeds."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import IN_BROWSER
from tests.e2e.hub_process import RunningHub, running_hub

pytestmark = IN_BROWSER
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


def open_page(page: Any, hub: RunningHub, query: str = "") -> None:
    page.goto(f"{hub.url}/{query}")
    page.wait_for_selector("#link[data-state=live]")
    page.wait_for_selector("#rows th[scope=row]")


def test_shows_figures_map_feeds_and_table_and_they_live(page: Any, hub: RunningHub) -> None:
    open_page(page, hub)
    assert page.title() == "黔江城市数智中枢 · 运行状态"
    assert int(page.text_content("#f-entities").replace(",", "")) > 790
    assert page.locator("#map .area").count() == 30
    assert page.locator("#map .label").count() >= 28
    assert page.locator("#map .scale text").text_content() == "10 千米"
    assert page.locator("#feeds tr").count() == 12
    assert page.locator("#rows tr").count() == 20
    assert page.locator("#rows tr").first.locator(".trust").text_content() == "模拟"
    assert "仅供示意" in page.text_content("#map-note")
    before = page.locator("#rows td.moment").first.text_content()
    page.wait_for_function("(old) => document.querySelector('#rows td.moment').textContent !== old", arg=before, timeout=60_000)
    assert page.problems == []


@pytest.mark.parametrize("width", [390, 768, 1366, 1920])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_overflows(page: Any, hub: RunningHub, width: int, language: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, hub, f"?lang={language}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_english_page_has_no_chinese_words(page: Any, hub: RunningHub) -> None:
    open_page(page, hub, "?lang=en")
    page.evaluate("document.getElementById('language').remove()")
    assert re.findall(r"[\u4e00-\u9fff]+", page.inner_text("body")) == []
    assert page.get_attribute("html", "lang") == "en"


def test_choices_are_kept_and_filters_stand_in_the_address(page: Any, hub: RunningHub) -> None:
    open_page(page, hub)
    page.select_option("#theme", "dark")
    page.click("#language")
    page.select_option("#kind", "RainGauge")
    page.fill("#search", "wenhui")
    assert page.locator("#range").text_content() == "1–1 of 1"
    assert "kind=RainGauge" in page.url and "search=wenhui" in page.url
    page.reload()
    page.wait_for_selector("#rows th[scope=row]")
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.locator("#rows th").text_content().startswith("Wenhui Community")


def test_map_is_walked_with_the_keyboard(page: Any, hub: RunningHub) -> None:
    open_page(page, hub)
    page.focus("#map")
    page.keyboard.press("ArrowDown")
    first = page.locator("#detail h3").text_content()
    page.keyboard.press("ArrowDown")
    assert page.locator("#detail h3").text_content() != first
    assert page.locator("#map .area.selected").count() == 1
    assert "已选中" in page.locator("#said").text_content()
    assert page.locator("#detail .trust").count() > 5


def test_rows_do_not_move_under_the_pointer(page: Any, hub: RunningHub) -> None:
    open_page(page, hub)
    page.hover("#rows tr:nth-child(3)")
    before = page.locator("#rows th").all_text_contents()
    new = {"id": "urn:ngsi-ld:WeatherObserved:500114:000", "type": "WeatherObserved", "temperature": 1}
    body = {**new, "@context": "https://cityhub.example/districts/qianjiang/context.jsonld"}
    answer = page.request.post(f"{hub.url}/ngsi-ld/v1/entities", data=body, headers={"content-type": "application/ld+json"})
    assert answer.status == 201
    page.wait_for_timeout(1500)
    assert page.locator("#rows th").all_text_contents() == before
    page.mouse.move(5, 5)
    page.wait_for_function("document.querySelector('#rows th').textContent.includes('urn:')")
    assert page.request.delete(f"{hub.url}/ngsi-ld/v1/entities/{new['id']}").status == 204


def test_policy_lets_nothing_else_in(page: Any, hub: RunningHub) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, hub)
    assert {url.startswith(hub.url) for url in asked} == {True}
    with pytest.raises(sync_api.Error):
        page.add_script_tag(content="window.inline = 1")


def test_says_since_when_it_is_offline_and_recovers(browser: Any, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    with running_hub(tmp_path, port=port) as hub:
        hub.wait_until(lambda status: sum(feed["state"] == "live" for feed in status["feeds"]) == 8)
        open_page(page, hub)
        shown = page.locator("#f-entities").text_content()
        hub.kill()
        page.wait_for_selector("#link[data-state=offline]")
        assert re.search(r"自 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d 起中断", page.locator("#notice").text_content())
        assert page.locator("#f-entities").text_content() == shown
        assert page.locator("#rows tr").count() == 20
    with running_hub(tmp_path, port=port):
        page.wait_for_selector("#link[data-state=live]", timeout=90_000)
        assert page.locator("#notice").is_hidden()
    context.close()


def test_empty_hub_says_what_would_be_here(page: Any, tmp_path: Path) -> None:
    with running_hub(tmp_path, "--no-feeds") as hub:
        page.goto(hub.url)
        page.wait_for_selector("#link[data-state=live]")
        assert "--district" in page.text_content("#map-state")
        assert "数据流" in page.text_content("#rows")
        assert "--no-feeds" in page.text_content("#feeds")
