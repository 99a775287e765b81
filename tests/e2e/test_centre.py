"""The operations centre in a browser, on a running hub: each page in both languages, both themes and three widths, and what people do there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.web.centre import read_centre
from tests.e2e.browser import IN_BROWSER
from tests.e2e.hub_process import RunningHub, running_hub

pytestmark = [*IN_BROWSER, pytest.mark.skipif(not read_centre(), reason="needs the built pages: `make centre`")]
sync_api = pytest.importorskip("playwright.sync_api")

FEED = {
    "id": "rain-wenhui", "title": {"zh": "文汇社区雨量站", "en": "Wenhui rain gauges"}, "protocol": "web", "simulated": True,
    "source": {"url": "http://127.0.0.1:9/rain", "every_s": 3600}, "owner": "District emergency office", "interval_s": 60,
    "entities": [{
        "type": "RainGauge", "id": '"urn:ngsi-ld:RainGauge:test:" + station', "observed_at": "time",
        "attributes": {"precipitation": {"value": "rain.mm", "unit": "mm"}},
    }],
}  # fmt: skip
SAMPLE = '{"station": "w1", "time": "2026-11-23T14:05:00+08:00", "rain": {"mm": 2.4}, "battery": 0.8}'
TABLE = "站码,时间,水位(m),经度,纬度\n" + "".join(
    f"S{n % 4},2026-11-2{n % 3 + 1} 0{n % 10}:00,{430 + n / 10:.2f},108.7{n % 9},29.5{n % 9}\n" for n in range(200)
)
PAGES = {
    "overview": "/", "feeds": "/feeds", "feed": "/feeds/rain-wenhui", "feed-edit": "/feeds/rain-wenhui/edit", "feed-new": "/feeds/new",
    "dead-letters": "/dead-letters", "devices": "/devices", "device": "/devices/urn:ngsi-ld:Device:rain-0017", "imports": "/imports",
    "nowhere": "/nothing/here",
}  # fmt: skip
WORD_KEY = re.compile(r"\b(?:frame|way|feeds?|editor|entity|attribute|letters?|devices?|imports?|mark|deed|unit|stage|overview)\.[a-z][A-Za-z.]+\b")
"""A key of the catalogue that stands on the page where its text ought to be."""


@pytest.fixture(scope="module")
def filled(hub: RunningHub) -> RunningHub:
    """The hub with a feed, what of it could not be taken, and a device."""
    made = httpx.post(f"{hub.url}/api/feeds", timeout=60, json=FEED)
    assert made.status_code == 201, made.text
    device = {"id": "rain-0017", "name": "Rain gauge 17", "feed": FEED["id"], "interval_s": 60}
    assert httpx.post(f"{hub.url}/api/devices", timeout=60, json=device).status_code == 201
    for body in ('{"station": "w7", "rain": ', '{"station": "w8", "time": "yesterday", "rain": {"mm": 1}}'):
        hub.wait_until(lambda status, body=body: pushed(hub, body))
    return hub


def pushed(hub: RunningHub, body: str) -> bool:
    """Whether the feed took note of a message; it does once the gateway runs it."""
    answer = httpx.post(f"{hub.url}/api/feeds/{FEED['id']}/messages", content=body, headers={"content-type": "application/json"}, timeout=60)
    return answer.status_code == 200


def letter_of(hub: RunningHub, stage: str) -> str:
    """The id of a dead letter."""
    letters = hub.get("/api/dead-letters", params={"feed": FEED["id"], "stage": stage}).json()["letters"]
    found: str = letters[0]["id"]
    return found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    yield watched(context.new_page())
    context.close()


def watched(page: Any) -> Any:
    """The page, with what goes wrong in it and what it asks for."""
    page.problems, page.asked = [], []
    page.on("console", lambda message: page.problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    return page


def open_page(page: Any, hub: RunningHub, path: str) -> None:
    page.goto(f"{hub.url}/centre{path}")
    page.wait_for_selector(".link[data-state=live]")
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_at_every_width(browser: Any, filled: RunningHub, language: str, screens: Path | None) -> None:
    # A page is as wide in one theme as in the other; only the pictures need all of both.
    for theme in ("light", "dark") if screens else ({"zh": "light", "en": "dark"}[language],):
        context = browser.new_context()
        page = watched(context.new_page())
        for name, path in {**PAGES, "dead-letter": f"/dead-letters/{letter_of(filled, 'map')}"}.items():
            open_page(page, filled, f"{path}?lang={language}&theme={theme}")
            for width in (390, 1366, 1920):
                page.set_viewport_size({"width": width, "height": 900})
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert overflow <= 0, (name, width)
                if screens:
                    page.screenshot(path=screens / f"centre-{name}-{language}-{theme}-{width}.png", full_page=True)
            text = page.inner_text("body")
            assert WORD_KEY.findall(text) == [], name
            assert page.get_attribute("html", "lang") == ("zh-CN" if language == "zh" else "en")
            assert page.get_attribute("html", "data-theme") == theme
        assert page.problems == []
        assert {url.startswith(filled.url) for url in page.asked} == {True}
        context.close()


def test_first_load_is_small(page: Any, filled: RunningHub) -> None:
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))) if "/centre" in answer.url else None)
    open_page(page, filled, "/feeds")
    assert len(sizes) > 3
    assert sum(sizes) < 500_000


def test_policy_lets_nothing_else_in(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/feeds/rain-wenhui")
    with pytest.raises(sync_api.Error):
        page.add_script_tag(content="window.inline = 1")


def test_choices_are_kept_and_search_stands_in_the_address(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/feeds")
    assert page.title() == "数据接入 · 黔江运行中心"
    page.click("[data-other-language]")
    page.select_option("header select", "dark")
    page.fill("input[type=search]", "wenhui")
    page.wait_for_function("document.querySelectorAll('tbody tr').length === 1")
    assert "search=wenhui" in page.url
    page.reload()
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody th").inner_text().startswith("Wenhui rain gauges")
    assert page.get_attribute("html", "data-theme") == "dark"


def test_a_feed_is_made_from_a_sample(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/feeds/new?lang=en")
    page.fill("#feed-id", "made-here")
    page.click("[aria-label=Protocol]")
    page.keyboard.type("web")
    page.keyboard.press("Enter")
    page.fill("[aria-label=url]", "http://127.0.0.1:9/")
    page.fill("[aria-label=Sample]", SAMPLE)
    page.fill("[aria-label='Entity type']", "RainGauge")
    page.fill("[aria-label='Entity id (expression)']", '"urn:ngsi-ld:RainGauge:" + station +')
    page.click(".value:has-text('rain.mm')")
    page.wait_for_selector(".wrong:has-text('line 1')")
    page.fill("[aria-label='Entity id (expression)']", '"urn:ngsi-ld:RainGauge:" + station')
    page.wait_for_selector("pre:has-text('urn:ngsi-ld:RainGauge:w1')")
    assert '"value": 2.4' in page.inner_text("pre")
    page.click("button:has-text('YAML')")
    assert "value: rain.mm" in page.input_value("[aria-label='Definition (YAML)']")
    page.click("button:has-text('Form')")
    page.click("button:has-text('Save')")
    page.wait_for_url("**/centre/feeds/made-here")
    assert filled.get("/api/feeds/made-here").json()["entities"][0]["attributes"] == {"mm": {"value": "rain.mm"}}


def test_what_cannot_be_saved_says_what_would_be_right(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/feeds/new?lang=en")
    page.click("button:has-text('Save')")
    page.wait_for_selector("[role=alert]:has-text('Fill in: Id, Protocol, Entity type')")
    page.fill("#feed-id", "Not An Id")
    page.click("[aria-label=Protocol]")
    page.keyboard.type("web")
    page.keyboard.press("Enter")
    page.click("button:has-text('Remove entity')")
    page.click("button:has-text('Save')")
    page.wait_for_selector("[role=alert]:has-text('lower-case letters')")
    assert page.input_value("#feed-id") == "Not An Id"


def test_a_dead_letter_is_fixed_and_taken(page: Any, filled: RunningHub) -> None:
    id = letter_of(filled, "decode")
    open_page(page, filled, f"/dead-letters?feed={FEED['id']}&lang=en")
    page.click(f"a[href$='{id}']")
    page.wait_for_selector("text=the payload is not JSON")
    page.click("button:has-text('Replay')")
    page.wait_for_selector("[role=alert]:has-text('not JSON')")
    page.fill("[aria-label=Body]", SAMPLE.replace("w1", "w7"))
    page.click("button:has-text('Replay')")
    page.wait_for_url("**/centre/dead-letters")
    assert filled.get("/ngsi-ld/v1/entities/urn:ngsi-ld:RainGauge:test:w7").status_code == 200
    assert filled.get(f"/api/dead-letters/{id}").status_code == 404


def test_a_device_shows_its_token_once(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/devices?lang=en")
    page.click("button:has-text('New device')")
    page.fill("#device-id", "level-0001")
    page.click("button:has-text('Add'):not(:has-text('CSV'))")
    token = page.locator("[data-token]").inner_text()
    assert len(token) > 20
    page.click("tbody a:has-text('level-0001')")
    page.wait_for_selector("h1:has-text('level-0001')")
    assert token not in page.inner_text("body")


def test_a_file_is_previewed_tried_and_imported(page: Any, filled: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "levels.csv"
    file.write_bytes(TABLE.encode("gb18030"))
    open_page(page, filled, "/imports?lang=en")
    page.set_input_files("[data-file]", file)
    page.wait_for_selector("th:has-text('水位(m)')", timeout=60_000)
    page.click("button:has-text('Try it')")
    page.wait_for_selector("text=The first 200 rows make 200 updates", timeout=60_000)
    page.click("button:has-text('Import') >> nth=-1")
    page.wait_for_selector("h1 + .mark:has-text('Done')", timeout=60_000)
    assert "200 of 200 rows" in page.inner_text("main")


def test_keyboard_reaches_the_page(page: Any, filled: RunningHub) -> None:
    open_page(page, filled, "/feeds")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"


def test_says_since_when_it_is_offline_and_resumes(browser: Any, tmp_path: Path, unused_tcp_port: int) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    page = context.new_page()
    with running_hub(tmp_path, port=unused_tcp_port) as hub:
        hub.wait_until(lambda status: len(status["feeds"]) == 12)
        open_page(page, hub, "/?lang=zh")
        page.wait_for_selector("tbody tr")
        hub.kill()
        page.wait_for_selector(".link[data-state=offline]", timeout=90_000)
        assert re.search(r"离线，自 \d\d:\d\d:\d\d 起", page.locator(".link").inner_text())
        assert page.locator("tbody tr").count() == 12
    with running_hub(tmp_path, port=unused_tcp_port):
        page.wait_for_selector(".link[data-state=live]", timeout=90_000)
        assert page.locator("[role=alert]").count() == 0
    context.close()
