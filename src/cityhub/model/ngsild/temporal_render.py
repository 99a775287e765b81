"""Temporal representations out: normalized (or concise) instances, or pairs of value and time.

Source: GS CIM 009 V1.9.1, clauses 4.5.6 to 4.5.9, 4.15, 4.21 and 6.3.11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NULL, VALUE_KEY, Attributes, Instance
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.render import Renderer
from cityhub.model.ngsild.render_member import one_or_all
from cityhub.model.ngsild.temporal_document import PAIRS, SCOPE
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Evolution, TimeProperty

_WRAPPED: Final = frozenset(("LanguageProperty", "JsonProperty", "VocabProperty"))
Body = Callable[[str, list[Instance]], Any]
"""What stands in a document for the instances of an attribute (IRI or `SCOPE`)."""


def render_evolution(evolution: Evolution, attrs: Attributes, terms: Terms, view: View, body: Body) -> dict[str, Any]:
    """The document of an entity's history, with `body` for each attribute that the view shows; an attribute may be empty."""
    types = [terms.compact(name) for name in evolution.types]
    members: dict[str, Any] = {"id": evolution.id, "type": one_or_all(types)}
    if view.sys_attrs:
        members["createdAt"] = show(evolution.created_at)
        members["modifiedAt"] = show(evolution.modified_at)
    if evolution.deleted_at is not None:
        members["deletedAt"] = show(evolution.deleted_at)
    document = {key: value for key, value in members.items() if view.shows(key)}
    for name, instances in attrs.items():
        if view.shows(name):
            document[SCOPE if name == SCOPE else terms.compact(name)] = body(name, instances)
    return document


def instances_body(evolution: Evolution, terms: Terms, view: View) -> Body:
    """Every instance with its type and all its members."""
    renderer = Renderer(terms, view)
    one = renderer.concise if view.format == "concise" else renderer.normalized
    parent = {"createdAt": evolution.created_at}

    def body(name: str, instances: list[Instance]) -> Any:
        if name == SCOPE:
            return [_scope(instance, view) for instance in instances]
        return [one(name, instance, parent) for instance in instances]

    return body


def _scope(instance: Instance, view: View) -> dict[str, Any]:
    value = instance["value"]
    out = {"type": "Property", "value": value[0] if len(value) == 1 else value, "instanceId": instance["instanceId"]}
    if "deletedAt" in instance:
        out["deletedAt"] = show(instance["deletedAt"])
    if "observedAt" in instance:
        out["observedAt"] = show(instance["observedAt"])
    if view.sys_attrs:
        out["createdAt"], out["modifiedAt"] = show(instance["createdAt"]), show(instance["modifiedAt"])
    return out


def pairs_body(terms: Terms, view: View, time: TimeProperty) -> Body:
    """Pairs of value and time, one object for each dataset and attribute type."""
    renderer = Renderer(terms, view)

    def pair(name: str, instance: Instance) -> list[Any]:
        return [_value(renderer, name, instance), _shown_time(instance, time)]

    def body(name: str, instances: list[Instance]) -> Any:
        groups: dict[tuple[str, str], dict[str, Any]] = {}
        for instance in instances:
            kind = _shown_kind(instance, view)
            dataset = instance.get("datasetId", "")
            group = groups.get((kind, dataset))
            if group is None:
                group = groups[(kind, dataset)] = {"type": kind, **({"datasetId": dataset} if dataset else {}), PAIRS[kind]: []}
            group[PAIRS[kind]].append(pair(name, instance))
        if not groups:
            return {"type": "Property", "values": []}
        return one_or_all(list(groups.values()))

    return body


def _shown_kind(instance: Instance, view: View) -> str:
    """A LanguageProperty of which one language was asked for is shown as a Property."""
    kind = str(instance["type"])
    return "Property" if kind == "LanguageProperty" and view.languages and instance["languageMap"] != NULL else kind


def _value(renderer: Renderer, name: str, instance: Instance) -> Any:
    kind = instance["type"]
    key = VALUE_KEY[kind]
    if instance.get(key) == NULL:
        value: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
        return {key: value} if kind in _WRAPPED else value
    if name == SCOPE:
        return one_or_all(instance["value"]) if instance["value"] else []
    return renderer.simplified(name, instance)


def time_of(instance: Instance, time: TimeProperty) -> str:
    """The time of an instance that is asked about, in the internal form; of an instance without it, when it was modified."""
    return str(instance.get(time) or instance["modifiedAt"])


def _shown_time(instance: Instance, time: TimeProperty) -> str:
    if time == "observedAt" and "observedAtText" in instance:
        return str(instance["observedAtText"])
    return show(time_of(instance, time))
