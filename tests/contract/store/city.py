"""Entities and transitions for the contract of the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cityhub.model.condition import Anything, Condition
from cityhub.model.entity import Entity
from cityhub.model.errors import AlreadyExists, NotFound
from cityhub.model.ports import ENTITIES, Document, Write

NOW = "2026-11-23T06:05:00.000000Z"
TYPE = "https://example.org/Sensor"
LEVEL = "https://example.org/level"
NAME = "https://example.org/name"
PLACE = "https://uri.etsi.org/ngsi-ld/location"


def number(value: Any) -> list[dict[str, Any]]:
    """The instances of a Property."""
    return [{"type": "Property", "value": value}]


def place(*coordinates: Any, kind: str = "Point") -> list[dict[str, Any]]:
    """The instances of a GeoProperty; a point by its longitude and latitude, other kinds by their coordinates."""
    return [{"type": "GeoProperty", "value": {"type": kind, "coordinates": list(coordinates)}}]


def entity(id: str, attrs: dict[str, Any] | None = None, types: Iterable[str] = (TYPE,), **members: Any) -> Entity:
    """An entity in internal form."""
    return {"id": id, "type": list(types), "attrs": attrs or {}, "createdAt": NOW, "modifiedAt": NOW, **members}


def create(document: Document, collection: str = ENTITIES) -> Write:
    """Creates the item; refuses when it exists."""

    def transition(current: Document | None, now: str) -> tuple[Document | None, str]:
        if current is not None:
            raise AlreadyExists(f"{document['id']} exists")
        return document, "created"

    return Write(document["id"], transition, collection)


def put(document: Document, collection: str = ENTITIES) -> Write:
    """Creates or replaces the item."""
    return Write(document["id"], lambda current, now: (document, "created" if current is None else "replaced"), collection)


def delete(id: str, collection: str = ENTITIES) -> Write:
    """Deletes the item; refuses when there is none."""

    def transition(current: Document | None, now: str) -> tuple[Document | None, str]:
        if current is None:
            raise NotFound(f"{id} does not exist")
        return None, "deleted"

    return Write(id, transition, collection)


def change(id: str, **attrs: Any) -> Write:
    """Sets attributes of an entity, by the local part of their IRI, and leaves the others as they are."""

    def transition(current: Document | None, now: str) -> tuple[Document | None, str]:
        if current is None:
            raise NotFound(f"{id} does not exist")
        new = {f"https://example.org/{name}": number(value) for name, value in attrs.items()}
        return {**current, "attrs": {**current["attrs"], **new}, "modifiedAt": now}, "changed"

    return Write(id, transition)


def count_up(id: str) -> Write:
    """Adds one to the level of an entity, which is made when it does not exist."""

    def transition(current: Document | None, now: str) -> tuple[Document | None, int]:
        level = current["attrs"][LEVEL][0]["value"] + 1 if current is not None else 1
        return {**(current or entity(id)), "attrs": {LEVEL: number(level)}}, level

    return Write(id, transition)


async def ids(store: Any, tenant: str = "", condition: Condition | None = None, **more: Any) -> list[str]:
    """The ids that `find` gives, up to 1,000."""
    page = await store.find(tenant, condition or Anything(), more.pop("matches", None), limit=more.pop("limit", 1000), **more)
    return [found["id"] for found in page.entities]
