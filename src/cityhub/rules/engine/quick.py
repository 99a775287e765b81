"""Conditions that compare names with numbers, as most do, without the whole language: ten times as fast, with the same answers.

A number of JSON is a binary one and FEEL's are decimal; they compare alike, since a decimal of at most 15 digits and the binary number
nearest to it stand for each other. Whatever is not a number goes the long way.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from cityhub.model.feel.nodes import Comparison, Conjunction, Disjunction, Literal, Name, Negation, Node

SLOW: Final[Any] = object()
"""Given where the long way must be gone."""
Quick = Callable[[Mapping[str, Any]], Any]
MOST_DIGITS: Final = 15
_SIGNS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def quick(node: Node) -> Quick | None:
    """What evaluates an expression fast; None where there is no such way."""
    if isinstance(node, Comparison):
        return _comparison(node)
    if isinstance(node, Conjunction | Disjunction):
        parts = [quick(operand) for operand in node.operands]
        found = [part for part in parts if part is not None]
        if len(found) == len(parts):
            return _joined(found, isinstance(node, Disjunction))
    return None


def number_in(node: Node) -> float | None:
    """The number that a literal is; None for anything else, and for numbers with more digits than a binary one has."""
    if isinstance(node, Negation):
        number = number_in(node.operand)
        return None if number is None else -number
    if not isinstance(node, Literal) or type(node.value) not in (int, float, Decimal):
        return None
    value = Decimal(repr(node.value)) if type(node.value) is float else Decimal(node.value)
    return float(value) if len(value.normalize().as_tuple().digits) <= MOST_DIGITS else None


def _comparison(node: Comparison) -> Quick | None:
    left, right, sign = node.left, node.right, node.operator
    if sign not in _SIGNS:
        return None
    if isinstance(right, Name):
        left, right, sign = right, left, _TURNED[sign]
    limit = number_in(right)
    if not isinstance(left, Name) or limit is None:
        return None
    name, holds = left.name, _SIGNS[sign]

    def compare(context: Mapping[str, Any]) -> Any:
        value = context.get(name)
        kind = type(value)
        if kind is float or kind is int:
            return holds(value, limit)
        return None if value is None else SLOW

    return compare


def _joined(parts: list[Quick], decisive: bool) -> Quick:
    """All of them, or one of them where True decides, by FEEL's logic of three values."""

    def join(context: Mapping[str, Any]) -> Any:
        result: Any = not decisive
        for part in parts:
            value = part(context)
            if value is decisive:
                return decisive
            if value is SLOW:
                return SLOW
            if value is None:
                result = None
        return result

    return join
