"""How the words of SensorThings lie on NGSI-LD: the types and attributes (IRIs) that this door writes, and where it looks for names.

Source: ADR 0009; GS CIM 009 V1.9.1, 4.4 (core and default @context); Smart Data Models (name).
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.model.entity import DEFAULT_VOCAB, NGSI_LD, Attributes, Entity, Instance

TYPES: Final[dict[str, str]] = {name: DEFAULT_VOCAB + name for name in KINDS}
"""The entity type by which what was made through this door is known."""
OWN_TYPES: Final = frozenset(TYPES.values())
NAME: Final = "https://smartdatamodels.org/name"
DESCRIPTION: Final = "http://purl.org/dc/terms/description"
PLACE: Final = NGSI_LD + "location"
NAMES: Final = (NAME, DEFAULT_VOCAB + "name", "https://schema.org/name", "http://purl.org/dc/terms/title", NGSI_LD + "name")
"""Where the name of an entity may stand, the first that is there counts."""
DESCRIPTIONS: Final = (DESCRIPTION, DEFAULT_VOCAB + "description", "https://smartdatamodels.org/description")
PROPERTIES: Final = DEFAULT_VOCAB + "additionalProperties"
"""Where `properties` is kept; that word is GeoJSON's in the core @context."""
DOCUMENT: Final = DEFAULT_VOCAB + "placeDocument"
"""A location or feature that is no GeoJSON geometry, as it came."""
OBSERVED_ATTRIBUTE: Final = DEFAULT_VOCAB + "observedAttribute"
"""Of a Datastream: the attribute (IRI) of its Thing that its observations are of."""
PHENOMENON_TIME: Final = DEFAULT_VOCAB + "phenomenonTime"
RESULT_TIME: Final = DEFAULT_VOCAB + "resultTime"
FEATURE: Final = DEFAULT_VOCAB + "featureOfInterest"
MOVED_FROM: Final = DEFAULT_VOCAB + "observationId"
"""Of an observation whose phenomenonTime was changed: the id under which it is known."""
ATTRIBUTES: Final[dict[str, str]] = {
    name: DEFAULT_VOCAB + name
    for name in (
        "encodingType", "metadata", "definition", "observationType", "unitOfMeasurement", "time",
        "phenomenonTime", "resultTime", "resultQuality", "validTime", "parameters",
    )
} | {"name": NAME, "description": DESCRIPTION, "properties": PROPERTIES}  # fmt: skip
"""The attribute in which a property of the standard is kept."""
LINKS: Final[dict[str, str]] = {
    "Thing": DEFAULT_VOCAB + "thing",
    "Sensor": DEFAULT_VOCAB + "sensor",
    "ObservedProperty": DEFAULT_VOCAB + "observedProperty",
    "Locations": DEFAULT_VOCAB + "locations",
}
"""The relationship in which a link of the standard is kept, on the entity that has it by itself."""


_MARKS: Final = {
    "Thing": PROPERTIES, "Location": ATTRIBUTES["encodingType"], "HistoricalLocation": ATTRIBUTES["time"], "Datastream": OBSERVED_ATTRIBUTE,
    "Sensor": ATTRIBUTES["encodingType"], "ObservedProperty": ATTRIBUTES["definition"], "FeatureOfInterest": ATTRIBUTES["encodingType"],
}  # fmt: skip
"""What an entity of the type has only if it was made through this door: others may call their types "Thing" or "Sensor" as well."""


def own_kind(entity: Entity) -> str | None:
    """The kind as which an entity was made through this door; None when it was not."""
    if OWN_TYPES.isdisjoint(entity["type"]):
        return None
    for kind, mark in _MARKS.items():
        if TYPES[kind] in entity["type"] and mark in entity["attrs"]:
            return kind
    return None


def last_part(iri: str) -> str:
    """The last part of an IRI, which people read as its name.

    >>> last_part("https://smartdatamodels.org/dataModel.Environment/waterLevel")
    'waterLevel'
    """
    return iri.rstrip("/#").replace("#", "/").rpartition("/")[2].rpartition(":")[2] or iri


def text_of(attrs: Attributes, iris: tuple[str, ...]) -> str:
    """The text of the first of some attributes that an entity has; of several languages the Chinese one, then English; "" for none."""
    for iri in iris:
        instances = attrs.get(iri)
        if instances:
            value = plain(instances[0])
            if isinstance(value, dict) and instances[0]["type"] == "LanguageProperty":
                value = value.get("zh") or value.get("en") or next(iter(value.values()), "")
            if isinstance(value, str) and value:
                return value
    return ""


def plain(instance: Instance) -> Any:
    """The value of an instance of any type."""
    for key in ("value", "json", "object", "languageMap", "objectList", "vocab", "valueList"):
        if key in instance:
            return instance[key]
    return None


def value(attrs: Attributes, iri: str) -> Any:
    """The value of an attribute; None when there is none."""
    instances = attrs.get(iri)
    return plain(instances[0]) if instances else None


def instance_of(given: Any) -> Instance:
    """A Property, or a JsonProperty for what has inner structure, so that its member names stay what they are."""
    if isinstance(given, dict | list):
        return {"type": "JsonProperty", "json": given}
    return {"type": "Property", "value": given}


def link_instance(target: str | list[str]) -> Instance:
    """A relationship to one entity or to a list of them."""
    if isinstance(target, list):
        return {"type": "ListRelationship", "objectList": target}
    return {"type": "Relationship", "object": target}
