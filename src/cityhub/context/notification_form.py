"""The bodies of notifications: a head of its own for each subscription, data that subscriptions share.

Source: GS CIM 009 V1.9.1, clauses 5.3.1, 5.3.2, 5.8.6 and 6.3.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from cityhub.context.entity_api import rendered
from cityhub.context.entity_change import EntityChange, Showing, shown_entity
from cityhub.context.linked import linked_here
from cityhub.context.subscription_endpoint import SIMPLIFIED
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild.conformance import CURRENT, amended, read_version
from cityhub.model.ngsild.flat import flat_views
from cityhub.model.ngsild.geojson import render_feature
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import Format, View, parse_projection
from cityhub.model.ports import Document, Receiver, Store
from cityhub.model.snapshot import owner_of
from cityhub.web.negotiation import GEO_JSON, JSON, LD_JSON, link_header
from cityhub.web.views import join_level

NOTIFICATION_ID: Final = "urn:ngsi-ld:Notification:"
DEFAULT_TIMEOUT_S: Final = 5.0
MAX_TIMEOUT_S: Final = 60.0
"""A receiver may ask for a longer time to answer, but not for more than this."""


class Form:
    """How the notifications of one subscription are written; immutable.

    Attributes:
        showing: What of a change is shown.
        view: What of an entity is shown, and in which representation.
        key: Subscriptions with equal keys have equal data.
    """

    __slots__ = (
        "_accept", "_context", "_head", "_id", "_join", "_plain", "_prefer_json", "_store", "_tenant", "_terms", "_version", "key",
        "showing", "view",
    )  # fmt: skip

    def __init__(self, record: Document, terms: TermMap, store: Store, tenant: str, kind: str = "Notification") -> None:
        self._store = store
        self._tenant = tenant
        members = record["members"]
        params, endpoint = members["notification"], members["notification"]["endpoint"]
        self._id = record["id"].encode()
        self._terms = terms
        self._accept = endpoint.get("accept", JSON)
        url = record["link"]
        self._context = orjson.dumps(url)
        self._version = read_version(members["ngsildConformance"]) if "ngsildConformance" in members else CURRENT
        self._prefer_json = prefers_json(endpoint)
        self.showing = _showing(members)
        self.view = _view(members)
        self._join = {name: str(params[name]) for name in ("join", "joinLevel") if name in params and params["join"] != "@none"}
        shaping = {name: params[name] for name in _SHAPING if params.get(name) not in (None, False, "normalized", "@none")}
        shaping |= {name: members[name] for name in ("lang", "datasetId", "ngsildConformance") if name in members}
        self._plain = not shaping and self._accept != GEO_JSON
        self.key = _digest(shaping, repr(self.showing), self._accept, url, terms.key)
        opening = b'{"@context":' + self._context + b"," if self._accept == LD_JSON else b"{"
        self._head = opening + b'"type":"%b","subscriptionId":%b,"id":"' % (kind.encode(), orjson.dumps(record["id"]))

    def body(self, changes: Sequence[EntityChange], notified_at: bytes) -> bytes:
        """The notification of changes, all of different entities."""
        documents = [change.rendered.get(self.key) or self._rendered(change) for change in changes]
        return self.wrap(documents, changes[0].position, notified_at)

    def wrap(self, documents: list[bytes], number: int, notified_at: bytes, more: bytes = b"") -> bytes:
        """A notification around documents; its id follows from the number, so that a repetition is recognised as one."""
        data = b",".join(documents)
        if self._accept == GEO_JSON:
            context = b"" if self._prefer_json else b',"@context":' + self._context
            data = b'{"type":"FeatureCollection","features":[%b]%b}' % (data, context)
        else:
            data = b"[%b]" % data
        return b'%b%b","notifiedAt":"%b",%b"data":%b}' % (self._head, self._notification_id(number), notified_at, more, data)

    def document(self, entity: Document) -> bytes:
        """The document of one entity, and those of its linked entities where they stand beside it."""
        linked = linked_here(self._store, self._tenant, [entity], self.view, self._join) if self._join else {}
        flat = [(entity, self.view)]
        if self._join.get("join") == "flat":
            flat, linked = flat_views([entity], linked, self.view, join_level(self._join)), {}
        if self._accept == GEO_JSON:
            return b",".join([orjson.dumps(self._feature(render_feature(one, self._terms, view, linked))) for one, view in flat])
        documents = [amended(render_entity(one, self._terms, view, linked), self._version) for one, view in flat]
        if "deletedAt" in entity:
            documents[0]["deletedAt"] = show(entity["deletedAt"])
        return b",".join([self.with_context(orjson.dumps(one)) for one in documents if one])

    def _feature(self, feature: dict[str, Any]) -> dict[str, Any]:
        return {**feature, "properties": amended(feature["properties"], self._version)}

    def _rendered(self, change: EntityChange) -> bytes:
        entity = shown_entity(change, self.showing)
        if self._plain and entity is change.after and "deletedAt" not in entity:
            document = self.with_context(rendered(entity, self._terms))
        else:
            document = self.document(entity)
        change.rendered[self.key] = document
        return document

    def with_context(self, document: bytes) -> bytes:
        """A JSON object with its @context as first member, where the notification is JSON-LD."""
        return b'{"@context":' + self._context + b"," + document[1:] if self._accept == LD_JSON else document

    def _notification_id(self, number: int) -> bytes:
        return NOTIFICATION_ID.encode() + blake2b(b"%d " % number + self._id, digest_size=16).hexdigest().encode()


_SHAPING: Final = ("attributes", "pick", "omit", "format", "sysAttrs", "join", "joinLevel")


def _digest(*parts: Any) -> bytes:
    return blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _showing(members: Document) -> Showing:
    params = members["notification"]
    watched = members.get("watchedAttributes")
    lost: frozenset[str] | None = frozenset()
    if "attributeDeleted" in members.get("notificationTrigger", ()):
        lost = None if watched is None else frozenset(watched)
    return Showing(
        previous=params.get("showChanges", False),
        sys_attrs=params.get("sysAttrs", False),
        simplified=params.get("format") in SIMPLIFIED,
        lost=lost,
    )


def _view(members: Document) -> View:
    params = members["notification"]
    form: Format = "normalized"
    if params.get("format") in SIMPLIFIED:
        form = "simplified"
    elif params.get("format") == "concise":
        form = "concise"
    projections = {name: parse_projection(",".join(params[name]), CORE, name) for name in ("pick", "omit") if name in params}
    return View(
        format=form,
        sys_attrs=params.get("sysAttrs", False),
        languages=parse_languages(members["lang"]) if "lang" in members else (),
        pick=projections.get("pick"),
        omit=projections.get("omit"),
        attrs=frozenset(params["attributes"]) if "attributes" in params else None,
        dataset_ids=frozenset(members["datasetId"]) if "datasetId" in members else None,
        join_level=params.get("joinLevel", 1) if params.get("join") == "inline" else 0,
    )


def prefers_json(endpoint: Document) -> bool:
    """Whether the receiver wants GeoJSON with its @context in a Link header."""
    return any(pair["key"].lower() == "prefer" and "body=json" in pair["value"] for pair in endpoint.get("receiverInfo", ()))


def receiver_of(record: Document, tenant: str) -> Receiver:
    """Whom a subscription's notifications go to, with what beside the body."""
    members = record["members"]
    endpoint = members["notification"]["endpoint"]
    accept = endpoint.get("accept", JSON)
    info = [(pair["key"], pair["value"]) for pair in endpoint.get("receiverInfo", ())]
    names = {name.lower() for name, _ in info}
    prefer_json = accept == GEO_JSON and prefers_json(endpoint)
    headers = [] if "content-type" in names else [("Content-Type", accept)]
    if (accept == JSON or prefer_json) and "link" not in names:
        headers.append(("Link", link_header(record["link"])))
    owner, snapshot = owner_of(tenant)
    if owner and "ngsild-tenant" not in names:
        headers.append(("NGSILD-Tenant", owner))
    if snapshot is not None and "ngsild-snapshot" not in names:
        headers.append(("NGSILD-Snapshot", snapshot))
    headers += [(name, value) for name, value in info if not (prefer_json and name.lower() == "prefer")]
    timeout_s = min(endpoint["timeout"] / 1000, MAX_TIMEOUT_S) if "timeout" in endpoint else DEFAULT_TIMEOUT_S
    cooldown_s = endpoint["cooldown"] / 1000 if "cooldown" in endpoint else None
    options = tuple((pair["key"], pair["value"]) for pair in endpoint.get("notifierInfo", ()))
    return Receiver(endpoint["uri"], tuple(headers), options, timeout_s, cooldown_s)
