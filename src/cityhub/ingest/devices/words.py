"""A device's public words as attributes of its entity, and back.

Source: Smart Data Models, subject dataModel.Device, data model Device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NGSI_LD, Attributes, Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.ngsild.moment import read as read_moment
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.stamp import renewed_attributes

SDM: Final = "https://smartdatamodels.org/"
DEVICE_WORDS: Final = f"{SDM}dataModel.Device/"
DEVICE: Final = f"{DEVICE_WORDS}Device"
"""The type of a device's entity."""
MOST_TEXT: Final = 2_000
MOST_ITEMS: Final = 100


def _text(value: Any, name: str) -> Any:
    if not isinstance(value, str) or not value or len(value) > MOST_TEXT:
        raise BadRequestData(f"'{name}' must be a text of 1 to {MOST_TEXT} characters")
    return value


def _texts(value: Any, name: str) -> Any:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or len(items) > MOST_ITEMS:
        raise BadRequestData(f"'{name}' must be a list of 1 to {MOST_ITEMS} texts")
    return [_text(item, name) for item in items]


def _fraction(value: Any, name: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value <= 1 or value == -1):
        raise BadRequestData(f"'{name}' must be a number from 0 (empty) to 1 (full), or -1 when it is not known")
    return value


def _moment(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise BadRequestData(f"'{name}' must be a date and time such as 2026-11-23T06:05:00Z")
    return read_moment(value, name)


def _uris(value: Any, name: str) -> Any:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or len(items) > MOST_ITEMS or not all(is_uri(item) for item in items):
        raise BadRequestData(f"'{name}' must be a list of 1 to {MOST_ITEMS} URIs of entities")
    return items


WORDS: Final[dict[str, tuple[str, str, Callable[[Any, str], Any]]]] = {
    "name": (f"{SDM}name", "Property", _text),
    "description": ("http://purl.org/dc/terms/description", "Property", _text),  # as the core @context has it
    "serialNumber": (f"{DEVICE_WORDS}serialNumber", "Property", _text),
    "category": (f"{DEVICE_WORDS}category", "Property", _texts),
    "controlledProperty": (f"{DEVICE_WORDS}controlledProperty", "Property", _texts),
    "controlledAsset": (f"{DEVICE_WORDS}controlledAsset", "Relationship", _uris),
    "supportedProtocol": (f"{DEVICE_WORDS}supportedProtocol", "Property", _texts),
    "brandName": (f"{SDM}dataModel.Device/brandName", "Property", _text),
    "modelName": (f"{SDM}dataModel.Device/modelName", "Property", _text),
    "hardwareVersion": (f"{DEVICE_WORDS}hardwareVersion", "Property", _text),
    "firmwareVersion": (f"{DEVICE_WORDS}firmwareVersion", "Property", _text),
    "softwareVersion": (f"{DEVICE_WORDS}softwareVersion", "Property", _text),
    "batteryLevel": (f"{DEVICE_WORDS}batteryLevel", "Property", _fraction),
    "deviceState": (f"{DEVICE_WORDS}deviceState", "Property", _text),
    "dateInstalled": (f"{DEVICE_WORDS}dateInstalled", "Property", _moment),
    "dateLastValueReported": (f"{DEVICE_WORDS}dateLastValueReported", "Property", _moment),
    "macAddress": (f"{DEVICE_WORDS}macAddress", "Property", _texts),
    "ipAddress": (f"{DEVICE_WORDS}ipAddress", "Property", _texts),
    "location": (f"{NGSI_LD}location", "GeoProperty", lambda value, name: read_geometry(value, name)),
}
"""By word: its IRI, the type of its attribute, and what reads its value or raises BadRequestData."""
OF_REGISTER: Final = frozenset(WORDS[word][0] for word in ("deviceState", "dateLastValueReported", "firmwareVersion"))
"""Attributes that the register itself writes: they are no sign of life."""
NAMES: Final = frozenset(WORDS[word][0] for word in ("name", "serialNumber"))
"""Attributes that devices are searched by."""


def attributes_of(words: dict[str, Any]) -> dict[str, list[dict[str, Any]] | None]:
    """The attributes of words by IRI; None for a word whose value is null, which is to go. Raises BadRequestData."""
    attributes: dict[str, list[dict[str, Any]] | None] = {}
    for word, value in words.items():
        iri, kind, read = WORDS[word]
        member = "object" if kind == "Relationship" else "value"
        attributes[iri] = None if value is None else [{"type": kind, member: read(value, word)}]
    return attributes


def words_of(entity: Entity | None) -> dict[str, Any]:
    """The words that an entity has."""
    words: dict[str, Any] = {}
    attrs: Attributes = entity["attrs"] if entity else {}
    for word, (iri, kind, _) in WORDS.items():
        if iri in attrs:
            instance = attrs[iri][0]
            words[word] = instance.get("object" if kind == "Relationship" else "value")
    return words


def entity_of(id: str, words: dict[str, Any], at: str) -> Entity:
    """The entity of a new device."""
    attrs = {iri: instances for iri, instances in attributes_of(words).items() if instances is not None}
    return {"id": id, "type": [DEVICE], "attrs": attrs, "createdAt": at, "modifiedAt": at}


def changed_entity(entity: Entity, words: dict[str, Any], at: str) -> Entity:
    """The entity with words changed; itself when nothing changes."""
    old: Attributes = entity["attrs"]
    attrs = dict(old)
    for iri, instances in attributes_of(words).items():
        before = old.get(iri)
        if instances is None:
            attrs.pop(iri, None)
        elif before is None or _bare(before[0]) != instances[0]:
            attrs |= renewed_attributes(old, {iri: instances}, entity["createdAt"], at)
    types = entity["type"] if DEVICE in entity["type"] else [*entity["type"], DEVICE]
    if types is entity["type"] and attrs.keys() == old.keys() and all(attrs[iri] is old[iri] for iri in attrs):
        return entity
    return {**entity, "type": types, "attrs": attrs, "modifiedAt": at}


def _bare(instance: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in instance.items() if name not in ("createdAt", "modifiedAt")}
