"""What of a subscription is said to others on its behalf: the reduced copy for one context source, and the subscription to registrations.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.1, 5.8.1.4 and 5.11.2.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.context.distribution_ask import filter_members, groups_for
from cityhub.context.registered import Registration
from cityhub.context.subscription import query_of
from cityhub.context.subscription_names import read_query, show_query
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ports import Document
from cityhub.web.negotiation import JSON

_KEPT: Final = (
    "subscriptionName", "description", "notificationTrigger", "timeInterval", "throttling", "datasetId", "isActive", "splitEntities",
    "expandValues", "jsonKeys",
)  # fmt: skip
"""Members that mean the same at the source. How notifications look is decided here, so the source sends all that it has."""
_FILTERS: Final = ("q", "geoQ", "scopeQ")


def is_distributed(record: Document) -> bool:
    """Whether a subscription is about more than this hub's own entities."""
    members = record["members"]
    return members.get("localOnly") is not True and ("entities" in members or "watchedAttributes" in members)


def splits(record: Document) -> bool:
    """Whether parts of one entity may be at several sources, so that filters hold for the whole entity only."""
    return record["members"].get("splitEntities") is True


def attributes_of(record: Document) -> frozenset[str]:
    """The attributes (IRIs) that a subscription is about: those it watches and those it shows; empty: all."""
    members = record["members"]
    return frozenset((*members.get("watchedAttributes", ()), *members["notification"].get("attributes", ())))


def chooses(record: Document, registration: Registration) -> bool:
    """Whether the source is one that the subscription is to be forwarded to."""
    if "createSubscription" not in registration.operations or registration.mode == "auxiliary":
        return False
    members = record["members"]
    query = read_query(members, record["names"].get("csf", {}), "csf")
    if query is not None and not query.over_documents()(registration.record):
        return False
    meets, _ = registration.meeting(query_of(record).selectors, attributes_of(record))
    return meets


def reduced_copy(record: Document, registration: Registration, terms: TermMap, id: str, callback: str) -> Document:
    """The Subscription document for a source: no wider than what the source registered, its notifications for this hub.

    Args:
        record: The subscription.
        registration: The source.
        terms: The @context in which the source is spoken to.
        id: The copy's id.
        callback: Where this hub takes notifications of sources.
    """
    members = record["members"]
    whole = query_of(record)
    asked = EntityQuery(whole.selectors, attributes_of(record), whole.q, whole.geo, whole.scope)
    _, registered = registration.meeting(whole.selectors, asked.attributes)
    copy: Document = {"id": id, "type": "Subscription"}
    copy |= {name: members[name] for name in _KEPT if name in members}
    copy["entities"] = [group.selector() for group in groups_for(registration, asked, terms)]
    if "expiresAt" in members:
        copy["expiresAt"] = moment.show(members["expiresAt"])
    if "csf" in members:
        copy["csf"] = show_query(members, record["names"].get("csf", {}), "csf", terms)
    if not splits(record):
        copy |= filter_members(asked, terms)
    watched = _narrowed(members.get("watchedAttributes"), registered)
    if watched is not None and "timeInterval" not in members:
        copy["watchedAttributes"] = sorted(terms.compact(name) for name in watched)
    copy["notification"] = _notification(record, registered, terms, callback)
    return copy


def _notification(record: Document, registered: frozenset[str] | None, terms: TermMap, callback: str) -> Document:
    """How the source notifies: everything it has of the registered attributes, with times, as normalized entities."""
    params = record["members"]["notification"]
    out: Document = {"format": "normalized", "sysAttrs": True, "endpoint": {"uri": callback, "accept": JSON}}
    if params.get("showChanges"):
        out["showChanges"] = True
    shown = _narrowed(None if splits(record) else params.get("attributes"), registered)
    if shown is not None:
        out["attributes"] = sorted(terms.compact(name) for name in shown)
    return out


def _narrowed(wanted: list[str] | None, registered: frozenset[str] | None) -> frozenset[str] | None:
    """Of the wanted attributes those that are registered; if none of the wanted ones are, all that are. None: any."""
    if registered is None:
        return frozenset(wanted) if wanted is not None else None
    return (registered & frozenset(wanted or ())) or registered


def difference(before: Document, after: Document) -> Document:
    """The fragment that makes one document of another by Update Subscription; empty when they are the same."""
    changed: dict[str, Any] = {name: value for name, value in after.items() if before.get(name) != value}
    return changed | {name: None for name in before if name not in after}


def registration_subscription(record: Document, callback: str) -> Document:
    """The subscription to registrations that stands for a subscription to entities, as a record without id and times.

    Its member "of" names the subscription; the hub serves it itself, without sending notifications.
    """
    members = record["members"]
    notification: Document = {"endpoint": {"uri": callback, "accept": JSON}}
    if "attributes" in members["notification"]:
        notification["attributes"] = members["notification"]["attributes"]
    own = {name: members[name] for name in ("entities", "watchedAttributes", "csf", "isActive", "expiresAt") if name in members}
    names = {name: noted for name, noted in record["names"].items() if name == "csf"}
    return {
        "of": record["id"], "members": {**own, "notification": notification}, "names": names, "context": record["context"],
        "link": record["link"],
    }  # fmt: skip
