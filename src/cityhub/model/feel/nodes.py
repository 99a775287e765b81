"""What an expression is made of: the tree that the grammar builds and the compiler turns into functions."""

from __future__ import annotations

from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True):
    """A part of an expression."""


class Literal(Node, frozen=True):
    """A number, a text, true, false, null, or a temporal value written with `@`."""

    value: Any


class Name(Node, frozen=True):
    """A variable, an item's member within a filter, or a function."""

    name: str


class Path(Node, frozen=True):
    """`source.member`."""

    source: Node
    member: str


class Filter(Node, frozen=True):
    """`source[condition]`: items for which the condition holds, or the item at an index."""

    source: Node
    condition: Node


class Arithmetic(Node, frozen=True):
    """`left + right` and the other operators: + - * / **."""

    operator: str
    left: Node
    right: Node


class Negation(Node, frozen=True):
    """`-operand`."""

    operand: Node


class Comparison(Node, frozen=True):
    """`left < right` and the other operators: = != < <= > >=."""

    operator: str
    left: Node
    right: Node


class Conjunction(Node, frozen=True):
    """All of them, by FEEL's logic of three values."""

    operands: tuple[Node, ...]


class Disjunction(Node, frozen=True):
    """One of them, by FEEL's logic of three values."""

    operands: tuple[Node, ...]


class Between(Node, frozen=True):
    """`operand between low and high`, both ends included."""

    operand: Node
    low: Node
    high: Node


class In(Node, frozen=True):
    """`operand in test` or `operand in (test, test)`."""

    operand: Node
    tests: tuple[Node, ...]


class InstanceOf(Node, frozen=True):
    """`operand instance of type`."""

    operand: Node
    type: TypeNode


class UnaryComparison(Node, frozen=True):
    """`< 5` where no left side is written: a range that is open at one end; with `=` and `!=` a test only."""

    operator: str
    operand: Node


class Interval(Node, frozen=True):
    """`[low..high]`, `(low..high)`, `]low..high[`."""

    low: Node
    high: Node
    low_included: bool
    high_included: bool


class If(Node, frozen=True):
    """`if condition then yes else no`."""

    condition: Node
    yes: Node
    no: Node


class Iteration(Node, frozen=True):
    """`name in source` or `name in source..end` of a loop."""

    name: str
    source: Node
    end: Node | None
    type: TypeNode | None = None


class For(Node, frozen=True):
    """`for iterations return body`; `partial` in the body is the list of what the turns before gave."""

    iterations: tuple[Iteration, ...]
    body: Node


class Quantified(Node, frozen=True):
    """`some` or `every` `iterations satisfies body`."""

    every: bool
    iterations: tuple[Iteration, ...]
    body: Node


class ListLiteral(Node, frozen=True):
    """`[a, b]`."""

    items: tuple[Node, ...]


class ContextLiteral(Node, frozen=True):
    """`{a: 1, "b": a + 1}`: an entry sees those before it."""

    entries: tuple[tuple[str, Node], ...]


class Parameter(Node, frozen=True):
    """A parameter of a function, with the type that its values are brought to."""

    name: str
    type: TypeNode | None


class FunctionLiteral(Node, frozen=True):
    """`function(a, b: number) body`; an external one has no body and cannot be called."""

    parameters: tuple[Parameter, ...]
    body: Node
    external: bool = False


class Call(Node, frozen=True):
    """`function(a, b)` or, with names, `function(x: a, y: b)`."""

    function: Node
    arguments: tuple[Node, ...]
    names: tuple[str, ...] = ()


class UnaryTests(Node, frozen=True):
    """The tests of a cell of a decision table on the value that is called `?`; no test holds always."""

    tests: tuple[Node, ...]
    negated: bool


class TypeNode(msgspec.Struct, frozen=True):
    """A type as written: a name, with the types in angle brackets.

    Attributes:
        name: `number`, `list`, `context`, `function`, `range` ... or the name of an item definition.
        parts: Of a list or range its item's, of a function its parameters'.
        members: Of a context its members'.
        result: Of a function what it gives.
    """

    name: str
    parts: tuple[TypeNode, ...] = ()
    members: tuple[tuple[str, TypeNode], ...] = ()
    result: TypeNode | None = None
