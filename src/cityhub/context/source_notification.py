"""Notifications that context sources send for forwarded subscriptions: read, and turned into what subscribers are served with.

The journal's entry of one is {"id": URI of the copy, "subscription": URI of the subscription here, "entities": [entity]}.

Source: GS CIM 009 V1.9.1, clauses 5.3.1 and 5.8.6.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.context.distribution_merge import NOT_ATTRIBUTES, limited
from cityhub.context.entity_change import EntityChange
from cityhub.context.registered import Registration
from cityhub.model.change import Change
from cityhub.model.entity import VALUE_KEY, Entity, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.parse import parse_fragment

MAX_ENTITIES: Final = 10_000
"""Most entities in one notification of a source."""
_TIMES: Final = ("createdAt", "modifiedAt", "deletedAt")
_PREVIOUS: Final = {"previous" + key[0].upper() + key[1:]: key for key in VALUE_KEY.values()}
_VALUES: Final = frozenset(_PREVIOUS.values())


def read_notification(document: Any) -> tuple[str, list[Any]]:
    """The id of the copy that a Notification is for, and its data. Raises BadRequestData."""
    if not isinstance(document, dict) or document.get("type") != "Notification":
        raise BadRequestData("The body must be an object with \"type\": \"Notification\"")
    id, data = document.get("subscriptionId"), document.get("data")
    if not isinstance(id, str) or not id:
        raise BadRequestData("'subscriptionId' must be the URI of the subscription")
    if not isinstance(data, list) or len(data) > MAX_ENTITIES:
        raise BadRequestData(f"'data' must be a list of at most {MAX_ENTITIES} entities")
    return id, data


def read_entities(data: list[Any], terms: TermMap, registration: Registration, now: str) -> list[Entity]:
    """The entities of a notification, without what the source did not register. Raises BadRequestData."""
    found = (limited(_entity(document, terms, now), registration) for document in data)
    return [entity for entity in found if entity is not None]


def _entity(document: Any, terms: TermMap, now: str) -> Entity:
    """One entity in the internal form; what is deleted in it has the NGSI-LD Null as value, and previous values stay."""
    if not isinstance(document, dict):
        raise BadRequestData("'data' must be a list of objects")
    plain, previous = _without_previous(document)
    plain.pop("@context", None)
    for name in _TIMES:
        plain.pop(name, None)
    fragment = parse_fragment(plain, terms, nulls=True)
    if not fragment.id:
        raise BadRequestData("'data' must have entities with an 'id'")
    entity: Entity = {"id": fragment.id, "type": fragment.type}
    if isinstance(fragment.scope, list):
        entity["scope"] = fragment.scope
    for name in _TIMES:
        if isinstance(document.get(name), str):
            entity[name] = moment.read(document[name], name)
    entity.setdefault("modifiedAt", now)
    entity.setdefault("createdAt", entity["modifiedAt"])
    entity["attrs"] = fragment.attrs
    for instances in fragment.attrs.values():
        for instance in instances:
            instance.setdefault("modifiedAt", entity["modifiedAt"])
            instance.setdefault("createdAt", entity["createdAt"])
    _stamp(entity, document, terms)
    _restore(entity, previous, terms)
    return entity


def _instances(document: dict[str, Any], terms: TermMap, entity: Entity) -> list[tuple[Instance, dict[str, Any]]]:
    """Each instance of the entity with the object that it was read from."""
    found: list[tuple[Instance, dict[str, Any]]] = []
    for name, value in document.items():
        if not isinstance(value, dict | list) or name in NOT_ATTRIBUTES:
            continue
        instances = entity["attrs"].get(terms.expand(name), [])
        documents = value if isinstance(value, list) else [value]
        if len(instances) == len(documents):
            found += [(one, item) for one, item in zip(instances, documents, strict=True) if isinstance(item, dict)]
    return found


def _stamp(entity: Entity, document: dict[str, Any], terms: TermMap) -> None:
    for instance, item in _instances(document, terms, entity):
        for name in _TIMES:
            if isinstance(item.get(name), str):
                instance[name] = moment.read(item[name], name)


def _without_previous(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document without its previous values, and the attributes that had some, with these as their values."""
    plain: dict[str, Any] = {}
    previous: dict[str, Any] = {}
    for name, value in document.items():
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict) and not _PREVIOUS.keys().isdisjoint(item) for item in items):
            plain[name] = [_split(item, keep=True) for item in items]
            previous[name] = [_split(item, keep=False) for item in items]
            if not isinstance(value, list):
                plain[name], previous[name] = plain[name][0], previous[name][0]
        else:
            plain[name] = value
    return plain, previous


def _split(item: Any, *, keep: bool) -> Any:
    if not isinstance(item, dict):
        return item
    if keep:
        return {name: value for name, value in item.items() if name not in _PREVIOUS}
    values = {_PREVIOUS[name]: value for name, value in item.items() if name in _PREVIOUS}
    return {"type": item.get("type", "Property"), **({"datasetId": item["datasetId"]} if "datasetId" in item else {}), **values}


def _restore(entity: Entity, previous: dict[str, Any], terms: TermMap) -> None:
    for name, value in previous.items():
        given = value if isinstance(value, list) else [value]
        items = [item for item in given if isinstance(item, dict) and not _VALUES.isdisjoint(item)]
        if not items:
            continue
        before = parse_fragment({"id": entity["id"], name: items}, terms, nulls=True)
        for iri, instances in before.attrs.items():
            by_dataset = {instance.get("datasetId"): instance for instance in entity["attrs"].get(iri, ())}
            for instance in instances:
                key = VALUE_KEY[instance["type"]]
                if instance.get("datasetId") in by_dataset:
                    by_dataset[instance.get("datasetId")][f"previous{key[0].upper()}{key[1:]}"] = instance[key]


def entry(id: str, subscription: str, entities: list[Entity]) -> dict[str, Any]:
    """What the journal is told of a notification."""
    return {"id": id, "subscription": subscription, "entities": entities}


def notified_changes(change: Change) -> list[EntityChange]:
    """The entities of a notification in the journal, as changes that a subscriber can be served with as they are."""
    entities = change.after["entities"] if change.after is not None else []
    return [EntityChange(change.position, change.position, "created", change.at, None, entity, {}) for entity in entities]
