"""The pages' files: headers, caching, a strict policy that they can live under, and complete words."""

from __future__ import annotations

import gzip
import re

import orjson
import pytest

from cityhub.model.errors import NotFound
from cityhub.web.http import Request, Response
from cityhub.web.pages import FOLDER, page_routes, read_assets

ASSETS = read_assets()
ROUTES = {route.path: route for route in page_routes(ASSETS)}
SCRIPTS = sorted(FOLDER.glob("*.js"))
HTML = sorted(FOLDER.glob("*.html"))
MESSAGES = orjson.loads((FOLDER / "messages.json").read_bytes())


async def get(path: str, name: str = "", **headers: str) -> Response:
    request = Request("GET", path, "", {key.replace("_", "-"): value for key, value in headers.items()}, b"")
    request.parameters = {"name": name}
    return await ROUTES[path].handler(request)


def header(response: Response, name: str) -> str:
    return next((value for key, value in response.headers if key == name), "")


async def test_home_is_the_status_page() -> None:
    response = await get("/")
    assert response.status == 200
    assert header(response, "content-type") == "text/html; charset=utf-8"
    assert response.body == (FOLDER / "status.html").read_bytes()


async def test_every_answer_carries_the_policy() -> None:
    for name in ASSETS:
        policy = header(await get("/pages/{name}", name), "content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    assert header(await get("/"), "x-content-type-options") == "nosniff"


async def test_known_content_is_not_sent_again_and_changed_content_is() -> None:
    first = await get("/pages/{name}", "status.css")
    tag = header(first, "etag")
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    again = await get("/pages/{name}", "status.css", if_none_match=f'"old", {tag}')
    assert (again.status, again.body) == (304, b"")
    assert header(again, "etag") == tag
    assert (await get("/pages/{name}", "status.css", if_none_match='"old"')).status == 200


async def test_compressed_form_has_a_tag_of_its_own() -> None:
    plain, zipped = await get("/pages/{name}", "status.js"), await get("/pages/{name}", "status.js", accept_encoding="br, gzip")
    assert gzip.decompress(zipped.body) == plain.body
    assert header(zipped, "content-encoding") == "gzip"
    assert header(zipped, "vary") == "accept-encoding"
    assert header(zipped, "etag") != header(plain, "etag")


@pytest.mark.parametrize("name", ["none.js", "../pages.py", "status.html/"])
async def test_other_files_are_not_there(name: str) -> None:
    with pytest.raises(NotFound):
        await get("/pages/{name}", name)


@pytest.mark.parametrize("page", HTML, ids=lambda path: path.name)
def test_page_has_no_inline_script_or_style(page: object) -> None:
    text = page.read_text()  # type: ignore[attr-defined]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_nothing_comes_from_another_host() -> None:
    allowed = {"http://www.w3.org/2000/svg", "http://www.w3.org/ns/json-ld#context"}
    for path in FOLDER.iterdir():
        assert set(re.findall(r"(?:https?:)//[^\s\"'`<>)]+", path.read_text())) <= allowed, path.name


def test_scripts_set_no_style_attribute_and_write_no_html() -> None:
    for path in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|setAttribute\(.style", path.read_text()), path.name


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    assert MESSAGES["zh"].keys() == MESSAGES["en"].keys()
    for key, text in MESSAGES["zh"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", MESSAGES["en"][key])), key


def test_english_is_english() -> None:
    chinese = {key for key, text in MESSAGES["en"].items() if re.search(r"[\u4e00-\u9fff]", text)}
    assert chinese == {"language"}


def test_every_word_that_a_page_asks_for_is_there_and_none_is_left_over() -> None:
    html = "".join(path.read_text() for path in HTML)
    scripts = "".join(path.read_text() for path in SCRIPTS)
    asked = set(re.findall(r'data-t(?:-label|-placeholder)?="([^"]+)"', html)) | set(re.findall(r'word\("([^"$]+)"', scripts))
    assert asked - MESSAGES["zh"].keys() == set()
    families = ("attr.", "code.", "unit.", "word.", "kind.", "reader.", "feeds.", "link.", "age.")
    loose = {"simulated", "unverified", "simulated.long", "unverified.long", "table.none", "table.empty", "state.loading"}
    left = {key for key in MESSAGES["zh"] if key not in asked and not key.startswith(families)} - loose
    assert left == set()


def test_no_text_stands_in_the_scripts() -> None:
    for path in SCRIPTS:
        code = re.sub(r"//.*|/\(街道\|镇\|乡\)\$/|/水位/|/（模拟）\|[^/]*/g|（\$\{unit\}）|：|；", "", path.read_text())
        assert not re.search(r"[\u4e00-\u9fff]", code), path.name
