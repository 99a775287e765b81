"""Entities and fragments as documents for other brokers: normalized, under a given @context, nulls and gaps included.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 4.5.0, 5.4 and 5.5.8.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.entity import NULL, Attributes, Entity, Instance
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.render import Renderer
from cityhub.model.ngsild.view import View

_NORMALIZED: Final = View(sys_attrs=True)
_SIMPLIFIED: Final = View(format="simplified")
_NO_TYPE: Final = ""

Document = dict[str, Any]


def entity_document(entity: Entity, attributes: Attributes, terms: TermMap) -> Document:
    """A parsed entity with these attributes only."""
    return _document(entity["id"], entity["type"], entity.get("scope"), entity.get("expiresAt"), attributes, terms, False)


def fragment_document(fragment: Fragment, attributes: Attributes, terms: TermMap, *, with_id: bool = False) -> Document:
    """A fragment with these attributes only."""
    id = fragment.id if with_id else ""
    return _document(id, fragment.type, fragment.scope, fragment.expires_at, attributes, terms, fragment.simplified)


def attribute_document(name: str, instances: list[Instance], terms: TermMap) -> Any:
    """The instances of one attribute (IRI)."""
    documents = [_instance(name, instance, Renderer(terms, _NORMALIZED)) for instance in instances]
    return documents[0] if len(documents) == 1 else documents


def _document(
    id: str, types: list[str], scope: Any, expires_at: str | None, attributes: Attributes, terms: TermMap, simplified: bool
) -> Document:
    document: Document = {"id": id} if id else {}
    if types:
        names = [terms.compact(kind) for kind in types]
        document["type"] = names[0] if len(names) == 1 else names
    if scope is not None:
        document["scope"] = scope
    if expires_at is not None:
        document["expiresAt"] = expires_at if expires_at == NULL else moment.show(expires_at)
    if simplified:
        renderer = Renderer(terms, _SIMPLIFIED)
        for name, instances in attributes.items():
            document[terms.compact(name)] = renderer.attribute(name, instances, {})
        return document
    for name, instances in attributes.items():
        document[terms.compact(name)] = attribute_document(name, instances, terms)
    return document


def _instance(name: str, instance: Instance, renderer: Renderer) -> Any:
    return _without_gaps(renderer.normalized(name, _with_gaps(instance), {}))


def _with_gaps(instance: Instance) -> Instance:
    """An instance of a partial fragment, and what is in it, with an empty type where it has none."""
    out = instance if "type" in instance else {"type": _NO_TYPE, **instance}
    if "attrs" in instance:
        subs = {name: [_with_gaps(one) for one in instances] for name, instances in instance["attrs"].items()}
        out = {**out, "attrs": subs}
    return out


def _without_gaps(document: Any) -> Any:
    if type(document) is list:
        return [_without_gaps(item) for item in document]
    if type(document) is not dict:
        return document
    return {key: _without_gaps(item) if type(item) is dict else item for key, item in document.items() if key != "type" or item != _NO_TYPE}
