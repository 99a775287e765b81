"""A warning, from its draft to its end."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.message import Certainty, MessageType, ResponseType, Scope, Urgency
from cityhub.rules.rule import Severity

WARNINGS: Final = "warning"
"""The collection of warnings."""
MESSAGES: Final = "warning_message"
"""The collection of the signed CAP messages of released warnings; the id is the message's identifier. They never change."""

State = Literal["draft", "released", "updated", "cancelled", "expired", "rejected"]
"""A draft is released or rejected; what was released is updated by a later one, cancelled, or expires."""
LANGUAGES: Final[dict[str, str]] = {"zh": "zh-CN", "en": "en"}
"""The languages of a warning, and their tags in CAP."""
Texts = dict[str, str]
"""By language: "zh" and "en"."""
RULE: Final = "rule:"
"""How the id of an author begins who is a rule and nobody."""


class Bulletin(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """The bulletin of another body that a warning passes on.

    Attributes:
        issuer: Name of the body, as the district's list has it.
        number: How the body names it.
        issued_at: When it was issued, RFC 3339.
        web: Where it can be read; "".
    """

    issuer: str
    number: str
    issued_at: str
    web: str = ""


class Where(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What is affected.

    Attributes:
        entities: Ids of townships or other entities with a place.
        geometry: GeoJSON, for what is no entity; empty: none.
        names: Of the geometry, by language.
        buffer_m: So far around it.
    """

    entities: list[str] = []
    geometry: dict[str, Any] = {}
    names: Texts = {}
    buffer_m: float = 0.0


class Content(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What a warning says.

    Attributes:
        event: Id of the event in the district's list.
        grade: How grave it is.
        issuer: Id of the body that issues it.
        where: What is affected.
        headline, description, instruction: By language; both must be there in a headline.
        scope: "Public", or only for agencies.
        restriction: To whom a restricted one may go.
        addresses: To whom a private one goes.
        status: "Actual", or an exercise or test.
        onset: When it begins, RFC 3339; "": now.
        expires: Until when it holds, RFC 3339.
        certainty, urgency: As CAP has them; urgency "": as the grade says.
        response: What people should do, in CAP's words.
        bulletin: The other body's bulletin that it passes on; None: it is the issuer's own.
        note: For who works on it; goes into the message of an exercise only.
    """

    event: str
    grade: Severity
    issuer: str
    where: Where
    headline: Texts
    description: Texts = {}
    instruction: Texts = {}
    scope: Scope = "Public"
    restriction: str = ""
    addresses: list[str] = []
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    onset: str = ""
    expires: str = ""
    certainty: Certainty = "Likely"
    urgency: Urgency | Literal[""] = ""
    response: list[ResponseType] = []
    bulletin: Bulletin | None = None
    note: str = ""


class Step(msgspec.Struct, frozen=True):
    """What somebody did with a warning, when (RFC 3339 UTC), and why."""

    at: str
    by: str
    what: str
    why: str = ""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of what is affected: its names, its CAP polygons and circles, its code in the district's list; `approximate`: why, or ""."""

    names: Texts
    polygons: list[str] = []
    circles: list[str] = []
    code: str = ""
    entity: str = ""
    approximate: str = ""


class Warning(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A warning as it is kept.

    Attributes:
        id: Letters and digits.
        state: Where it stands.
        kind: Of its message: the first, an update, or the taking back of `follows`.
        content: What it says.
        places: Where, worked out when it was drafted.
        impact: What lies there; see `impact`.
        authors: Who wrote it: people's ids, and "rule:<id>".
        steps: Everything that was done with it.
        alert: Id of the alert that it was drafted for; "".
        incident: Name of the incident, the same for all warnings about it.
        follows: Id of the warning that it updates or takes back; "".
        followed_by: Id of the warning that has updated this one; "".
        identifier: Of its CAP message; "" before it is released.
        sender: Of that message.
        sent: When that was sent, as it stands in it.
        cancelled_by: Identifier of the message that took it back; "".
        version: Counted with each change.
    """

    id: str
    state: State
    kind: MessageType
    content: Content
    places: list[Place]
    impact: dict[str, Any]
    authors: list[str]
    steps: list[Step]
    alert: str = ""
    incident: str = ""
    follows: str = ""
    followed_by: str = ""
    identifier: str = ""
    sender: str = ""
    sent: str = ""
    cancelled_by: str = ""
    version: int = 1


def content_of(value: Any) -> Content:
    """What a warning says, from JSON values. Raises BadRequestData naming the member that is wrong."""
    try:
        return msgspec.convert(value, Content)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The warning is not as it should be: {error}") from None


def warning_of(document: dict[str, Any]) -> Warning:
    """A warning from its record."""
    return msgspec.convert(document, Warning)


def id_for(*parts: str) -> str:
    """The id of a warning that is about something: the same for the same.

    >>> id_for("urn:ngsi-ld:Alert:1") == id_for("urn:ngsi-ld:Alert:1") != id_for("urn:ngsi-ld:Alert:2")
    True
    """
    return "w" + blake2b("\0".join(parts).encode(), digest_size=10).hexdigest()
