"""Types: what belongs to them, and how values are brought to them.

Source: OMG DMN 1.5, 10.3.2.9 (type lattice, conformance, conversions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.model.feel.calendar import at_midnight, lifted
from cityhub.model.feel.library import Builtin
from cityhub.model.feel.nodes import TypeNode
from cityhub.model.feel.numbers import NUMBERS
from cityhub.model.feel.temporal import Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Function, Range


class Type(msgspec.Struct, frozen=True):
    """A type.

    Attributes:
        name: As it is written.
        test: Whether a value that is not null belongs to it.
        item: Of a list, what its items are.
        simple: The type of FEEL that it narrows, "" for others.
        parts: Of a function, its parameters' types.
        result: Of a function, what it gives.
        members: Of a context, its members' types.
        shape: Whether a value has the form of the type, allowed or not; None: the same as `test`.
    """

    name: str
    test: Callable[[Any], bool]
    item: Type | None = None
    simple: str = ""
    parts: tuple[Type, ...] = ()
    result: Type | None = None
    members: tuple[tuple[str, Type], ...] = ()
    shape: Callable[[Any], bool] | None = None

    def has(self, value: Any) -> bool:
        """Whether a value is an instance of it, whatever values are allowed; null is one of Null only."""
        return (self.shape or self.test)(value) if value is not None else self.simple == "Null"

    def brought(self, value: Any) -> Any:
        """The value as one of this type: itself, the one item of a list, a list of the one value, a day's midnight; else null."""
        if value is None or self.test(value):
            return value
        if type(value) is list and len(value) == 1 and self.item is None:
            return self.brought(value[0])
        if self.item is not None and type(value) is not list and self.test([value]):
            return [value]
        if self.simple == "date and time" and type(lifted(value)) is Date:
            return at_midnight(lifted(value), utc=True)
        return None


def _of(*kinds: type) -> Callable[[Any], bool]:
    allowed = frozenset(kinds)
    return lambda value: type(value) in allowed or type(lifted(value)) in allowed


ANY: Final = Type("Any", lambda value: True, simple="Any")
SIMPLE: Final[dict[str, Type]] = {
    "Any": ANY,
    "Null": Type("Null", lambda value: False, simple="Null"),
    "number": Type("number", lambda value: type(value) in NUMBERS, simple="number"),
    "string": Type("string", lambda value: type(value) is str, simple="string"),
    "boolean": Type("boolean", lambda value: type(value) is bool, simple="boolean"),
    "date": Type("date", _of(Date), simple="date"),
    "time": Type("time", _of(Time), simple="time"),
    "date and time": Type("date and time", _of(DateTime), simple="date and time"),
    "days and time duration": Type("days and time duration", _of(Duration), simple="days and time duration"),
    "years and months duration": Type("years and months duration", _of(Months), simple="years and months duration"),
    "context": Type("context", lambda value: isinstance(value, dict), simple="context"),
    "list": Type("list", lambda value: isinstance(value, list), item=ANY, simple="list"),
    "range": Type("range", lambda value: isinstance(value, Range), simple="range"),
    "function": Type("function", lambda value: isinstance(value, Function | Builtin), simple="function"),
}
_OTHER_NAMES: Final = {
    "dateTime": "date and time",
    "dayTimeDuration": "days and time duration",
    "yearMonthDuration": "years and months duration",
    "any": "Any",
    "null": "Null",
}


def list_of(item: Type, name: str = "") -> Type:
    """The type of lists whose items are of a type or null."""
    return Type(
        name or f"list<{item.name}>",
        lambda value: isinstance(value, list) and all(entry is None or item.test(entry) for entry in value),
        item=item,
        simple="list",
    )


def context_of(members: tuple[tuple[str, Type], ...], name: str = "") -> Type:
    """The type of contexts that have these members (others may be there), each of its type or null."""

    def test(value: Any) -> bool:
        return isinstance(value, dict) and all(key in value and (value[key] is None or kind.test(value[key])) for key, kind in members)

    return Type(name or f"context<{', '.join(f'{key}: {kind.name}' for key, kind in members)}>", test, simple="context", members=members)


def function_of(parts: tuple[Type, ...], result: Type | None) -> Type:
    """The type of functions that take values of these types and give one of the result's."""

    def test(value: Any) -> bool:
        if isinstance(value, Builtin):
            return any(form.required <= len(parts) <= len(form.checks) for form in value.forms)
        if not isinstance(value, Function) or len(value.parameters) != len(parts):
            return False
        takes = all(kind is None or conforms(part, kind) for kind, part in zip(value.types, parts, strict=True))
        return takes and (result is None or value.result is None or conforms(value.result, result))

    name = f"function<{', '.join(part.name for part in parts)}> -> {result.name if result else 'Any'}"
    return Type(name, test, simple="function", parts=parts, result=result)


def range_of(item: Type) -> Type:
    """The type of ranges whose ends are of a type."""

    def test(value: Any) -> bool:
        ends = [] if not isinstance(value, Range) else [end for end in (value.low, value.high) if end is not None]
        return bool(ends) and all(item.test(end) for end in ends)

    return Type(f"range<{item.name}>", test, simple="range")


def conforms(kind: Type, other: Type) -> bool:
    """Whether every value of one type belongs to another."""
    if kind is other or other.simple == "Any" or kind.simple == "Null" or kind.name == other.name:
        return True
    if kind.simple != other.simple:
        return False
    if kind.item is not None and other.item is not None:
        return conforms(kind.item, other.item)
    if other.members:
        own = dict(kind.members)
        return all(name in own and conforms(own[name], wanted) for name, wanted in other.members)
    return other is SIMPLE.get(other.simple)


def type_of(node: TypeNode, named: Callable[[str], Type | None] = lambda name: None) -> Type | None:
    """The type that a tree of it stands for; None where a name in it is none.

    Args:
        node: As the grammar read it.
        named: Finds a type that is not FEEL's own.
    """
    if node.name in ("list", "range") and node.parts:
        item = type_of(node.parts[0], named)
        return None if item is None else list_of(item) if node.name == "list" else range_of(item)
    if node.name == "context" and node.members:
        members = [(name, type_of(kind, named)) for name, kind in node.members]
        known = tuple((name, kind) for name, kind in members if kind is not None)
        return context_of(known) if len(known) == len(members) else None
    if node.name == "function" and (node.parts or node.result):
        parts = tuple(part for part in (type_of(part, named) for part in node.parts) if part is not None)
        result = type_of(node.result, named) if node.result else None
        return function_of(parts, result) if len(parts) == len(node.parts) and (result or not node.result) else None
    return named(node.name) or SIMPLE.get(_OTHER_NAMES.get(node.name, node.name))
