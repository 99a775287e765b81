"""Entities in: a decoded JSON document becomes an entity, or a fragment of one, in the internal form.

Source: GS CIM 009 clauses 4.5.1, 5.2.4, 5.4 and 5.5.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cityhub.model.entity import NULL, Attributes, Entity, Instance
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.attribute import CHECKED, AttributeReader, bad_name
from cityhub.model.ngsild.attribute_member import NOT_ATTRIBUTES, VALUE_KEYS
from cityhub.model.ngsild.names import is_uri, read_scope, texts
from cityhub.model.ngsild.plain import plain_instance
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.values import MAX_DEPTH

_MEMBERS: Final = frozenset(
    ("id", "type", "@id", "@type", "@context", "scope", "expiresAt", "createdAt", "modifiedAt", "deletedAt")
)
"""Members of an entity that are no attributes; system times in a request are ignored."""


_WORDS: Final = _MEMBERS | NOT_ATTRIBUTES
"""What cannot name an attribute of an entity."""


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
    Raises InvalidRequest for anything but an object, and BadRequestData naming the member that breaks the model.
    """
    if type(document) is not dict:
        raise InvalidRequest("An entity must be a JSON object")
    document = unaliased(document, terms)
    id = document.get("id") or document.get("@id")
    if not is_uri(id):
        raise BadRequestData(f"'id' must be a URI such as 'urn:ngsi-ld:Building:1', not {id!r:.200}")
    types = document.get("type") or document.get("@type")
    if types is None and require_type:
        raise BadRequestData("'type' must be there: the name of a type, or a list of names")
    entity: Entity = {"id": id, "type": [] if types is None else read_types(types, terms)}
    reader: AttributeReader | None = None
    expand_name = terms.expand_name
    attrs: Attributes = {}
    for name, value in document.items():
        if name in _WORDS:
            if name in _MEMBERS:
                if name == "scope":
                    entity["scope"] = _read_scope(value, nulls=False)
                elif name == "expiresAt":
                    entity["expiresAt"] = moment.read(value, "expiresAt")
                continue
            raise BadRequestData(bad_name(name, name))
        iri = expand_name(name)
        if iri in attrs:
            raise BadRequestData(f"'{name}' is there twice, under two names of {iri}")
        plain = plain_instance(value) if type(value) is dict and not simplified else None
        if plain is not None and (iri not in CHECKED or plain["type"] == "GeoProperty"):
            attrs[iri] = [plain]
            continue
        reader = reader or AttributeReader(terms, simplified=simplified)
        attrs[iri] = reader.instances(name, value, iri)
    entity["attrs"] = attrs
    return entity


def parse_fragment(
    document: Any, terms: Terms, *, nulls: bool, partial: bool = False, simplified: bool = False
) -> Fragment:
    """A fragment of an entity for Append (no nulls), Update (`nulls`) or Merge (`nulls` and `partial`).

    Raises InvalidRequest for anything but an object, and BadRequestData naming the member that breaks the model.
    """
    if type(document) is not dict:
        raise InvalidRequest("An entity fragment must be a JSON object")
    document = unaliased(document, terms)
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
    value = unaliased(value, terms)
    if type(value) is dict and len(value) == 1 and name in value and not simplified:
        value = value[name]
    if value in ({}, []) and partial:
        raise BadRequestData(f"'{name}' must have a fragment that says something: a value, a member or a sub-attribute")
    return reader.instances(name, value, iri)


def read_types(value: Any, terms: Terms) -> list[str]:
    """The IRIs of a 'type' member. Raises BadRequestData unless it is a name or a list of names."""
    if type(value) is str and value != NULL:
        return [terms.expand_name(value)]
    names = [value] if type(value) is str else texts(value, "type")
    if NULL in names:
        raise BadRequestData(f"'type' must not have the NGSI-LD Null ('{NULL}'): types can only be added")
    return list(dict.fromkeys(map(terms.expand_name, names)))


def unaliased(document: Any, terms: Terms) -> Any:
    """A document in which the user's own words for keywords are the keywords; the very one where there are none."""
    return _unaliased(document, terms.aliases, 0) if terms.aliases else document


def _unaliased(document: Any, aliases: Mapping[str, str], depth: int) -> Any:
    if type(document) is list:
        return [_unaliased(item, aliases, depth) for item in document]
    if type(document) is not dict or depth > MAX_DEPTH:
        return document
    return {
        aliases.get(key, key): item if key in VALUE_KEYS else _unaliased(item, aliases, depth + 1) for key, item in document.items()
    }


def _read_scope(value: Any, *, nulls: bool) -> list[str] | str:
    return NULL if nulls and value in (NULL, [NULL]) else read_scope(value)
