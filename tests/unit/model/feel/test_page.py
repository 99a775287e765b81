"""The examples of the page about the language are true, and it names every function."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cityhub.model.feel import bounds, compile_expression, to_json
from cityhub.model.feel.expression import library

PAGE = (Path(__file__).parents[4] / "docs/feel.md").read_text("utf-8")
CONTEXT = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
EXAMPLES = [line.rsplit("=>", 1) for block in re.findall(r"```feel\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()]


@pytest.mark.parametrize(("text", "value"), EXAMPLES, ids=[text.strip() for text, _ in EXAMPLES])
def test_examples(text: str, value: str) -> None:
    assert to_json(compile_expression(text.strip())(CONTEXT)) == json.loads(value)


def test_every_function_is_named() -> None:
    named = re.findall(r"`([a-z ]+)`", PAGE.partition("Built-in functions")[2].partition("## Unary")[0])
    assert sorted(named) == sorted(library())


def test_bounds_are_the_real_ones() -> None:
    table = PAGE.partition("## Bounds")[2].partition("Beyond")[0].replace(",", "")
    for bound in vars(bounds).values():
        if isinstance(bound, int):
            assert re.search(rf"\b{bound}\b", table), bound
