"""Parts of one entity from several sources become one: of two instances the newer wins, types and scopes are united.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.2, 4.5.5 and 4.16.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cityhub.context.registered import Registration
from cityhub.context.registration_words import AUXILIARY, EXCLUSIVE, REDIRECT
from cityhub.model.entity import Attributes, Entity, Instance, modified_at
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.parse import parse_entity

_RANKS = {EXCLUSIVE: 0, REDIRECT: 1, AUXILIARY: 4}
_LOCAL = 2
NOT_ATTRIBUTES: Final = frozenset(("id", "type", "@id", "@type", "scope", "@context"))
"""Members of an entity's document that may be lists and are no attributes."""
_INCLUSIVE = 3


def read_remote(document: Any, terms: TermMap) -> Entity:
    """The entity in a source's normalized document, with the system times that it tells. Raises BadRequestData."""
    if isinstance(document, dict) and document.get("type") == "Feature" and isinstance(document.get("properties"), dict):
        document = {"id": document.get("id"), **document["properties"]}
    entity = parse_entity(document, terms, require_type=False)
    for name in ("createdAt", "modifiedAt"):
        if isinstance(document.get(name), str):
            entity[name] = moment.read(document[name], name)
    for name, value in document.items():
        reified = isinstance(value, dict | list) and name not in NOT_ATTRIBUTES
        instances = entity["attrs"].get(terms.expand(name)) if reified else None
        if instances:
            _stamp(instances, value)
    return entity


def read_remotes(document: Any, terms: TermMap) -> list[Entity]:
    """The entities in a source's answer to a query. Raises BadRequestData."""
    if isinstance(document, dict):
        if document.get("type") == "FeatureCollection":
            document = document.get("features")
        else:
            document = [document]
    if not isinstance(document, list):
        raise BadRequestData("The answer of the source must be a list of entities")
    return [read_remote(item, terms) for item in document]


def _stamp(instances: list[Instance], value: Any) -> None:
    documents = value if isinstance(value, list) else [value]
    if len(documents) != len(instances):
        return
    for instance, document in zip(instances, documents, strict=True):
        for name in ("createdAt", "modifiedAt"):
            if isinstance(document, dict) and isinstance(document.get(name), str):
                instance[name] = moment.read(document[name], name)


def limited(entity: Entity, registration: Registration) -> Entity | None:
    """What of an entity the registration speaks of; None when it is another entity. Auxiliary data stay the source's own."""
    found, names = registration.covering(entity["id"], entity["type"] or None)
    if not found:
        return None
    if names is None:
        return entity
    return {**entity, "attrs": {name: instances for name, instances in entity["attrs"].items() if name in names}}


def merged(local: Entity | None, remote: Iterable[tuple[Registration, Entity]]) -> Entity | None:
    """One entity of its parts; None when there is none.

    What an exclusive or redirect source says of its attributes counts alone; auxiliary sources fill gaps.
    """
    parts = [(_RANKS.get(registration.mode, _INCLUSIVE), entity) for registration, entity in remote]
    if local is not None:
        parts.append((_LOCAL, local))
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0][1]
    parts.sort(key=lambda part: part[0])
    attrs: dict[str, dict[str | None, tuple[int, str, Instance]]] = {}
    owned: dict[str, int] = {}
    for rank, entity in parts:
        for name, instances in entity["attrs"].items():
            # The first of an exclusive or redirect source to have an attribute owns it.
            if owned.get(name, rank) < rank:
                continue
            if rank < _LOCAL:
                owned[name] = rank
            _take(attrs.setdefault(name, {}), rank, entity, instances)
    return _whole([entity for _, entity in parts], attrs)


def _take(kept: dict[str | None, tuple[int, str, Instance]], rank: int, entity: Entity, instances: list[Instance]) -> None:
    for instance in instances:
        dataset = instance.get("datasetId")
        age = instance.get("observedAt") or _modified(entity, instance)
        old = kept.get(dataset)
        if old is None or (rank != 4 and age > old[1]):
            kept[dataset] = (rank, age, instance)


def _modified(entity: Entity, instance: Instance) -> str:
    if "createdAt" in entity or "createdAt" in instance:
        return modified_at(entity, instance)
    return str(instance.get("modifiedAt", ""))


def _whole(entities: list[Entity], attrs: dict[str, dict[str | None, tuple[int, str, Instance]]]) -> Entity:
    types = list(dict.fromkeys(kind for entity in entities for kind in entity["type"]))
    scopes = list(dict.fromkeys(scope for entity in entities for scope in entity.get("scope", ())))
    whole: Entity = {"id": entities[0]["id"], "type": types}
    if scopes:
        whole["scope"] = scopes
    for name, choose in (("createdAt", min), ("modifiedAt", max), ("expiresAt", min)):
        times = [entity[name] for entity in entities if name in entity]
        if times:
            whole[name] = choose(times)
    whole["attrs"] = _ordered(attrs)
    return whole


def _ordered(attrs: dict[str, dict[str | None, tuple[int, str, Instance]]]) -> Attributes:
    return {name: [instance for _, _, instance in kept.values()] for name, kept in attrs.items()}
