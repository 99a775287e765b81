"""Tables that overlap, have gaps, contradict themselves, or have rules that never hold."""

from __future__ import annotations

from itertools import product
from random import Random
from xml.sax.saxutils import escape

import pytest

from cityhub.cases.dmn import compile_model, read_definitions
from cityhub.cases.dmn.analysis import analyse

NUMBER, TEXT, TRUTH, DATE = "number", "string", "boolean", "date"


def table(policy: str, inputs: list[tuple[str, str, str]], rules: list[list[str]], default: str = "") -> bytes:
    """A model with one table; the last cell of a rule is its output."""
    columns = "".join(
        f'<input id="i{place}"><inputExpression typeRef="{kind}"><text>{name}</text></inputExpression>'
        + (f"<inputValues><text>{escape(values)}</text></inputValues>" if values else "")
        + "</input>"
        for place, (name, kind, values) in enumerate(inputs)
    )
    needs = "".join(f'<informationRequirement><requiredInput href="#n{place}"/></informationRequirement>' for place in range(len(inputs)))
    data = "".join(
        f'<inputData id="n{place}" name="{name}"><variable name="{name}" typeRef="{kind}"/></inputData>'
        for place, (name, kind, _) in enumerate(inputs)
    )
    rows = "".join(
        f'<rule id="r{number}">'
        + "".join(f"<inputEntry><text>{escape(cell)}</text></inputEntry>" for cell in rule[:-1])
        + f"<outputEntry><text>{escape(rule[-1])}</text></outputEntry></rule>"
        for number, rule in enumerate(rules, 1)
    )
    standard = f"<defaultOutputEntry><text>{default}</text></defaultOutputEntry>" if default else ""
    return (
        '<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" id="d" name="d" namespace="urn:d">'
        f'{data}<decision id="t" name="t"><variable name="t"/>{needs}<decisionTable hitPolicy="{policy}">{columns}<output>{standard}</output>{rows}'
        "</decisionTable></decision></definitions>"
    ).encode()


def said(dmn: bytes) -> list[tuple[bool, str, str]]:
    return [(one.grave, one.rule, one.text.partition("): ")[2].partition("; right")[0]) for one in analyse(read_definitions(dmn))]


@pytest.mark.parametrize(
    ("inputs", "rules", "expected"),
    [
        ([("level", NUMBER, "")], [["< 4", "1"], [">= 4", "2"]], []),
        ([("level", NUMBER, "")], [["<= 4", "1"], [">= 4", "2"]], [(True, "r2", "rules 1 and 2 both hold for level = 4")]),
        ([("level", NUMBER, "")], [["< 4", "1"], ["> 4", "2"]], [(False, "", "there is no rule for level = 4")]),
        ([("level", NUMBER, "")], [["[0..4)", "1"], ["[3.5..9]", "2"]], [
            (True, "r2", "rules 1 and 2 both hold for level in [3.5..4)"),
            (False, "", "there is no rule for level < 0 or > 9"),
        ]),
        ([("level", NUMBER, "[0..9]")], [["< 4", "1"], [">= 4", "2"]], []),
        ([("kind", TEXT, "")], [['"a"', "1"], ['"b","c"', "2"]], [(False, "", 'there is no rule for kind none of "a", "b", "c"')]),
        ([("kind", TEXT, '"a","b","c"')], [['"a"', "1"], ['not("a")', "2"]], []),
        ([("kind", TEXT, '"a","b","c"')], [['"a"', "1"], ['"b"', "2"]], [(False, "", 'there is no rule for kind = "c"')]),
        ([("wet", TRUTH, ""), ("level", NUMBER, "")], [["true", "> 3", "1"], ["true", "<= 3", "2"]], [(False, "", "there is no rule for wet = false")]),
        ([("wet", TRUTH, ""), ("level", NUMBER, "")], [["true", "-", "1"], ["-", "> 3", "2"], ["false", "<= 3", "3"]], [
            (True, "r2", "rules 1 and 2 both hold for wet = true, level > 3"),
        ]),
        ([("day", DATE, "")], [['<= date("2026-06-30")', "1"], ['>= date("2026-07-01")', "2"]], []),
        ([("day", DATE, "")], [['< @"2026-06-30"', "1"], ['>= @"2026-07-01"', "2"]], [(False, "", "there is no rule for day = 2026-06-30")]),
        ([("kind", TEXT, "")], [['starts with(?, "a")', "1"], ["-", "2"]], [
            (False, "", "tests of kind are more than comparisons with values: they are not analysed"),
        ]),
        ([("level", NUMBER, "")], [["[9..3]", "1"], ["-", "2"]], [
            (False, "r1", "rule 1 never holds: one of its tests holds for no value that is allowed"),
        ]),
        ([("level", NUMBER, "")], [["? > 3 and ? < 5", "1"], ["? <= 3 or ? between 5 and 9 or ? > 9", "2"]], []),
    ],
)  # fmt: skip
def test_unique_tables(inputs: list[tuple[str, str, str]], rules: list[list[str]], expected: list[tuple[bool, str, str]]) -> None:
    assert said(table("UNIQUE", inputs, rules)) == expected


def test_any_may_overlap_where_it_agrees() -> None:
    inputs = [("level", NUMBER, "")]
    assert said(table("ANY", inputs, [["<= 4", "1"], [">= 4", "1"]])) == []
    assert said(table("ANY", inputs, [["<= 4", "1"], [">= 4", "2"]])) == [(True, "r2", "rules 1 and 2 say different things for level = 4")]


def test_first_has_rules_that_are_masked_by_several_before() -> None:
    found = said(table("FIRST", [("level", NUMBER, "")], [["< 4", "1"], [">= 4", "2"], ["[2..6]", "3"]]))
    assert found == [(False, "r3", "rule 3 never holds: rules before it hold wherever it would")]


def test_a_default_leaves_no_gap_and_collecting_needs_no_rule() -> None:
    inputs, rules = [("level", NUMBER, "")], [["> 4", "1"]]
    assert said(table("UNIQUE", inputs, rules, default="0")) == []
    assert said(table("COLLECT", inputs, rules)) == []


def test_a_wide_table_is_left_aside_in_bounded_time() -> None:
    inputs = [(f"x{place}", NUMBER, "") for place in range(12)]
    random = Random(5)
    rules = [[*(f"[{low}..{low + 3}]" for low in (random.randrange(50) for _ in inputs)), "1"] for _ in range(300)]
    found = said(table("UNIQUE", inputs, rules))
    assert any("gaps were not looked for" in text or "there is no rule" in text for _, _, text in found)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_said_is_what_happens(seed: int) -> None:
    random = Random(seed)
    cells = ["-", "< 2", "> 2", "[1..3]", "(1..3)", "2", "not(2)", ">= 1, < 0", "1, 3"]
    kinds = ["-", '"a"', '"b"', 'not("a")']
    rules = [[random.choice(cells), random.choice(kinds), str(number)] for number in range(random.randrange(1, 5))]
    dmn = table("UNIQUE", [("x", NUMBER, ""), ("k", TEXT, "")], rules)
    collected = compile_model(read_definitions(table("COLLECT", [("x", NUMBER, ""), ("k", TEXT, "")], rules)))
    counts = {len(collected.evaluate("t", {"x": x / 2, "k": k}).value) for x, k in product(range(-2, 10), "abc")}
    found = said(dmn)
    assert any(grave for grave, _, _ in found) == any(count > 1 for count in counts)
    assert any("there is no rule" in text for _, _, text in found) == (0 in counts)
