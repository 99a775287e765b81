"""Context source registrations in and out: a decoded JSON document becomes a record with expanded names, and back.

A record has the members of the document; names of types, attributes and of the source's own properties are IRIs, times
are in the internal form, "entities[].type" and "scope" are lists, geometries are bare GeoJSON. Members that the hub
itself sets (status, counters) are no part of it.

Source: GS CIM 009 V1.9.1, clauses 5.2.8 to 5.2.11, 5.2.22, 5.2.34, 5.9.2 and 5.9.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.context.registration_words import AUXILIARY, AUXILIARY_OPERATIONS, EXCLUSIVE, GROUPS, MODES, OPERATIONS
from cityhub.model.entity import NULL
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.ngsild.names import is_uri, read_scope
from cityhub.model.ngsild.parse import read_types
from cityhub.model.ngsild.patterns import compile_pattern
from cityhub.model.ngsild.temporal import parse_duration
from cityhub.model.ngsild.terms import Terms

TYPE: Final = "ContextSourceRegistration"
COLLECTION: Final = "registration"
READ_ONLY: Final = frozenset(("status", "timesSent", "timesFailed", "lastSuccess", "lastFailure", "createdAt", "modifiedAt"))
NAME_LISTS: Final = ("propertyNames", "relationshipNames", "attributeNames")
MAX_ITEMS: Final = 1_000
"""Most items in one list of a registration."""
_ALIASES: Final = {"@id": "id", "@type": "type"}
_MEDIA: Final = {
    "accept": ("application/json", "application/ld+json", "application/geo+json"),
    "contentType": ("application/json", "application/ld+json"),
}

Record = dict[str, Any]
Reader = Callable[[Any, str, Terms], Any]


def parse_registration(document: Any, terms: Terms, now: str) -> Record:
    """The record of a registration document; "id" may be missing. Raises BadRequestData naming the member that is wrong."""
    record = _members(document, terms)
    _complete(record, now)
    return record


def patched(record: Record, fragment: Any, terms: Terms, now: str) -> Record:
    """The record with members of a fragment instead of its own; those that are null go.

    Raises BadRequestData when the fragment is about another registration, or when what comes out is no registration.
    Source: GS CIM 009 clauses 5.5.8 and 5.9.3.
    """
    if type(fragment) is not dict:
        raise BadRequestData("A registration must be a JSON object")
    gone = [name for name, value in fragment.items() if value is None or value == NULL]
    kept = {name: value for name, value in fragment.items() if name not in gone}
    changes = _members(kept, terms)
    if changes.get("id", record["id"]) != record["id"]:
        raise BadRequestData(f"The fragment is about '{changes['id']}', not about '{record['id']}'")
    merged = {**record, **changes}
    for given in gone:
        merged.pop(given if given in _READERS else terms.expand_name(given), None)
    # A time that was set before and has passed is not this fragment's fault; the registration is gone by then anyway.
    _complete(merged, now if "expiresAt" in changes else "")
    return merged


def render_registration(record: Record, terms: Terms, sys_attrs: bool = False) -> dict[str, Any]:
    """The document of a record, under a caller's @context."""
    document: dict[str, Any] = {}
    for name, value in record.items():
        if name == "information":
            document[name] = [_render_information(item, terms) for item in value]
        elif name == "expiresAt":
            document[name] = moment.show(value)
        elif name in ("createdAt", "modifiedAt"):
            if sys_attrs:
                document[name] = moment.show(value)
        elif name == "scope":
            document[name] = value[0] if len(value) == 1 else value
        elif name in _READERS:
            document[name] = value
        else:
            document[terms.compact(name)] = value
    return document


# -- Members ---------------------------------------------------------------------------------------------------------


def _members(document: Any, terms: Terms) -> Record:
    if type(document) is not dict:
        raise BadRequestData("A registration must be a JSON object")
    record: Record = {}
    for key, value in document.items():
        name: str = _ALIASES.get(key) or key
        if name in READ_ONLY or name == "@context":
            continue
        reader = _READERS.get(name)
        if reader is not None:
            record[name] = reader(value, name, terms)
        elif value is None:
            raise BadRequestData(f"'{name[:100]}' must not be null")
        else:
            record[terms.expand_name(name)] = value
    return record


def _complete(record: Record, now: str) -> None:
    """Raises BadRequestData when a member is missing, or when members contradict each other."""
    for name in ("type", "information", "endpoint"):
        if name not in record:
            raise BadRequestData(f"'{name}' must be there")
    if record.get("expiresAt", "~") <= now:
        raise BadRequestData("'expiresAt' must be in the future")
    mode = record.get("mode")
    if mode == AUXILIARY:
        wrong = set(record.get("operations", ())) - AUXILIARY_OPERATIONS
        if wrong:
            raise BadRequestData(
                f"'operations' of an auxiliary registration may be {', '.join(sorted(AUXILIARY_OPERATIONS))}, not {min(wrong)}"
            )
    if mode == EXCLUSIVE:
        for item in record["information"]:
            if not item.get("entities") or any("id" not in one for one in item["entities"]):
                raise BadRequestData("An exclusive registration must name the 'id' of each entity; groups of entities are not possible")
            if not any(item.get(name) for name in NAME_LISTS):
                raise BadRequestData("An exclusive registration must name its attributes in 'propertyNames' or 'relationshipNames'")


def _list(value: Any, where: str) -> list[Any]:
    if type(value) is not list or not value or len(value) > MAX_ITEMS:
        raise BadRequestData(f"'{where}' must be a list of at most {MAX_ITEMS} items, not empty")
    return value


def _object(value: Any, where: str, known: frozenset[str]) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadRequestData(f"'{where}' must be an object")
    unknown = value.keys() - known
    if unknown:
        raise BadRequestData(f"'{where}' has the unknown member {min(unknown)!r:.100}; known: {', '.join(sorted(known))}")
    return value


def _text(value: Any, where: str, terms: Terms) -> str:
    if type(value) is not str or not value:
        raise BadRequestData(f"'{where}' must be a text, not empty")
    return value


def _tenant(value: Any, where: str, terms: Terms) -> str:
    if type(value) is not str or not value.isascii() or not value.isprintable() or not 0 < len(value) <= 256:
        raise BadRequestData(f"'{where}' must be 1 to 256 visible characters")
    return value


def _id(value: Any, where: str, terms: Terms) -> str:
    if not is_uri(value):
        raise BadRequestData(f"'{where}' must be a URI, not {value!r:.200}")
    return str(value)


def _type(value: Any, where: str, terms: Terms) -> str:
    if value != TYPE:
        raise BadRequestData(f"'type' must be {TYPE}, not {value!r:.100}")
    return TYPE


def _information(value: Any, where: str, terms: Terms) -> list[dict[str, Any]]:
    return [_one_information(item, where, terms) for item in _list(value, where)]


def _one_information(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    item = _object(value, where, frozenset(("entities", *NAME_LISTS)))
    out: dict[str, Any] = {}
    if "entities" in item:
        out["entities"] = [_entity_info(one, f"{where}.entities", terms) for one in _list(item["entities"], f"{where}.entities")]
    for name in NAME_LISTS:
        if name in item:
            out[name] = [terms.expand_name(_text(one, f"{where}.{name}", terms)) for one in _list(item[name], f"{where}.{name}")]
    if not out:
        raise BadRequestData(f"'{where}' must have 'entities', 'propertyNames' or 'relationshipNames' in each of its items")
    return out


def _entity_info(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    item = _object(value, where, frozenset(("id", "idPattern", "type", "@id", "@type")))
    types = item.get("type", item.get("@type"))
    if types is None:
        raise BadRequestData(f"'{where}' must have a 'type'")
    out: dict[str, Any] = {}
    id = item.get("id", item.get("@id"))
    if id is not None:
        out["id"] = _id(id, f"{where}.id", terms)
    if "idPattern" in item:
        out["idPattern"] = _text(item["idPattern"], f"{where}.idPattern", terms)
        compile_pattern(out["idPattern"], f"{where}.idPattern")
    out["type"] = read_types(types, terms)
    return out


def _interval(value: Any, where: str, terms: Terms) -> dict[str, str]:
    item = _object(value, where, frozenset(("startAt", "endAt")))
    if "startAt" not in item:
        raise BadRequestData(f"'{where}' must have 'startAt'")
    start = moment.read(item["startAt"], f"{where}.startAt")
    if "endAt" in item and moment.read(item["endAt"], f"{where}.endAt") < start:
        raise BadRequestData(f"'{where}' must end after it starts")
    return item


def _geometry(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    if type(value) is dict and value.get("type") == "GeoProperty":
        value = value.get("value")
    return read_geometry(value, where)


def _expiry(value: Any, where: str, terms: Terms) -> str:
    return moment.read(value, where)


def _source_info(value: Any, where: str, terms: Terms) -> list[dict[str, str]]:
    for item in _list(value, where):
        pair = _object(item, where, frozenset(("key", "value")))
        for name in ("key", "value"):
            _text(pair.get(name), f"{where}.{name}", terms)
        if not _is_header(pair["key"], pair["value"]):
            raise BadRequestData(f"'{where}' must have pairs that can be sent as HTTP headers, not {pair['key']!r:.100}")
        media = _MEDIA.get(pair["key"])
        if media is not None and pair["value"] not in media:
            raise BadRequestData(f"'{where}': {pair['key']} must be one of {', '.join(media)}")
    return list(value)


def _is_header(key: str, value: str) -> bool:
    """Whether a pair is safe inside an HTTP request: nothing in it ends a line."""
    return key.isascii() and key.replace("-", "").replace("_", "").replace(".", "").isalnum() and value.isprintable()


def _mode(value: Any, where: str, terms: Terms) -> str:
    if value not in MODES:
        raise BadRequestData(f"'mode' must be one of {', '.join(MODES)}, not {value!r:.100}")
    return str(value)


def _operations(value: Any, where: str, terms: Terms) -> list[str]:
    for name in _list(value, where):
        if type(name) is not str or (name not in GROUPS and name not in OPERATIONS):
            raise BadRequestData(f"'operations' has {name!r:.100}, which is no operation and no group ({', '.join(GROUPS)})")
    return list(value)


def _duration(value: Any, where: str, terms: Terms) -> str:
    parse_duration(value, where)
    return str(value)


def _management(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    item = _object(value, where, frozenset(("cacheDuration", "cooldown", "timeout", "localOnly")))
    if "cacheDuration" in item:
        parse_duration(item["cacheDuration"], f"{where}.cacheDuration")
    for name in ("cooldown", "timeout"):
        if name in item and (type(item[name]) not in (int, float) or not 0 < item[name] < 1e12):
            raise BadRequestData(f"'{where}.{name}' must be a number of milliseconds greater than 0")
    if type(item.get("localOnly", True)) is not bool:
        raise BadRequestData(f"'{where}.localOnly' must be true or false")
    return item


def _flag(value: Any, where: str, terms: Terms) -> bool:
    if type(value) is not bool:
        raise BadRequestData(f"'{where}' must be true or false")
    return value


def _datasets(value: Any, where: str, terms: Terms) -> list[str]:
    for item in _list(value, where):
        if item != "@none" and not is_uri(item):
            raise BadRequestData(f"'{where}' must be a list of URIs or @none, not {item!r:.100}")
    return list(value)


_READERS: Final[dict[str, Reader]] = {
    "id": _id,
    "type": _type,
    "registrationName": _text,
    "description": _text,
    "information": _information,
    "tenant": _tenant,
    "observationInterval": _interval,
    "managementInterval": _interval,
    "location": _geometry,
    "observationSpace": _geometry,
    "operationSpace": _geometry,
    "expiresAt": _expiry,
    "endpoint": _id,
    "contextSourceInfo": _source_info,
    "contextSourceAlias": _text,
    "hostAlias": _text,
    "scope": lambda value, where, terms: read_scope(value),
    "mode": _mode,
    "operations": _operations,
    "refreshRate": _duration,
    "management": _management,
    "localOnly": _flag,
    "datasetId": _datasets,
}


def _render_information(item: dict[str, Any], terms: Terms) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, values in item.items():
        if name == "entities":
            out[name] = [{**one, "type": _one_or_all([terms.compact(kind) for kind in one["type"]])} for one in values]
        else:
            out[name] = [terms.compact(value) for value in values]
    return out


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
