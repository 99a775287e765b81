"""One evaluation of a decision model: what was handed over, what came out where, and which rules made it so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cityhub.model.feel.environment import Run
from cityhub.model.time import Clock

Key = tuple[str, str]
"""Namespace and id of an element."""


class Match(msgspec.Struct, frozen=True):
    """The rules of a decision table that held.

    Attributes:
        line: Where the table stands in the document.
        inputs: The values of its input expressions, by their text.
        rules: Numbers of the rules, from 1.
        ids: Their ids.
        annotations: Their remarks.
    """

    line: int
    inputs: dict[str, Any]
    rules: tuple[int, ...]
    ids: tuple[str, ...]
    annotations: tuple[tuple[str, ...], ...]


class Step(msgspec.Struct, frozen=True):
    """A decision that was made.

    Attributes:
        decision: Its name.
        inputs: The values that it needed, by name; functions are left out.
        value: What came out.
        matches: The tables that were asked.
        warnings: Why a part came out as null.
    """

    decision: str
    inputs: dict[str, Any]
    value: Any
    matches: tuple[Match, ...]
    warnings: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True):
    """What an evaluation came to.

    Attributes:
        value: The value; None is null.
        steps: The decisions on the way, in the order in which they were made.
        warnings: Why parts of it came out as null.
    """

    value: Any
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]


class Evaluation(Run):
    """A run of FEEL that knows the model's inputs and what has come out so far.

    Attributes:
        inputs: What was handed over, by name; of an imported model by `namespace#name` or by name.
        values: What has come out, by element.
        matches: Tables that were asked since the decision began.
        made: Decisions that have been made.
    """

    __slots__ = ("inputs", "made", "matches", "values")

    def __init__(self, inputs: Mapping[str, Any], clock: Clock) -> None:
        super().__init__(clock)
        self.inputs = inputs
        self.values: dict[Key, Any] = {}
        self.matches: list[Match] = []
        self.made: list[Step] = []
