"""The thresholds in a condition: which name was compared with which constant."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from cityhub.model.errors import CityHubError
from cityhub.model.feel import compile_expression
from cityhub.model.feel.nodes import Between, Comparison, Literal, Name, Negation, Node, Path

_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
MOST: Final = 20


@lru_cache(maxsize=2048)
def thresholds(condition: str) -> tuple[dict[str, Any], ...]:
    """Each {"name", "operator", "value"} of a condition, in its order; none where nothing is compared with a constant.

    >>> thresholds("rain_1h >= 30 and level > 4.5")
    ({'name': 'rain_1h', 'operator': '>=', 'value': 30}, {'name': 'level', 'operator': '>', 'value': 4.5})
    """
    try:
        node = compile_expression(condition).node
    except CityHubError:  # its names have signs in them that only the rule's own compiler knows; the condition itself is still told
        return ()
    return tuple(_found(node))[:MOST]


def _found(node: Node) -> Iterator[dict[str, Any]]:
    if isinstance(node, Comparison):
        yield from _compared(node.left, node.operator, node.right)
    elif isinstance(node, Between):
        yield from _compared(node.operand, ">=", node.low)
        yield from _compared(node.operand, "<=", node.high)
    else:
        for part in _children(node):
            yield from _found(part)


def _children(node: Node) -> Iterator[Node]:
    for value in msgspec.structs.astuple(node):
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (one for one in value if isinstance(one, Node))


def _compared(left: Node, operator: str, right: Node) -> Iterator[dict[str, Any]]:
    if _constant(left) is not None:
        left, operator, right = right, _TURNED.get(operator, operator), left
    name, value = _name(left), _constant(right)
    if name and value is not None:
        yield {"name": name, "operator": operator, "value": value}


def _name(node: Node) -> str:
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Path):
        before = _name(node.source)
        return f"{before}.{node.member}" if before else ""
    return ""


def _constant(node: Node) -> int | float | str | bool | None:
    if isinstance(node, Negation):
        inner = _constant(node.operand)
        return -inner if isinstance(inner, int | float) else None
    if not isinstance(node, Literal) or node.value is None:
        return None
    if isinstance(node.value, bool | str | int):
        return node.value
    try:
        return float(node.value)
    except (TypeError, ValueError):
        return str(node.value)
