"""A signal becomes a step of its alert: the pure transition of the alert's entity.

A step that is known already changes nothing, so signals may come again after a crash. An alert that was closed while its condition held
opens again when it becomes graver: nobody has looked after that yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.alert import ALERT, CAP_SEVERITY, SDM_SEVERITY, iri, is_graver
from cityhub.model.entity import Attributes, Entity, value_of
from cityhub.model.ngsild.stamp import renewed_attributes
from cityhub.rules.alerts.thresholds import thresholds
from cityhub.rules.alerts.wording import sentence
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Signal

MOST_STEPS: Final = 100
"""So many steps are kept at an alert: the first one, and the newest."""
MOST_TEXT: Final = 500
"""Longest text of an input."""
AT: Final = " at"
"""Ends the name of the time of an input."""
Transition = Callable[[Entity | None, str], tuple[Entity | None, str]]


class Setting(msgspec.Struct, frozen=True):
    """What stands around a signal.

    Attributes:
        rule: As it was when it gave the signal.
        name: Of the subject, as people call it.
        units: UN/CEFACT codes by input.
        suppressed_by: What keeps a new alert quiet; None: nothing.
        zone: Time zone of the sentences.
        keep: For how long closed alerts are kept, as the moment at which one that is closed now expires.
        location: GeoJSON geometry of what a group has in common; None: unknown, or the signal has one itself.
    """

    rule: Rule
    name: str
    units: Mapping[str, str]
    suppressed_by: dict[str, Any] | None
    zone: ZoneInfo
    keep: Callable[[str], str]
    location: dict[str, Any] | None = None


def step_of(signal: Signal, setting: Setting) -> Transition:
    """What a signal makes of its alert; the result is "raised", "changed", "cleared", or "" for a step that is known."""

    def transition(current: Entity | None, now: str) -> tuple[Entity | None, str]:
        if current is None:
            return _raised(signal, setting, now), "raised"
        if signal.step <= _last_step(current):
            return current, ""
        attributes = _cleared(signal, setting, current, now) if signal.kind == "cleared" else _changed(signal, setting, current, now)
        attributes["steps"] = _json(_bounded([*_value(current, "steps", []), _step(signal, setting)]))
        return changed(current, attributes, now), signal.kind

    return transition


def changed(current: Entity, attributes: Mapping[str, dict[str, Any] | None], now: str) -> Entity:
    """An alert with other attributes, by their short names; None takes one away. `expiresAt` is the entity's own."""
    new = {iri(name): [instance] for name, instance in attributes.items() if instance is not None and name != "expiresAt"}
    gone = {iri(name) for name, instance in attributes.items() if instance is None}
    kept = {name: instances for name, instances in current["attrs"].items() if name not in gone}
    entity = {**current, "attrs": {**kept, **renewed_attributes(current["attrs"], new, current["createdAt"], now)}, "modifiedAt": now}
    if "expiresAt" in attributes:
        entity.pop("expiresAt", None)
        if (expiry := attributes["expiresAt"]) is not None:
            entity["expiresAt"] = expiry["value"]
    return entity


def prop(value: Any, observed_at: str = "") -> dict[str, Any]:
    """A property."""
    return {"type": "Property", "value": value, **({"observedAt": observed_at} if observed_at else {})}


def closed(outcome: str, now: str, keep: Callable[[str], str]) -> dict[str, dict[str, Any] | None]:
    """The attributes of an alert that is closed now."""
    return {
        "state": prop("closed"), "outcome": prop(outcome), "closedAt": prop(now), "expiresAt": prop(keep(now)),
    }  # fmt: skip


def _raised(signal: Signal, setting: Setting, now: str) -> Entity:
    attributes = _reasoned(signal, setting)
    rule = setting.rule
    attributes |= {
        "rule": prop(rule.id), "title": _language(rule.title), "category": prop(rule.category or "other"), "dateIssued": prop(signal.at),
        "validFrom": prop(signal.at), "alertSource": prop(f"urn:ngsi-ld:Rule:{rule.id}"), **_about(signal, setting),
    }  # fmt: skip
    if rule.event:
        attributes["event"] = _language(rule.event)
    if setting.suppressed_by is None:
        attributes |= {"state": prop("open"), "since": prop(now)}
    else:
        attributes |= {"state": prop("suppressed"), "suppressedBy": _json(setting.suppressed_by)}
    attributes["steps"] = _json([_step(signal, setting)])
    if signal.kind == "cleared":  # its beginning has expired or was deleted: it is told, and over
        attributes |= {name: one for name, one in closed("ended", now, setting.keep).items() if one is not None and name != "expiresAt"}
    attrs: Attributes = {iri(name): [instance] for name, instance in attributes.items()}
    entity: Entity = {"id": signal.alert, "type": [ALERT], "attrs": attrs, "createdAt": now, "modifiedAt": now}
    return {**entity, "expiresAt": setting.keep(now)} if signal.kind == "cleared" else entity


def _about(signal: Signal, setting: Setting) -> dict[str, dict[str, Any]]:
    about: dict[str, dict[str, Any]] = {"entities": {"type": "ListRelationship", "objectList": signal.entities}}
    if signal.subject in signal.entities:
        about["subject"] = {"type": "Relationship", "object": signal.subject}
    else:
        about["subjectGroup"] = prop(signal.subject)
    if setting.name != signal.subject:
        about["subjectName"] = prop(setting.name)
    location = signal.location or setting.location
    if location is not None:
        about["location"] = {"type": "GeoProperty", "value": location}
    return about


def _changed(signal: Signal, setting: Setting, current: Entity, now: str) -> dict[str, dict[str, Any] | None]:
    attributes: dict[str, dict[str, Any] | None] = dict(_reasoned(signal, setting))
    if signal.location is not None:
        attributes["location"] = {"type": "GeoProperty", "value": signal.location}
    if is_graver(signal.severity, _value(current, "grade", "blue")) and _value(current, "state", "") in ("acknowledged", "closed"):
        attributes |= {"state": prop("open"), "since": prop(now), **dict.fromkeys(("outcome", "closedAt", "expiresAt"))}
        attributes |= dict.fromkeys(("acknowledgedAt", "acknowledgedBy"))
    return attributes


def _cleared(signal: Signal, setting: Setting, current: Entity, now: str) -> dict[str, dict[str, Any] | None]:
    attributes: dict[str, dict[str, Any] | None] = {"validTo": prop(signal.at)}
    state = _value(current, "state", "")
    if state == "suppressed" or (state != "closed" and ends_by_itself(setting.rule)):
        attributes |= closed("ended", now, setting.keep)
    return attributes


def ends_by_itself(rule: Rule) -> bool:
    """Whether an alert of the rule is closed when its condition ends: nobody was told of it and no case was opened."""
    return rule.opens is None and not rule.tells


def _reasoned(signal: Signal, setting: Setting) -> dict[str, dict[str, Any]]:
    """How grave it is, and why."""
    rule, inputs = setting.rule, inputs_of(signal, setting.units)
    description = {
        language: sentence(language, _title(rule, language), signal.severity, setting.name, inputs, signal.condition, setting.zone)
        for language in ("zh", "en")
    }
    reason = {
        "rule": rule.id, "version": signal.version, "title": rule.title, "condition": signal.condition,
        "thresholds": list(thresholds(signal.condition)), "inputs": inputs, "note": rule.note, "source": rule.source,
    }  # fmt: skip
    return {
        "grade": prop(signal.severity, signal.at), "severity": prop(SDM_SEVERITY[signal.severity], signal.at),
        "capSeverity": prop(CAP_SEVERITY[signal.severity]), "ruleVersion": prop(signal.version), "description": _language(description),
        "reason": _json(reason),
    }  # fmt: skip


def inputs_of(signal: Signal, units: Mapping[str, str]) -> list[dict[str, Any]]:
    """{"name", "value", "unit", "at"} of each value, those that the condition names first."""
    found = [
        {"name": name, "value": _short(value), "unit": units.get(name, ""), "at": signal.inputs.get(name + AT, "") or ""}
        for name, value in signal.inputs.items()
        if not (name.endswith(AT) and name.removesuffix(AT) in signal.inputs)
    ]
    return sorted(found, key=lambda one: one["name"] not in signal.condition)


def _step(signal: Signal, setting: Setting) -> dict[str, Any]:
    return {
        "step": signal.step, "kind": signal.kind, "severity": signal.severity, "at": signal.at, "position": signal.position,
        "version": signal.version, "condition": signal.condition, "inputs": inputs_of(signal, setting.units),
    }  # fmt: skip


def _bounded(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return steps if len(steps) <= MOST_STEPS else [steps[0], *steps[1 - MOST_STEPS :]]


def _last_step(entity: Entity) -> int:
    return max((one["step"] for one in _value(entity, "steps", [])), default=-1)


def _title(rule: Rule, language: str) -> str:
    return rule.title.get(language) or next(iter(rule.title.values()), rule.id)


def _value(entity: Entity, name: str, otherwise: Any) -> Any:
    instances = entity["attrs"].get(iri(name))
    return value_of(instances[0]) if instances else otherwise


def _language(texts: Mapping[str, str]) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": dict(texts)}


def _json(value: Any) -> dict[str, Any]:
    return {"type": "JsonProperty", "json": value}


def _short(value: Any) -> Any:
    if isinstance(value, str | list | dict) and len(str(value)) > MOST_TEXT:
        return str(value)[:MOST_TEXT] + "…"
    return value
