"""Warnings of others as entities of type Alert: each message one entity, ended by the messages that update it or take it back.

The id follows from source, sender and identifier, so that the same message again changes nothing and no source can end what another
one has brought. A message that ends another one may come
before it: then a record waits, and the other one comes into the hub already ended.

Source: CAP 1.2; Smart Data Models, dataModel.Alert, Alert.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Literal

import orjson
import shapely

from cityhub.model.alert import ALERT, iri
from cityhub.model.entity import NGSI_LD, Entity, Instance
from cityhub.model.errors import CityHubError
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.rules.cap.message import Info, Message, Reference
from cityhub.rules.cap.places import shape_of_texts
from cityhub.rules.cap.times import moment_of
from cityhub.rules.warnings.sources import CapSource

ENDED: Final = "warning_ended"
"""The collection of what ends messages, by the id of the ended one's entity."""
KEEP: Final = timedelta(days=30)
"""So long after its end is a warning of others kept."""
SEVERITY: Final = {"Extreme": "critical", "Severe": "high", "Moderate": "medium", "Minor": "low", "Unknown": "informational"}
GRAVEST_FIRST: Final = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CATEGORY: Final = {
    "Met": "weather", "Geo": "environment", "Env": "environment", "Health": "health", "Transport": "traffic", "Security": "security",
    "Safety": "security", "Infra": "asset",
}  # fmt: skip
Taken = Literal["new", "known", "old", "ignored"]
"""What became of a message: an entity or the end of one; it was there already; it has ended long ago; it is an acknowledgement."""


class Received:
    """Takes messages of others.

    Args:
        store: Where the entities go, in the default tenant.
        clock: The present time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def take(self, message: Message, source: CapSource, *, verified: bool) -> Taken:
        """Makes an entity of a message, and ends those that it follows; durable on return. Raises StoreUnavailable."""
        if message.msg_type in ("Ack", "Error"):
            return "ignored"
        if self._end_of(message) + KEEP < self._clock.now():
            return "old"
        async with self._one_at_a_time:
            return await self._take(message, source, verified)

    def _end_of(self, message: Message) -> datetime:
        ends = [moment_of(info.expires, "expires") for info in message.info if info.expires]
        return max(ends, default=moment_of(message.sent, "sent") + timedelta(days=1))

    async def _take(self, message: Message, source: CapSource, verified: bool) -> Taken:
        id = entity_id(source, message.reference)
        ended = await self._store.fetch("", id, ENDED)
        keep_until = to_text(self._end_of(message) + KEEP)
        writes: list[Write] = []
        if message.msg_type != "Cancel":
            writes.append(Write(id, _made(entity_of(message, source, verified, keep_until), ended)))
        how = "cancelled" if message.msg_type == "Cancel" else "updated"
        for reference in message.references if message.msg_type in ("Update", "Cancel") else []:
            if reference.sender != message.sender:  # nobody ends what another one has said
                continue
            end: Document = {"id": entity_id(source, reference), "by": id, "how": how, "at": to_text(moment_of(message.sent, "sent"))}
            writes += [Write(end["id"], _ended(end)), Write(end["id"], _kept(end), ENDED)]
        results = await self._store.write("", writes) if writes else []
        for result in results:
            if isinstance(result, CityHubError):
                raise result
        return "new" if any(results) else "known"


def entity_id(source: CapSource, reference: Reference) -> str:
    """The id of the entity of a source's message."""
    digest = blake2b(f"{source.id}\0{reference.sender}\0{reference.identifier}".encode(), digest_size=10).hexdigest()
    return f"urn:ngsi-ld:Alert:cap:{digest}"


def entity_of(message: Message, source: CapSource, verified: bool, keep_until: str) -> Entity:
    """The entity of a message; without times of creation and change."""
    first = min(message.info, key=lambda info: GRAVEST_FIRST.index(info.severity), default=None)
    attrs: dict[str, list[Instance]] = {}

    def put(name: str, value: Any) -> None:
        if value not in ("", None, [], {}):
            attrs[iri(name)] = [{"type": "Property", "value": value}]

    put("identifier", message.identifier)
    put("sender", message.sender)
    put("status", message.status)
    put("msgType", message.msg_type)
    put("alertSource", message.sender)
    put("receivedFrom", source.id)
    put("signatureVerified", verified)
    put("dateIssued", to_text(moment_of(message.sent, "sent")))
    put("incidents", message.incidents)
    attrs[iri("state")] = [{"type": "Property", "value": "active"}]
    if first is not None:
        _describe(attrs, put, message.info, first)
    return {"id": entity_id(source, message.reference), "type": [ALERT], "attrs": attrs, "expiresAt": keep_until}


def _describe(attrs: dict[str, list[Instance]], put: Any, infos: list[Info], first: Info) -> None:
    put("category", CATEGORY.get(first.category[0], "other"))
    put("subCategory", first.event)
    put("severity", SEVERITY[first.severity])
    put("capSeverity", first.severity)
    put("urgency", first.urgency)
    put("certainty", first.certainty)
    put("validFrom", _utc(first.onset or first.effective))
    put("validTo", _utc(first.expires))
    for name in ("headline", "event", "description", "instruction", "sender_name"):
        texts = {(info.language or "en-US").partition("-")[0]: getattr(info, name) for info in infos if getattr(info, name)}
        if texts:
            attrs[iri(_NAMES.get(name, name))] = [{"type": "LanguageProperty", "languageMap": texts}]
    put("areaName", "、".join(area.area_desc for area in first.area)[:2_000])
    shape = shape_of_texts([one for area in first.area for one in area.polygon], [one for area in first.area for one in area.circle])
    if not shape.is_empty and shape.geom_type in ("Point", "Polygon", "MultiPolygon", "MultiPoint"):
        attrs[f"{NGSI_LD}location"] = [{"type": "GeoProperty", "value": orjson.loads(shapely.to_geojson(shape))}]


_NAMES: Final = {"headline": "title", "sender_name": "senderName"}


def _utc(text: str) -> str:
    return to_text(moment_of(text, "time")) if text else ""


def _made(entity: Entity, ended: Document | None) -> Any:
    def made(current: Document | None, at: str) -> tuple[Document, bool]:
        if current is not None:
            return current, False
        stamped = {**entity, "createdAt": at, "modifiedAt": at}
        return (stamped if ended is None else _with_end(stamped, ended, at)), True

    return made


def _ended(end: Document) -> Any:
    def closed(current: Document | None, at: str) -> tuple[Document | None, bool]:
        if current is None or iri("endedBy") in current["attrs"]:
            return current, False
        return _with_end(current, end, at), True

    return closed


def _kept(end: Document) -> Any:
    return lambda current, at: (end, False) if current is None else (current, False)


def _with_end(entity: Entity, end: Document, at: str) -> Entity:
    new = {"validTo": end["at"], "state": end["how"], "endedBy": end["by"]}
    attrs = {**entity["attrs"], **{iri(name): [{"type": "Property", "value": value, "modifiedAt": at}] for name, value in new.items()}}
    return {**entity, "attrs": attrs, "modifiedAt": at}
