"""The open-data page's words: both languages have the same, and whatever a script asks for is there."""

from __future__ import annotations

import re

import orjson

from cityhub.catalogue.open_data_page import FOLDER

MESSAGES = orjson.loads((FOLDER / "open-data-messages.json").read_bytes())
SCRIPTS = "".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.js")))
PAGE = (FOLDER / "open-data.html").read_text("utf-8")


def test_both_languages_have_the_same_words() -> None:
    assert MESSAGES["zh"].keys() == MESSAGES["en"].keys()
    for key, text in MESSAGES["zh"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", MESSAGES["en"][key])), key
        assert not re.search(r"[\u4e00-\u9fff]", MESSAGES["en"][key]), key


def test_every_word_that_is_asked_for_is_there_and_every_one_is_used() -> None:
    asked = set(re.findall(r'"(od\.[\w.]+)"', SCRIPTS)) | set(re.findall(r'data-t(?:-\w+)?="(od\.[^"]+)"', PAGE))
    assert asked <= MESSAGES["zh"].keys()
    made_up = tuple(set(re.findall(r"`(od\.[\w.]*)\$\{", SCRIPTS)))
    unused = {key for key in MESSAGES["zh"] if key not in asked and not key.startswith(made_up)}
    assert made_up and not {key for key in unused if not key.startswith("od.")}


def test_nothing_stands_in_the_html_that_the_policy_forbids() -> None:
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://", PAGE)
