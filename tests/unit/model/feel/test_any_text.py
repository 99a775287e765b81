"""Whatever the text and the values: an expression is refused with its place, or has a value. Nothing else is raised."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.feel import FeelSyntaxError, compile_expression, compile_unary_tests, to_json

WORDS = st.sampled_from(
    'a b.c s [ ] ( ) { } , : .. . + - * / ** = != < >= and or not( in between instance of number if then else for x return some satisfies '
    'function( every null true "江" "a" 1 -2 0.5 1e6144 1e9999 99999999999999999999999999999999999 @"2026-01-01" @"P1D" @"x" ? item date( time( '
    'duration( "P1M" substring( sum( sort( replace( flatten( partial [1..3] ]1..3[ list<number> string( count( max( split( is( decimal( get value('.split(" ")
)
VALUES = {"a": float("nan"), "b": {"c": float("inf")}, "s": ["江", None, {"a": 10**40}], "?": 1.5}


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=25))
def test_any_words(words: list[str]) -> None:
    text = " ".join(words)
    for compiled in (compile_expression, compile_unary_tests):
        with contextlib.suppress(FeelSyntaxError):
            to_json(compiled(text)(VALUES))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    with contextlib.suppress(FeelSyntaxError):
        to_json(compile_expression(text)(VALUES))
