"""What stands in the extensions of an element: forms, properties, lists to go through, decisions. Names of formal extensions of
Camunda (`camunda:`) and Zeebe (`zeebe:`) are read where they say the same.

Everything else in extensions is left alone: it is given out again with the document, and has no effect.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.cases.bpmn.model import HUB_NAMESPACE, Loop
from cityhub.cases.dmn.xml import Element

CAMUNDA: Final = "http://camunda.org/schema/1.0/bpmn"
ZEEBE: Final = "http://camunda.org/schema/zeebe/1.0"
MAX_FIELDS: Final = 100
_CODE: Final = frozenset(
    {
        "preScript", "postScript", "serviceTaskOperator", "serviceTaskExtensions", "executionListener", "taskListener", "connector",
        "inputOutput", "taskDefinition", "ioMapping", "scriptsOnInstances", "calledDecisionId", "unitTests", "messageVariable",
        "messagePayload", "taskListeners", "executionListeners", "script",
    }
)  # fmt: skip
_TYPES: Final = {"string": "string", "long": "integer", "boolean": "boolean", "date": "date", "enum": "enum"}


class Extensions:
    """The extensions of one element."""

    def __init__(self, element: Element) -> None:
        self._element = element
        holder = element.first("extensionElements")
        self._children = holder.children if holder is not None else []

    def own(self, name: str) -> Element | None:
        """The first of CityHub's own extension elements of a name."""
        return self._first(HUB_NAMESPACE, name)

    def _first(self, namespace: str, name: str) -> Element | None:
        return next((child for child in self._children if child.namespace == namespace and child.name == name), None)

    def attribute(self, name: str) -> str:
        """An attribute of CityHub's own namespace, or Camunda's of the same name."""
        own = self._element.attributes.get(f"{HUB_NAMESPACE}}}{name}")
        return own if own is not None else self._element.attributes.get(f"{CAMUNDA}}}{name}", "")

    def form(self) -> list[dict[str, Any]]:
        """The fields of a form."""
        form = self.own("form")
        if form is not None:
            return [_field(child) for child in form.all("field")[:MAX_FIELDS]]
        data = self._first(CAMUNDA, "formData")
        return [_camunda_field(child) for child in data.all("formField")[:MAX_FIELDS]] if data is not None else []

    def properties(self) -> dict[str, str]:
        """Names and values of its properties."""
        found: dict[str, str] = {}
        for namespace in (ZEEBE, CAMUNDA, HUB_NAMESPACE):
            holder = self._first(namespace, "properties")
            for child in (holder.all("property") if holder is not None else [])[:MAX_FIELDS]:
                found[child.get("name")] = child.get("value") or child.text.strip()
        return found

    def decision(self) -> tuple[str, str, str]:
        """The decision that is asked: its name or id, the file ("" any), and the variable that it sets."""
        own, zeebe = self.own("decision"), self._first(ZEEBE, "calledDecision")
        if own is not None:
            return own.get("ref"), own.get("file"), own.get("result")
        if zeebe is not None:
            return zeebe.get("decisionId"), "", zeebe.get("resultVariable")
        return self.attribute("decisionRef"), "", self.attribute("resultVariable")

    def loop(self, sequential: bool, until: str) -> Loop | None:
        """The list that an activity goes through."""
        own, zeebe = self.own("loop"), self._first(ZEEBE, "loopCharacteristics")
        if own is not None:
            return Loop(sequential, own.get("items"), own.get("item", "item"), own.get("results"), own.get("result"), until)
        if zeebe is not None:
            names = ("inputCollection", "inputElement", "outputCollection", "outputElement")
            items, item, results, result = (zeebe.get(name) for name in names)
            return Loop(sequential, items, item or "item", results, result, until)
        return None

    def ignored(self) -> list[str]:
        """Names of extensions that would have been run elsewhere: they have no effect here."""
        found = [child.name for child in self._children if child.namespace != HUB_NAMESPACE and child.name in _CODE]
        found += [key.rpartition("}")[2] for key in self._element.attributes if key.startswith(f"{CAMUNDA}}}") and _runs(key)]
        return list(dict.fromkeys(found))


def _runs(key: str) -> bool:
    return key.rpartition("}")[2] in ("class", "expression", "delegateExpression", "type", "topic", "formKey")


def _field(element: Element) -> dict[str, Any]:
    values = [{"value": child.get("value"), "title": child.get("title") or child.get("value")} for child in element.all("value")]
    return {
        "name": element.get("name"),
        "title": element.get("title") or element.get("name"),
        "type": element.get("type", "string"),
        "required": element.get("required") == "true",
        "values": values,
    }


def _camunda_field(element: Element) -> dict[str, Any]:
    values = [{"value": child.get("id"), "title": child.get("name") or child.get("id")} for child in element.all("value")]
    validation = element.first("validation")
    needed = any(child.get("name") == "required" for child in validation.all("constraint")) if validation is not None else False
    return {
        "name": element.get("id"),
        "title": element.get("label") or element.get("id"),
        "type": _TYPES.get(element.get("type"), "string"),
        "required": needed,
        "values": values,
    }
