"""Decision tables: which rules hold, and what comes of it.

Source: OMG DMN 1.5, chapter 8: 8.2.8 (rules), 8.2.10 and 8.2.11 (hit policies and aggregation), 8.3.3 (defaults).
"""

from __future__ import annotations

from decimal import DecimalException
from typing import Any, Final

from cityhub.cases.dmn.boxes import Output, Rule, Table
from cityhub.cases.dmn.compiling import Boxes, Evaluate, Names, brought
from cityhub.cases.dmn.evaluation import Evaluation, Match
from cityhub.model.feel.environment import Env, Run, run_of
from cityhub.model.feel.functions.aggregates import extreme, total
from cityhub.model.feel.logic import equal
from cityhub.model.feel.types import Type
from cityhub.model.feel.values import Rejected

_MANY: Final = frozenset({"COLLECT", "RULE ORDER", "OUTPUT ORDER"})
_ANYTHING: Final = frozenset({"", "-"})


class _Column:
    """A column of conditions: the value of the row, brought to its type and tested by what is allowed."""

    def __init__(self, boxes: Boxes, table: Table, index: int, names: Names) -> None:
        source = table.inputs[index]
        self.text = source.text
        self._evaluate = boxes.text(source.text, names, source.line)
        self._type: Type = boxes.types.of(source.type, f"line {source.line}")
        self._allowed = None if source.values in _ANYTHING else boxes.tests(source.values, names, source.line)
        self._line = source.line

    def value(self, env: Env, run: Run) -> Any:
        value = brought(self._type, self._evaluate(env), run, f"line {self._line}")
        if self._allowed is not None and self._allowed(Env({"?": value}, env)) is not True:
            raise Rejected(f"line {self._line}: the value of '{self.text}' is none of those that the table allows")
        return value


class _Row:
    """A rule: its tests (None: anything passes) and its outputs."""

    def __init__(self, boxes: Boxes, rule: Rule, names: Names) -> None:
        self._tests = [None if text in _ANYTHING else boxes.tests(text, names, rule.line) for text in rule.tests]
        self.outputs = [boxes.text(text or "null", names, rule.line) for text in rule.outputs]

    def holds(self, columns: list[Env]) -> bool:
        """Whether the rule holds where each column has its value as `?`."""
        for test, env in zip(self._tests, columns, strict=True):
            if test is not None and test(env) is not True:
                return False
        return True


def compile_table(boxes: Boxes, table: Table, names: Names) -> Evaluate:
    """The function of a decision table."""
    columns = [_Column(boxes, table, index, names) for index in range(len(table.inputs))]
    rows = [_Row(boxes, rule, names) for rule in table.rules]
    conclude = _Conclusion(boxes, table, names)

    def decide(env: Env) -> Any:
        run = run_of(env)
        run.charge(len(rows))
        try:
            values = [column.value(env, run) for column in columns]
            held = _held(rows, [Env({"?": value}, env) for value in values], only_first=table.policy == "FIRST")
            _note(run, table, columns, values, held)
            return conclude.value([rows[place] for place in held], env)
        except Rejected as reason:
            run.warn(str(reason))
            return None

    return decide


def _held(rows: list[_Row], columns: list[Env], *, only_first: bool) -> list[int]:
    held: list[int] = []
    for place, row in enumerate(rows):
        if row.holds(columns):
            held.append(place)
            if only_first:
                break
    return held


def _note(run: Run, table: Table, columns: list[_Column], values: list[Any], held: list[int]) -> None:
    if isinstance(run, Evaluation):
        rules = [table.rules[place] for place in held]
        inputs = {column.text: value for column, value in zip(columns, values, strict=True)}
        numbers = tuple(place + 1 for place in held)
        run.matches.append(Match(table.line, inputs, numbers, tuple(rule.id for rule in rules), tuple(rule.annotations for rule in rules)))


class _Conclusion:
    """What comes of the rules that hold, by the table's hit policy."""

    def __init__(self, boxes: Boxes, table: Table, names: Names) -> None:
        self._table = table
        self._types = [boxes.types.of(output.type, f"line {output.line}") for output in table.outputs]
        self._defaults = [boxes.text(output.default, names, output.line) if output.default else None for output in table.outputs]
        self._ranks = [_ranks(boxes, output, names) for output in table.outputs]

    def value(self, rows: list[_Row], env: Env) -> Any:
        policy = self._table.policy
        if not rows:
            return self._default(env)
        if policy == "UNIQUE" and len(rows) > 1:
            raise Rejected(f"line {self._table.line}: {len(rows)} rules of a table hold of which only one may (hit policy UNIQUE)")
        results = [self._outputs([output(env) for output in row.outputs], env) for row in rows]
        if policy == "ANY" and any(equal(result, results[0]) is not True for result in results):
            raise Rejected(f"line {self._table.line}: rules of a table hold that do not agree (hit policy ANY)")
        if policy in ("PRIORITY", "OUTPUT ORDER"):
            results = self._by_priority(results, env)
        if policy == "COLLECT" and self._table.aggregation:
            return _aggregated(results, self._table.aggregation)
        shaped = [self._shaped(result) for result in results]
        return shaped if policy in _MANY else shaped[0]

    def _outputs(self, values: list[Any], env: Env) -> list[Any]:
        run = run_of(env)
        return [brought(kind, value, run, f"line {self._table.line}") for kind, value in zip(self._types, values, strict=True)]

    def _shaped(self, values: list[Any]) -> Any:
        if len(values) == 1:
            return values[0]
        return {output.name: value for output, value in zip(self._table.outputs, values, strict=True)}

    def _default(self, env: Env) -> Any:
        if any(default is not None for default in self._defaults):
            result = self._shaped(self._outputs([None if default is None else default(env) for default in self._defaults], env))
            return [result] if self._table.policy in _MANY and not self._table.aggregation else result
        if self._table.policy in _MANY and not self._table.aggregation:
            return []
        if self._table.aggregation == "COUNT":
            return 0
        run_of(env).warn(f"line {self._table.line}: no rule of the table holds")
        return None

    def _by_priority(self, results: list[list[Any]], env: Env) -> list[list[Any]]:
        ranks = [[] if rank is None else rank(env) or [] for rank in self._ranks]

        def place(values: list[Any]) -> list[int]:
            return [_place(order, value) for order, value in zip(ranks, values, strict=True)]

        return sorted(results, key=place)


def _ranks(boxes: Boxes, output: Output, names: Names) -> Evaluate | None:
    return boxes.text(f"[{output.values}]", names, output.line) if output.values else None


def _place(order: list[Any], value: Any) -> int:
    return next((place for place, known in enumerate(order) if equal(known, value)), len(order))


def _aggregated(results: list[list[Any]], aggregation: str) -> Any:
    if any(len(values) != 1 for values in results):
        raise Rejected("a table with several outputs is not aggregated")
    items = [values[0] for values in results]
    try:
        if aggregation == "SUM":
            return total(items)
        return len(items) if aggregation == "COUNT" else extreme(items, -1 if aggregation == "MIN" else 1)
    except DecimalException as error:
        raise Rejected("the sum is no number of 34 digits") from error
