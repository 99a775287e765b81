"""The operations centre's doors: every address gives the page, files are compressed and kept by the browser, the policy is strict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cityhub.model.errors import NotFound
from cityhub.web.centre import centre_routes, read_centre
from cityhub.web.http import Request, Response

INDEX = b"<!doctype html><title>centre</title>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(INDEX)
    (tmp_path / "assets" / "main-1a2b.js").write_bytes(b"plain")
    (tmp_path / "assets" / "main-1a2b.js.br").write_bytes(b"br")
    (tmp_path / "assets" / "main-1a2b.js.gz").write_bytes(b"gz")
    return tmp_path


async def get(folder: Path, rest: str, **headers: str) -> Response:
    top, below = centre_routes(read_centre(folder))
    request = Request("GET", f"/centre/{rest}", "", {key.replace("_", "-"): value for key, value in headers.items()}, b"")
    if rest:
        request.parameters = {"rest": rest}
    return await (below if rest else top).handler(request)


def header(response: Response, name: str) -> str:
    return dict(response.headers).get(name, "")


@pytest.mark.parametrize("address", ["", "feeds", "feeds/rain-7/versions", "../secret"])
async def test_every_address_gives_the_page(folder: Path, address: str) -> None:
    answer = await get(folder, address)
    assert (answer.status, answer.body) == (200, INDEX)
    assert header(answer, "cache-control") == "no-cache"
    assert "default-src 'none'" in header(answer, "content-security-policy")
    assert "unsafe" not in header(answer, "content-security-policy")


@pytest.mark.parametrize(("accepted", "encoding", "body"), [("gzip, br", "br", b"br"), ("gzip", "gzip", b"gz"), ("", "", b"plain")])
async def test_file_comes_in_the_best_form_and_is_kept_forever(folder: Path, accepted: str, encoding: str, body: bytes) -> None:
    answer = await get(folder, "assets/main-1a2b.js", accept_encoding=accepted)
    assert (header(answer, "content-encoding"), answer.body) == (encoding, body)
    assert header(answer, "cache-control") == "public, max-age=31536000, immutable"
    assert header(answer, "content-type").startswith("text/javascript")
    again = await get(folder, "assets/main-1a2b.js", accept_encoding=accepted, if_none_match=header(answer, "etag"))
    assert (again.status, again.body) == (304, b"")


async def test_file_of_another_version_is_not_the_page(folder: Path) -> None:
    with pytest.raises(NotFound, match="another version"):
        await get(folder, "assets/main-old.js")


async def test_hub_without_the_pages_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="make run"):
        await get(tmp_path, "")


@pytest.mark.skipif(not read_centre(), reason="needs the built pages: `make centre`")
def test_built_page_lives_under_the_policy() -> None:
    files = read_centre()
    page = files["index.html"].forms[""][0].decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert all(set(file.forms) == {"", "br", "gzip"} for name, file in files.items() if name.endswith((".js", ".css")))


@pytest.mark.skipif(not read_centre(), reason="needs the built pages: `make centre`")
def test_what_every_page_needs_is_small() -> None:
    """What the first page refers to; each page's own parts, among them the editors of processes and decisions, come when they are opened."""
    files = read_centre()
    named = re.findall(r'(?:src|href)="/centre/(assets/[^"]+\.(?:js|css))"', files["index.html"].forms[""][0].decode())
    assert named and sum(len(files[name].forms["br"][0]) for name in named) < 250_000
