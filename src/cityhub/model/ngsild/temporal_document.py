"""Temporal representations in: a decoded EntityTemporal document becomes instances in the internal form.

An attribute is one instance or a list of them, of which several may have the same datasetId; the simplified temporal
representation ("values": [[value, time], ...]) is read as well. An instance whose value is the NGSI-LD Null says that
the attribute was deleted.

Source: GS CIM 009 V1.9.1, clauses 4.5.6 to 4.5.9, 4.18, 5.2.20, 5.5.4 and 5.6.11.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.model.entity import NULL, VALUE_KEY, Attributes, Instance
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.attribute import AttributeReader
from cityhub.model.ngsild.names import is_uri, read_scope
from cityhub.model.ngsild.parse import read_types, unaliased
from cityhub.model.ngsild.terms import Terms

SCOPE: Final = "scope"
"""The name of the scope among the attributes of a history, where it is a Property."""
PAIRS: Final = {
    "Property": "values",
    "GeoProperty": "values",
    "Relationship": "objects",
    "LanguageProperty": "languageMaps",
    "JsonProperty": "jsons",
    "VocabProperty": "vocabs",
    "ListProperty": "valueLists",
    "ListRelationship": "objectLists",
}
"""The member of the simplified temporal representation that holds the pairs of value and time, by attribute type."""
MAX_INSTANCES: Final = 100_000
"""Most instances in one document."""
_MEMBERS: Final = frozenset(
    ("id", "type", "@id", "@type", "@context", "scope", "expiresAt", "createdAt", "modifiedAt", "deletedAt")
)
_PAIR: Final = 2  # a value and its time


class TemporalDocument(msgspec.Struct, frozen=True):
    """What a client says about the history of an entity.

    Attributes:
        id: The entity's id; "" when the document has none.
        types: Types (IRIs); empty when it does not speak of them.
        attrs: Instances by attribute (IRI), the scope under `SCOPE`. The mark of a deletion has "deletedAt".
    """

    id: str
    types: list[str]
    attrs: Attributes


def parse_temporal_entity(document: Any, terms: Terms, now: str, *, fragment: bool = False) -> TemporalDocument:
    """The content of an EntityTemporal, or of a fragment of one, which may lack id and type.

    Args:
        document: The decoded JSON without "@context".
        terms: The @context.
        now: The present time, for a scope or a deletion that says no time of its own.
        fragment: Whether id and type may be missing.

    Raises:
        InvalidRequest: It is no object.
        BadRequestData: A member breaks the model; says which.
    """
    if type(document) is not dict:
        raise InvalidRequest("The temporal representation of an entity must be a JSON object")
    document = unaliased(document, terms)
    id = document.get("id") or document.get("@id") or ""
    if (id or not fragment) and not is_uri(id):
        raise BadRequestData(f"'id' must be a URI such as 'urn:ngsi-ld:Building:1', not {id!r:.200}")
    types = document.get("type") or document.get("@type")
    if types is None and not fragment:
        raise BadRequestData("'type' must be there: the name of a type, or a list of names")
    reader = AttributeReader(terms)
    attrs: Attributes = {}
    for name, value in document.items():
        if name == SCOPE:
            attrs[SCOPE] = _scope(value, now)
        elif name == "expiresAt":
            moment.read(value, "expiresAt")
        elif name not in _MEMBERS:
            iri = reader.name(name)
            if iri in attrs:
                raise BadRequestData(f"'{name}' is there twice, under two names of {iri}")
            attrs[iri] = _instances(reader, name, value, iri, now)
    if sum(map(len, attrs.values())) > MAX_INSTANCES:
        raise BadRequestData(f"A temporal representation may have at most {MAX_INSTANCES} instances; send it in parts")
    read = [] if types is None else read_types(types, terms)
    if fragment and not attrs and not read:
        raise BadRequestData("A temporal representation must say something: an attribute or a type")
    return TemporalDocument(id, read, attrs)


def _instances(reader: AttributeReader, name: str, value: Any, iri: str, now: str) -> list[Instance]:
    items = value if type(value) is list and all(type(item) is dict for item in value) else [value]
    found: list[Instance] = []
    for item in items:
        for reified in _reified(name, item):
            found.append(_instance(reader, name, reified, iri, now))
    return found


def _reified(name: str, item: Any) -> list[Any]:
    """The instances that an item of the simplified temporal representation stands for; any other item itself."""
    kind = item.get("type") if type(item) is dict else None
    member = PAIRS.get(kind) if type(kind) is str else None
    if kind is None or member is None or type(item.get(member)) is not list or VALUE_KEY[kind] in item:
        return [item]
    rest = {key: value for key, value in item.items() if key != member}
    key = VALUE_KEY[kind]
    found = []
    for pair in item[member]:
        if type(pair) is not list or len(pair) != _PAIR:
            raise BadRequestData(f"'{name}.{member}' must be a list of pairs of a value and a time")
        value = pair[0]
        if kind in ("LanguageProperty", "JsonProperty", "VocabProperty") and type(value) is dict and list(value) == [key]:
            value = value[key]
        found.append({**rest, key: value, "observedAt": pair[1]})
    return found


def _instance(reader: AttributeReader, name: str, item: Any, iri: str, now: str) -> Instance:
    kind = _deleted_kind(item)
    if kind is None:
        return reader.instances(name, item, iri)[0]
    # Read with any other value of its kind, so that everything beside the value is checked as usual.
    [instance] = AttributeReader(reader.terms, nulls=True).instances(name, item, iri)
    if instance.get("observedAt") == NULL or instance.get("datasetId") == NULL:
        raise BadRequestData(f"'{name}' must not have the NGSI-LD Null ('{NULL}') in another place than its value")
    instance.pop("attrs", None)
    instance["deletedAt"] = moment.read(item["deletedAt"], f"{name}.deletedAt") if "deletedAt" in item else instance.get("observedAt", now)
    return instance


def _deleted_kind(item: Any) -> str | None:
    """The attribute type of an item whose value is the NGSI-LD Null; None for any other item."""
    kind = item.get("type", item.get("@type")) if type(item) is dict else None
    key = VALUE_KEY.get(kind) if type(kind) is str else None
    if kind is None or key is None:
        return None
    return kind if item.get(key) in (NULL, [NULL], {"@none": NULL}, [{"object": NULL}]) else None


def _scope(value: Any, now: str) -> list[Instance]:
    """The scope's instances, of plain scopes (which hold from now on) or of Properties."""
    items = value if type(value) is list else [value]
    if not any(type(item) is dict for item in items):
        return [{"type": "Property", "value": read_scope(value), "observedAt": now}]
    found = []
    for item in items:
        if type(item) is not dict or item.get("type", "Property") != "Property" or "value" not in item:
            raise BadRequestData("'scope' must be scopes, or a list of Properties with scopes as values")
        instance: Instance = {"type": "Property"}
        if item["value"] in (NULL, [NULL], []):
            instance["value"] = []
            instance["deletedAt"] = moment.read(item["deletedAt"], "scope.deletedAt") if "deletedAt" in item else now
        else:
            instance["value"] = read_scope(item["value"])
        if "observedAt" in item:
            instance["observedAt"] = moment.read(item["observedAt"], "scope.observedAt")
        elif "deletedAt" not in instance:
            instance["observedAt"] = now
        found.append(instance)
    return found
