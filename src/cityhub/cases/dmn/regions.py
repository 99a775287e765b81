"""The values of a column of a decision table, cut into regions in which every test of the column is either true or false.

Of numbers and times the regions are the values that stand in tests, and what lies between them; of texts and truth values, the values
that stand there, and all others. A cell is then a set of regions: a number whose bits are the regions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from itertools import pairwise
from typing import Any, Final

import msgspec

from cityhub.model.feel import FeelSyntaxError, compile_expression, compile_unary_tests, to_json
from cityhub.model.feel.logic import compare
from cityhub.model.feel.nodes import (
    Between,
    Call,
    Comparison,
    Conjunction,
    Disjunction,
    Interval,
    Literal,
    Name,
    Negation,
    Node,
    UnaryComparison,
    UnaryTests,
)
from cityhub.model.feel.temporal import Date

MAX_VALUES: Final = 2_000
_MAKERS: Final = ("date", "time", "date and time", "duration", "years and months duration")
_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_ORDERED: Final = ("<", "<=", ">", ">=")


class Unknown(Exception):
    """A test that is more than comparisons with values that stand in it."""


class Column(msgspec.Struct, frozen=True):
    """The regions of a column.

    Attributes:
        domain: All regions that a value may lie in.
        cells: The regions of each rule; None: what cannot be told.
        describe: A set of regions in words of FEEL.
    """

    domain: int
    cells: list[int | None]
    describe: Callable[[int], str]


def column_of(tests: Sequence[str], allowed: str, *, truth: bool) -> Column:
    """The regions of a column.

    Args:
        tests: The cells of its rules.
        allowed: Unary tests that values must pass; "": any.
        truth: Whether its values are true and false.
    """
    nodes = [_read(text) for text in tests]
    limits = _read(allowed) if allowed else None
    values: list[Any] = [True, False] if truth else []
    ordered = False
    for node in [*nodes, limits]:
        try:
            found = _values(node) if node is not None else []
        except Unknown:
            continue
        values += [value for value, _ in found]
        ordered = ordered or any(order for _, order in found)
    space = _space(values, ordered)
    cells = [None if node is None or space is None else space.cell(node) for node in nodes]
    if space is None:
        return Column(1, [1 if node is not None and not node.tests else None for node in nodes], lambda regions: "any value")
    domain = space.cell(limits) if limits is not None else None
    whole = space.whole if domain is None else domain
    return Column(whole, [None if cell is None else cell & whole for cell in cells], space.describe)


def _read(text: str) -> UnaryTests | None:
    try:
        node = compile_unary_tests(text or "-", ("?",)).node
    except FeelSyntaxError:
        return None
    return node if isinstance(node, UnaryTests) else None


def ground(node: Node) -> Any:
    """The value of what needs no variable. Raises Unknown."""
    if isinstance(node, Literal) and node.value is not None:
        return node.value
    if isinstance(node, Negation) and isinstance(node.operand, Literal) and _is_number(node.operand.value):
        return -node.operand.value
    if isinstance(node, Call) and isinstance(node.function, Name) and node.function.name in _MAKERS:
        arguments = [ground(argument) for argument in node.arguments]
        if len(arguments) == 1 and isinstance(arguments[0], str):
            value = compile_expression(f"{node.function.name}(text)")({"text": arguments[0]})
            if value is not None:
                return value
    raise Unknown


def _is_number(value: Any) -> bool:
    return type(value).__name__ in ("int", "Decimal")


def _values(node: Node) -> list[tuple[Any, bool]]:
    """The values that stand in tests, and whether their order matters. Raises Unknown."""
    if isinstance(node, UnaryTests):
        return [value for test in node.tests for value in _values(test)]
    if isinstance(node, UnaryComparison):
        return [(ground(node.operand), node.operator in _ORDERED)]
    if isinstance(node, Interval):
        return [(ground(node.low), True), (ground(node.high), True)]
    if isinstance(node, Between) and _is_it(node.operand):
        return [(ground(node.low), True), (ground(node.high), True)]
    if isinstance(node, Comparison):
        operator, operand = _compared(node)
        return [(ground(operand), operator in _ORDERED)]
    if isinstance(node, Conjunction | Disjunction):
        return [value for operand in node.operands for value in _values(operand)]
    value = ground(node)
    return [(value, False)]


def _is_it(node: Node) -> bool:
    return isinstance(node, Name) and node.name == "?"


def _compared(node: Comparison) -> tuple[str, Node]:
    """Operator and value of `? < value` or `value > ?`. Raises Unknown."""
    if _is_it(node.left):
        return node.operator, node.right
    if _is_it(node.right):
        return _FLIPPED[node.operator], node.left
    raise Unknown


def _space(values: list[Any], ordered: bool) -> _Space | None:
    """The regions between values; None where they cannot be compared with each other."""
    kinds = {"number" if _is_number(value) else type(value).__name__ for value in values}
    if len(kinds) > 1 or len(values) > MAX_VALUES:
        return None
    distinct: list[Any] = []
    for value in sorted(values, key=cmp_to_key(lambda left, right: compare(left, right) or 0)) if kinds - {"bool"} else values:
        same = value in distinct if kinds == {"bool"} else bool(distinct) and compare(distinct[-1], value) == 0
        if not same:
            distinct.append(value)
    simple = kinds <= {"bool"} or (kinds == {"str"} and not ordered)
    return _Listed(distinct, open_ended=kinds != {"bool"}) if simple else _Ordered(distinct)


class _Space(ABC):
    """Regions. `whole`: all of them."""

    whole: int

    def cell(self, node: Node) -> int | None:
        """The regions in which a test holds; None: it cannot be told."""
        try:
            return self._regions(node)
        except Unknown:
            return None

    @abstractmethod
    def describe(self, regions: int) -> str:
        """A set of regions in words."""

    def _regions(self, node: Node) -> int:
        if isinstance(node, UnaryTests):
            union = 0
            for test in node.tests:
                union |= self._regions(test)
            return self.whole if not node.tests else self.whole & ~union if node.negated else union
        if isinstance(node, UnaryComparison):
            return self._compared(node.operator, ground(node.operand))
        if isinstance(node, Comparison):
            operator, operand = _compared(node)
            return self._compared(operator, ground(operand))
        if isinstance(node, Interval):
            low, high = (">=" if node.low_included else ">"), ("<=" if node.high_included else "<")
            return self._compared(low, ground(node.low)) & self._compared(high, ground(node.high))
        if isinstance(node, Between):
            return self._compared(">=", ground(node.low)) & self._compared("<=", ground(node.high))
        if isinstance(node, Conjunction):
            both = self.whole
            for operand in node.operands:
                both &= self._regions(operand)
            return both
        if isinstance(node, Disjunction):
            either = 0
            for operand in node.operands:
                either |= self._regions(operand)
            return either
        return self._compared("=", ground(node))

    @abstractmethod
    def _compared(self, operator: str, value: Any) -> int:
        """The regions in which a comparison with a value holds. Raises Unknown."""


class _Listed(_Space):
    """Values that are one thing or another: region 0 is any other value, where there may be one."""

    def __init__(self, values: list[Any], *, open_ended: bool) -> None:
        self._values = values
        self._open = open_ended
        self.whole = (1 << (len(values) + 1)) - (1 if open_ended else 2)

    def _compared(self, operator: str, value: Any) -> int:
        if operator not in ("=", "!="):
            raise Unknown
        here = 1 << (self._values.index(value) + 1)
        return here if operator == "=" else self.whole & ~here

    def describe(self, regions: int) -> str:
        named = [_text(value) for place, value in enumerate(self._values) if regions >> (place + 1) & 1]
        others = "none of " + ", ".join(_text(value) for value in self._values) if regions & 1 and self._open else ""
        return " or ".join([*([f"one of {', '.join(named)}"] if len(named) > 1 else named), *([others] if others else [])]) or "no value"


class _Ordered(_Space):
    """Values in their order: region 2i + 1 is a value, 2i what lies below it."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values
        self.whole = (1 << (2 * len(values) + 1)) - 1
        for place, (low, high) in enumerate(pairwise(values)):
            if _next_day(low, high):
                self.whole &= ~(1 << (2 * place + 2))

    def _compared(self, operator: str, value: Any) -> int:
        place = 2 * next(place for place, known in enumerate(self._values) if compare(known, value) == 0) + 1
        here, below = 1 << place, (1 << place) - 1
        found = {"<": below, "<=": below | here, "=": here, "!=": ~here, ">=": ~below, ">": ~(below | here)}[operator]
        return found & self.whole

    def describe(self, regions: int) -> str:
        parts: list[str] = []
        place = 0
        while place <= 2 * len(self._values):
            if not regions >> place & 1:
                place += 1
                continue
            first = last = place
            while place <= 2 * len(self._values) and (regions >> place & 1 or not self.whole >> place & 1):
                last = place if regions >> place & 1 else last
                place += 1
            parts.append(self._span(first, last))
        return " or ".join(parts[:5]) or "no value"

    def _span(self, first: int, last: int) -> str:
        if first == last and first % 2:
            return _text(self._values[first // 2])
        low = f"[{_text(self._values[first // 2])}" if first % 2 else f"({_text(self._values[first // 2 - 1])}" if first else ""
        above = _text(self._values[last // 2]) if last < 2 * len(self._values) else ""
        high = f"{above}]" if last % 2 else f"{above})" if above else ""
        if low and high:
            return f"{low}..{high}"
        if not low and not high:
            return "any value"
        return f"{'<=' if high.endswith(']') else '<'} {high[:-1]}" if high else f"{'>=' if low.startswith('[') else '>'} {low[1:]}"


def _next_day(low: Any, high: Any) -> bool:
    if not (isinstance(low, Date) and isinstance(high, Date)):
        return False
    return bool(compile_expression('low + duration("P1D") = high')({"low": low, "high": high}))


def _text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else "true" if value is True else "false" if value is False else str(to_json(value))
