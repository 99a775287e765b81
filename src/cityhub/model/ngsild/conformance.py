"""Entities for readers of earlier versions of the standard: what they do not know is left out or written as they know it.

Source: GS CIM 009 V1.9.1, clause 4.3.6.8 with tables 4.3.6.8-1 to 4.3.6.8-3.
"""

from __future__ import annotations

from typing import Any, Final

Version = tuple[int, int]

CURRENT: Final[Version] = (1, 9)
"""The version whose documents need no amendment."""
_ENTITY_SINCE: Final[dict[str, Version]] = {"expiresAt": (1, 9), "scope": (1, 4)}
_MEMBER_SINCE: Final[dict[str, Version]] = {
    "datasetId": (1, 3), "expiresAt": (1, 9), "observedAt": (1, 3), "unitCode": (1, 3), "valueType": (1, 9), "objectType": (1, 8),
}  # fmt: skip
_KIND_SINCE: Final[dict[str, tuple[Version, str, str]]] = {
    "languageMap": ((1, 4), "Property", "value"),
    "json": ((1, 8), "Property", "value"),
    "vocab": ((1, 8), "Property", "value"),
    "valueList": ((1, 8), "Property", "value"),
    "objectList": ((1, 8), "Relationship", "object"),
}
"""The member that holds the value of an attribute of a kind: since when, and the older kind with its member."""
_CORE: Final = frozenset(("id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt", "@context"))
_MANY: Final[Version] = (1, 3)
"""Since when an entity may have several types, and an attribute several instances."""


def read_version(text: str) -> Version:
    """The version of a text such as '1.6'. Raises ValueError for anything else."""
    major, dot, minor = text.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit() and len(text) < 8):
        raise ValueError(f"'{text[:50]}' is not a version such as '1.6'")
    return int(major), int(minor)


def amended(document: dict[str, Any], version: Version) -> dict[str, Any]:
    """The document of an entity, in any representation, as a version of the standard knows it; itself for the current one."""
    if version >= CURRENT:
        return document
    out: dict[str, Any] = {}
    for name, value in document.items():
        if name not in _CORE:
            out[name] = _attribute(value, version)
        elif _ENTITY_SINCE.get(name, version) <= version:
            out[name] = value[0] if name == "type" and type(value) is list and version < _MANY else value
    return out


def amended_attribute(value: Any, version: Version) -> Any:
    """An attribute, in any representation, as a version of the standard knows it; itself for the current one."""
    return value if version >= CURRENT else _attribute(value, version)


def _attribute(value: Any, version: Version) -> Any:
    if type(value) is list and value and all(type(item) is dict and _is_instance(item) for item in value):
        if version < _MANY:
            return _instance(next((item for item in value if "datasetId" not in item), value[0]), version)
        return [_instance(item, version) for item in value]
    return _instance(value, version) if type(value) is dict and _is_instance(value) else value


def _is_instance(value: dict[str, Any]) -> bool:
    return "value" in value or "object" in value or not _KIND_SINCE.keys().isdisjoint(value)


def _instance(instance: dict[str, Any], version: Version) -> Any:
    out: dict[str, Any] = {}
    for name, value in instance.items():
        if _MEMBER_SINCE.get(name, version) > version:
            continue
        known = _KIND_SINCE.get(name)
        previous = _KIND_SINCE.get(name[8:9].lower() + name[9:]) if name.startswith("previous") else None
        if known is not None and known[0] > version:
            out[known[2]] = _plain(name, value)
            if "type" in instance:
                out["type"] = known[1]
        elif previous is not None and previous[0] > version:
            out[f"previous{previous[2].capitalize()}"] = _plain(name, value)
        elif name != "type" or "type" not in out:
            out[name] = value if name in ("value", "object", "languageMap", "json") else _attribute(value, version)
    if len(out) == 1 and len(instance) == 1 and "value" in out:
        return out["value"]  # the simplified representation has no members beside the value
    return out


def _plain(name: str, value: Any) -> Any:
    """The value of a ListRelationship as a list of URIs; any other as it is."""
    if name in ("objectList", "previousObjectList") and type(value) is list:
        return [item["object"] if type(item) is dict and "object" in item else item for item in value]
    return value
