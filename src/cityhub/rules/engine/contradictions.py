"""Levels that can never be, or never end: found where conditions compare one name with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol

from cityhub.model.feel.nodes import Comparison, Literal, Name, Negation, Node
from cityhub.rules.engine.expressions import Formula
from cityhub.rules.rule import Severity

_GRAVITY: Final[tuple[Severity, ...]] = ("red", "orange", "yellow", "blue")
_UP: Final = frozenset({">", ">="})
_DOWN: Final = frozenset({"<", "<="})
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class _Level(Protocol):
    @property
    def severity(self) -> str: ...
    @property
    def condition(self) -> Formula: ...
    @property
    def clear(self) -> Formula | None: ...


def contradictions(levels: Sequence[_Level]) -> str:
    """Why levels contradict each other or themselves; "" when none is known to."""
    order = [_GRAVITY.index(level.severity) for level in levels]
    if len(set(order)) < len(order):
        return "'levels' has a severity twice; right would be one level of each"
    if order != sorted(order):
        return f"'levels' must have the gravest first: {', '.join(_GRAVITY[place] for place in sorted(order))}"
    for place, level in enumerate(levels):
        if level.clear is not None and _meet(level.condition, level.clear):
            return f"'levels[{place}].clear' holds where the condition does: right would be values that the condition leaves out"
    for place in range(1, len(levels)):
        if _within(levels[place].condition, levels[place - 1].condition):
            return f"'levels[{place}]' never comes to be: wherever its condition holds, that of the graver level before it does"
    return ""


def _threshold(node: Node) -> tuple[str, str, float] | None:
    """Name, sign and number of a comparison of them."""
    if not isinstance(node, Comparison) or node.operator not in _TURNED:
        return None
    left, right, sign = node.left, node.right, node.operator
    if isinstance(right, Name):
        left, right, sign = right, left, _TURNED[sign]
    number = _number(right)
    return (left.name, sign, number) if isinstance(left, Name) and number is not None else None


def _number(node: Node) -> float | None:
    if isinstance(node, Negation):
        number = _number(node.operand)
        return None if number is None else -number
    if isinstance(node, Literal) and type(node.value) in (int, float, Decimal):
        return float(node.value)
    return None


def _meet(condition: Formula, clear: Formula) -> bool:
    """Whether both hold for some value of the one name that both compare."""
    one, other = _threshold(condition.node), _threshold(clear.node)
    if one is None or other is None or one[0] != other[0]:
        return False
    if (one[1] in _UP) == (other[1] in _UP):
        return True
    low, high = (one, other) if one[1] in _UP else (other, one)
    return low[2] < high[2] or (low[2] == high[2] and low[1] == ">=" and high[1] == "<=")


def _within(lesser: Formula, graver: Formula) -> bool:
    """Whether the graver condition holds wherever the lesser one does."""
    one, other = _threshold(lesser.node), _threshold(graver.node)
    if one is None or other is None or one[0] != other[0] or (one[1] in _UP) != (other[1] in _UP):
        return False
    if one[2] == other[2]:
        return one[1] == other[1] or other[1] in (">=", "<=")
    return one[2] > other[2] if one[1] in _UP else one[2] < other[2]
