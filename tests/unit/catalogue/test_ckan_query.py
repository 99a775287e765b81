"""The part of Solr's syntax that CKAN's clients use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.catalogue.ckan_errors import SearchQueryError
from cityhub.catalogue.ckan_query import parse, sort_keys

FIELDS = {
    "name": ["river-levels"], "title": ["河道水位 River Levels"], "tags": ["水位", "防汛"], "organization": ["water-bureau"],
    "metadata_modified": ["2026-11-23T06:05:00.000000"], "res_format": ["CSV", "GeoJSON"], "state": ["active"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("", True), ("*:*", True), ("*", True), ("name:river-levels", True), ("name:river-level", False), ("name:river*", True),
        ("name:*levels", True), ("name:ri?er-levels", True), ('title:"River Levels"', True), ("title:水位", True), ("title:雨量", False),
        ("tags:水位 AND tags:防汛", True), ("tags:水位 AND tags:雨量", False), ("tags:水位 OR tags:雨量", True), ("tags:水位 tags:雨量", False),
        ("-tags:水位", False), ("-tags:雨量", True), ("NOT tags:雨量", True), ("+tags:水位 -organization:other", True),
        ("tags:(雨量 OR 水位)", True), ("tags:(雨量 OR 风)", False), ('res_format:("CSV")', True), ("res_format:csv", True),
        ("metadata_modified:[2026-01-01T00:00:00Z TO *]", True), ("metadata_modified:[* TO 2026-01-01T00:00:00Z]", False),
        ("metadata_modified:[2026-11-23T06:05:00Z TO 2026-11-24T00:00:00Z]", True), ("organization:*", True), ("groups:*", False),
        ("(tags:水位 OR tags:雨量) AND state:active", True), ("-(tags:水位 AND state:active)", False), ("capacity:public", False),
    ],
)  # fmt: skip
def test_matches(query: str, matches: bool) -> None:
    assert parse(query).matches(FIELDS, False) is matches


def test_words_without_a_field_are_looked_for_in_the_texts() -> None:
    query = parse('水位 "river levels" state:active')
    assert query.words == "水位 river levels"
    assert query.matches(FIELDS, True)
    assert not query.matches(FIELDS, False)


@pytest.mark.parametrize("query", ["(a", "a)", "name:", "NOT", "name:[1 TO", "[1 TO 2]", "((" * 30, "x" * 6000, '"unclosed'])
def test_what_cannot_be_understood_is_refused(query: str) -> None:
    with pytest.raises(SearchQueryError):
        parse(query)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(query: str) -> None:
    try:
        parse(query).matches(FIELDS, True)
    except SearchQueryError:
        pass


def test_orders() -> None:
    assert sort_keys("score desc, metadata_modified asc") == [("score", True), ("metadata_modified", False)]
    for wrong in ("name", "name down", "name asc,"):
        if wrong.endswith(","):
            assert sort_keys(wrong) == [("name", False)]
        else:
            with pytest.raises(SearchQueryError):
                sort_keys(wrong)
