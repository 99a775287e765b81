"""How built-in functions are declared and called: parameters by place or name, several forms of one name, values brought to types.

A declaration reads like the standard's tables: `substring(string: string, start position: number, length: number?=)`.
`?` after a type: null may be given. `=`: the argument may be left out. `*`: any number of arguments, also one list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from cityhub.model.feel.arithmetic import kind_of
from cityhub.model.feel.calendar import lifted
from cityhub.model.feel.environment import Run, weight
from cityhub.model.feel.numbers import NUMBERS
from cityhub.model.feel.temporal import Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Function, Range, Rejected

MISS: Final = object()
"""Given by a check for a value that is none of its kind."""
Check = Callable[[Any], Any]


def _single(kinds: frozenset[type]) -> Check:
    def check(value: Any) -> Any:
        if type(value) in kinds:
            return value
        value = lifted(value)
        if type(value) in kinds:
            return value
        return check(value[0]) if type(value) is list and len(value) == 1 else MISS

    return check


def _listed(value: Any) -> Any:
    return value if type(value) is list else MISS if value is None else [value]


def _truly(value: Any) -> Any:
    return MISS if value is None else value


CHECKS: Final[dict[str, Check]] = {
    "any": lambda value: value,
    "value": _truly,
    "number": _single(NUMBERS),
    "string": _single(frozenset({str})),
    "boolean": _single(frozenset({bool})),
    "list": _listed,
    "context": _single(frozenset({dict})),
    "function": lambda value: value if type(value) in (Function, Builtin) else MISS,
    "range": _single(frozenset({Range})),
    "date": _single(frozenset({Date})),
    "time": _single(frozenset({Time})),
    "date time": _single(frozenset({DateTime})),
    "day": _single(frozenset({Date, DateTime})),
    "moment": _single(frozenset({Date, DateTime, Time})),
    "duration": _single(frozenset({Duration})),
    "months": _single(frozenset({Months})),
    "span": _single(frozenset({Duration, Months})),
    "point": lambda value: MISS if type(value) is Range or value is None else value,
}


class Form(msgspec.Struct, frozen=True):
    """One way to call a built-in function.

    Attributes:
        names: Names of its parameters.
        checks: What each parameter takes.
        required: How many arguments at least.
        body: Called with the arguments that are left after the checks; missing ones at the end are not handed over.
        variadic: Whether the last parameter takes all further arguments, as a list.
        runs: Whether the body takes the run as its first argument.
        deep: Whether it looks at every item within the items.
    """

    names: tuple[str, ...]
    checks: tuple[Check, ...]
    required: int
    body: Callable[..., Any]
    variadic: bool = False
    runs: bool = False
    deep: bool = False

    def bound(self, arguments: Sequence[Any]) -> list[Any] | None:
        """The arguments brought to what the parameters take, or None where one cannot be."""
        if not self.required <= len(arguments) <= len(self.checks):
            return None
        values = [check(value) for check, value in zip(self.checks, arguments, strict=False)]
        return None if any(value is MISS for value in values) else values

    def arranged(self, names: Sequence[str], arguments: Sequence[Any]) -> list[Any] | None:
        """Arguments with names in the order of the parameters; None where a name is none of them or one is missing."""
        given = dict(zip(names, arguments, strict=True))
        if not set(names) <= set(self.names) or not set(self.names[: self.required]) <= set(names):
            return None
        last = max(self.names.index(name) for name in given)
        return [given.get(name) for name in self.names[: last + 1]]


class Builtin:
    """A built-in function: its forms, tried in order."""

    __slots__ = ("forms", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.forms: list[Form] = []

    def call(self, run: Run, arguments: Sequence[Any], names: Sequence[str] = ()) -> Any:
        """What the function gives; Rejected where no form takes the arguments."""
        for form in self.forms:
            ordered = arguments if not names else form.arranged(names, arguments)
            if ordered is None:
                continue
            values = _collected(form, ordered, bool(names))
            bound = None if values is None else form.bound(values)
            if bound is not None:
                run.charge(_cost(bound, deep=form.deep))
                result = form.body(run, *bound) if form.runs else form.body(*bound)
                if type(result) is list or type(result) is str:
                    run.charge_value(result)
                return result
        raise Rejected(f"'{self.name}' does not go with {', '.join(kind_of(value) for value in arguments) or 'no arguments'}")


def _cost(arguments: Sequence[Any], *, deep: bool) -> int:
    """Steps that it takes to look at arguments; of those that are compared in depth, at every item in them."""
    cost = 0
    for value in arguments:
        if type(value) is str:
            cost += len(value) >> 6
        elif type(value) is list or type(value) is dict:
            cost += weight(value) if deep else len(value) >> 3
    return cost


def _collected(form: Form, arguments: Sequence[Any], named: bool) -> Sequence[Any] | None:
    if not form.variadic or named:
        return arguments
    fixed = len(form.checks) - 1
    rest = list(arguments[fixed:])
    if not rest:
        return None
    return [*arguments[:fixed], rest]


Library = dict[str, Builtin]


def declare(library: Library, declaration: str, body: Callable[..., Any], *, runs: bool = False, deep: bool = False) -> None:
    """Adds one form of a function to a library."""
    name, _, rest = declaration.rstrip(")").partition("(")
    names: list[str] = []
    checks: list[Check] = []
    required, variadic = 0, False
    for parameter in filter(None, rest.split(", ")):
        label, _, kind = parameter.partition(": ")
        optional, many = kind.endswith("="), kind.endswith("*")
        kind = kind.rstrip("=*")
        check = CHECKS[kind.rstrip("?")]
        names.append(label)
        checks.append(CHECKS["list"] if many else _nullable(check) if kind.endswith("?") else check)
        required += not optional
        variadic = variadic or many
    function = library.setdefault(name, Builtin(name))
    function.forms.append(Form(tuple(names), tuple(checks), required, body, variadic, runs, deep))


def _nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)
