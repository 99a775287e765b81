"""How the members of an attribute instance are written whose internal form is another one.

Source: GS CIM 009 clauses 4.5.2 to 4.5.5, 4.5.18 to 4.5.24, 4.15 and 6.3.11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NULL, Instance
from cityhub.model.ngsild.language import choose
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import View

COMPOUND: Final = frozenset((dict, list))
"""Types of the values that may have names inside, which are compacted."""
MemberWriter = Callable[[dict[str, Any], Any, Instance, Terms, View], None]


def _write_deleted(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
    out["deletedAt"] = show(value)


def _write_observed(out: dict[str, Any], value: Any, instance: Instance, terms: Terms, view: View) -> None:
    out["observedAt"] = instance.get("observedAtText") or show(value)


def _write_expires(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
    if view.sys_attrs:
        out["expiresAt"] = show(value)


def _write_vocab(key: str) -> MemberWriter:
    def write(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
        out[key] = value if value == NULL else terms.compact_iri(value)

    return write


def _write_value(key: str) -> MemberWriter:
    def write(out: dict[str, Any], value: Any, instance: Instance, terms: Terms, view: View) -> None:
        geometry = instance["type"] == "GeoProperty"
        out[key] = value if geometry or type(value) not in COMPOUND else terms.compact_value(value)

    return write


def _write_object_list(key: str) -> MemberWriter:
    def write(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
        plain = value == NULL or view.format == "concise"
        out[key] = value if plain else [{"object": item} for item in value]

    return write


def _write_language_map(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
    if value == NULL:
        out["languageMap"] = {"@none": NULL}
    elif view.languages:
        tag = choose(value, view.languages)
        out["type"] = "Property"
        out["value"] = value[tag]
        out["lang"] = tag
    else:
        out["languageMap"] = value


def _write_object_type(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
    out["objectType"] = one_or_all([terms.compact(item) for item in value])


def _write_value_type(out: dict[str, Any], value: Any, instance: Instance, terms: Terms, view: View) -> None:
    # That of a LanguageProperty says "text in languages", which the one text chosen is no longer.
    if instance["type"] != "LanguageProperty" or not view.languages:
        out["valueType"] = terms.compact(value)


def _write_sealed_type(out: dict[str, Any], value: Any, _instance: Instance, terms: Terms, view: View) -> None:
    out["entityTypeSealed"] = terms.compact(value)


def _skip(_out: dict[str, Any], _value: Any, _instance: Instance, _terms: Terms, _view: View) -> None:
    return


def one_or_all(items: list[Any]) -> Any:
    """The only item, or the list: how types and scopes are written."""
    return items[0] if len(items) == 1 else items


WRITE: Final[dict[str, MemberWriter]] = {
    "attrs": _skip,
    "createdAt": _skip,
    "modifiedAt": _skip,
    "observedAtText": _skip,
    "observedAt": _write_observed,
    "expiresAt": _write_expires,
    "deletedAt": _write_deleted,
    **{key: _write_value(key) for key in ("value", "previousValue", "valueList", "previousValueList")},
    "vocab": _write_vocab("vocab"),
    "previousVocab": _write_vocab("previousVocab"),
    "objectList": _write_object_list("objectList"),
    "previousObjectList": _write_object_list("previousObjectList"),
    "languageMap": _write_language_map,
    "objectType": _write_object_type,
    "valueType": _write_value_type,
    "entityTypeSealed": _write_sealed_type,
}
