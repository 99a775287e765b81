"""The order of texts in a language. Source: RFC 6067; Unicode TS 35 part 5 (what ICU gives for these lists)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.collation import collation

ORDERS = [
    ("und", "_x, -x, .x, @x, #x, +x, ~x, €5, 10, 9, a, A, á, Á, ab, Ab, apple, Apple, b, banana, cherry, straße, Straße, strasse2, z, α, б, 中"),
    ("und-x-icu", "a, B, c"),
    ("de-DE", "Affe, Ähre, Zebra"),
    ("de-u-co-phonebk", "Ähre, Affe, Aga"),
    ("sv", "o, z, å, ä, ö"),
    ("da", "z, æ, ø, å"),
    ("es", "n, nz, ñ, ña, o"),
    ("zh", "a, z, 安, 北京, 黔江, 中"),
    ("zh-Hans-CN-u-co-pinyin", "安, 北京, 黔江, 中"),
    ("und-u-kn", "x1, x9, x10, x010a, x100"),
    ("und-u-kn-true-kf-upper", "A2, a2, a10"),
    ("und-u-kf-upper", "A, a, B, b"),
]


@pytest.mark.parametrize(("tag", "texts"), ORDERS)
def test_orders(tag: str, texts: str) -> None:
    expected = texts.split(", ")
    shuffled = list(expected)
    random.Random(3).shuffle(shuffled)
    assert sorted(shuffled, key=collation(tag)) == expected


def test_levels_say_what_counts() -> None:
    assert collation("und-u-ks-level1")("Résumé") == collation("und-u-ks-level1")("resume")
    assert collation("und-u-ks-level2")("Résumé") == collation("und-u-ks-level2")("résumé") != collation("und-u-ks-level2")("resume")
    assert collation("und")("Résumé") == collation("und")("Re\u0301sume\u0301") != collation("und")("résumé")
    assert collation("und-u-ks-identic")("é") != collation("und-u-ks-identic")("e\u0301")


@pytest.mark.parametrize("tag", ["", "!!nope", "not a bcp47 tag!!", "cs", "xx", "en-u-co-phonebk", "zh-u-co-stroke", "und-u-zz-yy", "und-u-ks-level9", "a" * 101])
def test_refuses_what_it_would_put_in_a_wrong_order(tag: str) -> None:
    with pytest.raises(BadRequestData, match="'collation'"):
        collation(tag)


@settings(deadline=None)
@given(st.text(max_size=6), st.sampled_from(["und", "de-u-co-phonebk", "zh", "es", "und-u-kn", "und-u-ks-level1"]))
def test_plain_texts_have_the_same_key_in_the_short_way(text: str, tag: str) -> None:
    key = collation(tag)
    ascii_part = text.encode("ascii", "ignore").decode()
    assert key(ascii_part + "é")[0].startswith(key(ascii_part)[0]) or tag == "und-u-kn"
    assert key(text) <= key(text)
