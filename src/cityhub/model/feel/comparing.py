"""Comparisons, membership and logic, compiled.

Source: OMG DMN 1.5, 10.3.2.9 (three-valued logic), table 50 (comparison), table 55 (between, in).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cityhub.model.feel.compiler import Compiler, Evaluate, Rule
from cityhub.model.feel.environment import Env, run_of
from cityhub.model.feel.logic import compare, equal, passes
from cityhub.model.feel.nodes import Between, Comparison, Conjunction, Disjunction, In, UnaryComparison
from cityhub.model.feel.numbers import NATIVE
from cityhub.model.feel.values import Range

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
            run_of(env).look_at(first)
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
                run_of(env).look_at(allowed)
            passed = passes(value, allowed)
            if passed:
                return True
            if passed is None:
                result = None
        return result

    return passes_one


def unary_comparison(compiler: Compiler, node: UnaryComparison) -> Evaluate:
    """A range that is open at one end, or what equals (or does not equal) a value."""
    operand, operator = compiler.compile(node.operand), node.operator
    closed = operator in ("<=", ">=", "=")
    if operator in ("<", "<="):
        return lambda env: Range(None, operand(env), False, closed, operator)
    if operator in (">", ">="):
        return lambda env: Range(operand(env), None, closed, False, operator)
    return lambda env: Range(value := operand(env), value, closed, closed, operator)


RULES: Final[dict[type, Rule]] = {
    Comparison: comparison,
    Conjunction: conjunction,
    Disjunction: disjunction,
    Between: between,
    In: membership,
    UnaryComparison: unary_comparison,
}
