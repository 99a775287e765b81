"""An alert as an entity of type Alert: the names of its attributes, and what they say.

The terms of the Smart Data Models' Alert are used where there is one (category, severity, dateIssued, validFrom, validTo, alertSource,
description, location); the rest is the hub's own. All are written as the core @context has them, most in the default vocabulary, so
that short names work without an @context and geo queries find alerts by their "location".

Source: Smart Data Models, dataModel.Alert, Alert (severity: informational, low, medium, high, critical).
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cityhub.model.entity import DEFAULT_VOCAB, Entity, value_of
from cityhub.model.jsonld import CORE

ALERT: Final = f"{DEFAULT_VOCAB}Alert"
Grade = Literal["red", "orange", "yellow", "blue"]
GRADES: Final[tuple[Grade, ...]] = ("red", "orange", "yellow", "blue")
"""The four national warning grades, the gravest first."""
SDM_SEVERITY: Final[dict[str, str]] = {"red": "critical", "orange": "high", "yellow": "medium", "blue": "low"}
CAP_SEVERITY: Final[dict[str, str]] = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
AlertState = Literal["open", "acknowledged", "suppressed", "closed"]
Outcome = Literal["", "true", "false", "ended"]
"""What came of a closed alert: somebody found it right, or false; or its condition ended before anybody looked."""


def iri(name: str) -> str:
    """The IRI of one of the alert's attributes: what its short name means without an @context.

    >>> iri("location")
    'https://uri.etsi.org/ngsi-ld/location'
    """
    return CORE.expand(name)


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """What an alert's entity says.

    Attributes:
        id: Of the entity.
        rule: Id of the rule.
        version: Of the rule, when the alert was raised or last changed.
        grade: How grave it is now.
        severity: The same in the words of the Smart Data Models.
        state: "open"; "acknowledged": somebody looks after it; "suppressed": kept quiet, see `suppressed_by`; "closed".
        outcome: Of a closed one.
        subject: Id of the entity that it is about, or "<attribute>=<value>" of a group.
        entities: Ids of the entities that it was worked out of.
        title: Of the rule, by language.
        description: Its reason in one sentence, by language.
        category: Of the Smart Data Models' alerts.
        event: What happens, by language.
        issued: When its condition became true, by the observations' own time (RFC 3339 UTC, as all times here).
        since: When the hub began to wait for somebody to look after it, by the hub's clock; "" while it is suppressed.
        cleared: When its condition ended, by the observations' own time; "" while it holds.
        acknowledged_at: When somebody took it; "".
        acknowledged_by: Who.
        closed_at: When it was closed; "".
        suppressed_by: {"kind": "maintenance" or "parent", "id", "title"}; None: it is not.
        reason: {"rule", "version", "title", "condition", "thresholds", "inputs", "note", "source"}.
        steps: {"step", "kind", "severity", "at", "position", "condition", "inputs"} of each, in their order.
        location: GeoJSON geometry; None: unknown.
        subject_name: What people call the subject; "": unknown.
    """

    id: str
    rule: str
    version: int
    grade: Grade
    severity: str
    state: AlertState
    outcome: Outcome
    subject: str
    entities: list[str]
    title: dict[str, str]
    description: dict[str, str]
    category: str
    event: dict[str, str]
    issued: str
    since: str
    cleared: str
    acknowledged_at: str
    acknowledged_by: str
    closed_at: str
    suppressed_by: dict[str, Any] | None
    reason: dict[str, Any]
    steps: list[dict[str, Any]]
    location: dict[str, Any] | None
    subject_name: str = ""


def read_alert(entity: Entity) -> Alert | None:
    """What an entity of type Alert says; None where it is no alert of this hub's rules."""
    if ALERT not in entity["type"]:
        return None
    values = {CORE.compact(name): value_of(instances[0]) for name, instances in entity["attrs"].items() if instances}
    text: Any = values.get
    if text("rule") is None or text("grade") not in GRADES:
        return None
    subject = text("subject") or text("subjectGroup") or ""
    return Alert(
        entity["id"], text("rule"), text("ruleVersion", 1), text("grade"), text("severity", ""), text("state", "open"),
        text("outcome") or "", subject, [one for one in text("entities") or [] if isinstance(one, str)], text("title") or {},
        text("description") or {}, text("category") or "", text("event") or {}, text("dateIssued") or "", text("since") or "",
        text("validTo") or "", text("acknowledgedAt") or "", text("acknowledgedBy") or "", text("closedAt") or "", text("suppressedBy"),
        text("reason") or {}, text("steps") or [], text("location"), text("subjectName") or "",
    )  # fmt: skip


def is_graver(grade: str, other: str) -> bool:
    """Whether a grade is graver than another.

    >>> is_graver("red", "blue")
    True
    """
    return GRADES.index(grade) < GRADES.index(other)


def reaches(grade: str, least: str) -> bool:
    """Whether a grade is as grave as another, or graver."""
    return not is_graver(least, grade)
