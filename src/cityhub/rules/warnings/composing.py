"""The CAP message of a warning."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.checking import check_languages
from cityhub.rules.cap.message import Area, CapSeverity, Info, Message, NamedValue, Reference, Urgency
from cityhub.rules.cap.times import cap_time
from cityhub.rules.rule import Severity
from cityhub.rules.warnings.authority import Authority, Event
from cityhub.rules.warnings.warning import LANGUAGES, Content, Place, Warning

SEVERITY: Final[dict[Severity, CapSeverity]] = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
URGENCY: Final[dict[Severity, Urgency]] = {"red": "Immediate", "orange": "Immediate", "yellow": "Expected", "blue": "Future"}
COLOURS: Final[dict[Severity, dict[str, str]]] = {
    "red": {"zh": "红色", "en": "Red"}, "orange": {"zh": "橙色", "en": "Orange"},
    "yellow": {"zh": "黄色", "en": "Yellow"}, "blue": {"zh": "蓝色", "en": "Blue"},
}  # fmt: skip
ALL_CLEAR: Final = timedelta(hours=1)
"""So long an end is shown."""
EVENT_CODE: Final = "cityhub:event"
GRADE: Final = "cityhub:grade"
BULLETIN: Final = "cityhub:bulletin"


def compose(
    authority: Authority, warning: Warning, identifier: str, sent: datetime, references: list[Reference], *, cancels: bool = False
) -> Message:
    """The message, in Chinese and English.

    Args:
        authority: The district's list.
        warning: What it says.
        identifier: Of the message.
        sent: When it goes out.
        references: The messages that it updates or takes back.
        cancels: Whether it takes `warning` back, whatever that was.

    Raises:
        BadRequestData: It would not be a right message.
    """
    content, zone = warning.content, authority.zone
    kind = "Cancel" if cancels else warning.kind
    infos = [_info(authority, warning, language, sent, kind == "Cancel") for language in LANGUAGES]
    check_languages(infos)
    bulletin = content.bulletin
    return Message(
        identifier, authority.body(content.issuer).sender, cap_time(sent, zone), content.status, kind, content.scope,
        source=f"{bulletin.issuer} {bulletin.number}" if bulletin else "", restriction=content.restriction, addresses=content.addresses,
        note=content.note if content.status == "Exercise" else "", references=references,
        incidents=[warning.incident] if warning.incident else [], info=infos,
    )  # fmt: skip


def _info(authority: Authority, warning: Warning, language: str, sent: datetime, is_end: bool) -> Info:
    content, zone = warning.content, authority.zone
    event, body = authority.event(content.event), authority.body(content.issuer)
    return Info(
        list(event.category), event.names[language], "Past" if is_end else content.urgency or URGENCY[content.grade],
        "Minor" if is_end else SEVERITY[content.grade], content.certainty, LANGUAGES[language],
        ["AllClear"] if is_end else list(content.response), event_code=[NamedValue(EVENT_CODE, event.id)],
        effective=cap_time(sent, zone), onset=(not is_end and _time(content.onset, "onset", authority)) or cap_time(sent, zone),
        expires=cap_time(sent + ALL_CLEAR, zone) if is_end else _time(content.expires, "expires", authority),
        sender_name=body.names[language],
        headline=_headline(content, event, language, is_end), description=content.description.get(language, ""),
        instruction="" if is_end else content.instruction.get(language, ""), web=content.bulletin.web if content.bulletin else body.web,
        contact=body.contact, parameter=_parameters(content), area=[_area(place, language, authority.geocode) for place in warning.places],
    )  # fmt: skip


def _headline(content: Content, event: Event, language: str, is_end: bool) -> str:
    if not is_end:
        return content.headline[language]
    colour = COLOURS[content.grade][language]
    return f"解除{event.names[language]}{colour}预警" if language == "zh" else f"{event.names[language]} {colour.lower()} warning lifted"


def _parameters(content: Content) -> list[NamedValue]:
    found = [NamedValue(GRADE, content.grade)]
    if content.bulletin is not None:
        found.append(NamedValue(BULLETIN, f"{content.bulletin.issuer} {content.bulletin.number} {content.bulletin.issued_at}"))
    return found


def _area(place: Place, language: str, codes: str) -> Area:
    geocode = [NamedValue(codes, place.code)] if place.code and codes else []
    name = place.names.get(language) or place.names.get("zh") or next(iter(place.names.values()), "")
    return Area(name, list(place.polygons), list(place.circles), geocode)


def _time(text: str, where: str, authority: Authority) -> str:
    return cap_time(moment(text, where), authority.zone) if text else ""


def moment(text: str, where: str) -> datetime:
    """A time with an offset or "Z". Raises BadRequestData."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequestData(f"'{where}' is '{text[:50]}'; right would be a time with its zone such as 2026-07-01T08:00:00+08:00")
    return found
