"""Parts that look at one item after the other: filters, `for`, `some`, `every`.

Source: OMG DMN 1.5, 10.3.2.14 (for, partial), 10.3.2.5 and table 54 (filters).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from cityhub.model.feel.bounds import MAX_LIST, Exceeded
from cityhub.model.feel.calendar import day_number, lifted, numbered_day
from cityhub.model.feel.compiler import Compiler, Evaluate, Rule
from cityhub.model.feel.environment import Env, Run, run_of
from cityhub.model.feel.nodes import Filter, For, Iteration, Literal, Negation, Quantified
from cityhub.model.feel.numbers import NUMBERS, whole
from cityhub.model.feel.temporal import Date
from cityhub.model.feel.types import Type
from cityhub.model.feel.values import Range, Rejected


def filtered(compiler: Compiler, node: Filter) -> Evaluate:
    """The item at an index, or the items for which the condition holds; a value that is no list is a list of one."""
    source = compiler.compile(node.source)
    inner = node.condition.operand if isinstance(node.condition, Negation) else node.condition
    condition, mentioned = compiler.compile_apart(node.condition)
    if isinstance(inner, Literal) and type(inner.value) in NUMBERS:
        return lambda env: _at(_items(source(env)), condition(env), env)
    by_name = "item" in mentioned

    def select(env: Env) -> Any:
        value = source(env)
        items = _items(value)
        if not items:
            index = condition(Env({"item": None}, env))
            return None if type(index) in NUMBERS or value is None else []
        run_of(env).charge(len(items))
        return _selected(items, condition, env, by_name)

    return select


def _selected(items: list[Any], condition: Evaluate, env: Env, by_name: bool) -> Any:
    chosen: list[Any] = []
    for position, item in enumerate(items):
        inner = Env({"item": item}, env) if by_name or type(item) is not dict else env
        held = condition(Env(item, inner) if type(item) is dict else inner)
        if held is True:
            chosen.append(item)
        elif not position and type(held) in NUMBERS:
            return _at(items, held, env)
        elif held is not False and held is not None:
            run_of(env).warn("a filter's condition is to be true or false")
            return None
    return chosen


def _items(value: Any) -> list[Any]:
    return value if type(value) is list else [] if value is None else [value]


def _at(items: list[Any], index: Any, env: Env) -> Any:
    place = whole(index)
    if place is not None and 0 < place <= len(items):
        return items[place - 1]
    if place is not None and 0 < -place <= len(items):
        return items[place]
    run_of(env).warn(f"the list has {len(items)} items, none at {index}")
    return None


class _Turns:
    """The turns of a loop over one or several iterations."""

    def __init__(self, compiler: Compiler, iterations: Sequence[Iteration]) -> None:
        self._parts: list[tuple[str, Evaluate, Evaluate | None, Type | None]] = [
            (
                part.name,
                compiler.compile(part.source),
                compiler.compile(part.end) if part.end is not None else None,
                compiler.type(part.type) if part.type is not None else None,
            )
            for part in iterations
        ]

    def environments(self, env: Env, run: Run, place: int = 0) -> Iterator[Env]:
        """The environment of each turn; Rejected where there is nothing to go through."""
        if place == len(self._parts):
            run.charge(1)
            yield env
            return
        name, source, end, kind = self._parts[place]
        for item in domain(source(env), None if end is None else end(env), end is not None):
            value = item if kind is None else kind.brought(item)
            yield from self.environments(Env({name: value}, env), run, place + 1)


def domain(source: Any, end: Any, has_end: bool) -> Sequence[Any]:
    """What a loop goes through: a list's items, the whole numbers or days from one to another, or the one value."""
    if has_end:
        return _steps(source, end)
    if type(source) is list:
        return source
    if source is None:
        raise Rejected("there is nothing to go through: the list is null")
    if type(source) is Range:
        return _range_steps(source)
    return [source]


def _range_steps(span: Range) -> Sequence[Any]:
    if span.operator:
        raise Rejected("a loop needs a range with two ends")
    steps = _steps(span.low, span.high)
    return steps[0 if span.low_included else 1 : len(steps) if span.high_included else -1]


def _steps(begin: Any, end: Any) -> Sequence[Any]:
    begin, end = lifted(begin), lifted(end)
    if type(begin) is Date and type(end) is Date:
        return [numbered_day(number) for number in _counted(day_number(begin), day_number(end))]
    first, last = whole(begin), whole(end)
    if first is None or last is None:
        raise Rejected("a loop goes from a whole number to a whole number, or from a date to a date")
    return _counted(first, last)


def _counted(first: int, last: int) -> range:
    if abs(last - first) >= MAX_LIST:
        raise Exceeded(f"a loop has more than {MAX_LIST} turns")
    return range(first, last + 1) if first <= last else range(first, last - 1, -1)


def for_loop(compiler: Compiler, node: For) -> Evaluate:
    """A list of what the body gives in each turn."""
    turns = _Turns(compiler, node.iterations)
    body, mentioned = compiler.compile_apart(node.body)
    with_partial = "partial" in mentioned

    def loop(env: Env) -> Any:
        run = run_of(env)
        results: list[Any] = []
        try:
            for inner in turns.environments(env, run):
                if with_partial:
                    run.charge(len(results))
                    inner = Env({"partial": list(results)}, inner)
                results.append(body(inner))
        except Rejected as reason:
            run.warn(str(reason))
            return None
        return results

    return loop


def quantified(compiler: Compiler, node: Quantified) -> Evaluate:
    """Whether the body holds in one turn, or in every one, by the logic of three values."""
    turns, every = _Turns(compiler, node.iterations), node.every
    body = compiler.compile(node.body)

    def decide(env: Env) -> bool | None:
        run = run_of(env)
        result: bool | None = every
        try:
            for inner in turns.environments(env, run):
                held = body(inner)
                if held is (not every):
                    return not every
                if held is not every:
                    result = None
        except Rejected as reason:
            run.warn(str(reason))
            return None
        return result

    return decide


RULES: Final[dict[type, Rule]] = {Filter: filtered, For: for_loop, Quantified: quantified}
