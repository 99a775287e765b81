"""The internal form of an NGSI-LD entity: plain JSON values, every name expanded to its IRI.

    entity   = {"id": URI, "type": [IRI, ...], "attrs": {IRI: [instance, ...]},
                "createdAt": time, "modifiedAt": time, "scope"?: ["/a/b", ...], "expiresAt"?: time}
    instance = {"type": "Property" | ..., VALUE_KEY[type]: JSON value, "observedAt"?, "unitCode"?, "datasetId"?,
                "objectType"?: [IRI, ...], "valueType"?: IRI, "instanceId"?, "createdAt"?, "modifiedAt"?, "expiresAt"?,
                "deletedAt"?, "observedAtText"?: the observedAt as it was written, where it is not how times are shown,
                "lang"?, "entityIdSealed"?, "entityTypeSealed"?: IRI, "attrs"?: {IRI: [instance, ...]}}

An attribute has at most one instance per datasetId; the one without is the default instance. Sub-attributes stand
in the instance's own "attrs" and have the same form. To keep documents small, times that add nothing are left out:

- an instance without "createdAt" was created with its entity (a sub-attribute: with its parent instance);
- an instance without "modifiedAt" has not been modified since it was created.

Documents are immutable by convention: a change builds new dicts and shares what it did not touch, so that two
versions can be compared by identity first (`cityhub.model.change`).

Source: ETSI GS CIM 009 V1.8.1, clauses 4.5 and 5.2.
"""

from __future__ import annotations

from typing import Any, Final

Entity = dict[str, Any]
Instance = dict[str, Any]
Attributes = dict[str, list[Instance]]

NGSI_LD: Final = "https://uri.etsi.org/ngsi-ld/"
DEFAULT_VOCAB: Final = "https://uri.etsi.org/ngsi-ld/default-context/"
NULL: Final = "urn:ngsi-ld:null"
"""The NGSI-LD Null: in a fragment it asks for removal (clause 4.5.0)."""

VALUE_KEY: Final[dict[str, str]] = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "JsonProperty": "json",
    "VocabProperty": "vocab",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""The member that holds the value of an attribute of each type."""


def value_of(instance: Instance) -> Any:
    """The value of an attribute instance, whatever its type."""
    return instance.get(VALUE_KEY[instance["type"]])


def created_at(entity: Entity, instance: Instance) -> str:
    """When an attribute instance of an entity was created."""
    return str(instance.get("createdAt") or entity["createdAt"])


def modified_at(entity: Entity, instance: Instance) -> str:
    """When an attribute instance of an entity was last modified."""
    return str(instance.get("modifiedAt") or created_at(entity, instance))


def dataset_of(instances: list[Instance], dataset_id: str | None) -> Instance | None:
    """The instance of a dataset; None as `dataset_id` means the default instance, None as result means there is none."""
    for instance in instances:
        if instance.get("datasetId") == dataset_id:
            return instance
    return None
