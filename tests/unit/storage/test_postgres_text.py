"""Text as PostgreSQL can keep it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("psycopg")

from cityhub.model.indexing import after_prefix
from cityhub.storage.postgres_link import decode, encode
from cityhub.storage.postgres_rows import array_text, scopes_above

texts = st.text(st.sampled_from("\x00\x01\x02a\ue000\U0010ffff"), max_size=6)


@given(texts, texts)
def test_order_and_prefixes_are_kept(one: str, other: str) -> None:
    assert (one < other) == (encode(one) < encode(other))
    assert other.startswith(one) == encode(other).startswith(encode(one))


@given(st.one_of(texts, st.text()))
def test_decoding_is_the_inverse(text: str) -> None:
    assert decode(encode(text)) == text
    assert "\x00" not in encode(text)


@given(texts, texts)
def test_what_follows_a_prefix(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    between = text >= prefix and (end is None or text < end)
    assert between == text.startswith(prefix)


def test_arrays() -> None:
    assert array_text([]) == "{}"
    assert array_text(["a", 'b"c\\']) == '{"a","b\\"c\\\\"}'


@pytest.mark.parametrize(
    ("scope", "expected"), [("/", [""]), ("/a", ["", "/a"]), ("/a/b", ["", "/a", "/a/b"]), ("/a/", ["", "/a"]), ("a/b", ["a", "a/b"])]
)
def test_scopes(scope: str, expected: list[str]) -> None:
    assert scopes_above(scope) == expected
