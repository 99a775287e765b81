"""The public face of a case: an entity of type Case, for maps, lists, statements and webhooks. It has nobody's name in it."""

from __future__ import annotations

from typing import Any, Final

from cityhub.cases.desk.record import Case, Entry
from cityhub.model.entity import DEFAULT_VOCAB, NGSI_LD, Attributes, Entity, Instance, value_of

TYPE: Final = DEFAULT_VOCAB + "Case"
CORE_TERMS: Final = frozenset({"location", "status"})
"""Names that the core @context of NGSI-LD knows: there they stand for its own IRIs, and so they do here."""
DESCRIBED: Final = {
    "caseNumber": "number", "caseKind": "kind", "grade": "grade", "status": "state", "step": "step", "openedAt": "opened_at",
    "closedAt": "closed_at", "dueAt": "due_at", "process": "process", "rounds": "round", "processVersion": "process_version",
}  # fmt: skip
"""Attributes of the entity by the record's members that they show."""


def iri(name: str) -> str:
    """The IRI of one of the face's attributes, so that its short name works with no @context."""
    return (NGSI_LD if name in CORE_TERMS else DEFAULT_VOCAB) + name


def said(face: Entity, name: str, otherwise: Any = "") -> Any:
    """What a face says under a name."""
    instances = face["attrs"].get(iri(name))
    return value_of(instances[0]) if instances else otherwise


def face_of(case: Case, before: Entity | None, at: str) -> Entity:
    """The entity of a case.

    Args:
        case: The record.
        before: The entity as it was; None: there was none.
        at: When it is written.
    """
    known: Attributes = before["attrs"] if before else {}
    attributes: Attributes = {}
    for name, instance in _instances(case, at).items():
        attributes[iri(name)] = _kept(known.get(iri(name)), instance, at)
    created = before["createdAt"] if before else at
    return {"id": case.id, "type": [TYPE], "attrs": attributes, "createdAt": created, "modifiedAt": at}


def _kept(known: list[Instance] | None, instance: Instance, at: str) -> list[Instance]:
    """The instances as they were if nothing changed, so that the journal has what did."""
    if known is None:
        return [{**instance, "createdAt": at}]
    old = known[0]
    if {name: value for name, value in old.items() if name not in ("createdAt", "modifiedAt")} == instance:
        return known
    created = {"createdAt": old["createdAt"]} if "createdAt" in old else {}
    return [{**instance, **created, "modifiedAt": at}]


def _instances(case: Case, at: str) -> dict[str, Instance]:
    made: dict[str, Instance] = {}
    for name, member in DESCRIBED.items():
        value = getattr(case, member)
        if value != "":
            made[name] = _property(value)
    made["overdue"] = _property(case.overdue(at))
    made["supervised"] = _property(bool(case.supervised))
    if case.on_time is not None:
        made["onTime"] = _property(case.on_time)
    if case.departments:
        made["department"] = _link(case.departments)
    if case.place.location is not None:
        made["location"] = {"type": "GeoProperty", "value": case.place.location}
    if case.place.township:
        made["township"] = _link([case.place.township])
    if case.source.kind == "alert" and case.source.ref:
        made["alert"] = _link([case.source.ref, *case.alerts])
    if case.merged_into:
        made["mergedInto"] = _link([case.merged_into])
    made["sourceKind"] = _property(case.source.kind)
    steps = steps_of(case.timeline)
    if steps:
        made["steps"] = {"type": "JsonProperty", "json": steps}
    if case.ratings:
        made["rating"] = _property(case.ratings[-1].score)
    return made


def steps_of(timeline: list[Entry]) -> list[dict[str, Any]]:
    """The steps that were done: which, since when, until when, by which department, with what outcome, in which round."""
    return [
        {"step": entry.element, "from": entry.since, "to": entry.at, "department": entry.department, "outcome": entry.outcome,
         "round": entry.round}
        for entry in timeline if entry.what in ("completed", "returned") and entry.since
    ]  # fmt: skip


def _property(value: Any) -> Instance:
    return {"type": "Property", "value": value}


def _link(ids: list[str]) -> Instance:
    return {"type": "Relationship", "object": ids if len(ids) > 1 else ids[0]}
