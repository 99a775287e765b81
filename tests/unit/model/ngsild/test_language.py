"""The language filter."""

from __future__ import annotations

import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.language import choose, parse_languages


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("zh", ("zh",)),
        ("fr;q=0.2,nl;q=0.9", ("nl", "fr")),
        ("en, zh-Hans-CN ; q=0.5 ,*;q=0.1", ("en", "zh-hans-cn", "*")),
        ("fr;q=0,en", ("en",)),
        ("de;q=0.5,es;q=0.5", ("de", "es")),
    ],
)
def test_ranges_come_best_first(text: str, ranges: tuple[str, ...]) -> None:
    assert parse_languages(text) == ranges


@pytest.mark.parametrize("text", ["", ",", "en,,fr", "en;q=2", "en;q=x", "en;w=1", "1en", "en_US", "e n", ",".join(["en"] * 60), "en;q=nan"])
def test_what_is_no_language_list_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData, match="lang"):
        parse_languages(text)


@pytest.mark.parametrize(
    ("languages", "wanted", "chosen"),
    [
        (["fr", "nl"], "nl", "nl"),
        (["fr", "nl"], "FR", "fr"),
        (["fr", "nl"], "nl-BE", "nl"),
        (["de", "en-US"], "en", "en-US"),
        (["de", "en"], "en-US-x-private,de;q=0.5", "en"),
        (["fr", "nl"], "*", "fr"),
        (["fr", "nl"], "pt,*;q=0.1", "fr"),
        (["es", "@none", "en"], "fr", "@none"),
        (["es", "en", "sv"], "fr", "en"),
        (["es", "sv"], "fr", "es"),
    ],
)
def test_a_language_is_always_chosen(languages: list[str], wanted: str, chosen: str) -> None:
    assert choose(dict.fromkeys(languages, "text"), parse_languages(wanted)) == chosen
