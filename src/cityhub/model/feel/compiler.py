"""From tree to functions: each part of an expression becomes a Python function of the environment.

Nothing is generated as text and no name reaches Python: a part that is a name looks it up in the environment only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.feel.arithmetic import negated, operation
from cityhub.model.feel.bounds import MAX_DEPTH
from cityhub.model.feel.environment import Env, run_of
from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.library import Library
from cityhub.model.feel.logic import compare
from cityhub.model.feel.members import member
from cityhub.model.feel.nodes import (
    Arithmetic,
    ContextLiteral,
    If,
    InstanceOf,
    Interval,
    ListLiteral,
    Literal,
    Name,
    Negation,
    Node,
    Path,
    TypeNode,
)
from cityhub.model.feel.numbers import NUMBERS
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


def instance_of(compiler: Compiler, node: InstanceOf) -> Evaluate:
    """Whether a value belongs to a type; null where there is no such type."""
    operand, kind = compiler.compile(node.operand), compiler.type(node.type)

    def belongs(env: Env) -> bool | None:
        value = operand(env)
        run_of(env).look_at(value)
        return None if kind is None else kind.has(value)

    return belongs


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
    InstanceOf: instance_of,
    Interval: interval,
    If: conditional,
    ListLiteral: list_literal,
    ContextLiteral: context_literal,
}
