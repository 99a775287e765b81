"""Snapshots as documents: what clients may say of one, and what is kept and shown of it.

They are the records of the collection "snapshot", in the tenant of their owner:

    {"id", "snapshotQueries"?, "snapshotTemporalQueries"?, "snapshotPriority", "snapshotLifetime"?, "endpoint"?, "receiverInfo"?,
     "snapshotStatus", "snapshotQueriesDetails"?, "snapshotTemporalQueriesDetails"?, "createdAt", "modifiedAt", "expiresAt",
     "lastUsedAt", "context": the @context of the queries, "copy": the store's tenant of the frozen copy, "source"?: of a clone, the
     tenant that is copied}

Source: GS CIM 009 V1.9.1, clauses 5.2.41, 5.2.42, 5.3.4 and 5.16.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.q_tree import leaves
from cityhub.model.ngsild.temporal import parse_duration
from cityhub.model.ports import Document
from cityhub.model.time import to_text

COLLECTION: Final = "snapshot"
LIFETIME: Final = timedelta(days=1)
MAX_LIFETIME: Final = timedelta(days=30)
MAX_QUERIES: Final = 100
MAX_PAIRS: Final = 50
PRIORITY: Final = 5
QUERIES: Final[tuple[str, ...]] = ("snapshotQueries", "snapshotTemporalQueries")
DETAILS: Final[tuple[str, ...]] = ("snapshotQueriesDetails", "snapshotTemporalQueriesDetails")
TIMES: Final[tuple[str, ...]] = ("createdAt", "modifiedAt", "expiresAt", "lastUsedAt")
SHOWN: Final = (
    "id", *QUERIES, "snapshotPriority", "snapshotLifetime", "endpoint", "receiverInfo", "snapshotStatus", *DETAILS, *TIMES,
)  # fmt: skip
"""Members of the data type, beside "type"."""


def read_snapshot(document: Any) -> dict[str, Any]:
    """The members of a Snapshot to be created. Raises BadRequestData."""
    members = _members(document)
    if document.get("type", document.get("@type")) != "Snapshot":
        raise BadRequestData("'type' must be 'Snapshot'")
    queries = {name: _queries(members[name], name) for name in QUERIES if name in members}
    if not queries:
        raise BadRequestData("'snapshotQueries' or 'snapshotTemporalQueries' must be there: what is to be frozen")
    return {**_settings(members), **queries}


def read_clone(document: Any) -> dict[str, Any]:
    """The members of a Snapshot that is to be a clone of another one. Raises BadRequestData."""
    members = _members(document)
    if document.get("type", document.get("@type", "Snapshot")) != "Snapshot":
        raise BadRequestData("'type' must be 'Snapshot'")
    _without_queries(members)
    return _settings(members)


def read_update(document: Any, id: str) -> dict[str, Any]:
    """The members of a Snapshot fragment; None asks for removal. Raises BadRequestData."""
    members = read_clone(document)
    if members.pop("id", id) != id:
        raise BadRequestData("'id' cannot be changed")
    return members


def _members(document: Any) -> dict[str, Any]:
    if type(document) is not dict:
        raise BadRequestData("The body must be a JSON object: a Snapshot")
    return {("id" if name == "@id" else name): value for name, value in document.items()}


def _without_queries(members: dict[str, Any]) -> None:
    for name in QUERIES:
        if name in members:
            raise BadRequestData(f"'{name}' can be given only when a snapshot is created")


def _settings(members: dict[str, Any]) -> dict[str, Any]:
    """What a client may set; members that only the hub sets are ignored, as table 5.2.41-2 asks."""
    return {name: read(members[name]) for name, read in _SETTINGS.items() if name in members}


def _queries(value: Any, name: str) -> list[Any]:
    if type(value) is not list or not 0 < len(value) <= MAX_QUERIES:
        raise BadRequestData(f"'{name}' must be a list of 1 to {MAX_QUERIES} queries")
    for query in value:
        if type(query) is not dict or query.get("type", query.get("@type")) != "Query":
            raise BadRequestData(f"'{name}' must have objects with \"type\": \"Query\"")
        if ("temporalQ" in query) != (name == "snapshotTemporalQueries"):
            raise BadRequestData("Queries with 'temporalQ' belong into 'snapshotTemporalQueries', and only such")
    return value


def _id(value: Any) -> str:
    if not is_uri(value):
        raise BadRequestData(f"'id' must be a URI, not {value!r:.200}")
    id: str = value
    return id


def _priority(value: Any) -> int:
    if value is None:
        return PRIORITY
    if type(value) is not int or not 1 <= value <= 10:
        raise BadRequestData(f"'snapshotPriority' must be a whole number from 1 to 10, not {value!r:.50}")
    return value


def _lifetime(value: Any) -> Any:
    if value is not None:
        parse_duration(value, "snapshotLifetime")
    return value


def _endpoint(value: Any) -> Any:
    if value is None:
        return None
    try:
        parts = urlsplit(value) if type(value) is str and len(value) <= 2048 else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https", "mqtt", "mqtts") or not parts.hostname:
        raise BadRequestData(f"'endpoint' must be an http, https, mqtt or mqtts URI, not {value!r:.200}")
    return value


def _pairs(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is not list or len(value) > MAX_PAIRS or not all(map(_is_pair, value)):
        raise BadRequestData(f"'receiverInfo' must be a list of at most {MAX_PAIRS} objects with 'key' and 'value', texts of one line")
    return value


def _is_pair(pair: Any) -> bool:
    if type(pair) is not dict or not pair.keys() <= {"key", "value"}:
        return False
    texts = (pair.get("key"), pair.get("value"))
    return all(type(text) is str and len(text) < 2000 and text.isprintable() for text in texts) and bool(texts[0])


_SETTINGS: Final[dict[str, Callable[[Any], Any]]] = {
    "id": _id, "snapshotPriority": _priority, "snapshotLifetime": _lifetime, "endpoint": _endpoint, "receiverInfo": _pairs,
}  # fmt: skip


def expiry(created: datetime, lifetime: Any) -> str:
    """When a snapshot ends that was created then and is wanted for so long (ISO 8601 duration, None: the usual time)."""
    if lifetime is None:
        return to_text(created + LIFETIME)
    period = parse_duration(lifetime, "snapshotLifetime")
    too_long = period.months > 1 or period.seconds > MAX_LIFETIME.total_seconds()
    return to_text(created + MAX_LIFETIME if too_long else min(period.after(created), created + MAX_LIFETIME))


def new_record(id: str, members: dict[str, Any], context: Any, copy: str, now: datetime) -> Document:
    """The record of a snapshot that is going to be filled."""
    at = to_text(now)
    given = {name: value for name, value in members.items() if value is not None}
    return {
        "snapshotPriority": PRIORITY, **given, "id": id, "snapshotStatus": "preparing", "createdAt": at, "modifiedAt": at, "lastUsedAt": at,
        "expiresAt": expiry(now, members.get("snapshotLifetime")), "context": context, "copy": copy,
    }  # fmt: skip


def updated_record(record: Document, members: dict[str, Any], now: str) -> Document:
    """The record after an update."""
    merged = {**record, **members, "modifiedAt": now}
    merged = {name: value for name, value in merged.items() if value is not None or name == "context"}
    if "snapshotLifetime" in members:
        merged["expiresAt"] = expiry(datetime.fromisoformat(record["createdAt"]), members["snapshotLifetime"])
    return merged


def shown(record: Document) -> dict[str, Any]:
    """The Snapshot of the standard."""
    document = {"id": record["id"], "type": "Snapshot"}
    for name in SHOWN:
        if name in record:
            document[name] = moment.show(record[name]) if name in TIMES else record[name]
    return document


def notification(record: Document, id: str, at: str) -> dict[str, Any]:
    """The SnapshotNotification about a snapshot (5.3.4)."""
    members = {name: record[name] for name in ("snapshotStatus", *DETAILS) if name in record}
    times = {"notifiedAt": moment.show(at), "expiresAt": moment.show(record["expiresAt"])}
    return {"id": id, "type": "SnapshotNotification", "snapshotId": record["id"], **times, **members}


def status_of(details: list[dict[str, Any]]) -> str:
    """The status of a snapshot by the results of its queries."""
    results = {one["resultStatus"] for one in details}
    if "success" in results:
        return "success" if results == {"success"} else "partial"
    return "empty" if "empty" in results else "failure"


def purge_filter(q: str | None) -> Callable[[Document], bool]:
    """Which snapshots a query selects. Raises BadRequestData unless it is there and speaks of members of Snapshot only (5.16.7)."""
    if not q:
        raise BadRequestData("'q' must be there: which snapshots are to be purged, as in 'snapshotPriority<5'")
    query = parse_q(q, CORE)
    for term in leaves(query.node):
        if term.path.words[0] not in SHOWN or term.path.hops:
            raise BadRequestData(f"'q' may speak of members of Snapshot only: {', '.join(SHOWN)}; not of '{term.path.words[0][:100]}'")
    matches = query.over_documents()
    return lambda record: matches(shown(record))
