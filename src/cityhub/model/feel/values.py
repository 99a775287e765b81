"""Values that are FEEL's own, beside null, booleans, numbers, texts, lists and contexts (which are Python's), and the temporal ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cityhub.model.feel.environment import Run
    from cityhub.model.feel.types import Type


class Rejected(Exception):
    """An operation has no value for what it was given; it gives null, and the message says why."""


class Range(msgspec.Struct, frozen=True):
    """All values between two ends.

    Attributes:
        low: The lower end; None with `operator` `<` or `<=`: there is none.
        high: The upper end; None with `operator` `>` or `>=`: there is none.
        low_included: Whether the lower end belongs to it.
        high_included: Whether the upper end belongs to it.
        operator: How it was written: `<`, `<=`, `>`, `>=`, `=`, `!=`; "": by both ends.
    """

    low: Any
    high: Any
    low_included: bool
    high_included: bool
    operator: str = ""


class Function:
    """A function as a value.

    Attributes:
        parameters: Names of its parameters.
        types: The type of each parameter; None: any.
        result: The type of what it gives; None: any.
    """

    __slots__ = ("_body", "parameters", "result", "types")

    def __init__(
        self,
        parameters: Sequence[str],
        body: Callable[[Run, Sequence[Any]], Any],
        types: Sequence[Type | None] = (),
        result: Type | None = None,
    ) -> None:
        self.parameters = tuple(parameters)
        self.types = tuple(types) or (None,) * len(self.parameters)
        self.result = result
        self._body = body

    def call(self, run: Run, arguments: Sequence[Any]) -> Any:
        """What it gives for arguments in the order of the parameters; Rejected, Exceeded."""
        if len(arguments) != len(self.parameters):
            raise Rejected(f"the function takes {len(self.parameters)} arguments, not {len(arguments)}")
        values = []
        for name, kind, value in zip(self.parameters, self.types, arguments, strict=True):
            run.look_at(value)
            brought = value if kind is None else kind.brought(value)
            if brought is None and value is not None and kind is not None:
                raise Rejected(f"the argument '{name}' is to be a {kind.name}")
            values.append(brought)
        run.enter()
        given = self._body(run, values)
        run.leave()
        if self.result is None:
            return given
        run.look_at(given)
        return self.result.brought(given)

    def arranged(self, names: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        """Arguments with names in the order of the parameters; Rejected where a name is none of them or one is missing."""
        given = dict(zip(names, arguments, strict=True))
        if set(given) != set(self.parameters) or len(given) != len(names):
            raise Rejected(f"the parameters are: {', '.join(self.parameters)}")
        return [given[name] for name in self.parameters]
