"""Decision models from XML: DMN 1.3, 1.4 and 1.5.

Source: OMG DMN 1.5, 6.3; the schemas DMN13.xsd, DMN14.xsd, DMN15.xsd.
"""

from __future__ import annotations

from typing import Final

from cityhub.cases.dmn.definitions import Decision, Definitions, Import, InputData, ItemDefinition, Knowledge, Service
from cityhub.cases.dmn.reading_boxes import box_in, function_of, local_type, type_ref
from cityhub.cases.dmn.xml import Element, read_xml
from cityhub.model.errors import BadRequestData

NAMESPACES: Final = {
    "https://www.omg.org/spec/DMN/20191111/MODEL/": "1.3",
    "https://www.omg.org/spec/DMN/20211108/MODEL/": "1.4",
    "https://www.omg.org/spec/DMN/20230324/MODEL/": "1.5",
}


def read_definitions(data: bytes) -> Definitions:
    """The decision model of a document.

    Raises:
        BadRequestData: It is no DMN of a known version; the message names the line.
        TooLarge: It goes beyond the bounds of `xml`.
    """
    root = read_xml(data)
    version = NAMESPACES.get(root.namespace)
    if root.name != "definitions" or version is None:
        raise BadRequestData(f"The document is <{root.name}> of '{root.namespace}'; right would be <definitions> of DMN 1.3, 1.4 or 1.5")
    return Definitions(
        name=root.get("name"),
        namespace=root.get("namespace"),
        version=version,
        imports=tuple(Import(child.get("name"), child.get("namespace")) for child in root.all("import") if _is_model(child)),
        types=tuple(_type(child) for child in root.all("itemDefinition")),
        inputs=tuple(InputData(child.get("id"), _name(child), _variable_type(child)) for child in root.all("inputData")),
        decisions=tuple(_decision(child) for child in root.all("decision")),
        knowledge=tuple(_knowledge(child) for child in root.all("businessKnowledgeModel")),
        services=tuple(_service(child) for child in root.all("decisionService")),
    )


def _is_model(element: Element) -> bool:
    return element.get("importType") in NAMESPACES


def _name(element: Element) -> str:
    variable = element.first("variable")
    return (variable.get("name") if variable else "") or element.get("name")


def _variable_type(element: Element) -> str:
    variable = element.first("variable")
    return type_ref(variable) if variable else ""


def _type(element: Element) -> ItemDefinition:
    function = element.first("functionItem")
    allowed, constraint = element.first("allowedValues"), element.first("typeConstraint")
    return ItemDefinition(
        name=element.get("name"),
        base=type_ref(element),
        many=element.get("isCollection") == "true",
        allowed=allowed.text_of("text") if allowed else "",
        constraint=constraint.text_of("text") if constraint else "",
        components=tuple(_type(child) for child in element.all("itemComponent")),
        function=function is not None,
        parameters=tuple(type_ref(child) for child in function.all("parameters")) if function else (),
        result=local_type(function.get("outputTypeRef")) if function else "",
    )


def _references(element: Element, requirement: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    found = [child for need in element.all(requirement) for kind in kinds for child in need.all(kind)]
    return tuple(child.get("href") for child in found)


def _needs(element: Element) -> tuple[str, ...]:
    information = _references(element, "informationRequirement", ("requiredInput", "requiredDecision"))
    return information + _references(element, "knowledgeRequirement", ("requiredKnowledge",))


def _decision(element: Element) -> Decision:
    return Decision(element.get("id"), _name(element), _variable_type(element), _needs(element), box_in(element))


def _knowledge(element: Element) -> Knowledge:
    logic = element.first("encapsulatedLogic")
    function = function_of(logic) if logic is not None else None
    return Knowledge(element.get("id"), _name(element), _variable_type(element), _needs(element), function)


def _service(element: Element) -> Service:
    def references(kind: str) -> tuple[str, ...]:
        return tuple(child.get("href") for child in element.all(kind))

    return Service(
        element.get("id"),
        _name(element),
        _variable_type(element),
        references("outputDecision"),
        references("inputDecision"),
        references("inputData"),
    )
