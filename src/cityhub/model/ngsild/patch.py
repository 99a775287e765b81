"""Merge Entity: a fragment is merged into an entity like a JSON merge patch, with the NGSI-LD Null as null.

Source: GS CIM 009 clauses 5.5.12 and 5.6.17; RFC 7396.
"""

from __future__ import annotations

from typing import Any

from cityhub.model.entity import NULL, VALUE_KEY, Attributes, Entity, Instance, dataset_of
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.attribute import GEO_PROPERTIES
from cityhub.model.ngsild.attribute_member import check_members
from cityhub.model.ngsild.attribute_value import read_value
from cityhub.model.ngsild.content import changed, is_removal
from cityhub.model.ngsild.geometry import looks_like_geometry
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.stamp import new_instance
from cityhub.model.ngsild.terms import Terms


def merge_entity(
    current: Entity, fragment: Fragment, now: str, terms: Terms, observed_at: str | None = None, lang: str | None = None
) -> Entity:
    """The entity with a fragment merged in: attributes, instances, sub-attributes and members of values alike.

    Args:
        current: The entity as it is.
        fragment: From `parse_fragment(..., nulls=True, partial=True)`.
        now: Time of the write.
        terms: The @context of the fragment, for values that do not state their type.
        observed_at: Time (internal form) for instances that have an observedAt and get no new one of their own.
        lang: Language of texts that are merged into LanguageProperties.

    Raises BadRequestData when an attribute would become another type, or a new one has no value.
    """
    merge = _Merge(now, terms, fragment.simplified, observed_at, lang)
    attrs = merge.attributes(current["attrs"], fragment.attrs, current["createdAt"])
    changes: dict[str, Any] = {} if attrs is current["attrs"] else {"attrs": attrs}
    if fragment.scope is not None:
        changes["scope"] = None if fragment.scope == NULL else fragment.scope
    if fragment.expires_at is not None:
        changes["expiresAt"] = None if fragment.expires_at == NULL else fragment.expires_at
    return changed(current, fragment, changes, now)


class _Merge:
    """One merge with its settings."""

    __slots__ = ("_lang", "_now", "_observed_at", "_simplified", "_terms")

    def __init__(self, now: str, terms: Terms, simplified: bool, observed_at: str | None, lang: str | None) -> None:
        self._now = now
        self._terms = terms
        self._simplified = simplified
        self._observed_at = observed_at
        self._lang = lang

    def attributes(self, old: Attributes, parts: Attributes, parent_created: str) -> Attributes:
        """Attributes with parts merged in; the very ones if nothing changes."""
        out = dict(old)
        touched = False
        for iri, instances in parts.items():
            before = old.get(iri, [])
            after = before
            for part in instances:
                after = self._into(after, part, iri, parent_created)
            if after is not before:
                touched = True
                if after:
                    out[iri] = after
                else:
                    del out[iri]
        return out if touched else old

    def _into(self, instances: list[Instance], part: Instance, iri: str, parent_created: str) -> list[Instance]:
        old = dataset_of(instances, part.get("datasetId"))
        if is_removal(part):
            return instances if old is None else [instance for instance in instances if instance is not old]
        if old is None:
            return [*instances, new_instance(self._fresh(part, iri), parent_created, self._now)]
        new = self._merged(old, part, iri, parent_created)
        return [instance for instance in (new if i is old else i for i in instances) if instance is not None]

    def _fresh(self, part: Instance, iri: str) -> Instance:
        """A new instance from a part, without nulls. Raises BadRequestData if it has no value."""
        part = self._typed(part, None, iri)
        key = VALUE_KEY[part["type"]]
        if key not in part:
            raise BadRequestData(f"'{iri}' is not there yet; a new {part['type']} must have '{key}'")
        out = {name: item for name, item in part.items() if item != NULL and name != "attrs"}
        out[key] = merge_values(None, part[key])
        if key == "languageMap" and not out[key]:
            raise BadRequestData(f"'{iri}' is not there yet; a new LanguageProperty must have a text in some language")
        subs = self.attributes({}, part.get("attrs", {}), self._now)
        if subs:
            out["attrs"] = subs
        check_members(iri, out)
        return out

    def _merged(self, old: Instance, part: Instance, iri: str, parent_created: str) -> Instance | None:
        part = self._typed(part, old, iri)
        created = old.get("createdAt") or parent_created
        out = {**old, **{name: item for name, item in part.items() if name != "attrs"}}
        key = VALUE_KEY[old["type"]]
        if key in part and key in ("value", "json", "languageMap") and old["type"] != "GeoProperty":
            out[key] = merge_values(old[key], part[key])
            if key == "languageMap" and not out[key]:
                return None
        if "observedAt" in part:
            if "observedAtText" not in part:
                out.pop("observedAtText", None)
        elif self._observed_at is not None and "observedAt" in old:
            out["observedAt"] = self._observed_at
            out.pop("observedAtText", None)
        out = {name: item for name, item in out.items() if name == key or not (type(item) is str and item == NULL)}
        if "attrs" in part:
            subs = self.attributes(old.get("attrs", {}), part["attrs"], created)
            out.pop("attrs", None)
            if subs:
                out["attrs"] = subs
        check_members(iri, out)
        if created != self._now:
            out["modifiedAt"] = self._now
        return out

    def _typed(self, part: Instance, old: Instance | None, iri: str) -> Instance:
        """A part with its type; the type of what it changes, unless it says otherwise."""
        kind = old["type"] if old else part.get("type", "")
        stated = part.get("type", kind)
        if stated != kind:
            raise BadRequestData(f"'{iri}' is a {kind}; a merge must not make it a {stated}")
        if "type" in part:
            return part
        if "value" not in part:
            return {"type": kind or "Property", **part}
        value = part["value"]
        if not kind:
            kind = "GeoProperty" if iri in GEO_PROPERTIES or looks_like_geometry(value) else "Property"
        return {"type": kind, **{name: item for name, item in part.items() if name != "value"},
                VALUE_KEY[kind]: self._read(kind, value, iri)}  # fmt: skip

    def _read(self, kind: str, value: Any, iri: str) -> Any:
        """A bare value as the value of an attribute of a type."""
        if kind == "LanguageProperty" and type(value) is not dict:
            if not self._lang:
                raise BadRequestData(f"'{iri}' is a LanguageProperty; say in the parameter 'lang' of which language its text is")
            value = {self._lang: value}
        elif kind not in ("Property", "GeoProperty") and not self._simplified:
            raise BadRequestData(f"'{iri}' is a {kind}; its value must be given as '{VALUE_KEY[kind]}'")
        return read_value(kind, value, self._terms, iri, deep=True)


def merge_values(old: Any, patch: Any) -> Any:
    """A JSON value with a merge patch applied, in which the NGSI-LD Null is null; neither is changed.

    >>> merge_values({"a": 1, "b": 2}, {"b": "urn:ngsi-ld:null", "c": {"d": "urn:ngsi-ld:null", "e": 3}})
    {'a': 1, 'c': {'e': 3}}
    """
    if type(patch) is not dict:
        return patch
    out = dict(old) if type(old) is dict else {}
    for key, value in patch.items():
        if type(value) is str and value == NULL:
            out.pop(key, None)
        else:
            out[key] = merge_values(out.get(key), value)
    return out
