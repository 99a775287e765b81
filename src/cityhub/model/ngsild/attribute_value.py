"""The values of each attribute type.

Source: GS CIM 009 clauses 4.5.2, 4.5.3, 4.5.18 to 4.5.24 and 4.6.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NULL, VALUE_KEY, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.ngsild.names import is_language, is_uri
from cityhub.model.ngsild.reading import Reading
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.values import check_value


def read_value(kind: str, value: Any, terms: Terms, name: str, *, deep: bool = False) -> Any:
    """The value of an attribute of a type, checked and in the internal form. Raises BadRequestData."""
    instance: Instance = {"type": kind}
    READ_VALUE[kind](Reading(terms, deep=deep), instance, value, name, 0)
    return instance[VALUE_KEY[kind]]


def _read_property(reader: Reading, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not bool:
        check_value(value, name, nulls=reader.deep, depth=depth)
        # In a merge, what has no type may turn out to be the value of a JsonProperty, whose names are its own.
        if (type(value) is dict or type(value) is list) and (not reader.deep or "type" in instance):
            value = reader.terms.expand_value(value)
    instance["value"] = value


def _read_geo(_reader: Reading, instance: Instance, value: Any, name: str, _depth: int) -> None:
    instance["value"] = read_geometry(value, name)


def _read_object(_reader: Reading, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if not is_uri(value) and not (type(value) is list and value and all(is_uri(item) for item in value)):
        raise BadRequestData(f"'{name}' must have a URI or a list of URIs as object")
    instance["object"] = value


def _read_language_map(reader: Reading, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if type(value) is not dict or not value:
        raise BadRequestData(f"'{name}' must have an object of languages and texts as languageMap")
    if reader.nulls and value == {"@none": NULL}:
        instance["languageMap"] = NULL
        return
    for tag, text in value.items():
        if not is_language(tag):
            raise BadRequestData(f"'{name}' has {tag!r} in its languageMap, which is not a language tag")
        items = text if type(text) is list else (text,)
        if not items or not all(type(item) is str for item in items):
            raise BadRequestData(f"'{name}' must have a text or a list of texts for the language {tag!r}")
        if NULL in items and not (reader.deep and text == NULL):
            raise BadRequestData(f"'{name}' must not have the NGSI-LD Null ('{NULL}') for the language {tag!r} here")
    instance["languageMap"] = value


def _read_json(reader: Reading, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not dict and not (type(value) is list and all(type(item) is dict for item in value)):
        raise BadRequestData(f"'{name}' must have an object or a list of objects as json")
    check_value(value, name, raw=True, depth=depth)
    instance["json"] = value


def _read_vocab(reader: Reading, instance: Instance, value: Any, name: str, _depth: int) -> None:
    items = value if type(value) is list else [value]
    if not items or not all(type(item) is str and item and item != NULL for item in items):
        raise BadRequestData(f"'{name}' must have a text or a list of texts as vocab")
    instance["vocab"] = reader.terms.expand_iri(value)


def _read_value_list(reader: Reading, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not list:
        raise BadRequestData(f"'{name}' must have a list as valueList")
    if reader.nulls and value == [NULL]:
        instance["valueList"] = NULL
        return
    check_value(value, name, depth=depth)
    instance["valueList"] = reader.terms.expand_value(value)


def _read_object_list(reader: Reading, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if type(value) is not list:
        raise BadRequestData(f"'{name}' must have a list as objectList")
    if reader.nulls and value in ([NULL], [{"object": NULL}]):
        instance["objectList"] = NULL
        return
    objects = [item["object"] if type(item) is dict and len(item) == 1 and "object" in item else item for item in value]
    if not all(is_uri(item) for item in objects):
        raise BadRequestData(f"'{name}' must have only URIs, or objects with a URI as 'object', in its objectList")
    instance["objectList"] = objects


READ_VALUE: Final[dict[str, Callable[[Reading, Instance, Any, str, int], None]]] = {
    "Property": _read_property,
    "GeoProperty": _read_geo,
    "Relationship": _read_object,
    "LanguageProperty": _read_language_map,
    "JsonProperty": _read_json,
    "VocabProperty": _read_vocab,
    "ListProperty": _read_value_list,
    "ListRelationship": _read_object_list,
}
