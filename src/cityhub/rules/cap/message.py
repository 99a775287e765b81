"""A CAP message as it stands in the standard: the same elements in the same order, each with its own word.

Optional texts are "" when they are absent, repeated elements are lists. Whether a message is right is said by `checking`.

Source: OASIS Common Alerting Protocol Version 1.2 (1 July 2010), clause 3.2.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MessageType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
Scope = Literal["Public", "Restricted", "Private"]
Category = Literal["Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"]
ResponseType = Literal["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
CapSeverity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]


class Reference(msgspec.Struct, frozen=True):
    """An earlier message: its sender, its identifier, and its time as it was written there."""

    sender: str
    identifier: str
    sent: str


class NamedValue(msgspec.Struct, frozen=True, rename="camel"):
    """A value in a list of codes (or a parameter) that `value_name` names."""

    value_name: str
    value: str


class Resource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A file that goes with the warning. `size` in bytes; `digest` is the SHA-1 of the file; `deref_uri` the file itself in Base64."""

    resource_desc: str
    mime_type: str
    size: int | None = None
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


class Area(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of what is affected.

    Attributes:
        area_desc: Its name.
        polygon: Each "lat,lon lat,lon ...": at least four points in degrees (WGS 84), the last the same as the first.
        circle: Each "lat,lon radius", the radius in kilometres.
        geocode: Codes of the area.
        altitude: Feet above mean sea level: the height, or the lower end of a range when there is a `ceiling`.
        ceiling: Feet above mean sea level: the upper end.
    """

    area_desc: str
    polygon: list[str] = []
    circle: list[str] = []
    geocode: list[NamedValue] = []
    altitude: float | None = None
    ceiling: float | None = None


class Info(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is to be said, in one language. Times are texts such as "2026-07-01T08:00:00+08:00"."""

    category: list[Category]
    event: str
    urgency: Urgency
    severity: CapSeverity
    certainty: Certainty
    language: str = ""
    response_type: list[ResponseType] = []
    audience: str = ""
    event_code: list[NamedValue] = []
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameter: list[NamedValue] = []
    resource: list[Resource] = []
    area: list[Area] = []


class Message(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A CAP message ("alert").

    Attributes:
        identifier: Of this message among those of its sender; no blanks, no commas, neither "<" nor "&".
        sender: Whoever says it, in the same characters; often an internet name.
        sent: When, with seconds and the offset of its zone; of UTC that is "-00:00".
        status: Whether it is meant, or an exercise or a test.
        msg_type: Whether it is the first, or changes or takes back others (`references`).
        scope: Whom it is for.
        source: What it was made from.
        restriction: To whom a restricted one may go.
        addresses: To whom a private one goes.
        code: Marks by which receivers know how to treat it.
        note: Why, of an exercise or an error.
        references: The messages that it follows.
        incidents: Names of the incidents that it is about.
        info: The same in each language.
    """

    identifier: str
    sender: str
    sent: str
    status: Status
    msg_type: MessageType
    scope: Scope
    source: str = ""
    restriction: str = ""
    addresses: list[str] = []
    code: list[str] = []
    note: str = ""
    references: list[Reference] = []
    incidents: list[str] = []
    info: list[Info] = []

    @property
    def reference(self) -> Reference:
        """How other messages refer to this one."""
        return Reference(self.sender, self.identifier, self.sent)


ORDER: Final[dict[type[msgspec.Struct], tuple[str, ...]]] = {
    Message: (
        "identifier", "sender", "sent", "status", "msg_type", "source", "scope", "restriction", "addresses", "code", "note",
        "references", "incidents", "info",
    ),
    Info: (
        "language", "category", "event", "response_type", "urgency", "severity", "certainty", "audience", "event_code", "effective",
        "onset", "expires", "sender_name", "headline", "description", "instruction", "web", "contact", "parameter", "resource", "area",
    ),
    Area: ("area_desc", "polygon", "circle", "geocode", "altitude", "ceiling"),
    Resource: ("resource_desc", "mime_type", "size", "uri", "deref_uri", "digest"),
    NamedValue: ("value_name", "value"),
}  # fmt: skip
"""The elements of each part in the order in which they must stand."""
