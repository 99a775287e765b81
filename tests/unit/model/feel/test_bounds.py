"""No expression takes more than its share of time or memory, and none reaches Python."""

from __future__ import annotations

import json
import time

import pytest

from cityhub.model.feel import FeelSyntaxError, compile_expression, to_json


@pytest.mark.parametrize(
    "text",
    [
        "for i in 1..10**9 return i",
        "for i in 1..90000, j in 1..90000 return i",
        "some i in 1..90000, j in 1..90000 satisfies i + j < 0",
        "{f: function(n) f(n + 1), r: f(1)}.r",
        'for i in 1..60 return if i = 1 then "aaaaaaaaaaaaaaaa" else partial[-1] + partial[-1]',
        "for i in 1..60 return if i = 1 then [1] else concatenate(partial[-1], partial[-1])",
        "for i in 1..90000 return partial",
        "for i in 1..60 return if i = 1 then [1] else [partial[-1], partial[-1]]",
        "for i in 1..60 return if i = 1 then {a: 1} else {a: partial[-1], b: partial[-1]}",
        "string((for i in 1..60 return if i = 1 then [1] else [partial[-1], partial[-1]])[-1])",
        "(for i in 1..60 return if i = 1 then [1] else [partial[-1], partial[-1]])[-1] instance of list<list<list<number>>>",
        "{f: function(n) if n = 0 then [1] else [f(n - 1), f(n - 1)], r: f(50)}.r",
        "9 ** 999999999999",
        "for i in 1..60 return if i = 1 then [1, 2] else flatten([partial[-1], partial[-1]])",
        'for i in 1..60 return if i = 1 then "aaaaaaaaaaaaaaaa" else replace(partial[-1], "a", "aa")',
    ],
)
def test_costly_expressions_end_with_null_and_a_reason(text: str) -> None:
    begin = time.perf_counter()
    value, warnings = compile_expression(text).evaluate({})
    assert value is None
    assert warnings
    assert time.perf_counter() - begin < 60


@pytest.mark.parametrize(
    "text", ["(" * 500 + "1" + ")" * 500, "1" + "+1" * 5000, "a" * 30_000, "[" * 100 + "]" * 100, "-" * 400 + "1", "not(" * 90 + "true" + ")" * 90]
)
def test_tall_and_long_texts_are_refused(text: str) -> None:
    with pytest.raises(FeelSyntaxError):
        compile_expression(text)


@pytest.mark.parametrize("text", ["__import__", "__builtins__", "open", "name.__class__", "name.upper", "(function(x) x).__globals__", "abs.__call__"])
def test_no_name_reaches_python(text: str) -> None:
    assert compile_expression(text)({"name": "a"}) is None


def test_patterns_take_no_exponential_time() -> None:
    begin = time.perf_counter()
    assert compile_expression('matches(text, "^(a+)+$")')({"text": "a" * 5000 + "b"}) is False
    assert time.perf_counter() - begin < 30


def test_deep_values_are_cut_off_in_json() -> None:
    deep = to_json(compile_expression("for i in 1..150 return if i = 1 then [] else [partial[-1]]")({}))
    assert deep[-1] is not None
    json.dumps(deep)


def test_large_values_that_are_compared_cost_steps() -> None:
    begin = time.perf_counter()
    value, warnings = compile_expression("some i in 1..90000 satisfies big != other").evaluate({"big": [[1] * 5000], "other": [[1] * 5000]})
    assert value is None
    assert "steps" in warnings[0]
    assert time.perf_counter() - begin < 60
