"""Scope queries. Source: GS CIM 009 V1.9.1 clause 4.19 and its examples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.condition import AnyOf, Anything, ScopeUnder
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.indexing import satisfies
from cityhub.model.ngsild.scope import parse_scope_q
from tests.unit.model.ngsild.sample import entity

NORTH, SOUTH, CENTRE = "/Madrid/Gardens/North", "/Madrid/Gardens/South", "/Madrid/Districts/Centre"


@pytest.mark.parametrize(
    ("text", "scopes", "holds"),
    [
        ("/Madrid", ["/Madrid"], True),
        ("/Madrid", [NORTH], False),
        ("Madrid", ["/Madrid"], True),
        ("/Madrid/Gardens", ["/Madrid/Gardens"], True),
        ("/Madrid/Gardens", [NORTH], False),
        ("/Madrid/Gardens/#", [NORTH], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens"], True),
        ("/Madrid/G/#", ["/Madrid/Gardens"], False),
        ("/Madrid/+/North", [NORTH], True),
        ("/Madrid/+/North", [SOUTH], False),
        ("/Madrid/+", [NORTH], False),
        ("/Madrid/+/#", [NORTH], True),
        ("/Madrid/+/#", ["/Madrid"], False),
        ("/+/+/North", [NORTH], True),
        ("/+", ["/Madrid"], True),
        ("/#", [CENTRE], True),
        (f"{NORTH},{CENTRE}", [CENTRE], True),
        (f"{NORTH}|{CENTRE}", [SOUTH], False),
        ("(/Madrid/Districts;/CompanyA)", ["/Madrid/Districts", "/CompanyA"], True),
        ("(/Madrid/Districts;/CompanyA)", ["/Madrid/Districts"], False),
        ("(/Madrid/Districts;/CompanyA)|/CompanyB", ["/CompanyB"], True),
        ("(/Madrid/#;/Madrid/Gardens)", ["/Madrid/Gardens"], True),
        ("/Madrid/Districts;/CompanyA", ["/Madrid/Districts", "/CompanyA"], True),
        ("/Madrid/Districts;/CompanyA", ["/CompanyA"], False),
        ("/CompanyB|/Madrid/Districts;/CompanyA", ["/CompanyB"], True),
        ("(/Madrid/Districts;/CompanyA);/CompanyB", ["/Madrid/Districts", "/CompanyA"], False),
        ("(/Madrid)", ["/Madrid"], True),
        ("/黔江/城西", ["/黔江/城西"], True),
    ],
)
def test_matches(text: str, scopes: list[str], holds: bool) -> None:
    asked, thing = parse_scope_q(text), {**entity(), "scope": scopes}
    assert asked.matches(thing) is holds
    if holds:
        assert satisfies(asked.condition, thing)


def test_what_has_no_scope_matches_nothing() -> None:
    assert not parse_scope_q("/#").matches(entity())
    assert not parse_scope_q("/Madrid").matches({"scope": []})
    assert parse_scope_q("/Madrid").matches({"scope": "/Madrid"})


def test_conditions_are_the_levels_before_a_wildcard() -> None:
    assert parse_scope_q("/Madrid/+/North").condition == ScopeUnder("/Madrid")
    assert parse_scope_q("/a/#,/b").condition == AnyOf((ScopeUnder("/a"), ScopeUnder("/b")))
    assert parse_scope_q("/a,/#").condition == Anything()


@pytest.mark.parametrize("text", ["", "/", "//a", "/a/", "((/Madrid", "/Madrid)|/C", "(/a;/b", "/a;;/b", "/a)", "(/a))", "/a;", "/a,,/b", "/a,", "()", "(/a;)",
                                  "/a/#/b", "#", "/a#", "/1", "/a b", "/a(/b)"])  # fmt: skip
def test_refuses_what_is_no_scope_query(text: str) -> None:
    with pytest.raises(BadRequestData, match="'scopeQ'"):
        parse_scope_q(text)


def test_refuses_what_is_too_long() -> None:
    with pytest.raises(TooComplexQuery):
        parse_scope_q("/a," * 10_000)


levels = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
terms = st.lists(st.sampled_from(["a", "b", "ab", "+"]), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
asked_terms = st.builds(lambda term, below: term + below, terms, st.sampled_from(["", "/#"])) | st.just("/#")
asked = st.lists(st.lists(asked_terms, min_size=1, max_size=2).map(lambda group: f"({';'.join(group)})"), min_size=1, max_size=3).map("|".join)


@settings(deadline=None)
@given(asked, st.lists(levels, max_size=3))
def test_what_matches_satisfies_the_condition(text: str, scopes: list[str]) -> None:
    query, thing = parse_scope_q(text), {**entity(), "scope": scopes}
    if query.matches(thing):
        assert satisfies(query.condition, thing)
