"""Functions that an expression makes, and calls of these and of built-in ones.

Source: OMG DMN 1.5, 10.3.2.13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cityhub.model.feel.arithmetic import kind_of
from cityhub.model.feel.compiler import Compiler, Evaluate, Rule
from cityhub.model.feel.environment import Env, Run, run_of
from cityhub.model.feel.library import Builtin
from cityhub.model.feel.logic import passes
from cityhub.model.feel.nodes import Call, FunctionLiteral, UnaryTests
from cityhub.model.feel.values import Function, Rejected


def function_literal(compiler: Compiler, node: FunctionLiteral) -> Evaluate:
    """A function that sees the names around it; an external one is never run and gives null."""
    names = [parameter.name for parameter in node.parameters]
    types = [None if parameter.type is None else compiler.type(parameter.type) for parameter in node.parameters]
    body = compiler.compile(node.body)
    external = node.external

    def make(env: Env) -> Function:
        def invoke(run: Run, arguments: Sequence[Any]) -> Any:
            if external:
                raise Rejected("external functions (Java, PMML) are not run here")
            return body(Env(dict(zip(names, arguments, strict=True)), env))

        return Function(names, invoke, types)

    return make


def call(compiler: Compiler, node: Call) -> Evaluate:
    """What a function gives for arguments; null where they do not go with it."""
    function = compiler.compile(node.function)
    arguments = [compiler.compile(argument) for argument in node.arguments]
    names = node.names

    def invoke(env: Env) -> Any:
        callee = function(env)
        values = [argument(env) for argument in arguments]
        run = run_of(env)
        try:
            return invoked(callee, run, values, names)
        except Rejected as reason:
            run.warn(str(reason))
            return None

    return invoke


def invoked(callee: Any, run: Run, values: Sequence[Any], names: Sequence[str] = ()) -> Any:
    """What a function value gives; Rejected where it is none or the arguments do not go with it."""
    if type(callee) is Builtin:
        run.charge(1)
        return callee.call(run, values, names)
    if not isinstance(callee, Function):
        raise Rejected(f"{kind_of(callee)} cannot be called")
    return callee.call(run, callee.arranged(names, values) if names else values)


def unary_tests(compiler: Compiler, node: UnaryTests) -> Evaluate:
    """Whether the value `?` passes one of the tests."""
    tests = [compiler.compile_apart(test) for test in node.tests]
    parts = [(test, "?" in mentioned) for test, mentioned in tests]
    negated = node.negated

    def decide(env: Env) -> bool | None:
        value = env.vars["?"] if "?" in env.vars else None
        result = _one_passes(parts, value, env) if parts else True
        return result if not negated or result is None else not result

    return decide


def _one_passes(parts: list[tuple[Evaluate, bool]], value: Any, env: Env) -> bool | None:
    result: bool | None = False
    for test, asks in parts:
        given = test(env)
        if type(given) in (list, dict):
            run_of(env).look_at(given)
        if type(given) is bool and (asks or type(value) is not bool):
            passed: bool | None = given
        else:
            passed = passes(value, given)
        if passed is True:
            return True
        if passed is None:
            result = None
    return result


RULES: Final[dict[type, Rule]] = {FunctionLiteral: function_literal, Call: call, UnaryTests: unary_tests}
