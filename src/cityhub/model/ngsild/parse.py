"""Entities in: a decoded JSON document becomes an entity, or a fragment of one, in the internal form.

Source: GS CIM 009 clauses 4.5.1, 5.2.4, 5.4 and 5.5.4.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.model.entity import NULL, Attributes, Entity, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.attribute import SYSTEM, AttributeReader
from cityhub.model.ngsild.names import is_name, is_uri, read_scope, texts
from cityhub.model.ngsild.terms import Terms

_MEMBERS: Final = frozenset(("id", "type", "@id", "@type", "@context", "scope", "expiresAt")) | SYSTEM


class Fragment(msgspec.Struct, frozen=True):
    """What a request says about an entity that exists.

    Attributes:
        attrs: Attributes by IRI. In a fragment with nulls an instance whose value is the NGSI-LD Null asks for its
            removal, as does a member ("unitCode", a sub-attribute's value, a value's member) that is the Null. In a
            partial fragment an instance may lack "type" and its value.
        type: Types to add; empty when the fragment does not speak of types.
        scope: Scopes; the Null asks for their removal; None when the fragment does not speak of scopes.
        expires_at: Time in the internal form; the Null asks for its removal; None when it does not speak of it.
        id: The id in the document; "" when it has none.
        simplified: Whether bare values leave it to the existing attribute of which type they are.
    """

    attrs: Attributes
    type: list[str] = []
    scope: list[str] | str | None = None
    expires_at: str | None = None
    id: str = ""
    simplified: bool = False


def parse_entity(document: Any, terms: Terms, *, require_type: bool = True, simplified: bool = False) -> Entity:
    """An entity without its system times, which the store's transition stamps.

    Normalized and concise documents are told apart by their shape; `simplified` says that all values are bare.
    An entity without a type (allowed by `require_type=False`) has an empty "type".
    Raises BadRequestData naming the member that breaks the model.
    """
    if type(document) is not dict:
        raise BadRequestData("An entity must be a JSON object")
    id = document.get("id") or document.get("@id")
    if not is_uri(id):
        raise BadRequestData(f"'id' must be a URI such as 'urn:ngsi-ld:Building:1', not {id!r:.200}")
    types = document.get("type") or document.get("@type")
    if types is None and require_type:
        raise BadRequestData("'type' must be there: the name of a type, or a list of names")
    entity: Entity = {"id": id, "type": [] if types is None else read_types(types, terms)}
    reader = AttributeReader(terms, simplified=simplified)
    attrs: Attributes = {}
    for name, value in document.items():
        if name in _MEMBERS:
            if name == "scope":
                entity["scope"] = _read_scope(value, nulls=False)
            elif name == "expiresAt":
                entity["expiresAt"] = moment.read(value, "expiresAt")
            continue
        iri = reader.name(name)
        if iri in attrs:
            raise BadRequestData(f"'{name}' is there twice, under two names of {iri}")
        attrs[iri] = reader.instances(name, value, iri)
    entity["attrs"] = attrs
    return entity


def parse_fragment(
    document: Any, terms: Terms, *, nulls: bool, partial: bool = False, simplified: bool = False
) -> Fragment:
    """A fragment of an entity for Append (no nulls), Update (`nulls`) or Merge (`nulls` and `partial`).

    Raises BadRequestData naming the member that breaks the model.
    """
    if type(document) is not dict:
        raise BadRequestData("An entity fragment must be a JSON object")
    id = document.get("id") or document.get("@id") or ""
    if id and not is_uri(id):
        raise BadRequestData(f"'id' must be a URI such as 'urn:ngsi-ld:Building:1', not {id!r:.200}")
    types = document.get("type") or document.get("@type")
    scope: list[str] | str | None = None
    expires_at: str | None = None
    reader = AttributeReader(terms, nulls=nulls, partial=partial, deep=partial and nulls, simplified=simplified)
    attrs: Attributes = {}
    for name, value in document.items():
        if name in _MEMBERS:
            if name == "scope":
                scope = _read_scope(value, nulls=nulls)
            elif name == "expiresAt":
                expires_at = NULL if nulls and value == NULL else moment.read(value, "expiresAt")
            continue
        iri = reader.name(name)
        if iri in attrs:
            raise BadRequestData(f"'{name}' is there twice, under two names of {iri}")
        attrs[iri] = reader.instances(name, value, iri)
    read = [] if types is None else read_types(types, terms)
    if not (attrs or read or id or scope or expires_at):
        raise BadRequestData("An entity fragment must say something: an attribute, a type, a scope or when it expires")
    return Fragment(attrs, read, scope, expires_at, id, simplified)


def parse_attribute(
    name: str,
    value: Any,
    terms: Terms,
    *,
    nulls: bool = False,
    partial: bool = False,
    simplified: bool = False,
) -> list[Instance]:
    """The instances of one attribute, from the body of a request to `/attrs/{name}`.

    `name` is the attribute's name or IRI. A body that wraps the fragment as {name: fragment} is unwrapped. Members of
    the body that belong to the request ("@context") are to be taken off by the caller, or are ignored here.
    Raises BadRequestData.
    """
    reader = AttributeReader(terms, nulls=nulls, partial=partial, simplified=simplified)
    iri = reader.name(name)
    if type(value) is dict and "@context" in value:
        value = {key: item for key, item in value.items() if key != "@context"}
    if type(value) is dict and len(value) == 1 and name in value and not simplified:
        value = value[name]
    if value in ({}, []) and partial:
        raise BadRequestData(f"'{name}' must have a fragment that says something: a value, a member or a sub-attribute")
    return reader.instances(name, value, iri)


def read_types(value: Any, terms: Terms) -> list[str]:
    """The IRIs of a 'type' member. Raises BadRequestData unless it is a name or a list of names."""
    if type(value) is str and is_name(value):
        return [_type(value, terms)]
    return list(dict.fromkeys(_type(name, terms) for name in texts(value, "type")))


def _type(name: str, terms: Terms) -> str:
    if not is_name(name) or name == NULL:
        raise BadRequestData(f"'type' has {name!r:.200}, which is not a name: letters, digits and '_' after a letter, or a URI")
    return terms.expand(name)


def _read_scope(value: Any, *, nulls: bool) -> list[str] | str:
    return NULL if nulls and value in (NULL, [NULL]) else read_scope(value)
