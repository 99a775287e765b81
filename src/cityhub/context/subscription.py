"""The Subscription document: read, completed, patched, and shown again.

A stored subscription ("record") is

    {"id": URI, "members": {name: value}, "names": {"q": {term: IRI}, "csf": {term: IRI}}, "context": @context, "link": URL,
     "createdAt": time, "modifiedAt": time}

where `members` are those of the standard with names of types and attributes as IRIs, `names` has what the terms in the
texts of queries stand for, `context` is the @context that notifications are written with (None: the core one), and
`link` is a URL that stands for it.
What happened to the subscription since (counters, position) is kept apart: see `cityhub.context.subscription_state`.

Source: GS CIM 009 V1.9.1, clauses 5.2.12, 5.2.13, 5.2.21, 5.8.1 and 5.8.2.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.context.subscription_endpoint import is_null
from cityhub.context.subscription_members import KEYWORDS, READERS, SHOWERS
from cityhub.context.subscription_names import note_query, read_query, show_query
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_subscription
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import Document

COLLECTION: Final = "subscription"
REGISTRATIONS: Final = "csource_subscription"
"""Collections of the records: subscriptions to entities, and to registrations."""
DEFAULT_TRIGGERS: Final = ("attributeCreated", "attributeUpdated")


class Fragment(msgspec.Struct, frozen=True):
    """What a document says: members in their stored form, members that are to go, and what the names in queries mean."""

    members: dict[str, Any]
    removed: frozenset[str]
    names: dict[str, dict[str, str]]
    id: str = ""


def read_fragment(document: Any, terms: TermMap) -> Fragment:
    """What a Subscription or a fragment of one says; unknown members and those that only the hub writes are ignored.

    Raises BadRequestData naming the member that is not as it must be, TooComplexQuery for a query without measure.
    """
    if type(document) is not dict:
        raise BadRequestData("A Subscription must be a JSON object")
    document = {KEYWORDS.get(name, name): value for name, value in document.items()}
    if "type" in document and document["type"] != "Subscription":
        raise BadRequestData(f"'type' must be 'Subscription', not {document['type']!r:.100}")
    id = document.get("id", "")
    if "id" in document and not is_uri(id):
        raise BadRequestData(f"'id' must be a URI such as 'urn:ngsi-ld:Subscription:1', not {id!r:.200}")
    members: dict[str, Any] = {}
    removed: set[str] = set()
    for name, value in document.items():
        read = READERS.get(name)
        if read is None:
            continue
        if is_null(value):
            removed.add(name)
        else:
            members[name] = read(value, name, terms)
    queries: tuple[str, ...] = ("q", "csf")
    names = {name: note_query(members[name], terms, members, name) for name in queries if name in members}
    return Fragment(members, frozenset(removed), names, id)


def new_record(id: str, fragment: Fragment, context: Any, link: str, now: str, *, registrations: bool) -> Document:
    """The record of a new subscription. Raises BadRequestData when a Subscription must not be so."""
    members = dict(fragment.members)
    if not registrations:
        members.setdefault("notificationTrigger", list(DEFAULT_TRIGGERS))
        members.setdefault("jsonldContext", link)
    else:
        members.pop("notificationTrigger", None)
    record = {
        "id": id, "members": members, "names": fragment.names, "context": context, "link": link, "createdAt": now, "modifiedAt": now,
    }  # fmt: skip
    check(record, now, fragment, registrations=registrations)
    return record


def patched(record: Document, fragment: Fragment, context: Any, now: str, *, registrations: bool) -> Document:
    """A record with a fragment laid over it, member by member (5.5.8). Raises BadRequestData when the result must not be so.

    Args:
        record: The record as it is.
        fragment: What changes.
        context: The @context for notifications, if the fragment names one with jsonldContext.
        now: Time of the write.
        registrations: Whether it is a subscription to registrations.
    """
    if fragment.id and fragment.id != record["id"]:
        raise BadRequestData(f"'id' must not be changed; this is '{record['id']}'")
    members = {name: value for name, value in record["members"].items() if name not in fragment.removed}
    members |= fragment.members
    if registrations:
        members.pop("notificationTrigger", None)
    else:
        members.setdefault("notificationTrigger", list(DEFAULT_TRIGGERS))
    names = {name: noted for name, noted in {**record["names"], **fragment.names}.items() if name in members}
    after = {**record, "members": members, "names": names, "modifiedAt": now}
    if "jsonldContext" in fragment.members:
        after |= {"context": context, "link": members["jsonldContext"]}
    elif "jsonldContext" in fragment.removed and not registrations:
        members["jsonldContext"] = record["members"]["jsonldContext"]
    check(after, now, fragment, registrations=registrations)
    return after


def check(record: Document, now: str, fragment: Fragment, *, registrations: bool) -> None:
    """Raises BadRequestData unless the members go together (table 5.2.12-1)."""
    members = record["members"]
    if "notification" not in members:
        raise BadRequestData("'notification' must be there: an object with an 'endpoint'")
    local = members.get("localOnly") is True
    if "entities" not in members and "watchedAttributes" not in members and not local:
        raise BadRequestData("At least one of 'entities' and 'watchedAttributes' must be there, or 'localOnly' be true")
    if "timeInterval" in members:
        for other in ("watchedAttributes", "throttling"):
            if other in members:
                raise BadRequestData(f"'{other}' must not stand beside 'timeInterval'")
        if "entities" not in members and not local:
            raise BadRequestData("'entities' must be there with 'timeInterval', unless 'localOnly' is true")
    if "expiresAt" in fragment.members and members["expiresAt"] <= now:
        raise BadRequestData("'expiresAt' must be in the future")
    if "temporalQ" in members and not registrations:
        raise BadRequestData("'temporalQ' is only possible in subscriptions to context source registrations")
    if registrations and members["notification"]["endpoint"].get("accept") == "application/geo+json":
        raise BadRequestData("'notification.endpoint.accept' must not be application/geo+json: registrations are no features")
    query_of(record)


def query_of(record: Document) -> EntityQuery:
    """What the entities of a stored subscription must be like. Raises BadRequestData, TooComplexQuery."""
    members = record["members"]
    rest = query_from_subscription({name: members[name] for name in ("entities", "geoQ", "scopeQ") if name in members}, CORE)
    return EntityQuery(rest.selectors, frozenset(), read_query(members, record["names"].get("q", {}), "q"), rest.geo, rest.scope)


def status_of(record: Document, now: str) -> str:
    """'active', 'paused' or 'expired' at a time."""
    members = record["members"]
    if members.get("expiresAt", "~") <= now:
        return "expired"
    return "active" if members.get("isActive", True) else "paused"


def shown(record: Document, counters: dict[str, Any], terms: TermMap, now: str, *, sys_attrs: bool = False) -> dict[str, Any]:
    """The Subscription document of a record with its counters, under an @context."""
    members = record["members"]
    out: dict[str, Any] = {"id": record["id"], "type": "Subscription"}
    for name, value in members.items():
        show = SHOWERS.get(name)
        out[name] = value if show is None else show(value, terms)
    for name in ("q", "csf"):
        if name in members:
            out[name] = show_query(members, record["names"].get(name, {}), name, terms)
    out["notification"] = {**out["notification"], **counters}
    out["status"] = status_of(record, now)
    if sys_attrs:
        out["createdAt"] = moment.show(record["createdAt"])
        out["modifiedAt"] = moment.show(record["modifiedAt"])
    return out
