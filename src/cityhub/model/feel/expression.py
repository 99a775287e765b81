"""Expressions that are ready to be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import DecimalException
from functools import cache
from typing import Any, Final

from cityhub.model.feel import calls, comparing, compiler, loops
from cityhub.model.feel.bounds import MAX_STEPS, Exceeded
from cityhub.model.feel.compiler import Compiler, Evaluate
from cityhub.model.feel.environment import Env, Root, Run
from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.functions import standard_library
from cityhub.model.feel.grammar import expression_of, unary_tests_of
from cityhub.model.feel.library import Library
from cityhub.model.feel.names import Names
from cityhub.model.feel.nodes import Filter, Literal, Name, Node, Path
from cityhub.model.feel.types import Type
from cityhub.model.feel.words import Words
from cityhub.model.time import Clock, SystemClock

_RULES: Final = {**compiler.RULES, **comparing.RULES, **loops.RULES, **calls.RULES}
_CLOCK: Final = SystemClock()
Steps = tuple[str | int, ...]


@cache
def library() -> Library:
    """The built-in functions; made once."""
    return standard_library()


class Expression:
    """A compiled expression. It may be used by several threads at once.

    Attributes:
        text: What it was compiled from.
        node: Its tree.
        names: The names that it mentions, built-in functions included.
    """

    __slots__ = ("_evaluate", "_steps", "names", "node", "text")

    def __init__(self, text: str, node: Node, evaluate: Evaluate, names: frozenset[str]) -> None:
        self.text = text
        self.node = node
        self.names = names
        self._evaluate = evaluate
        self._steps = steps_of(node) or ()

    def __call__(self, context: Mapping[str, Any]) -> Any:
        """The value in a context; null (None) where it has none.

        A path gives the very value that stands in the context; numbers that were reckoned are int or Decimal.
        """
        value: Any = context
        for step in self._steps:
            if type(value) is dict and step in value:
                value = value[step]
            elif type(step) is int and type(value) is list and 0 < step <= len(value):
                value = value[step - 1]
            else:
                return self.run(context, Run())
        return value if self._steps else self._guarded(Root(context))

    def evaluate(self, context: Mapping[str, Any], clock: Clock = _CLOCK, steps: int = MAX_STEPS) -> tuple[Any, list[str]]:
        """The value, and why parts of it (or all of it) came out as null.

        Args:
            context: Values by name.
            clock: What `now()` and `today()` ask.
            steps: How much it may cost, see `bounds.MAX_STEPS`.
        """
        run = Run(clock, steps)
        return self.run(context, run), run.warnings

    def run(self, context: Mapping[str, Any], run: Run) -> Any:
        """The value, as a part of a larger evaluation that shares one budget."""
        return self._guarded(Root(context, run))

    def within(self, env: Env) -> Any:
        """The value where other names stand around it; Exceeded."""
        return self._evaluate(env)

    def _guarded(self, root: Root) -> Any:
        try:
            value = self._evaluate(root)
            if type(value) is list or type(value) is dict:
                root.run.look_at(value)
            return value
        except Exceeded as reason:
            root.run.warn(str(reason))
        except RecursionError:
            root.run.warn("the evaluation goes too deep")
        except (DecimalException, OverflowError):
            root.run.warn("a number is not finite, or has more digits than numbers have")
        return None


def steps_of(node: Node) -> Steps | None:
    """The names and indexes of a plain path (`data.rain`, `topic[2]`); None for other expressions.

    >>> steps_of(compile_expression("data.levels[2].value").node)
    ('data', 'levels', 2, 'value')
    """
    if isinstance(node, Name):
        return (node.name,) if node.name not in library() else None
    if isinstance(node, Path):
        before = steps_of(node.source)
        return None if before is None else (*before, node.member)
    if isinstance(node, Filter) and isinstance(node.condition, Literal) and type(node.condition.value) is int:
        before = steps_of(node.source)
        return None if before is None or node.condition.value < 1 else (*before, node.condition.value)
    return None


def _no_type(name: str) -> Type | None:
    return None


def _compiled(
    text: str, read: Callable[[Words], Node], names: Collection[str], members: Collection[str], named_type: Callable[[str], Type | None]
) -> Expression:
    known = Names(library())
    known.enter(names)
    known.enter()
    words = Words(text, known, Names((*names, *members)))
    made = Compiler(_RULES, library(), named_type)
    try:
        node = read(words)
        evaluate = made.compile(node)
    except RecursionError as error:
        raise FeelSyntaxError(text, 0, "the expression is too deep; right would be several expressions") from error
    return Expression(text, node, evaluate, frozenset(made.mentioned))


def compile_expression(
    text: str, names: Collection[str] = (), members: Collection[str] = (), named_type: Callable[[str], Type | None] = _no_type
) -> Expression:
    """An expression of a text; FeelSyntaxError (a BadRequestData with line and column) where it is none.

    Args:
        text: FEEL.
        names: Variables whose names have signs or keywords in them (`a-b`, `check in`); other names need not be told.
        members: Members of contexts with such names.
        named_type: Finds a type that is not FEEL's own.

    >>> compile_expression("rain amount * 2 > 50")({"rain amount": 25.5})
    True
    """
    return _compiled(text, expression_of, names, members, named_type)


def compile_unary_tests(
    text: str, names: Collection[str] = (), members: Collection[str] = (), named_type: Callable[[str], Type | None] = _no_type
) -> Expression:
    """Unary tests, as in a cell of a decision table, of the value that the context has as `?`.

    >>> compile_unary_tests('[10..20), > 100')({"?": 20})
    False
    """
    return _compiled(text, unary_tests_of, names, members, named_type)
