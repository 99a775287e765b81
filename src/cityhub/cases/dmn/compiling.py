"""Boxed expressions to functions of the environment, as FEEL's own parts are.

Source: OMG DMN 1.5, 7.3 and 10.2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from cityhub.cases.dmn.boxes import (
    Box,
    Conditional,
    Context,
    Filter,
    FunctionBox,
    Invocation,
    Items,
    Iterator,
    Relation,
    Table,
    Text,
)
from cityhub.cases.dmn.types import Types
from cityhub.model.feel import FeelSyntaxError, compile_expression, compile_unary_tests
from cityhub.model.feel.calls import invoked
from cityhub.model.feel.environment import Env, Run, run_of
from cityhub.model.feel.loops import domain
from cityhub.model.feel.types import Type
from cityhub.model.feel.values import Function, Rejected

Evaluate = Callable[[Env], Any]
Names = frozenset[str]
FEEL_LANGUAGES: Final = ("", "feel", "https://www.omg.org/spec/dmn/20230324/feel/", "https://www.omg.org/spec/dmn/20211108/feel/")


class TableRule(Protocol):
    """Compiles a decision table."""

    def __call__(self, boxes: Boxes, table: Table, names: Names) -> Evaluate: ...


class Boxes:
    """Compiles the boxed expressions of one model.

    Attributes:
        types: The model's types.
    """

    def __init__(self, types: Types, members: frozenset[str], problem: Callable[[str], None], table: TableRule) -> None:
        self.types = types
        self._members = members
        self._problem = problem
        self._table = table

    def compile(self, box: Box, names: Names) -> Evaluate:
        """The function of a boxed expression where names are known; its value is of the type that the box names, else null."""
        evaluate: Evaluate = self._table(self, box, names) if isinstance(box, Table) else _RULES[type(box)](self, box, names)
        kind = self.types.of(box.type, f"line {box.line}")
        if kind.simple == "Any" or isinstance(box, FunctionBox):
            return evaluate
        return lambda env: brought(kind, evaluate(env), run_of(env), f"line {box.line}")

    def text(self, text: str, names: Names, line: int) -> Evaluate:
        """The function of an expression; one that is no FEEL is a problem, and null."""
        return self._feel(compile_expression, text, names, line)

    def tests(self, text: str, names: Names, line: int) -> Evaluate:
        """The function of unary tests of `?`."""
        return self._feel(compile_unary_tests, text, names | {"?"}, line)

    def _feel(self, compiled: Callable[..., Any], text: str, names: Names, line: int) -> Evaluate:
        try:
            return compiled(text, names, self._members, self.types.named).within  # type: ignore[no-any-return]
        except FeelSyntaxError as error:
            message = f"line {line}: {error.detail}"
            self._problem(message)
            return self.nothing(message)

    def refused(self, message: str) -> Evaluate:
        """The function of what cannot be evaluated here: a problem, and null."""
        self._problem(message)
        return self.nothing(message)

    @staticmethod
    def nothing(message: str) -> Evaluate:
        """Null, with a warning."""

        def warn(env: Env) -> None:
            run_of(env).warn(message)

        return warn


def brought(kind: Type, value: Any, run: Run, place: str) -> Any:
    """A value as one of a type; null, with a warning, where it cannot be."""
    run.look_at(value)
    result = kind.brought(value)
    if result is None and value is not None:
        run.warn(f"{place}: the value is no {kind.name}")
    return result


def _text(boxes: Boxes, box: Text, names: Names) -> Evaluate:
    if box.language.lower() not in FEEL_LANGUAGES:
        return boxes.refused(f"line {box.line}: the language '{box.language}' is not evaluated here; right would be FEEL")
    return boxes.text(box.text, names, box.line)


def _context(boxes: Boxes, box: Context, names: Names) -> Evaluate:
    entries: list[tuple[str, Evaluate, Type]] = []
    for entry in box.entries:
        entries.append((entry.name, boxes.compile(entry.value, names), boxes.types.of(entry.type, f"line {entry.value.line}")))
        names = names | {entry.name} if entry.name else names

    def build(env: Env) -> Any:
        result: dict[str, Any] = {}
        inner = Env(result, env)
        for name, evaluate, kind in entries:
            value = brought(kind, evaluate(inner), run_of(env), f"'{name or 'the result'}' of the context in line {box.line}")
            if not name:
                return value
            result[name] = value
        return result

    return build


def _items(boxes: Boxes, box: Items, names: Names) -> Evaluate:
    items = [boxes.compile(item, names) for item in box.items]
    return lambda env: [item(env) for item in items]


def _relation(boxes: Boxes, box: Relation, names: Names) -> Evaluate:
    rows = [[boxes.compile(cell, names) for cell in row] for row in box.rows]
    return lambda env: [dict(zip(box.columns, [cell(env) for cell in row], strict=True)) for row in rows]


def _invocation(boxes: Boxes, box: Invocation, names: Names) -> Evaluate:
    function = boxes.compile(box.function, names)
    parameters = [name for name, _ in box.bindings]
    arguments = [boxes.compile(argument, names) for _, argument in box.bindings]

    def invoke(env: Env) -> Any:
        run = run_of(env)
        try:
            return invoked(function(env), run, [argument(env) for argument in arguments], parameters)
        except Rejected as reason:
            run.warn(f"line {box.line}: {reason}")
            return None

    return invoke


def function_parts(boxes: Boxes, box: FunctionBox, names: Names) -> tuple[list[str], list[Type | None], Evaluate, Type]:
    """The parameters of a function, their types, its body, and the type of what it gives."""
    parameters = [formal.name for formal in box.parameters]
    types: list[Type | None] = [boxes.types.of(formal.type, f"line {box.line}") for formal in box.parameters]
    if box.kind != "FEEL":
        body = boxes.refused(f"line {box.line}: functions of kind {box.kind} are never run here; right would be FEEL")
    else:
        body = boxes.compile(box.body, names | set(parameters))
    return parameters, types, body, boxes.types.of(box.type, f"line {box.line}")


def _function(boxes: Boxes, box: FunctionBox, names: Names) -> Evaluate:
    parameters, types, body, _ = function_parts(boxes, box, names)

    def make(env: Env) -> Function:
        def invoke(run: Run, arguments: Sequence[Any]) -> Any:
            return body(Env(dict(zip(parameters, arguments, strict=True)), env))

        return Function(parameters, invoke, types)

    return make


def _conditional(boxes: Boxes, box: Conditional, names: Names) -> Evaluate:
    condition, yes, no = (boxes.compile(part, names) for part in (box.condition, box.yes, box.no))

    def choose(env: Env) -> Any:
        held = condition(env)
        if held is not None and type(held) is not bool:
            run_of(env).warn(f"line {box.line}: a condition is to be true or false")
            return None
        return yes(env) if held else no(env)

    return choose


def _filter(boxes: Boxes, box: Filter, names: Names) -> Evaluate:
    source, condition = boxes.compile(box.source, names), boxes.compile(box.condition, names | {"item"})

    def select(env: Env) -> Any:
        items = source(env)
        items = items if type(items) is list else [] if items is None else [items]
        run = run_of(env)
        chosen = []
        for item in items:
            run.charge(1)
            inner = Env({"item": item}, env)
            held = condition(Env(item, inner) if type(item) is dict else inner)
            if type(held) is not bool:
                run.warn(f"line {box.line}: a filter's condition is to be true or false")
                return None
            if held:
                chosen.append(item)
        return chosen

    return select


def _iterator(boxes: Boxes, box: Iterator, names: Names) -> Evaluate:
    source = boxes.compile(box.source, names)
    body = boxes.compile(box.body, names | {box.variable, "partial"})
    with_partial = "partial" in repr(box.body)  # a copy for each turn is made only where a text may ask for it

    def turns(env: Env) -> Any:
        run = run_of(env)
        results: list[Any] = []
        try:
            for item in domain(source(env), None, False):
                run.charge(1 + len(results) if with_partial else 1)
                around = {box.variable: item, "partial": results[:]} if with_partial else {box.variable: item}
                results.append(body(Env(around, env)))
        except Rejected as reason:
            run.warn(f"line {box.line}: {reason}")
            return None
        return results if box.kind == "for" else _quantified(results, every=box.kind == "every")

    return turns


def _quantified(results: list[Any], *, every: bool) -> bool | None:
    if any(held is not None and type(held) is not bool for held in results):
        return None
    if any(held is (not every) for held in results):
        return not every
    return every if all(held is every for held in results) else None


_RULES: Final[dict[type, Callable[[Boxes, Any, Names], Evaluate]]] = {
    Text: _text,
    Context: _context,
    Items: _items,
    Relation: _relation,
    Invocation: _invocation,
    FunctionBox: _function,
    Conditional: _conditional,
    Filter: _filter,
    Iterator: _iterator,
}
