"""Boxed expressions from XML.

Source: OMG DMN 1.5, 7.3 and 8.3; the schema DMN15.xsd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cityhub.cases.dmn.boxes import (
    Box,
    Conditional,
    Context,
    Entry,
    Filter,
    Formal,
    FunctionBox,
    Input,
    Invocation,
    Items,
    Iterator,
    Output,
    Relation,
    Rule,
    Table,
    Text,
)
from cityhub.cases.dmn.xml import Element
from cityhub.model.errors import BadRequestData

POLICIES: Final = ("UNIQUE", "FIRST", "PRIORITY", "ANY", "COLLECT", "RULE ORDER", "OUTPUT ORDER")
AGGREGATIONS: Final = ("", "SUM", "COUNT", "MIN", "MAX")


def type_ref(element: Element) -> str:
    """The type that an element names; in DMN 1.1 as a qualified name, later as a child or an attribute."""
    return local_type(element.get("typeRef") or element.text_of("typeRef"))


def local_type(name: str) -> str:
    """A type's name without the prefix that FEEL's own types once had.

    >>> local_type("feel:number"), local_type("myimport.tPerson")
    ('number', 'myimport.tPerson')
    """
    return name.strip().rpartition(":")[2]


def box_in(element: Element) -> Box | None:
    """The boxed expression that stands in an element; None where it has none."""
    for child in element.children:
        if child.namespace == element.namespace and child.name in _READERS:
            return box_of(child)
    return None


def box_of(element: Element) -> Box:
    """The boxed expression that an element is."""
    return _READERS[element.name](element)


def needed(element: Element, name: str = "") -> Box:
    """The boxed expression in an element, or in its child of a name; BadRequestData without one."""
    holder = element.first(name) if name else element
    box = None if holder is None else box_in(holder)
    if box is None:
        raise BadRequestData(f"Line {element.line}: <{element.name}> has no expression in <{name or element.name}>; right would be one")
    return box


def _text(element: Element) -> Box:
    return Text(text=element.text_of("text"), language=element.get("expressionLanguage"), type=type_ref(element), line=element.line)


def _table(element: Element) -> Box:
    policy = element.get("hitPolicy", "UNIQUE")
    aggregation = element.get("aggregation")
    if policy not in POLICIES:
        raise BadRequestData(f"Line {element.line}: hitPolicy is '{policy}'; right would be one of: {', '.join(POLICIES)}")
    if aggregation not in AGGREGATIONS:
        raise BadRequestData(f"Line {element.line}: aggregation is '{aggregation}'; right would be one of: {', '.join(AGGREGATIONS[1:])}")
    inputs = tuple(_input(child) for child in element.all("input"))
    outputs = tuple(_output(child) for child in element.all("output"))
    rules = tuple(_rule(child, len(inputs), len(outputs)) for child in element.all("rule"))
    if not outputs:
        raise BadRequestData(f"Line {element.line}: the decision table has no output; right would be one or more")
    return Table(
        inputs=inputs, outputs=outputs, rules=rules, policy=policy, aggregation=aggregation, type=type_ref(element), line=element.line
    )


def _input(element: Element) -> Input:
    expression = element.first("inputExpression")
    values = element.first("inputValues")
    if expression is None:
        raise BadRequestData(f"Line {element.line}: <input> has no <inputExpression>; right would be one")
    return Input(expression.text_of("text"), type_ref(expression), values.text_of("text") if values else "", element.line)


def _output(element: Element) -> Output:
    values, default = element.first("outputValues"), element.first("defaultOutputEntry")
    allowed, otherwise = (part.text_of("text") if part else "" for part in (values, default))
    return Output(element.get("name"), type_ref(element), allowed, otherwise, element.line)


def _rule(element: Element, inputs: int, outputs: int) -> Rule:
    tests = tuple(entry.text_of("text") for entry in element.all("inputEntry"))
    results = tuple(entry.text_of("text") for entry in element.all("outputEntry"))
    if len(tests) != inputs or len(results) != outputs:
        raise BadRequestData(
            f"Line {element.line}: the rule has {len(tests)} input and {len(results)} output entries; right would be {inputs} and {outputs}"
        )
    return Rule(element.get("id"), tests, results, tuple(note.text_of("text") for note in element.all("annotationEntry")), element.line)


def _context(element: Element) -> Box:
    entries = []
    for child in element.all("contextEntry"):
        variable = child.first("variable")
        name, kind = (variable.get("name"), type_ref(variable)) if variable else ("", "")
        entries.append(Entry(name, kind, needed(child)))
    return Context(entries=tuple(entries), type=type_ref(element), line=element.line)


def _list(element: Element) -> Box:
    items = tuple(box_of(child) for child in element.children if child.namespace == element.namespace and child.name in _READERS)
    return Items(items=items, type=type_ref(element), line=element.line)


def _relation(element: Element) -> Box:
    columns = tuple(column.get("name") for column in element.all("column"))
    rows = []
    for row in element.all("row"):
        cells = tuple(box_of(cell) for cell in row.children if cell.namespace == row.namespace and cell.name in _READERS)
        if len(cells) != len(columns):
            raise BadRequestData(f"Line {row.line}: the row has {len(cells)} cells; right would be {len(columns)}")
        rows.append(cells)
    return Relation(columns=columns, rows=tuple(rows), type=type_ref(element), line=element.line)


def _invocation(element: Element) -> Box:
    bindings = []
    for binding in element.all("binding"):
        parameter = binding.first("parameter")
        if parameter is None:
            raise BadRequestData(f"Line {binding.line}: <binding> has no <parameter>; right would be one")
        bindings.append((parameter.get("name"), box_in(binding) or Text(text="null", line=binding.line)))
    return Invocation(function=needed(element), bindings=tuple(bindings), type=type_ref(element), line=element.line)


def function_of(element: Element) -> FunctionBox:
    """The function that an element is."""
    parameters = tuple(Formal(child.get("name"), type_ref(child)) for child in element.all("formalParameter"))
    body = box_in(element) or Text(text="null", line=element.line)
    return FunctionBox(parameters=parameters, body=body, kind=element.get("kind", "FEEL"), type=type_ref(element), line=element.line)


def _conditional(element: Element) -> Box:
    condition, yes, no = needed(element, "if"), needed(element, "then"), needed(element, "else")
    return Conditional(condition=condition, yes=yes, no=no, type=type_ref(element), line=element.line)


def _filter(element: Element) -> Box:
    return Filter(source=needed(element, "in"), condition=needed(element, "match"), type=type_ref(element), line=element.line)


def _iterator(element: Element) -> Box:
    body = needed(element, "return" if element.name == "for" else "satisfies")
    return Iterator(
        kind=element.name,
        variable=element.get("iteratorVariable"),
        source=needed(element, "in"),
        body=body,
        type=type_ref(element),
        line=element.line,
    )


_READERS: Final[dict[str, Callable[[Element], Box]]] = {
    "literalExpression": _text,
    "decisionTable": _table,
    "context": _context,
    "list": _list,
    "relation": _relation,
    "invocation": _invocation,
    "functionDefinition": function_of,
    "conditional": _conditional,
    "filter": _filter,
    "for": _iterator,
    "some": _iterator,
    "every": _iterator,
}
