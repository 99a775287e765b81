"""Item definitions as types of FEEL.

Source: OMG DMN 1.5, 7.3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from cityhub.cases.dmn.definitions import ItemDefinition
from cityhub.model.feel import Expression, FeelSyntaxError, compile_unary_tests
from cityhub.model.feel.environment import Run
from cityhub.model.feel.nodes import TypeNode
from cityhub.model.feel.types import ANY, Type, context_of, function_of, list_of, type_of

TEST_STEPS: Final = 1_000
"""Steps of FEEL that it may take to test whether one value is allowed."""


class Types:
    """The types of one model, its own and those of the models that it imports (`name.type`)."""

    def __init__(self, definitions: tuple[ItemDefinition, ...], imported: Mapping[str, Types], problem: Callable[[str], None]) -> None:
        self._definitions = {definition.name: definition for definition in definitions}
        self._imported = imported
        self._problem = problem
        self._made: dict[str, Type] = {}
        self._making: set[str] = set()

    def members(self) -> set[str]:
        """The names of all components of all types."""
        names: set[str] = set()
        waiting = list(self._definitions.values())
        while waiting:
            components = waiting.pop().components
            names.update(component.name for component in components)
            waiting.extend(components)
        return names.union(*(types.members() for types in self._imported.values()))

    def named(self, name: str) -> Type | None:
        """The type of a name that is not FEEL's own; None without one."""
        if name in self._made:
            return self._made[name]
        definition = self._definitions.get(name)
        if definition is None:
            return self._of_import(name)
        if name in self._making:
            return Type(name, lambda value: self._made[name].test(value))
        self._making.add(name)
        self._made[name] = self._make(definition)
        return self._made[name]

    def _of_import(self, name: str) -> Type | None:
        for alias, types in self._imported.items():
            own = name if not alias else name[len(alias) + 1 :] if name.startswith(f"{alias}.") else ""
            found = types.named(own) if own else None
            if found is not None:
                return found
        return None

    def of(self, name: str, place: str) -> Type:
        """The type that is named in a place of the model; a name that is none is a problem, and any value passes."""
        if not name:
            return ANY
        found = type_of(TypeNode(name), self.named)
        if found is None:
            self._problem(f"{place}: there is no type '{name}'")
        return found or ANY

    def _make(self, definition: ItemDefinition) -> Type:
        place = f"type '{definition.name}'"
        if definition.function:
            parts = tuple(self.of(part, place) for part in definition.parameters)
            base = function_of(parts, self.of(definition.result, place) if definition.result else None)
        elif definition.components:
            base = context_of(tuple((part.name, self._make(part)) for part in definition.components), definition.name)
        else:
            base = self.of(definition.base, place)
        if definition.allowed:
            base = self._narrowed(base, definition.allowed, definition.name, place, each=not definition.many)
        made = list_of(base, definition.name) if definition.many else base
        return self._narrowed(made, definition.constraint, definition.name, place, each=False) if definition.constraint else made

    def _narrowed(self, base: Type, tests: str, name: str, place: str, *, each: bool) -> Type:
        """A type whose values pass unary tests too; of a list type that is narrowed, each of the items does."""
        allowed = self.tests(tests, place)
        if allowed is None:
            return base
        shape = base.shape or base.test
        if each and base.item is not None:

            def each_passes(items: Any) -> bool:
                return base.test(items) and all(passes(allowed, item) for item in items)

            return replace(base, name=name, test=each_passes, shape=shape)
        return replace(base, name=name, test=lambda value: base.test(value) and passes(allowed, value), shape=shape)

    def tests(self, text: str, place: str) -> Expression | None:
        """Unary tests of a text; None, and a problem, where it has none."""
        try:
            return compile_unary_tests(text, ("?",), named_type=self.named)
        except FeelSyntaxError as error:
            self._problem(f"{place}: {error.detail}")
            return None


def passes(tests: Expression, value: Any) -> bool:
    """Whether a value passes unary tests, which are to be short: each item of a list is tested by itself."""
    return tests.run({"?": value}, Run(steps=TEST_STEPS)) is True
