"""Entities out: the internal form becomes a document in the normalized, concise or simplified representation.

Documents share what they can with the entity they were made from and must not be changed. They have no "@context";
whoever answers adds it.

Source: GS CIM 009 clauses 4.5.2 to 4.5.5, 4.5.18 to 4.5.24, 4.15, 4.21 and 6.3.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cityhub.model.entity import NULL, VALUE_KEY, Entity, Instance
from cityhub.model.errors import NotFound
from cityhub.model.ngsild.attribute import looks_reified
from cityhub.model.ngsild.attribute_member import VALUE_KEYS
from cityhub.model.ngsild.geometry import looks_like_geometry
from cityhub.model.ngsild.language import choose
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.render_member import COMPOUND, WRITE, one_or_all
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import NORMALIZED, View

Linked = Mapping[str, Entity]
"""Linked entities by id, to be put inline; those that are missing stay plain objects."""
# Types whose reified form is the internal one, so that an instance without further members is shared as it is; names
# inside the value of a Property are not.
_PLAIN: Final = frozenset(("Property", "Relationship", "JsonProperty"))
_BARE: Final = 2  # members of an instance that has nothing but type and value


def render_entity(entity: Entity, terms: Terms, view: View = NORMALIZED, linked: Linked | None = None) -> dict[str, Any]:
    """The document of an entity; an empty one when the view shows nothing of it."""
    return Renderer(terms, view, linked).entity(entity)


def render_entities(
    entities: Iterable[Entity], terms: Terms, view: View = NORMALIZED, linked: Linked | None = None
) -> list[dict[str, Any]]:
    """The documents of entities, without those of which the view shows nothing."""
    renderer = Renderer(terms, view, linked)
    return [document for document in map(renderer.entity, entities) if document]


def render_attribute(entity: Entity, name: str, terms: Terms, view: View = NORMALIZED, linked: Linked | None = None) -> Any:
    """One attribute (IRI) of an entity as it stands in the entity's document.

    Raises NotFound when the entity has no such attribute, or none in the datasets of the view.
    """
    instances = entity["attrs"].get(name)
    renderer = Renderer(terms, view, linked)
    shown = renderer.select(instances) if instances else []
    if not shown:
        raise NotFound(f"Entity '{entity['id']}' has no attribute '{terms.compact(name)}'{_datasets(view)}")
    return renderer.attribute(name, shown, entity)


def render_value(entity: Entity, name: str, terms: Terms, view: View = NORMALIZED) -> Any:
    """The bare value of one instance of an attribute (IRI): of the one dataset of the view, else of the default instance.

    Raises NotFound when there is no such instance. Source: GS CIM 009 V1.9.1 "Retrieve Attribute value".
    """
    wanted = None
    if view.dataset_ids:
        wanted = next(iter(view.dataset_ids))
    for instance in entity["attrs"].get(name, ()):
        if instance.get("datasetId", "@none") == (wanted or "@none"):
            value = Renderer(terms, view).simplified(name, instance)
            if instance["type"] in ("LanguageProperty", "JsonProperty", "VocabProperty") and type(value) is dict:
                return value.get(VALUE_KEY[instance["type"]], value)
            return value
    raise NotFound(f"Entity '{entity['id']}' has no attribute '{terms.compact(name)}'{_datasets(view)}")


def _datasets(view: View) -> str:
    return f" in {', '.join(sorted(view.dataset_ids))}" if view.dataset_ids else ""


class Renderer:
    """Renders under one @context and one view; reuse it for lists.

    Args:
        terms: The @context.
        view: What is shown, and how.
        linked: Entities to put inline, down to the view's join level.
        chain: Ids of the entity rendered and of those that lead to it; a link back to one of them is not followed.
    """

    __slots__ = ("_chain", "_compact", "_linked", "_plain", "_simple", "_terms", "_view")

    def __init__(self, terms: Terms, view: View, linked: Linked | None = None, chain: frozenset[str] = frozenset()) -> None:
        self._terms = terms
        self._view = view
        self._compact = terms.compact
        self._linked = linked if view.join_level > 0 and linked else None
        self._chain = chain
        self._simple = view.pick is None and view.omit is None and view.attrs is None and view.dataset_ids is None
        self._plain = not view.sys_attrs and self._linked is None

    def entity(self, entity: Entity) -> dict[str, Any]:
        """The document of an entity."""
        if self._linked is not None and entity["id"] not in self._chain:
            return Renderer(self._terms, self._view, self._linked, self._chain | {entity["id"]}).entity(entity)
        view, compact = self._view, self._compact
        types = entity["type"]
        out: dict[str, Any] = {"id": entity["id"], "type": compact(types[0]) if len(types) == 1 else [compact(t) for t in types]}
        if "scope" in entity:
            out["scope"] = one_or_all(entity["scope"])
        if view.sys_attrs:
            for key in ("createdAt", "modifiedAt", "expiresAt"):
                if key in entity:
                    out[key] = show(entity[key])
        if "deletedAt" in entity:
            out["deletedAt"] = show(entity["deletedAt"])
        if not types:
            del out["type"]
        if self._simple:
            for iri, instances in entity["attrs"].items():
                out[compact(iri)] = self.attribute(iri, instances, entity)
            return out
        out = {key: value for key, value in out.items() if view.shows(key)}
        for iri, instances in entity["attrs"].items():
            if view.shows(iri):
                shown = self.select(instances)
                if shown:
                    out[compact(iri)] = self.attribute(iri, shown, entity)
        return out

    def select(self, instances: list[Instance]) -> list[Instance]:
        """The instances that the view shows."""
        datasets = self._view.dataset_ids
        if datasets is None:
            return instances
        return [instance for instance in instances if instance.get("datasetId", "@none") in datasets]

    def attribute(self, iri: str, instances: list[Instance], parent: Mapping[str, Any]) -> Any:
        """The document of an attribute: of one instance, or of several."""
        form = self._view.format
        if len(instances) == 1:
            instance = instances[0]
            if form == "normalized":
                if len(instance) == _BARE and self._plain and instance["type"] in _PLAIN and type(instance.get("value")) not in COMPOUND:
                    return instance
                return self.normalized(iri, instance, parent)
            if form == "concise":
                return self.concise(iri, instance, parent)
            value = self.simplified(iri, instance)
            return {"dataset": {instance["datasetId"]: value}} if "datasetId" in instance and self._view.dataset_ids is None else value
        if form == "simplified":
            return {"dataset": {i.get("datasetId", "@none"): self.simplified(iri, i) for i in instances}}
        one = self.normalized if form == "normalized" else self.concise
        return [one(iri, instance, parent) for instance in instances]

    def normalized(self, iri: str, instance: Instance, parent: Mapping[str, Any]) -> dict[str, Any]:
        """The document of one instance with its type."""
        out: dict[str, Any] = {}
        for key, value in instance.items():
            write = WRITE.get(key)
            if write is None:
                out[key] = value
            else:
                write(out, value, instance, self._terms, self._view)
        if self._view.sys_attrs:
            self._stamp(out, instance, parent)
        if "attrs" in instance:
            self._sub_attributes(out, instance, parent)
        if self._linked is not None and "object" in VALUE_KEY[instance["type"]]:
            self._join(out, iri, instance)
        return out

    def concise(self, iri: str, instance: Instance, parent: Mapping[str, Any]) -> Any:
        """The document of one instance without its type, of a mere value the value itself, wherever that can be read back."""
        out = self.normalized(iri, instance, parent)
        kind = out["type"]
        if kind in ("Property", "GeoProperty"):
            value = out.get("value")
            geometry = looks_like_geometry(value)
            if len(out) == _BARE and (geometry if kind == "GeoProperty" else not geometry and not looks_reified(value)):
                return value
            if geometry != (kind == "GeoProperty"):
                return out
        if VALUE_KEYS.isdisjoint(out):
            return out
        return {key: value for key, value in out.items() if key != "type"}

    def simplified(self, iri: str, instance: Instance) -> Any:
        """The value of one instance, as the simplified representation has it."""
        kind = instance["type"]
        key = VALUE_KEY[kind]
        value: Any = instance.get(key)
        if kind == "LanguageProperty":
            if value == NULL or not self._view.languages:
                return {"languageMap": value}
            return value[choose(value, self._view.languages)]
        if kind == "VocabProperty":
            return {"vocab": value if value == NULL else self._terms.compact_iri(value)}
        if kind == "JsonProperty":
            return {"json": value}
        if self._linked is not None and kind in ("Relationship", "ListRelationship"):
            entities = self._entities(iri, value)
            if entities:
                joined = [entities.get(id, id) for id in ([value] if type(value) is str else value)]
                return joined[0] if type(value) is str else joined
        return self._terms.compact_value(value) if kind in ("Property", "ListProperty") and type(value) in COMPOUND else value

    def _sub_attributes(self, out: dict[str, Any], instance: Instance, parent: Mapping[str, Any]) -> None:
        below = {"createdAt": instance.get("createdAt") or parent.get("createdAt")} if self._view.sys_attrs else instance
        inner = self if self._linked is None else Renderer(self._terms, self._view)
        for iri, instances in instance["attrs"].items():
            out[self._compact(iri)] = inner.attribute(iri, instances, below)

    def _stamp(self, out: dict[str, Any], instance: Instance, parent: Mapping[str, Any]) -> None:
        created = instance.get("createdAt") or parent.get("createdAt")
        if created:
            out["createdAt"] = show(created)
            out["modifiedAt"] = show(instance.get("modifiedAt") or created)

    def _join(self, out: dict[str, Any], iri: str, instance: Instance) -> None:
        value: Any = instance.get(VALUE_KEY[instance["type"]])
        entities = self._entities(iri, value)
        if entities:
            if instance["type"] == "Relationship" and type(value) is str:
                out["entity"] = entities[value]
            else:
                out["entityList" if instance["type"] == "ListRelationship" else "entity"] = [
                    entities[id] for id in value if id in entities
                ]

    def _entities(self, iri: str, value: Any) -> dict[str, dict[str, Any]]:
        """The documents of the entities behind a relationship, by id."""
        ids = value if type(value) is list else [value]
        linked = self._linked or {}
        found = {id: linked[id] for id in ids if type(id) is str and id in linked and id not in self._chain}
        if not found:
            return {}
        view = self._view.linked(iri)
        return {id: Renderer(self._terms, view, linked, self._chain).entity(entity) for id, entity in found.items()}
