"""What expressions are worth, clause by clause."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cityhub.model.feel import FeelSyntaxError, compile_expression, compile_unary_tests, to_json

CONTEXT = {
    "data": {"rain": 2.5, "rain amount": 12, "站点": {"水位": 4.62}, "levels": [1, 2, 3]},
    "topic": ["city", "gauge", "7"],
    "name": "阿蓬江",
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.rain", 2.5),
        ("data.rain amount * 2", 24),
        ("data.站点.水位 > 4.5", True),
        ("topic[2]", "gauge"),
        ("topic[-1]", "7"),
        ("topic[4]", None),
        ("data.levels[item >= 2]", [2, 3]),
        ("[{a: 1}, {a: 2}][a = 2].a", [2]),
        ("0.1 + 0.2 = 0.3", True),
        ("10 / 4", 2.5),
        ("1 / 0", None),
        ("-2 ** 2", 4),
        ("2 ** 3 ** 2", 64),
        ('"水位:" + string(4.62)', "水位:4.62"),
        ('1 + "a"', None),
        ('1 = "1"', None),
        ("null = nothing", True),
        ("true and nothing", None),
        ("false and nothing", False),
        ("true or nothing", True),
        ("5 between 1 and 5", True),
        ("5 in [1..5)", False),
        ("5 in ]1..5]", True),
        ("5 in (< 3, > 4)", True),
        ("if nothing then 1 else 2", 2),
        ("for i in 1..3, j in [i, 10] return i * j", [1, 10, 4, 20, 9, 30]),
        ("for i in 1..4 return if i = 1 then 1 else partial[-1] * i", [1, 2, 6, 24]),
        ("for i in 3..1 return i", [3, 2, 1]),
        ("some x in [1, 2] satisfies x > 1", True),
        ("every x in [] satisfies false", True),
        ("{a: 1, b: a + 1}.b", 2),
        ("(function(x, y) x - y)(y: 1, x: 5)", 4),
        ("{fact: function(n) if n < 2 then 1 else n * fact(n - 1), r: fact(10)}.r", 3628800),
        ("4 instance of number", True),
        ('["a"] instance of list<string>', True),
        ("nothing instance of number", False),
        ("1 // a remark\n + /* another */ 2", 3),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert to_json(compile_expression(text)(CONTEXT)) == value


def test_a_path_gives_the_very_value() -> None:
    assert compile_expression("data.levels")(CONTEXT) is CONTEXT["data"]["levels"]  # type: ignore[index]


def test_sums_are_decimal() -> None:
    assert compile_expression("data.rain * 0.2")(CONTEXT) == Decimal("0.50")
    assert compile_expression("1 / 3")({}) == Decimal("0." + "3" * 34)


def test_names_with_signs_are_told_beforehand() -> None:
    assert compile_expression("a-b + 1", names=["a-b"])({"a-b": 1}) == 2
    assert compile_expression("a-b + 1")({"a": 5, "b": 1}) == 5
    assert compile_expression("check in time > 1", names=["check in time"])({"check in time": 2}) is True


def test_null_says_why() -> None:
    value, warnings = compile_expression("missing + 1").evaluate({})
    assert value is None
    assert warnings == ["there is no variable 'missing'", "'+' does not go with null and a number"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("1 +", (1, 4)), ("if a then b", (1, 12)), ('"open', (1, 1)), ("a\n  ))", (2, 3)), ("{a: 1, a: 2}", (1, 9)), ("f(a: 1, 2)", (1, 9)), ("", (1, 1))],
)
def test_what_is_no_expression_is_told_with_its_place(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        compile_expression(text)
    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("tests", "value", "passed"),
    [
        ("-", 1, True),
        ("1, 2", 2, True),
        ("not(1, 2)", 2, False),
        ("< 5", 4, True),
        ("[1..5)", 5, False),
        ('"暴雨", "大暴雨"', "大暴雨", True),
        ("? > 3 and ? < 5", 4, True),
        ("null", None, True),
        ('contains(?, "江")', "阿蓬江", True),
        ("< 5", "a", None),
    ],
)
def test_unary_tests(tests: str, value: Any, passed: bool | None) -> None:
    assert compile_unary_tests(tests)({"?": value}) is passed
