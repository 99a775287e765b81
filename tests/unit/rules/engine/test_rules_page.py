"""The rules on the page for people who write rules can run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from cityhub.model.jsonld import CORE
from cityhub.rules.engine.compiling import problems
from cityhub.rules.rule import Rule
from tests.unit.rules.engine.scene import ZONE

PAGE = (Path(__file__).parents[4] / "docs" / "rules.md").read_text()
RULES = [msgspec.json.decode(text, type=Rule) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_page_has_a_rule_of_each_kind() -> None:
    functions = {figure.function for rule in RULES for figure in rule.figures.values()}
    assert {"sum", "rate", "age", "anomaly", "forecast", "count"} <= functions and len(RULES) == 6


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_of_the_page_has_no_problems(rule: Rule) -> None:
    assert problems(rule, CORE, ZONE) == []
