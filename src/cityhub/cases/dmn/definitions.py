"""A decision model as data: its types, inputs, decisions, knowledge and services.

Source: OMG DMN 1.5, 6.3 and 7.3.3 (item definitions).
"""

from __future__ import annotations

import msgspec

from cityhub.cases.dmn.boxes import Box, FunctionBox


class ItemDefinition(msgspec.Struct, frozen=True):
    """A type.

    Attributes:
        name: Its name; of a component, the member's.
        base: Name of the type that it narrows, "" where it has components or is a function.
        many: Whether its values are lists of that.
        allowed: Unary tests that a value (of a list, each item) must pass; "": none.
        constraint: Unary tests that the whole value must pass; "": none.
        components: Its members.
        function: Whether it is a function's type.
        parameters: Types of the function's parameters.
        result: Type of what the function gives.
    """

    name: str
    base: str = ""
    many: bool = False
    allowed: str = ""
    constraint: str = ""
    components: tuple[ItemDefinition, ...] = ()
    function: bool = False
    parameters: tuple[str, ...] = ()
    result: str = ""


class InputData(msgspec.Struct, frozen=True):
    """A value that is handed over."""

    id: str
    name: str
    type: str


class Decision(msgspec.Struct, frozen=True):
    """A decision, and references to what it needs: inputs and decisions, functions and services."""

    id: str
    name: str
    type: str
    needs: tuple[str, ...]
    box: Box | None


class Knowledge(msgspec.Struct, frozen=True):
    """A business knowledge model: a function that decisions share."""

    id: str
    name: str
    type: str
    needs: tuple[str, ...]
    function: FunctionBox | None


class Service(msgspec.Struct, frozen=True):
    """A decision service: decisions that are asked together, with those that are handed over."""

    id: str
    name: str
    type: str
    outputs: tuple[str, ...]
    input_decisions: tuple[str, ...]
    input_data: tuple[str, ...]


class Import(msgspec.Struct, frozen=True):
    """Another model whose elements are called `name.element`; with an empty name, `element`."""

    name: str
    namespace: str


class Definitions(msgspec.Struct, frozen=True):
    """A decision model.

    Attributes:
        name: Its name.
        namespace: Its namespace, by which others import it.
        version: Of DMN: '1.3', '1.4' or '1.5'.
    """

    name: str
    namespace: str
    version: str
    imports: tuple[Import, ...]
    types: tuple[ItemDefinition, ...]
    inputs: tuple[InputData, ...]
    decisions: tuple[Decision, ...]
    knowledge: tuple[Knowledge, ...]
    services: tuple[Service, ...]
