"""Rules that cannot be right are refused with their place."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.jsonld import CORE
from cityhub.rules.engine.compiling import problems
from cityhub.rules.rule import Figure, Level, Near, Watch
from tests.unit.rules.engine.scene import ZONE, red, rule

FIGURES = {"x": Figure("sum", "level", over="PT1H")}


def wrong(*levels: Level, **members: Any) -> str:
    """What is wrong with a rule."""
    return " | ".join(problems(rule(*levels or [red("level > 5")], **members), CORE, ZONE))


def test_a_good_rule_has_no_problems() -> None:
    assert wrong(red("x > 5 and level < 3", clear="x < 2", hold="PT5M"), figures=FIGURES) == ""


@pytest.mark.parametrize(
    ("levels", "members", "says"),
    [
        ([red("level >")], {}, "'levels[0].condition': FEEL, line 1, column 8"),
        ([red("level > 1\nand )")], {}, "line 2, column 5"),
        ([red("mean(level) > 1 and avrage(level) > 2")], {}, "there is no function 'avrage'"),
        ([red("level > 5"), red("level > 4")], {}, "a severity twice"),
        ([Level("blue", "level > 3"), red("level > 5")], {}, "the gravest first: red, blue"),
        ([red("level > 5"), Level("blue", "level > 6")], {}, "'levels[1]' never comes to be"),
        ([red("level > 5", clear="level < 7")], {}, "'levels[0].clear' holds where the condition does"),
        ([red("level > 5", hold="10 minutes")], {}, "ISO 8601 duration"),
        ([red("count(for i in 1..100000 return i) > level")], {}, "costs too much"),
        ([], {"watches": Watch("Gauge", q="level>")}, "'q' is wrong at character"),
        ([], {"watches": Watch("Gauge", geo={"georel": "beside"})}, "'watch'"),
        ([], {"watches": Watch("*")}, "must name types"),
        ([], {"watches": Watch("Alert")}, "would hear itself"),
        ([red("x > 1")], {"figures": {"x": Figure("sum", "level", over="P40D")}}, "31 days are the most"),
        ([red("x > 1")], {"figures": {"x": Figure("sum", over="PT1H")}}, "'figures.x.of' is empty"),
        ([red("x > 1")], {"figures": {"x": Figure("rate", "level")}}, "'rate' needs a window"),
        ([red("x > 1")], {"figures": {"x": Figure("anomaly", "level * 2")}}, "name of one attribute"),
        ([red("x > 1")], {"figures": {"x": Figure("sum", "level", near=Near(Watch("Pump"), radius_m=1e6))}}, "0 to 100000 metres"),
        ([red("x > 1")], {"figures": {f"x{n}": FIGURES["x"] for n in range(21)}}, "20 are the most"),
        ([red("level > 1")], {"group_by": "area"}, "'level' is of one entity"),
        ([red("x > 1")], {"figures": {"x": Figure("increase", "level", over="PT1H")}, "group_by": "area"}, "is of one entity"),
        ([], {"lateness": "P30D"}, "7 days are the most"),
        ([], {"parent": "r"}, "'parent' is the rule itself"),
        ([red("rain amount > 5")], {}, "'rain amount' (name)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(levels: list[Level], members: dict[str, Any], says: str) -> None:
    assert says in wrong(*levels, **members)
