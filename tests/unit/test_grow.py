"""The arithmetic of docs/grow.md is worked out again."""

import ast
import math
import operator
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "grow.md"
_INPUT = re.compile(r"^\| `(\w+)` \| ([\d.]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
_RESULT = re.compile(r"^\| `(\w+)` \| `([^`]+)` \| ([\d.]+) \| [^|]+ \|$", re.MULTILINE)
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def worked_out(node: Any, names: dict[str, float]) -> float:
    match node:
        case ast.Expression(body=body):
            return worked_out(body, names)
        case ast.Constant(value=value):
            return float(value)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return float(_OPERATORS[type(op)](worked_out(left, names), worked_out(right, names)))
        case ast.Call(func=ast.Name(id="ceil"), args=[argument]):
            return math.ceil(round(worked_out(argument, names), 9))
    raise AssertionError(f"a formula may have names, numbers, + - * / and ceil: {ast.dump(node)}")


def test_each_figure_follows_from_its_formula() -> None:
    page = PAGE.read_text("utf-8")
    names = {name: float(value) for name, value in _INPUT.findall(page)}
    results = _RESULT.findall(page)
    assert len(names) > 20
    assert len(results) > 20
    assert len(names) + len(results) == len(re.findall(r"^\| `", page, re.MULTILINE)), "a line of the tables cannot be read"
    for name, formula, value in results:
        assert name not in names, f"{name} is there twice"
        names[name] = worked_out(ast.parse(formula, mode="eval"), names)
        assert f"{names[name]:.{len(value.partition('.')[2])}f}" == value, f"{name}: {formula} is {names[name]}"


def test_every_input_is_used() -> None:
    page = PAGE.read_text("utf-8")
    formulas = " ".join(formula for _, formula, _ in _RESULT.findall(page))
    used = set(re.findall(r"[a-z_]\w*", formulas))
    assert {name for name, _ in _INPUT.findall(page)} <= used
