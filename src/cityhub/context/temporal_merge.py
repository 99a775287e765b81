"""Histories of one entity from several places become one: read from documents, united instance by instance, cut to what was asked.

Two instances of one dataset with the same time are one; that of an owner counts first, else the one modified later, and what auxiliary
sources say only fills gaps.

Source: GS CIM 009 V1.9.1, clauses 4.5.5, 5.7.3.4 and 5.7.4.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from cityhub.context.registered import Registration
from cityhub.context.registration_words import AUXILIARY, EXCLUSIVE, INCLUSIVE, REDIRECT
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.temporal import TemporalQuery
from cityhub.model.ngsild.temporal_document import SCOPE, parse_temporal_entity
from cityhub.model.ngsild.temporal_render import time_of
from cityhub.model.ports import Evolution

_RANKS: Final = {EXCLUSIVE: 0, REDIRECT: 0, INCLUSIVE: 1, AUXILIARY: 2}
_LOCAL: Final = 1
_TIMES: Final = ("createdAt", "modifiedAt", "deletedAt")
_NOT_ATTRIBUTES: Final = frozenset(("id", "type", "@id", "@type", "@context", "expiresAt", *_TIMES))
_RANGE: Final = re.compile(r"date-time (?P<start>\d{4}-\d\d-\d\dT[\d:.,]+Z)-(?P<end>\d{4}-\d\d-\d\dT[\d:.,]+Z)/")


class Part(msgspec.Struct, frozen=True):
    """What one place knows of one entity.

    Attributes:
        rank: 0 owns what it says, 1 is equal to others, 2 fills gaps.
        evolution: The entity.
        attrs: Instances by attribute (IRI), the scope under its name.
    """

    rank: int
    evolution: Evolution
    attrs: Attributes


def rank_of(registration: Registration | None) -> int:
    """The rank of what a source says; None is this hub."""
    return _LOCAL if registration is None else _RANKS.get(registration.mode, _LOCAL)


def read_part(document: Any, terms: TermMap, now: str, registration: Registration | None) -> Part | None:
    """The part in a normalized temporal document; None when the registration does not speak of the entity. Raises BadRequestData."""
    if not isinstance(document, dict):
        raise BadRequestData("The answer of the source must have objects as entities")
    plain = {name: value for name, value in document.items() if name not in _TIMES}
    read = parse_temporal_entity(plain, terms, now, fragment=True)
    attrs = read.attrs
    _stamp(document, terms, attrs, now)
    if registration is not None:
        found, names = registration.covering(read.id, read.types or None)
        if not found:
            return None
        attrs = attrs if names is None else {name: instances for name, instances in attrs.items() if name in names or name == SCOPE}
    times = {name: moment.read(document[name], name) for name in _TIMES if isinstance(document.get(name), str)}
    created = times.get("createdAt", now)
    evolution = Evolution(read.id, read.types, created, times.get("modifiedAt", created), times.get("deletedAt"))
    return Part(rank_of(registration), evolution, attrs)


def _stamp(document: dict[str, Any], terms: TermMap, attrs: Attributes, now: str) -> None:
    """Gives the instances the members that only hubs write, which reading leaves out."""
    for name, value in document.items():
        if name in _NOT_ATTRIBUTES:
            continue
        instances = attrs.get(name if name == SCOPE else terms.expand_name(name), [])
        items = value if isinstance(value, list) else [value]
        if len(items) == len(instances):
            for instance, item in zip(instances, items, strict=True):
                if isinstance(item, dict):
                    _stamp_one(instance, item)
    for instances in attrs.values():
        for instance in instances:
            instance.setdefault("createdAt", instance.get("observedAt", now))
            instance.setdefault("modifiedAt", instance["createdAt"])
            instance.setdefault("instanceId", "")


def _stamp_one(instance: Instance, item: dict[str, Any]) -> None:
    for name in _TIMES:
        if isinstance(item.get(name), str):
            instance[name] = moment.read(item[name], name)
    if isinstance(item.get("instanceId"), str):
        instance["instanceId"] = item["instanceId"]


def united(parts: list[Part], query: TemporalQuery) -> Part | None:
    """One history of its parts; None when there is none."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    evolutions = [part.evolution for part in parts]
    types = list(dict.fromkeys(kind for one in evolutions for kind in one.types))
    gone = [one.deleted_at for one in evolutions if one.deleted_at is not None]
    whole = Evolution(
        evolutions[0].id, types, min(one.created_at for one in evolutions), max(one.modified_at for one in evolutions),
        max(gone) if len(gone) == len(evolutions) else None,
    )  # fmt: skip
    kept: dict[str, dict[tuple[str, str], tuple[int, Instance]]] = {}
    for part in sorted(parts, key=lambda part: part.rank):
        for name, instances in part.attrs.items():
            _take(kept.setdefault(name, {}), part.rank, instances, query)
    return Part(_LOCAL, whole, {name: _in_order((one for _, one in found.values()), query) for name, found in kept.items()})


def _take(kept: dict[tuple[str, str], tuple[int, Instance]], rank: int, instances: list[Instance], query: TemporalQuery) -> None:
    for instance in instances:
        key = (instance.get("datasetId", ""), time_of(instance, query.time_property))
        old = kept.get(key)
        if old is None or (rank == old[0] == _LOCAL and instance["modifiedAt"] > old[1]["modifiedAt"]):
            kept[key] = (rank, instance)


def _in_order(instances: Iterable[Instance], query: TemporalQuery) -> list[Instance]:
    return sorted(instances, key=lambda one: time_of(one, query.time_property))


def chosen(attrs: Attributes, query: TemporalQuery, datasets: frozenset[str] | None) -> Attributes:
    """The instances of the wanted datasets (None: of all), of each attribute the last ones if only so many were asked for."""
    found: Attributes = {}
    for name, instances in attrs.items():
        kept = instances if datasets is None or name == SCOPE else [one for one in instances if one.get("datasetId", "@none") in datasets]
        if kept:
            found[name] = kept if query.last_n is None else kept[-query.last_n :]
    return found


def reached(content_range: str | None) -> str | None:
    """The last moment up to which a partial answer (206) is whole, in the direction in which it goes; None when it is whole."""
    found = _RANGE.match(content_range or "")
    return moment.read(found["end"], "Content-Range") if found else None


def within(attrs: Attributes, query: TemporalQuery, bound: str) -> Attributes:
    """The instances of the span of time in which all parts are whole."""
    latest = query.last_n is not None
    return {
        name: instances if name == SCOPE else [
            one for one in instances if (time_of(one, query.time_property) >= bound) == latest or time_of(one, query.time_property) == bound
        ]
        for name, instances in attrs.items()
    }  # fmt: skip
