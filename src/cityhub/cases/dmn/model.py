"""Decision models that are ready to be evaluated.

Source: OMG DMN 1.5, 6.3 (requirements, knowledge, services), 10.4 (execution semantics).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import DecimalException
from typing import Any, Final

import msgspec

from cityhub.cases.dmn.compiling import Boxes, Evaluate, brought, function_parts
from cityhub.cases.dmn.definitions import Decision, Definitions, InputData, Knowledge, Service
from cityhub.cases.dmn.evaluation import Evaluation, Key, Outcome, Step
from cityhub.cases.dmn.tables import compile_table
from cityhub.cases.dmn.types import Types
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.feel.bounds import Exceeded
from cityhub.model.feel.environment import Env, Root, Run
from cityhub.model.feel.types import Type
from cityhub.model.feel.values import Function, Rejected
from cityhub.model.time import Clock, SystemClock

_CLOCK: Final = SystemClock()
Element = InputData | Decision | Knowledge | Service


class Node(msgspec.Struct):
    """An element of a model with what it needs, compiled.

    Attributes:
        key: Namespace and id.
        element: Its definition.
        type: The type that its value is brought to.
        needs: What it needs: name of the import ("" of the same model), and element.
        body: Of a decision or knowledge, its logic.
        parameters: Of knowledge and services, the names of what is handed over.
        types: The types of these.
    """

    key: Key
    element: Element
    type: Type
    needs: list[tuple[str, Key]] = msgspec.field(default_factory=list)
    body: Evaluate | None = None
    parameters: Sequence[str] = ()
    types: Sequence[Type | None] = ()


class DecisionModel:
    """A compiled model with those that it imports.

    Attributes:
        definitions: The model.
        problems: What cannot be evaluated, and where; such a part gives null.
    """

    def __init__(self, definitions: Definitions, nodes: Mapping[Key, Node], problems: tuple[str, ...]) -> None:
        self.definitions = definitions
        self.problems = problems
        self._nodes = nodes
        self._named = {node.element.name: node for node in nodes.values() if node.key[0] == definitions.namespace}

    def evaluate(self, decision: str, inputs: Mapping[str, Any], clock: Clock = _CLOCK) -> Outcome:
        """What a decision comes to.

        Args:
            decision: Its name.
            inputs: Input data by name; of an imported model also by `namespace#name`. What is missing is null.
            clock: What `now()` and `today()` ask.

        Raises:
            NotFound: The model has no decision of this name.
        """
        node = self._named.get(decision)
        if node is None or not isinstance(node.element, Decision):
            known = ", ".join(item.name for item in self.definitions.decisions[:20])
            raise NotFound(f"The model '{self.definitions.name}' has no decision '{decision}'; it has: {known}")
        return self._outcome(lambda run: self._value(node, run), inputs, clock)

    def invoke(self, name: str, arguments: Mapping[str, Any], clock: Clock = _CLOCK) -> Outcome:
        """What a decision service or business knowledge model gives for arguments by name; what is missing is null.

        Raises:
            NotFound: The model has none of this name.
        """
        node = self._named.get(name)
        if node is None or not isinstance(node.element, Service | Knowledge):
            raise NotFound(f"The model '{self.definitions.name}' has no decision service or knowledge model '{name}'")
        values = [arguments.get(parameter) for parameter in node.parameters]
        return self._outcome(lambda run: self._function(node, run).call(run, values), arguments, clock)

    def _outcome(self, ask: Callable[[Evaluation], Any], inputs: Mapping[str, Any], clock: Clock) -> Outcome:
        run = Evaluation(inputs, clock)
        value: Any = None
        try:
            value = ask(run)
        except (Exceeded, Rejected) as reason:
            run.warn(str(reason))
        except RecursionError:
            run.warn("the evaluation goes too deep")
        except (DecimalException, OverflowError):
            run.warn("a number is not finite, or has more digits than numbers have")
        return Outcome(value, tuple(run.made), tuple(run.warnings))

    def _value(self, node: Node, run: Evaluation) -> Any:
        if node.key not in run.values:
            if isinstance(node.element, InputData):
                given = run.inputs.get(f"{node.key[0]}#{node.element.name}", run.inputs.get(node.element.name))
                run.values[node.key] = brought(node.type, given, run, f"input '{node.element.name}'")
            elif isinstance(node.element, Decision):
                run.values[node.key] = self._decided(node, node.element, run)
            else:
                run.values[node.key] = self._function(node, run)
        return run.values[node.key]

    def _decided(self, node: Node, decision: Decision, run: Evaluation) -> Any:
        names = self._names(node, run)
        run.matches, matches = [], run.matches
        warnings = len(run.warnings)
        value = None if node.body is None else node.body(Root(names, run))
        value = brought(node.type, value, run, f"decision '{decision.name}'")
        inputs = {name: item for name, item in names.items() if not isinstance(item, Function)}
        run.made.append(Step(decision.name, inputs, value, tuple(run.matches), tuple(run.warnings[warnings:])))
        run.matches = matches
        return value

    def _names(self, node: Node, run: Evaluation) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for alias, key in node.needs:
            needed = self._nodes[key]
            holder = names.setdefault(alias, {}) if alias else names
            holder[needed.element.name] = self._value(needed, run)
        return names

    def _function(self, node: Node, run: Evaluation) -> Function:
        result = node.type.result if node.type.simple == "function" else None if node.type.simple == "Any" else node.type
        if isinstance(node.element, Service):
            return Function(node.parameters, lambda inner, values: self._served(node, values, run), node.types, result)

        def invoke(inner: Run, values: Sequence[Any]) -> Any:
            names = self._names(node, run)
            return None if node.body is None else node.body(Env(dict(zip(node.parameters, values, strict=True)), Root(names, run)))

        return Function(node.parameters, invoke, node.types, result)

    def _served(self, node: Node, values: Sequence[Any], run: Evaluation) -> Any:
        service = node.element
        assert isinstance(service, Service)
        handed = [key for _, key in node.needs[: len(values)]]
        run.values, kept = dict(zip(handed, values, strict=True)), run.values
        try:
            results = {self._nodes[key].element.name: self._value(self._nodes[key], run) for _, key in node.needs[len(values) :]}
        finally:
            run.values = kept
        return next(iter(results.values())) if len(results) == 1 else results


def compile_model(definitions: Definitions, others: Sequence[Definitions] = ()) -> DecisionModel:
    """A model, ready to be evaluated.

    Args:
        definitions: The model.
        others: The models that it imports, and those that these import.

    Raises:
        BadRequestData: It refers to an element or model that is not there, or decisions need each other in a circle.
    """
    models = {model.namespace: model for model in (*others, definitions)}
    problems: list[str] = []
    linker = _Linker(models, problems.append)
    for model in models.values():
        linker.add(model)
    nodes = linker.linked()
    _refuse_circles(nodes)
    return DecisionModel(definitions, nodes, tuple(problems))


class _Linker:
    """Puts the elements of several models together."""

    def __init__(self, models: Mapping[str, Definitions], problem: Callable[[str], None]) -> None:
        self._models = models
        self._problem = problem
        self._types: dict[str, Types] = {}
        self._nodes: dict[Key, Node] = {}
        self._aliases: dict[str, dict[str, str]] = {}

    def add(self, model: Definitions) -> None:
        """The elements of a model, with their types."""
        self._aliases[model.namespace] = {entry.namespace: entry.name for entry in model.imports}
        elements: tuple[Element, ...] = (*model.inputs, *model.decisions, *model.knowledge, *model.services)
        for element in elements:
            key = (model.namespace, element.id or element.name)
            if key in self._nodes:
                raise BadRequestData(f"The id '{element.id}' is there twice; right would be ids that are all different")
            kind = self.types(model.namespace).of(element.type, f"'{element.name}'")
            self._nodes[key] = Node(key, element, kind)

    def types(self, namespace: str, above: tuple[str, ...] = ()) -> Types:
        """The types of a model."""
        if namespace not in self._models:
            raise BadRequestData(f"The model imports '{namespace}', which is not there; right would be a model that is known here")
        if namespace in above:
            raise BadRequestData(f"The models import each other: {' -> '.join((*above, namespace))}")
        if namespace not in self._types:
            model = self._models[namespace]
            imported = {entry.name: self.types(entry.namespace, (*above, namespace)) for entry in model.imports}
            self._types[namespace] = Types(model.types, imported, self._problem)
        return self._types[namespace]

    def linked(self) -> dict[Key, Node]:
        """All elements, compiled, with what they need."""
        members = {key: frozenset(self.types(key).members() | {node.element.name for node in self._nodes.values()}) for key in self._models}
        compilers = {key: Boxes(self.types(key), members[key], self._problem, compile_table) for key in self._models}
        for node in self._nodes.values():
            self._link(node, compilers[node.key[0]])
        return self._nodes

    def _link(self, node: Node, boxes: Boxes) -> None:
        element = node.element
        if isinstance(element, InputData):
            return
        if isinstance(element, Service):
            handed = [self._needed(node, href) for href in (*element.input_data, *element.input_decisions)]
            node.needs = handed + [self._needed(node, href) for href in element.outputs]
            node.parameters = [self._nodes[key].element.name for _, key in handed]
            node.types = [self._nodes[key].type for _, key in handed]
            return
        node.needs = [self._needed(node, href) for href in element.needs]
        names = frozenset(alias or self._nodes[key].element.name for alias, key in node.needs)
        if isinstance(element, Decision):
            node.body = boxes.compile(element.box, names) if element.box is not None else None
        elif element.function is not None:
            node.parameters, node.types, node.body, result = function_parts(boxes, element.function, names)
            node.type = result if node.type.simple == "Any" else node.type

    def _needed(self, node: Node, href: str) -> tuple[str, Key]:
        namespace, _, name = href.rpartition("#")
        key = (namespace or node.key[0], name)
        if key not in self._nodes:
            raise BadRequestData(f"'{node.element.name}' needs '{href}', which is not there; right would be the id of an element")
        alias = "" if key[0] == node.key[0] else self._aliases[node.key[0]].get(key[0], "")
        return alias, key


def _refuse_circles(nodes: Mapping[Key, Node]) -> None:
    done: set[Key] = set()
    for start in nodes:
        way: list[Key] = []
        waiting: list[tuple[Key, bool]] = [(start, False)]
        while waiting:
            key, left = waiting.pop()
            if left:
                done.add(way.pop())
            elif key in way:
                circle = " -> ".join(nodes[step].element.name for step in (*way[way.index(key) :], key))
                raise BadRequestData(f"Decisions need each other in a circle: {circle}; right would be an order")
            elif key not in done and isinstance(nodes[key].element, Decision):
                way.append(key)
                waiting.append((key, True))
                waiting.extend((need, False) for _, need in nodes[key].needs)
