"""The commands of the page docs/devices.md run as they stand there."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from cityhub.ingest.devices.words import WORDS
from tests.unit.ingest.pages import DOCS, Page, running


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page("devices.md")
    page.lay_out(tmp_path)
    with running() as url:
        page.run(capfd)
        devices = httpx.get(f"{url}/api/devices", timeout=60, trust_env=False).json()
    assert [one["name"] for one in devices["devices"]] == ["城东雨量计", "城西雨量计", "城南雨量计"]
    assert devices["devices"][1]["location"]["coordinates"] == [108.77, 29.53]


def test_the_district_has_a_name_for_every_word_of_a_device() -> None:
    context = json.loads((DOCS.parent / "districts/qianjiang/context.jsonld").read_text("utf-8"))["@context"]
    for word, (iri, _, _) in WORDS.items():
        assert word in ("location", "description") or context[word].replace("sdm:", context["sdm"]) == iri, word


def test_every_word_of_a_device_stands_on_the_page() -> None:
    text = (DOCS / "devices.md").read_text("utf-8")
    for word in WORDS:
        assert f"`{word}`" in text, word
