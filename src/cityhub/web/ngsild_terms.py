"""What the OpenAPI document says of NGSI-LD operations: their parameters, headers, bodies and answers, in shared tables.

Source: GS CIM 009 V1.9.1, clauses 5.2, 6.3 and 6.4 to 6.38.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cityhub.model.jsonld import CORE_URL

JSON: Final = "application/json"
LD_JSON: Final = "application/ld+json"
MERGE_PATCH: Final = "application/merge-patch+json"

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NAMES: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*(,[A-Za-z][A-Za-z0-9_]*)*$"}
_FLAG: Final[dict[str, Any]] = {"type": "boolean"}
_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_URI: Final[dict[str, Any]] = {
    "type": "string", "format": "uri", "pattern": "^[a-z]+:[A-Za-z0-9:._/-]+$", "examples": ["urn:ngsi-ld:Building:1"],
}  # fmt: skip
_FORMATS: Final = ["normalized", "concise", "simplified", "keyValues"]


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _number(least: int, most: int | None = None) -> dict[str, Any]:
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


PARAMETERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "id": ("Ids of entities, with commas between them", _TEXT),
    "idPattern": ("Regular expression that ids must match", _TEXT),
    "type": ("Selection of entity types, such as 'Building' or '(Home;Vehicle)|Motorhome'", _TEXT),
    "attrs": ("Attributes, of which one must exist, and which alone are shown", _NAMES),
    "pick": ("Members that alone are shown", _TEXT),
    "omit": ("Members that are not shown", _TEXT),
    "keep": ("Attributes that stay", _NAMES),
    "drop": ("Attributes that go", _NAMES),
    "q": ("Query by values, such as 'speed>50;brand==\"Fiat\"'", _TEXT),
    "csf": ("Context source filter", _TEXT),
    "scopeQ": ("Query by scopes, such as '/Madrid/#'", _TEXT),
    "georel": ("Relation to the geometry, such as 'near;maxDistance==1000' or 'within'", _TEXT),
    "geometry": ("Kind of geometry", _choice("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")),
    "coordinates": ("Coordinates as a JSON array: longitude, latitude", _TEXT),
    "geoproperty": ("GeoProperty that the geoquery looks at", _TEXT),
    "geometryProperty": ("GeoProperty that becomes a feature's geometry", _TEXT),
    "lang": ("Preferred language", _TEXT),
    "format": ("Representation", _choice(*_FORMATS, "temporalValues", "aggregatedValues")),
    "options": ("Options, with commas between them: sysAttrs, keyValues, noOverwrite, ...", _TEXT),
    "datasetId": ("Datasets whose instances are meant; '@none' is the default one", _TEXT),
    "deleteAll": ("Whether the instances of all datasets are deleted", _FLAG),
    "observedAt": ("When the values were observed that say nothing of it", _TIME),
    "join": ("How linked entities are included", _choice("flat", "inline", "@none")),
    "joinLevel": ("How many levels of linked entities", _number(1, 8)),
    "containedBy": ("Entities that were met before", _TEXT),
    "local": ("Whether only this broker's own data count", _FLAG),
    "splitEntities": ("Whether parts of one entity may be at several sources", _FLAG),
    "expandValues": ("Attributes whose values are terms of the @context", _NAMES),
    "jsonKeys": ("Attributes whose values are plain JSON", _NAMES),
    "limit": ("Most results", _number(0, 1000)),
    "offset": ("How many results are left out", _number(0)),
    "count": ("Whether the number of all results is told", _FLAG),
    "orderBy": ("Members that order the results, such as 'name;desc'", _TEXT),
    "collation": ("Order of texts (RFC 6067)", _TEXT),
    "orderFrom": ("Coordinates from which distances are taken", _TEXT),
    "orderGeometry": ("Kind of geometry of 'orderFrom'", _TEXT),
    "entityMap": ("Whether an entity map is used and named in the answer", _FLAG),
    "entityMapLifetime": ("How long the entity map is wanted (ISO 8601 duration)", _TEXT),
    "details": ("Whether details are shown", _FLAG),
    "timerel": ("Relation to the time", _choice("before", "after", "between")),
    "timeAt": ("The time", _TIME),
    "endTimeAt": ("The end of the span of time", _TIME),
    "timeproperty": ("The time that counts", _choice("observedAt", "createdAt", "modifiedAt", "deletedAt")),
    "lastN": ("How many of the latest instances", _number(1)),
    "aggrMethods": ("Aggregation methods, with commas between them", _TEXT),
    "aggrPeriodDuration": ("Periods that are aggregated (ISO 8601 duration)", _TEXT),
}
HEADERS: Final[dict[str, str]] = {
    "NGSILD-Tenant": "The tenant; none is the default one",
    "NGSILD-EntityMap": "The entity map to be used, by its location",
    "NGSILD-Snapshot": "The snapshot that the operation is about",
    "If-Match": "ETags, of which one must be that of the present version",
    "If-None-Match": "ETags of what is known already",
    "Prefer": "The version of the standard that the answer should follow, such as 'ngsi-ld=1.6'",
    "Link": "The @context: '<URL>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"'",
}
_SELECTOR: Final[dict[str, Any]] = {"type": "object", "required": ["type"], "properties": {"type": _NAMES, "id": _URI, "idPattern": _TEXT}}
_ATTRIBUTE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": _choice(
            "Property", "Relationship", "GeoProperty", "LanguageProperty", "JsonProperty", "VocabProperty", "ListProperty",
            "ListRelationship",
        ),
        "value": {}, "object": _URI, "languageMap": {"type": "object"}, "json": {}, "vocab": {}, "valueList": {"type": "array"},
        "objectList": {"type": "array"}, "observedAt": _TIME, "unitCode": _TEXT, "datasetId": _URI, "expiresAt": _TIME,
    },
}  # fmt: skip
_LINK: Final = '<https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld>; rel="http://www.w3.org/ns/json-ld#context"'
HEADER_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "NGSILD-Tenant": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,20}$"},
    "NGSILD-EntityMap": _URI,
    "NGSILD-Snapshot": _URI,
    "If-Match": {"type": "string", "pattern": '^(W/)?"[!#-~]{1,40}"$'},
    "If-None-Match": {"type": "string", "pattern": '^(W/)?"[!#-~]{1,40}"$'},
    "Prefer": {"type": "string", "pattern": "^ngsi-ld=1\\.[1-9]$"},
    "Link": {"type": "string", "examples": [_LINK]},
}
PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "id": {"type": "string", "pattern": "^urn:ngsi-ld:[A-Z][a-z]{0,9}:[a-z0-9]{1,9}$"},
    "attribute": {"type": "string", "pattern": "^[a-z][A-Za-z0-9]{0,20}$"},
    "type": {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]{0,20}$"},
}
_ENTITY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {
        "id": _URI, "type": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}, "scope": _TEXT, "expiresAt": _TIME,
        "location": {"type": "object"},
    },
    "additionalProperties": _ATTRIBUTE,
}  # fmt: skip
_FRAGMENT: Final[dict[str, Any]] = {"type": "object", "additionalProperties": _ATTRIBUTE}
_QUERY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"const": "Query"},
        "entities": {"type": "array", "items": _SELECTOR},
        "attrs": {"type": "array", "items": _TEXT}, "q": _TEXT, "scopeQ": _TEXT, "csf": _TEXT, "lang": _TEXT,
        "geoQ": {
            "type": "object",
            "properties": {"georel": _TEXT, "geometry": _TEXT, "coordinates": {"type": "array"}, "geoproperty": _TEXT},
        },
        "temporalQ": {"type": "object", "properties": {"timerel": _TEXT, "timeAt": _TIME, "endTimeAt": _TIME, "timeproperty": _TEXT}},
        "ordering": {"type": "object", "properties": {"orderBy": {"type": "array", "items": _TEXT}, "collation": _TEXT}},
        "entityMap": _FLAG, "join": _TEXT, "joinLevel": _number(1),
    },
}  # fmt: skip
_ENDPOINT: Final[dict[str, Any]] = {"type": "object", "properties": {"uri": {"const": "http://127.0.0.1:9/"}, "accept": _TEXT}}
_SUBSCRIPTION: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _URI, "type": {"const": "Subscription"},
        "entities": {"type": "array", "items": _SELECTOR},
        "watchedAttributes": {"type": "array", "items": _TEXT}, "q": _TEXT, "scopeQ": _TEXT, "timeInterval": {"type": "number"},
        "throttling": {"type": "number"}, "expiresAt": _TIME, "isActive": _FLAG, "geoQ": {"type": "object"},
        "notificationTrigger": {"type": "array", "items": _TEXT},
        "notification": {
            "type": "object",
            "properties": {"attributes": {"type": "array", "items": _TEXT}, "format": _TEXT, "endpoint": _ENDPOINT, "showChanges": _FLAG},
        },
    },
}  # fmt: skip
_REGISTRATION: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _URI, "type": {"const": "ContextSourceRegistration"}, "endpoint": {"const": "http://127.0.0.1:9/"},
        "information": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "entities": {"type": "array", "items": _SELECTOR},
                    "propertyNames": {"type": "array", "items": _TEXT}, "relationshipNames": {"type": "array", "items": _TEXT},
                },
            },
        },
        "mode": _choice("inclusive", "exclusive", "redirect", "auxiliary"), "operations": {"type": "array", "items": _TEXT},
        "expiresAt": _TIME, "management": {"type": "object"}, "location": {"type": "object"}, "managementInterval": {"type": "object"},
    },
}  # fmt: skip
_SNAPSHOT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _URI, "type": {"const": "Snapshot"}, "snapshotQueries": {"type": "array", "items": _QUERY},
        "snapshotTemporalQueries": {"type": "array", "items": _QUERY}, "snapshotPriority": _number(1, 10), "snapshotLifetime": _TEXT,
        "endpoint": {"const": "http://127.0.0.1:9/"}, "receiverInfo": {"type": "array"},
    },
}  # fmt: skip
BODIES: Final[dict[str, dict[str, Any]]] = {
    "Entity": _ENTITY,
    "Fragment": _FRAGMENT,
    "Attribute": _ATTRIBUTE,
    "Value": {},
    "Entity[]": {"type": "array", "items": _ENTITY},
    "Fragment[]": {"type": "array", "items": _ENTITY},
    "URI[]": {"type": "array", "items": _URI},
    "Query": _QUERY,
    "Subscription": _SUBSCRIPTION,
    "Registration": _REGISTRATION,
    "EntityMap": {"type": "object", "properties": {"expiresAt": _TIME}},
    "Snapshot": _SNAPSHOT,
    "TemporalEntity": {"type": "object", "additionalProperties": {"anyOf": [_ATTRIBUTE, {"type": "array", "items": _ATTRIBUTE}]}},
}


def described(
    parameters: Iterable[str] = (), *, body: str = "", headers: Iterable[str] = ("NGSILD-Tenant", "Link"), patch: bool = False
) -> dict[str, Any]:
    """The `describe` of an NGSI-LD route.

    Args:
        parameters: Names of its URL parameters, of PARAMETERS.
        body: What its body is, of BODIES; "" is none.
        headers: Names of the headers that matter to it, of HEADERS.
        patch: Whether the body may be of the media type of merge patches too.
    """
    listed: list[dict[str, Any]] = []
    for name in sorted(parameters):
        description, schema = PARAMETERS[name]
        listed.append({"name": name, "in": "query", "description": description, "schema": schema})
    for name in headers:
        listed.append({"name": name, "in": "header", "description": HEADERS[name], "schema": HEADER_SCHEMAS[name]})
    out: dict[str, Any] = {"parameters": listed, "pathSchemas": PATH_SCHEMAS}
    if body:
        kinds = (JSON, LD_JSON, MERGE_PATCH) if patch else (JSON, LD_JSON)
        content = {kind: {"schema": _with_context(BODIES[body]) if kind == LD_JSON else BODIES[body]} for kind in kinds}
        out["requestBody"] = {"required": True, "content": content}
    return out


def _with_context(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema for application/ld+json, where each object says which @context it is written in."""
    if "items" in schema:
        return {**schema, "items": _with_context(schema["items"])}
    if "properties" not in schema and "additionalProperties" not in schema:
        return schema
    context = {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}], "examples": [CORE_URL]}
    required = [*schema.get("required", []), "@context"]
    return {**schema, "required": required, "properties": {**schema.get("properties", {}), "@context": context}}


_REST: Final = "Link NGSILD-Tenant NGSILD-Snapshot"
_SHAPE: Final = "options format attrs pick omit lang datasetId"
_VIEW: Final = f"{_SHAPE} geometryProperty join joinLevel containedBy"
_FILTERS: Final = "id idPattern type q csf georel geometry coordinates geoproperty scopeQ expandValues jsonKeys"
_PAGE: Final = "limit offset count local"
_MAP: Final = "entityMap entityMapLifetime"
_FIND: Final = f"{_VIEW} {_FILTERS} {_PAGE} {_MAP} orderBy collation orderFrom orderGeometry splitEntities"
_FIND_POST: Final = f"{_PAGE} {_MAP} options format splitEntities"
_TIMES: Final = "timerel timeAt endTimeAt timeproperty lastN aggrMethods aggrPeriodDuration"
_PAST: Final = f"{_SHAPE} {_FILTERS} {_TIMES} {_PAGE} orderBy collation"
_CHANGE: Final = "local options format type"
_MATCH: Final = f"{_REST} If-Match"

OPERATIONS: Final[dict[str, tuple[str, str, str]]] = {
    "Create Entity": ("local", "Entity", _REST),
    "Replace Entity without id": ("local", "Entity", ""),
    "Merge Entity without id": ("local", "Fragment", ""),
    "Retrieve Entity": (f"{_VIEW} local type {_MAP}", "", f"{_REST} NGSILD-EntityMap If-None-Match Prefer"),
    "Delete Entity": ("local type", "", _MATCH),
    "Replace Entity": (_CHANGE, "Entity", _MATCH),
    "Merge Entity": (f"{_CHANGE} observedAt lang", "Fragment", _MATCH),
    "Append Attributes": (_CHANGE, "Fragment", _MATCH),
    "Update Attributes": (_CHANGE, "Fragment", _MATCH),
    "Partial Attribute Update": (f"{_CHANGE} datasetId", "Attribute", _MATCH),
    "Delete Attribute": ("local type datasetId deleteAll", "", _MATCH),
    "Replace Attribute": (_CHANGE, "Attribute", _MATCH),
    "Retrieve Attribute": (f"{_SHAPE} local type", "", f"{_REST} Prefer"),
    "Retrieve Attribute value": (f"{_SHAPE} local type", "", _REST),
    "Update Attribute value": ("local type datasetId observedAt", "Value", _MATCH),
    "Batch Entity Creation": ("local options format", "Entity[]", _REST),
    "Batch Entity Upsert": ("local options format", "Entity[]", _REST),
    "Batch Entity Update": ("local options format", "Fragment[]", _REST),
    "Batch Entity Merge": ("local options format", "Fragment[]", _REST),
    "Batch Entity Delete": ("local", "URI[]", _REST),
    "Query Entities": (_FIND, "", f"{_REST} NGSILD-EntityMap Prefer"),
    "Query Entities by POST": (_FIND_POST, "Query", f"{_REST} NGSILD-EntityMap Prefer"),
    "Purge Entities": (f"{_FILTERS} attrs keep drop local", "", f"{_REST} NGSILD-EntityMap"),
    "Retrieve Context Source Identity": ("", "", "NGSILD-Tenant"),
    "Retrieve Available Entity Types": ("details local", "", _REST),
    "Retrieve Available Entity Type Information": ("local", "", _REST),
    "Retrieve Available Attributes": ("details local", "", _REST),
    "Retrieve Available Attribute Information": ("local", "", _REST),
    "Retrieve EntityMap": ("local", "", _REST),
    "Update EntityMap": ("local", "EntityMap", _REST),
    "Delete EntityMap": ("local", "", _REST),
    "Create EntityMap for Query Entities": (_FIND, "", _REST),
    "Create EntityMap for Query Entities by POST": (_FIND_POST, "Query", _REST),
    "Create EntityMap for Query Temporal Evolution of Entities": (f"{_PAST} {_MAP}", "", _REST),
    "Create EntityMap for Query Temporal Evolution of Entities by POST": (f"{_PAGE} {_MAP} options format", "Query", _REST),
    "Create Snapshot": ("local", "Snapshot", "Link NGSILD-Tenant"),
    "Clone Snapshot": ("local", "Snapshot", "Link NGSILD-Tenant"),
    "Retrieve Snapshot Status": ("local", "", "Link NGSILD-Tenant"),
    "Update Snapshot Status": ("local", "Snapshot", "Link NGSILD-Tenant"),
    "Delete Snapshot": ("local", "", "NGSILD-Tenant"),
    "Purge Snapshots": ("q local", "", "NGSILD-Tenant"),
    "Create Subscription": ("local", "Subscription", _REST),
    "Query Subscription": ("limit offset count local options", "", _REST),
    "Retrieve Subscription": ("local options", "", _REST),
    "Update Subscription": ("local", "Subscription", _REST),
    "Delete Subscription": ("local", "", _REST),
    "Create Context Source Registration Subscription": ("local", "Subscription", "Link NGSILD-Tenant"),
    "Query Context Source Registration Subscription": ("limit offset count local options", "", "Link NGSILD-Tenant"),
    "Retrieve Context Source Registration Subscription": ("local options", "", "Link NGSILD-Tenant"),
    "Update Context Source Registration Subscription": ("local", "Subscription", "Link NGSILD-Tenant"),
    "Delete Context Source Registration Subscription": ("local", "", "Link NGSILD-Tenant"),
    "Register Context Source": ("", "Registration", "Link NGSILD-Tenant"),
    "Query Context Source Registrations": (f"{_FILTERS} attrs limit offset count options", "", "Link NGSILD-Tenant"),
    "Retrieve Context Source Registration": ("options", "", "Link NGSILD-Tenant"),
    "Update Context Source Registration": ("", "Registration", "Link NGSILD-Tenant"),
    "Delete Context Source Registration": ("", "", "Link NGSILD-Tenant"),
    "Create or Update Temporal Representation of an Entity": ("local", "TemporalEntity", _REST),
    "Delete Temporal Representation of an Entity": ("local", "", _REST),
    "Add Attributes to Temporal Representation of an Entity": ("local", "TemporalEntity", _REST),
    "Delete Attribute from Temporal Representation of an Entity": ("local datasetId deleteAll", "", _REST),
    "Modify Attribute Instance in Temporal Representation of an Entity": ("local", "TemporalEntity", _REST),
    "Delete Attribute Instance from Temporal Representation of an Entity": ("local", "", _REST),
    "Retrieve Temporal Evolution of an Entity": (f"{_SHAPE} {_TIMES} {_MAP} local", "", f"{_REST} NGSILD-EntityMap"),
    "Query Temporal Evolution of Entities": (f"{_PAST} {_MAP}", "", f"{_REST} NGSILD-EntityMap"),
    "Query Temporal Evolution of Entities by POST": ("limit offset count local options format", "Query", _REST),
}
"""Of each operation: its URL parameters, its body, and the headers that matter to it."""


def describe_operation(operation: str) -> dict[str, Any]:
    """The `describe` of the route of an NGSI-LD operation, by its name; that of one without any for an unknown name."""
    parameters, body, headers = OPERATIONS.get(operation, ("", "", ""))
    return described(dict.fromkeys(parameters.split()), body=body, headers=headers.split(), patch=operation.startswith(("Update", "Merge")))
