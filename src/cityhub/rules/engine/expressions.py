"""The FEEL expressions of rules: compiled once, bounded, with what they read known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.model.feel import Expression, compile_expression, to_json
from cityhub.model.feel.environment import Run
from cityhub.model.feel.expression import library
from cityhub.model.feel.nodes import Call, Filter, For, Literal, Name, Node, Quantified
from cityhub.rules.engine.quick import SLOW, quick

MOST_TEXT: Final = 2_000
"""Characters of an expression."""
MOST_STEPS: Final = 5_000
"""What one evaluation may cost, in FEEL's steps."""
_SAMPLE: Final = 1
_COSTLY: Final = (Call, Filter, For, Quantified)


class Failed(Exception):
    """An expression has no answer although all that it reads is there; the message says why."""


class EventClock:
    """What `now()` is in a rule: the moment for which it is evaluated, so that it is the same when entries are read again.

    Attributes:
        moment: Microseconds since 1970.
    """

    def __init__(self) -> None:
        self.moment = 0

    def now(self) -> datetime:
        """See `cityhub.model.time.Clock.now`."""
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(microseconds=self.moment)


class Formula:
    """An expression of a rule.

    Attributes:
        text: As written.
        names: The variables that it reads.
        node: Its tree.
    """

    __slots__ = ("_expression", "_is_plain", "_quick", "names", "node", "text")

    def __init__(self, expression: Expression, names: frozenset[str]) -> None:
        self._expression = expression
        self._is_plain = not any(isinstance(node, _COSTLY) for node in parts(expression.node))
        self._quick = quick(expression.node)
        self.text = expression.text
        self.node = expression.node
        self.names = names

    def value(self, context: Mapping[str, Any], clock: EventClock) -> Any:
        """Its value; None where something that it reads is missing. Raises Failed."""
        if self._is_plain:
            value = self._expression(context)
            if value is not None:
                return value
        value, warnings = self._expression.evaluate(context, clock, MOST_STEPS)
        if value is None and warnings and all(context.get(name) is not None for name in self.names):
            raise Failed(warnings[0])
        return value

    def truth(self, context: Mapping[str, Any], clock: EventClock) -> bool | None:
        """Whether it holds; None where something that it reads is missing. Raises Failed."""
        if self._quick is not None and (value := self._quick(context)) is not SLOW:
            return value  # type: ignore[no-any-return]
        value = self.value(context, clock)
        if value is None or value is True or value is False:
            return value
        raise Failed(f"it gives {to_json(value)!r:.40}, and a condition must give true or false")

    def spend(self, run: Run) -> None:
        """Evaluates it on made-up values, to see what it costs."""
        self._expression.run(dict.fromkeys(self.names, _SAMPLE), run)

    def number(self, context: Mapping[str, Any], clock: EventClock) -> Any:
        """Its value with numbers as int or float. Raises Failed."""
        value = self.value(context, clock)
        return to_json(value) if isinstance(value, Decimal) else value


def formula(text: str, where: str, known: frozenset[str]) -> Formula:
    """The expression of a text.

    Args:
        text: FEEL.
        where: What to call it in messages: "levels[0].condition".
        known: Names that have signs or spaces in them, if they have.

    Raises BadRequestData.
    """
    if not text.strip():
        raise BadRequestData(f"'{where}' is empty; right would be a FEEL expression such as 'level > 4.5'")
    if len(text) > MOST_TEXT:
        raise BadRequestData(f"'{where}' has {len(text)} characters; {MOST_TEXT} are the most")
    try:
        expression = compile_expression(text, known)
    except BadRequestData as error:
        raise BadRequestData(f"'{where}': {error.detail}", **error.members) from None
    found = Formula(expression, frozenset(_variables(expression)))
    _check_functions(found, where)
    _check_cost(found, where)
    return found


def parts(node: Node) -> Iterator[Node]:
    """A node and all nodes within it."""
    waiting: list[Any] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Node):
            yield part
        if isinstance(part, msgspec.Struct):
            waiting.extend(getattr(part, name) for name in part.__struct_fields__)
        elif isinstance(part, tuple):
            waiting.extend(part)


def numbers_beside(node: Node, name: str) -> set[float]:
    """The numbers that stand in the same comparisons as a name."""
    found: set[float] = set()
    for part in parts(node):
        inside = list(parts(part))
        if len(inside) <= 12 and any(isinstance(one, Name) and one.name == name for one in inside):
            found |= {float(one.value) for one in inside if isinstance(one, Literal) and isinstance(one.value, int | float | Decimal)}
    return found


def _variables(expression: Expression) -> set[str]:
    bound = {part.name for part in _iterations(expression.node)} | {"item", "partial"}
    return {name for name in expression.names if name not in library() and name not in bound}


def _iterations(node: Node) -> Iterator[Any]:
    for part in parts(node):
        if isinstance(part, For | Quantified):
            yield from part.iterations


def _check_functions(found: Formula, where: str) -> None:
    for part in parts(found.node):
        if isinstance(part, Call) and isinstance(part.function, Name) and part.function.name not in library():
            raise BadRequestData(f"'{where}': there is no function '{part.function.name}' in FEEL; docs/feel.md lists those that there are")


def _check_cost(found: Formula, where: str) -> None:
    run = Run(EventClock(), MOST_STEPS)
    found.spend(run)
    if run.steps < 0:
        raise BadRequestData(f"'{where}' costs too much: right would be a figure, or a shorter loop")

