"""What the hub itself offers to the catalogue: each type of entities, each feed, and the tables of the lake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from cityhub.catalogue.automatic import names_of
from cityhub.catalogue.lake_words import LAKE
from cityhub.catalogue.licences import licence_of
from cityhub.catalogue.model import DOWNLOAD, local_name
from cityhub.catalogue.tables import is_simulated
from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity, Instance, value_of
from cityhub.model.ports import DataType, OfferedDataset, OfferedField, OfferKind, Store
from cityhub.model.vocabulary import FEED, NAME, PROVENANCE, SIMULATED, UPDATE_PERIOD

SAMPLE: Final = 40
"""So many entities of a type are looked at for units, kinds of values and feeds."""
MAX_FEEDS: Final = 500
DATASET: Final = "http://www.w3.org/ns/dcat#Dataset"
"""Type of the entities that describe files of the district; like feeds, they are about data and not data themselves."""
_LICENCE: Final = "http://purl.org/dc/terms/license"
_SOURCE: Final = "https://smartdatamodels.org/source"
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_KINDS: Final[dict[str, DataType]] = {
    "GeoProperty": "geometry", "JsonProperty": "object", "ListProperty": "object", "ListRelationship": "object",
}  # fmt: skip
ID: Final = OfferedField("id", "text", {"zh": "标识", "en": "Id"})
MADE_UP: Final = OfferedField("simulated", "boolean", {"zh": "模拟", "en": "Simulated"})
OBSERVED_AT: Final = OfferedField("observed_at", "datetime", {"zh": "观测时间", "en": "Observed at"})


_SQL_TYPES: Final[tuple[tuple[str, DataType], ...]] = (
    ("[]", "object"), ("STRUCT", "object"), ("MAP", "object"), ("JSON", "object"), ("TIMESTAMP", "datetime"), ("DATE", "date"),
    ("BOOL", "boolean"), ("GEOMETRY", "geometry"), ("DOUBLE", "number"), ("FLOAT", "number"), ("REAL", "number"),
    ("DECIMAL", "number"), ("INT", "integer"),
)  # fmt: skip


class EntityTypes:
    """A dataset for each type that entities of the context have, and for what the history knows of it.

    Args:
        store: The context.
        history: Whether there is a history.
    """

    def __init__(self, store: Store, *, history: bool) -> None:
        self._store = store
        self._history = history

    async def datasets(self, tenant: str) -> list[OfferedDataset]:
        """One dataset for each type, with the fields that its entities have, by name of the type; then those of the history."""
        attributes: dict[str, set[str]] = {}
        for shape in await self._store.shapes(tenant):
            known = attributes.setdefault(shape.type, set())
            if shape.attribute:
                known.add(shape.attribute)
        types = [await self._offer(tenant, type, attributes[type]) for type in sorted(attributes) if type not in (FEED, DATASET)]
        if not self._history or not types:
            return types
        return [*types, *lake_tables(types), *(view_of(offer) for offer in types if attributes[offer.key])]

    async def _offer(self, tenant: str, type: str, attributes: set[str]) -> OfferedDataset:
        sample = (await self._store.find(tenant, TypeIs(type), None, limit=SAMPLE)).entities
        fields = [_field(attribute, _instances(sample, attribute)) for attribute in sorted(attributes, key=_place_of)]
        observed = any("observedAt" in instance for attribute in attributes for instance in _instances(sample, attribute))
        feeds = sorted({feed for attribute in attributes for instance in _instances(sample, attribute) for feed in _feeds(instance)})
        simulated = any(is_simulated(instance) for attribute in attributes for instance in _instances(sample, attribute))
        upstream: list[tuple[OfferKind, str]] = [("feed", feed) for feed in feeds]
        facts = {"simulated": simulated, "distributions": _files(type, fields)}
        return OfferedDataset(
            "entity type",
            type,
            fields=[ID, *fields, *([OBSERVED_AT] if observed else []), *([MADE_UP] if simulated else [])],
            upstream=upstream,
            facts=facts,
        )


class FeedOffers:
    """A dataset for each feed that the context knows of."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def datasets(self, tenant: str) -> list[OfferedDataset]:
        """One dataset for each feed, in the order in which they were created."""
        page = await self._store.find(tenant, TypeIs(FEED), None, limit=MAX_FEEDS)
        return [_feed(entity) for entity in page.entities]


def lake_tables(types: Sequence[OfferedDataset]) -> list[OfferedDataset]:
    """The tables of the history, which are made of all types."""
    upstream: list[tuple[OfferKind, str]] = [("entity type", offer.key) for offer in types]
    return [
        OfferedDataset("lake table", name, title, about, fields, f"SELECT * FROM {name}", upstream, {"distributions": _exports(name)})
        for name, (title, about, fields) in LAKE.items()
    ]


def view_of(offer: OfferedDataset) -> OfferedDataset:
    """The history of a type, a row for each entity and time; a place is two numbers there."""
    fields: list[OfferedField] = [ENTITY, TIME]
    for field in offer.fields:
        if field.type == "geometry":
            fields += [OfferedField(f"{field.name}_{end}", "number", {"zh": zh, "en": en}, "DD", field.iri) for end, zh, en in _POINT]
        elif field.iri:
            fields.append(field)
    upstream: list[tuple[OfferKind, str]] = [("entity type", offer.key), ("lake table", "observations")]
    facts = {"distributions": _exports(offer.key), "simulated": offer.facts.get("simulated", False)}
    return OfferedDataset("view", offer.key, {}, {}, fields, f'SELECT * FROM "{local_name(offer.key)}"', upstream, facts)


ENTITY: Final = OfferedField("entity", "text", {"zh": "实体", "en": "Entity"})
TIME: Final = OfferedField("time", "datetime", {"zh": "时间", "en": "Time"})
_POINT: Final = (("lon", "经度", "Longitude"), ("lat", "纬度", "Latitude"))


def _exports(key: str) -> list[dict[str, Any]]:
    forms = (("csv", "CSV", "text/csv"), ("xlsx", "XLSX", XLSX), ("parquet", "Parquet", "application/vnd.apache.parquet"))
    files: list[dict[str, Any]] = [
        {"id": f"{key}:{form}", "name": name, "url": f"{DOWNLOAD}{form}", "format": name, "media_type": media}
        for form, name, media in forms
    ]
    return [*files, _sql(key)]


def _sql(key: str) -> dict[str, Any]:
    return {"id": f"{key}:sql", "name": "SQL", "url": "/api/sql", "format": "SQL", "media_type": "application/sql", "service": True}


def sql_type(name: str) -> DataType:
    """The kind of values of a SQL type.

    >>> sql_type("TIMESTAMP WITH TIME ZONE"), sql_type("BIGINT"), sql_type("DECIMAL(9,2)")
    ('datetime', 'integer', 'number')
    """
    upper = name.upper()
    return next((kind for word, kind in _SQL_TYPES if word in upper), "text")


def _feed(entity: Entity) -> OfferedDataset:
    attributes = entity["attrs"]
    period = _value(attributes.get(UPDATE_PERIOD))
    simulated = bool(_value(attributes.get(SIMULATED)))
    key = str(entity["id"])
    source = str(_value(attributes.get(_SOURCE)) or "")
    description = {"zh": f"数据流。来源：{source or '未注明'}。", "en": "A feed: values as they arrive."}
    stream = {
        "id": f"{key}:stream", "name": "实时推送 Live stream", "url": "/api/stream", "format": "SSE", "media_type": "text/event-stream",
        "service": True,
    }  # fmt: skip
    return OfferedDataset(
        "feed",
        key,
        names_of(attributes.get(NAME)),
        description,
        facts={
            "simulated": simulated,
            "source": source,
            "licence": licence_of(str(_value(attributes.get(_LICENCE)) or "notspecified")),
            "cycle": "realtime" if isinstance(period, int | float) else "once",
            "period_s": period if isinstance(period, int | float) else None,
            "distributions": [stream],
        },
    )


def _files(type: str, fields: Iterable[OfferedField]) -> list[dict[str, Any]]:
    """The distributions of an entity type; their addresses are put in when the dataset has its id."""
    forms = [("csv", "CSV", "text/csv"), ("json", "JSON", "application/json"), ("xlsx", "XLSX", XLSX)]
    if any(field.type == "geometry" for field in fields):
        forms.append(("geojson", "GeoJSON", "application/geo+json"))
    files: list[dict[str, Any]] = [
        {"id": f"{type}:{key}", "name": name, "url": f"{DOWNLOAD}{key}", "format": name, "media_type": media} for key, name, media in forms
    ]
    interface = {"id": f"{type}:ngsi-ld", "name": "NGSI-LD", "url": f"/ngsi-ld/v1/entities?type={quote(type, safe=':/')}"}
    return [*files, {**interface, "format": "NGSI-LD", "media_type": "application/ld+json", "service": True}]


XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _instances(sample: Iterable[Entity], attribute: str) -> list[Instance]:
    return [instance for entity in sample for instance in entity["attrs"].get(attribute, ())]


def _place_of(attribute: str) -> tuple[bool, str]:
    """Names first, then by the alphabet."""
    return attribute != NAME, local_name(attribute)


def _field(attribute: str, instances: list[Instance]) -> OfferedField:
    unit = next((str(instance["unitCode"]) for instance in instances if "unitCode" in instance), "")
    return OfferedField(local_name(attribute), _type_of(instances), {}, unit, attribute)


def _type_of(instances: list[Instance]) -> DataType:
    kinds = {_kind(instance) for instance in instances}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"


def _kind(instance: Instance) -> DataType:
    if instance["type"] != "Property":
        return _KINDS.get(instance["type"], "text")
    value = value_of(instance)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, dict | list):
        return "object"
    text = str(value)
    return "datetime" if _TIME.match(text) else "date" if _DATE.fullmatch(text) else "text"


def _feeds(instance: Instance) -> list[str]:
    return [str(item["object"]) for item in instance.get("attrs", {}).get(PROVENANCE, ()) if isinstance(item.get("object"), str)]


def _value(instances: list[Instance] | None) -> Any:
    return value_of(instances[0]) if instances else None
