"""What a process says in FEEL, compiled: conditions, scripts, timers, lists. Each has a key; SpiffWorkflow knows keys only."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import msgspec

from cityhub.cases.bpmn.model import Flow, Loop, Node, ProcessModel
from cityhub.cases.bpmn.reading import fields_of
from cityhub.model.feel import Expression, FeelSyntaxError, compile_expression

FEEL_LANGUAGES: Final = frozenset({"", "feel"})
MAX_SCRIPT: Final = 20_000
_NAME: Final = r"[^\W\d]\w*(?: \w+)*"
_ASSIGNMENT: Final = re.compile(rf"({_NAME})[ \t]*=(?!=)(.*)", re.DOTALL)
_DURATION: Final = re.compile(r"P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?")
_CYCLE: Final = re.compile(rf"R(\d*)/({_DURATION.pattern})")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?")


class Problem(msgspec.Struct, frozen=True):
    """What is no FEEL: the element, and what would be right."""

    element: str
    text: str


class Script(msgspec.Struct, frozen=True):
    """Assignments, in order: a variable and the expression of its value."""

    assignments: list[tuple[str, Expression]]


class Sayings(msgspec.Struct, frozen=True):
    """All that a process says.

    Attributes:
        conditions: Of flows, by their id.
        scripts: Of script tasks.
        timers: Of timer events: an expression, or a text that needs none.
        items: Of the lists that activities go through.
        results: What one of several contributes.
        untils: What ends it early.
        problems: What could not be compiled.
    """

    conditions: dict[str, Expression]
    scripts: dict[str, Script]
    timers: dict[str, Expression | str]
    items: dict[str, Expression]
    results: dict[str, Expression]
    untils: dict[str, Expression]
    problems: list[Problem]


def is_feel(language: str) -> bool:
    """Whether an expression's language is FEEL: by its name, its media type or its URI; without one it is."""
    name = language.strip().lower()
    return name in FEEL_LANGUAGES or "feel" in re.split(r"[^a-z]+", name)


def compile_sayings(model: ProcessModel) -> Sayings:
    """Everything that the scopes of a model say."""
    maker = _Maker(model)
    for scope in model.scopes.values():
        for flow in scope.flows:
            maker.flow(flow)
        for node in scope.nodes.values():
            maker.node(node)
    return maker.sayings


class _Maker:
    def __init__(self, model: ProcessModel) -> None:
        self.sayings = Sayings({}, {}, {}, {}, {}, {}, [])
        self._scopes = model.scopes
        nodes = model.nodes()
        self._split = {node.id: _split_script(node) for node in nodes if node.kind == "scriptTask" and is_feel(node.language)}
        assigned = {name for parts in self._split.values() if isinstance(parts, list) for name, _, _ in parts}
        self._names = frozenset(fields_of(nodes) | assigned | {"loopCounter"})

    def flow(self, flow: Flow) -> None:
        if not flow.condition:
            return
        if not is_feel(flow.language):
            self._problem(flow.id, f"its condition is written in '{flow.language}'; right would be FEEL")
            return
        compiled = self._compile(flow.id, "the condition", flow.condition)
        if compiled is not None:
            self.sayings.conditions[flow.id] = compiled

    def node(self, node: Node) -> None:
        if node.kind == "scriptTask":
            self._script(node)
        if node.event is not None and node.event.kind == "timer" and (node.kind != "startEvent" or self._by_event(node)):
            self._timer(node)
        if node.loop is not None:
            self._loop(node, node.loop)

    def _by_event(self, node: Node) -> bool:
        return self._scopes[node.scope].by_event

    def _script(self, node: Node) -> None:
        if not is_feel(node.language) or not node.language:
            text = f"its script is written in '{node.language or 'nothing that it names'}'; right would be scriptFormat=\"feel\""
            self._problem(node.id, text)
            return
        parts = self._split[node.id]
        if isinstance(parts, str):
            self._problem(node.id, parts)
            return
        made = [(name, self._compile(node.id, f"the script from line {line}", text)) for name, text, line in parts]
        self.sayings.scripts[node.id] = Script([(name, expression) for name, expression in made if expression is not None])

    def _timer(self, node: Node) -> None:
        event = node.event
        assert event is not None
        if not event.text:
            self._problem(node.id, "its timer has no time; right would be a timeDuration such as PT2H, a timeDate, or FEEL")
            return
        plain = {"duration": _DURATION, "date": _DATE, "cycle": _CYCLE}.get(event.timer)
        if plain is not None and plain.fullmatch(event.text):
            self.sayings.timers[node.id] = event.text
            return
        compiled = self._compile(node.id, "the timer is neither ISO 8601 nor FEEL:", event.text)
        if compiled is not None:
            self.sayings.timers[node.id] = compiled

    def _loop(self, node: Node, loop: Loop) -> None:
        for place, text, into in (
            ("its list", loop.items, self.sayings.items),
            ("its result", loop.result, self.sayings.results),
            ("its completion condition", loop.until, self.sayings.untils),
        ):
            compiled = self._compile(node.id, place, text) if text else None
            if compiled is not None:
                into[node.id] = compiled

    def _compile(self, element: str, place: str, text: str) -> Expression | None:
        try:
            return compile_text(text, self._names)
        except FeelSyntaxError as error:
            hint = "; ${...} and #{...} are not FEEL: right would be the expression alone" if re.match(r"\s*[$#]\{", text) else ""
            self._problem(element, f"{place}: {error.detail}{hint}")
        return None

    def _problem(self, element: str, text: str) -> None:
        self.sayings.problems.append(Problem(element, text))


def compile_text(text: str, names: Collection[str]) -> Expression:
    """FEEL of a document; the "=" that some editors put before an expression is left out."""
    text = text.strip()
    return compile_expression(text[1:].strip() if text.startswith("=") else text, names)


def _split_script(node: Node) -> list[tuple[str, str, int]] | str:
    """The assignments of a script as name, text and line; or what is wrong with it."""
    if len(node.script) > MAX_SCRIPT:
        return f"its script has more than {MAX_SCRIPT} characters; right would be several script tasks, or a decision"
    if node.result:
        return [(node.result, node.script, 1)]
    blocks: list[tuple[int, list[str]]] = []
    for place, line in enumerate(node.script.strip("\n").expandtabs(4).splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("//"):
            continue
        if blocks and ((line[:1].isspace() and _indent(line) > _indent(blocks[0][1][0])) or bare[:1] in ")]}"):
            blocks[-1][1].append(line)
        else:
            blocks.append((place, [line]))
    if not blocks:
        return "its script is empty; right would be lines of the form: name = expression"
    found: list[tuple[str, str, int]] = []
    for place, lines in blocks:
        match = _ASSIGNMENT.fullmatch("\n".join(lines).strip().removesuffix(";"))
        if match is None:
            return f"line {place} of its script is no assignment; right would be: name = expression (further lines of it are indented)"
        found.append((match[1], match[2].strip(), place))
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
