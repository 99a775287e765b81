"""The short way of conditions has the answers of FEEL."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.feel import compile_expression
from cityhub.rules.engine.quick import SLOW, quick

numbers = st.one_of(st.integers(-(10**12), 10**12), st.decimals(-1000, 1000, places=4).map(str), st.sampled_from(["0.1", "9.99", "1e3"]))
comparisons = st.builds(
    lambda name, sign, number, turned: f"{number} {sign} {name}" if turned else f"{name} {sign} {number}",
    st.sampled_from(["a", "b", "c"]), st.sampled_from(["<", "<=", ">", ">="]), numbers, st.booleans(),
)  # fmt: skip
conditions = st.recursive(
    comparisons, lambda part: st.builds(lambda one, joint, two: f"({one}) {joint} ({two})", part, st.sampled_from(["and", "or"]), part), max_leaves=5
)  # fmt: skip
values: Any = st.one_of(
    st.none(), st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.sampled_from([0.1, 9.99, 0.30000000000000004, "text", True]),
)  # fmt: skip


@given(conditions, st.fixed_dictionaries({}, optional={"a": values, "b": values, "c": values}))
@settings(max_examples=150, deadline=None)
def test_the_short_way_says_what_feel_says(text: str, context: dict[str, Any]) -> None:
    expression = compile_expression(text)
    short = quick(expression.node)
    assert short is not None
    answer = short(context)
    if answer is not SLOW:
        assert answer is expression(context)


def test_other_expressions_go_the_long_way() -> None:
    for text in ("a + 1 > 2", "a = 1", "a > b", "sum(a) > 1", "a > 0.12345678901234567", 'a > "x"'):
        assert quick(compile_expression(text).node) is None
