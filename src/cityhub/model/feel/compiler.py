"""From tree to functions: each part of an expression becomes a Python function of the environment.

Nothing is generated as text and no name reaches Python: a part that is a name looks it up in the environment only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.feel.arithmetic import negated, operation
from cityhub.model.feel.bounds import MAX_DEPTH
from cityhub.model.feel.environment import Env, run_of, weight
from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.library import Library
from cityhub.model.feel.logic import compare, equal, passes
from cityhub.model.feel.members import member
from cityhub.model.feel.nodes import (
    Arithmetic,
    Between,
    Comparison,
    Conjunction,
    ContextLiteral,
    Disjunction,
    If,
    In,
    InstanceOf,
    Interval,
    ListLiteral,
    Literal,
    Name,
    Negation,
    Node,
    Path,
    TypeNode,
    UnaryComparison,
)
from cityhub.model.feel.numbers import NATIVE, NUMBERS
from cityhub.model.feel.types import Type, type_of
from cityhub.model.feel.values import Range, Rejected

Evaluate = Callable[[Env], Any]
Rule = Callable[["Compiler", Any], Evaluate]


class Compiler:
    """Compiles the nodes of one expression.

    Attributes:
        library: The built-in functions.
        mentioned: Names that the part compiled last mentions.
    """

    def __init__(self, rules: dict[type, Rule], library: Library, named_type: Callable[[str], Type | None]) -> None:
        self._rules = rules
        self._named_type = named_type
        self._depth = 0
        self.library = library
        self.mentioned: set[str] = set()

    def compile(self, node: Node) -> Evaluate:
        """The function of a node."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FeelSyntaxError("", 0, f"the expression is more than {MAX_DEPTH} operations high; right would be several expressions")
        evaluate = self._rules[type(node)](self, node)
        self._depth -= 1
        return evaluate

    def compile_apart(self, node: Node) -> tuple[Evaluate, set[str]]:
        """The function of a node, and the names that it mentions."""
        outside, self.mentioned = self.mentioned, set()
        evaluate = self.compile(node)
        inside, self.mentioned = self.mentioned, outside | self.mentioned
        return evaluate, inside

    def type(self, node: TypeNode) -> Type | None:
        """The type of a tree of it; None where there is none of its name."""
        return type_of(node, self._named_type)


def literal(compiler: Compiler, node: Literal) -> Evaluate:
    """A value that is always the same."""
    value = node.value
    return lambda env: value


def name(compiler: Compiler, node: Name) -> Evaluate:
    """A variable, else a built-in function, else null."""
    wanted = node.name
    compiler.mentioned.add(wanted)
    builtin = compiler.library.get(wanted)

    def look_up(env: Env) -> Any:
        scope: Env | None = env
        while scope is not None:
            names = scope.vars
            if wanted in names:
                return names[wanted]
            scope = scope.outer
        if builtin is None:
            run_of(env).warn(f"there is no variable '{wanted}'")
        return builtin

    return look_up


def path(compiler: Compiler, node: Path) -> Evaluate:
    """A member."""
    source, wanted = compiler.compile(node.source), node.member

    def walk(env: Env) -> Any:
        value = source(env)
        if type(value) is dict and wanted in value:
            return value[wanted]
        if type(value) is list:
            run_of(env).charge(len(value))
        try:
            return member(value, wanted)
        except Rejected as reason:
            run_of(env).warn(str(reason))
            return None

    return walk


def arithmetic(compiler: Compiler, node: Arithmetic) -> Evaluate:
    """A sum, difference, product, quotient or power."""
    left, right, operate = compiler.compile(node.left), compiler.compile(node.right), operation(node.operator)
    is_sum = node.operator == "+"

    def reckon(env: Env) -> Any:
        try:
            value = operate(left(env), right(env))
        except Rejected as reason:
            run_of(env).warn(str(reason))
            return None
        if is_sum and type(value) is str and len(value) > 256:
            run_of(env).charge_value(value)
        return value

    return reckon


def negation(compiler: Compiler, node: Negation) -> Evaluate:
    """The sign."""
    operand = compiler.compile(node.operand)
    if isinstance(node.operand, Literal) and type(node.operand.value) in NUMBERS:
        value = negated(node.operand.value)
        return lambda env: value

    def negate(env: Env) -> Any:
        try:
            return negated(operand(env))
        except Rejected as reason:
            run_of(env).warn(str(reason))
            return None

    return negate


_CONTAINERS: Final = frozenset({list, dict})
_ORDERS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def comparison(compiler: Compiler, node: Comparison) -> Evaluate:
    """An equation or inequality."""
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    if node.operator in ("=", "!="):
        return _equation(left, right, negated=node.operator == "!=")
    return _order(left, right, node.operator)


def _equation(left: Evaluate, right: Evaluate, *, negated: bool) -> Evaluate:
    def equate(env: Env) -> bool | None:
        first, second = left(env), right(env)
        if type(first) in _CONTAINERS:
            run_of(env).charge(weight(first))
        same = equal(first, second)
        return same if not negated or same is None else not same

    return equate


def _order(left: Evaluate, right: Evaluate, operator: str) -> Evaluate:
    holds = _ORDERS[operator]

    def order(env: Env) -> bool | None:
        first, second = left(env), right(env)
        if type(first) in NATIVE and type(second) in NATIVE:
            return holds((first > second) - (first < second))
        found = compare(first, second)
        if found is None:
            run_of(env).warn(f"'{operator}' has no answer for {first!r:.60} and {second!r:.60}")
            return None
        return holds(found)

    return order


def conjunction(compiler: Compiler, node: Conjunction) -> Evaluate:
    """False if one is false, true if all are true, else null."""
    operands = [compiler.compile(operand) for operand in node.operands]

    def all_hold(env: Env) -> bool | None:
        result: bool | None = True
        for operand in operands:
            value = operand(env)
            if value is False:
                return False
            if value is not True:
                result = None
        return result

    return all_hold


def disjunction(compiler: Compiler, node: Disjunction) -> Evaluate:
    """True if one is true, false if all are false, else null."""
    operands = [compiler.compile(operand) for operand in node.operands]

    def one_holds(env: Env) -> bool | None:
        result: bool | None = False
        for operand in operands:
            value = operand(env)
            if value is True:
                return True
            if value is not False:
                result = None
        return result

    return one_holds


def between(compiler: Compiler, node: Between) -> Evaluate:
    """Whether a value lies between two, both included."""
    operand, low, high = compiler.compile(node.operand), compiler.compile(node.low), compiler.compile(node.high)

    def lies(env: Env) -> bool | None:
        value = operand(env)
        from_low, to_high = compare(low(env), value), compare(value, high(env))
        return None if from_low is None or to_high is None else from_low <= 0 and to_high <= 0

    return lies


def membership(compiler: Compiler, node: In) -> Evaluate:
    """Whether a value passes one of the tests."""
    operand, tests = compiler.compile(node.operand), [compiler.compile(test) for test in node.tests]

    def passes_one(env: Env) -> bool | None:
        value = operand(env)
        result: bool | None = False
        for test in tests:
            allowed = test(env)
            if type(allowed) in _CONTAINERS:
                run_of(env).charge(weight(allowed))
            passed = passes(value, allowed)
            if passed:
                return True
            if passed is None:
                result = None
        return result

    return passes_one


def instance_of(compiler: Compiler, node: InstanceOf) -> Evaluate:
    """Whether a value belongs to a type; null where there is no such type."""
    operand, kind = compiler.compile(node.operand), compiler.type(node.type)
    return lambda env: None if kind is None else kind.has(operand(env))


def unary_comparison(compiler: Compiler, node: UnaryComparison) -> Evaluate:
    """A range that is open at one end, or what equals (or does not equal) a value."""
    operand, operator = compiler.compile(node.operand), node.operator
    closed = operator in ("<=", ">=", "=")
    if operator in ("<", "<="):
        return lambda env: Range(None, operand(env), False, closed, operator)
    if operator in (">", ">="):
        return lambda env: Range(operand(env), None, closed, False, operator)
    return lambda env: Range(value := operand(env), value, closed, closed, operator)


def interval(compiler: Compiler, node: Interval) -> Evaluate:
    """A range; null where its ends have no order."""
    low, high = compiler.compile(node.low), compiler.compile(node.high)
    low_included, high_included = node.low_included, node.high_included

    def span(env: Env) -> Range | None:
        first, last = low(env), high(env)
        if first is not None and last is not None and (compare(first, last) or 0) > 0:
            run_of(env).warn("the range ends before it begins")
            return None
        return Range(first, last, low_included, high_included)

    return span


def conditional(compiler: Compiler, node: If) -> Evaluate:
    """One of two; what is not true counts as false."""
    condition, yes, no = compiler.compile(node.condition), compiler.compile(node.yes), compiler.compile(node.no)
    return lambda env: yes(env) if condition(env) is True else no(env)


def list_literal(compiler: Compiler, node: ListLiteral) -> Evaluate:
    """A list."""
    items = [compiler.compile(item) for item in node.items]
    return lambda env: [item(env) for item in items]


def context_literal(compiler: Compiler, node: ContextLiteral) -> Evaluate:
    """A context whose entries see those before them."""
    entries = [(key, compiler.compile(value)) for key, value in node.entries]

    def build(env: Env) -> dict[str, Any]:
        result: dict[str, Any] = {}
        inner = Env(result, env)
        for key, value in entries:
            result[key] = value(inner)
        return result

    return build


RULES: Final[dict[type, Rule]] = {
    Literal: literal,
    Name: name,
    Path: path,
    Arithmetic: arithmetic,
    Negation: negation,
    Comparison: comparison,
    Conjunction: conjunction,
    Disjunction: disjunction,
    Between: between,
    In: membership,
    InstanceOf: instance_of,
    UnaryComparison: unary_comparison,
    Interval: interval,
    If: conditional,
    ListLiteral: list_literal,
    ContextLiteral: context_literal,
}
