"""Boxed expressions: what stands in a decision, as data.

Source: OMG DMN 1.5, 7.3 and chapter 8 (decision tables).
"""

from __future__ import annotations

import msgspec


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A boxed expression.

    Attributes:
        type: Name of the type that its value is brought to; "": any.
        line: Where it begins in the document.
    """

    type: str = ""
    line: int = 0


class Text(Box, frozen=True, kw_only=True):
    """A literal expression of FEEL; another language cannot be evaluated."""

    text: str
    language: str = ""


class Input(msgspec.Struct, frozen=True):
    """A column of conditions: the expression that is tested, its type, and the tests that its values must pass ("": none)."""

    text: str
    type: str
    values: str
    line: int


class Output(msgspec.Struct, frozen=True):
    """A column of conclusions: its name ("" if it is the only one), type, allowed values in order of priority, and default."""

    name: str
    type: str
    values: str
    default: str
    line: int


class Rule(msgspec.Struct, frozen=True):
    """A row: a test for each input, an expression for each output, and remarks."""

    id: str
    tests: tuple[str, ...]
    outputs: tuple[str, ...]
    annotations: tuple[str, ...]
    line: int


class Table(Box, frozen=True, kw_only=True):
    """A decision table.

    Attributes:
        inputs: Columns of conditions.
        outputs: Columns of conclusions.
        rules: Rows.
        policy: UNIQUE, FIRST, PRIORITY, ANY, COLLECT, RULE ORDER or OUTPUT ORDER.
        aggregation: With COLLECT: SUM, COUNT, MIN, MAX or "".
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    rules: tuple[Rule, ...]
    policy: str
    aggregation: str


class Entry(msgspec.Struct, frozen=True):
    """An entry of a context; without a name its value is that of the whole context."""

    name: str
    type: str
    value: Box


class Context(Box, frozen=True, kw_only=True):
    """A context; an entry sees those before it."""

    entries: tuple[Entry, ...]


class Items(Box, frozen=True, kw_only=True):
    """A list."""

    items: tuple[Box, ...]


class Relation(Box, frozen=True, kw_only=True):
    """A list of contexts that have the same members."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Box, ...], ...]


class Invocation(Box, frozen=True, kw_only=True):
    """A call of a function with an argument for each parameter."""

    function: Box
    bindings: tuple[tuple[str, Box], ...]


class Formal(msgspec.Struct, frozen=True):
    """A parameter of a function."""

    name: str
    type: str


class FunctionBox(Box, frozen=True, kw_only=True):
    """A function; of another kind than FEEL it cannot be called."""

    parameters: tuple[Formal, ...]
    body: Box
    kind: str = "FEEL"


class Conditional(Box, frozen=True, kw_only=True):
    """One of two."""

    condition: Box
    yes: Box
    no: Box


class Filter(Box, frozen=True, kw_only=True):
    """The items of a list for which a condition holds."""

    source: Box
    condition: Box


class Iterator(Box, frozen=True, kw_only=True):
    """`for`, `some` or `every` over a list."""

    kind: str
    variable: str
    source: Box
    body: Box
