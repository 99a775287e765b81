"""Whether a CAP message is right: what the schema asks, and what the standard says in words beside it.

Source: CAP 1.2, clauses 3.2.1 to 3.2.4 and 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.names import is_language
from cityhub.rules.cap.message import Area, Info, Message, Resource
from cityhub.rules.cap.places import circle_of, polygon_points
from cityhub.rules.cap.times import moment_of

MOST_INFOS: Final = 20
MOST_AREAS: Final = 500
MOST_ITEMS: Final = 200
MOST_FEET: Final = 1e6
MOST_TEXT: Final = 20_000
"""Longest text of an element but for a polygon and a file, in characters."""
MOST_LONG: Final = 400_000
"""Longest polygon or file, in characters."""
_LONG: Final = frozenset(("polygon", "deref_uri"))
_NAME: Final = re.compile(r"[^\s,<&]{1,500}")
_UNFIT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)


def check_message(message: Message) -> None:
    """Raises BadRequestData for a message that is not right; names the element and what would be right."""
    _name(message.identifier, "identifier")
    _name(message.sender, "sender")
    sent = moment_of(message.sent, "sent")
    _check_references(message)
    _check_hearers(message)
    _bounded(len(message.info), MOST_INFOS, "info")
    for where, text in _texts(message, "alert"):
        _fits(text, where)
    for place, info in enumerate(message.info):
        _check_info(info, f"info[{place}]")
        if info.expires and message.msg_type != "Cancel" and moment_of(info.expires, "expires") <= sent:
            raise BadRequestData(f"'info[{place}].expires' must be later than 'sent', or nobody would show the message")


def _check_references(message: Message) -> None:
    if message.msg_type in ("Update", "Cancel", "Ack", "Error") and not message.references:
        raise BadRequestData(f"'references' must name the messages that are meant: 'msgType' is {message.msg_type}")
    if message.msg_type == "Error" and not message.note:
        raise BadRequestData("'note' must say why: 'msgType' is Error")
    _bounded(len(message.references), MOST_ITEMS, "references")
    for reference in message.references:
        _name(reference.sender, "references")
        _name(reference.identifier, "references")
        if moment_of(reference.sent, "references") > moment_of(message.sent, "sent"):
            raise BadRequestData(f"'references' names '{reference.identifier}', which was sent later than this message")
        if (reference.sender, reference.identifier) == (message.sender, message.identifier):
            raise BadRequestData("'references' must name earlier messages, not this one itself")


def _check_hearers(message: Message) -> None:
    if message.scope == "Restricted" and not message.restriction:
        raise BadRequestData("'restriction' must say to whom the message may go: 'scope' is Restricted")
    if message.restriction and message.scope != "Restricted":
        raise BadRequestData(f"'restriction' may stand only where 'scope' is Restricted; it is {message.scope}")
    if message.scope == "Private" and not message.addresses:
        raise BadRequestData("'addresses' must name the receivers: 'scope' is Private")
    for items, where in ((message.addresses, "addresses"), (message.incidents, "incidents"), (message.code, "code")):
        _bounded(len(items), MOST_ITEMS, where)
        if any(not item or '"' in item for item in items):
            raise BadRequestData(f"'{where}' must have items that are not empty and have no quotation mark")


def _check_info(info: Info, where: str) -> None:
    if info.language and (info.language == "@none" or not is_language(info.language)):
        raise BadRequestData(f"'{where}.language' must be a language tag such as zh-CN, not '{info.language[:30]}'")
    if not info.category:
        raise BadRequestData(f"'{where}.category' must have at least one item")
    if not info.event:
        raise BadRequestData(f"'{where}.event' must not be empty")
    times = {name: moment_of(text, f"{where}.{name}") for name in ("effective", "onset", "expires") if (text := getattr(info, name))}
    for earlier in ("effective", "onset"):
        if earlier in times and "expires" in times and times[earlier] >= times["expires"]:
            raise BadRequestData(f"'{where}.{earlier}' must be earlier than 'expires'")
    for items, name in ((info.event_code, "eventCode"), (info.parameter, "parameter"), (info.resource, "resource")):
        _bounded(len(items), MOST_ITEMS, f"{where}.{name}")
    _bounded(len(info.area), MOST_AREAS, f"{where}.area")
    for place, resource in enumerate(info.resource):
        _check_resource(resource, f"{where}.resource[{place}]")
    for place, area in enumerate(info.area):
        _check_area(area, f"{where}.area[{place}]")


def _check_resource(resource: Resource, where: str) -> None:
    if not resource.resource_desc or not resource.mime_type:
        raise BadRequestData(f"'{where}' must have 'resourceDesc' and 'mimeType'")
    if resource.size is not None and resource.size < 0:
        raise BadRequestData(f"'{where}.size' must be a number of bytes")
    if resource.digest and not _DIGEST.fullmatch(resource.digest):
        raise BadRequestData(f"'{where}.digest' must be a SHA-1 in 40 hexadecimal digits")


def _check_area(area: Area, where: str) -> None:
    if not area.area_desc:
        raise BadRequestData(f"'{where}.areaDesc' must not be empty")
    for items, name in ((area.polygon, "polygon"), (area.circle, "circle"), (area.geocode, "geocode")):
        _bounded(len(items), MOST_ITEMS, f"{where}.{name}")
    for text in area.polygon:
        polygon_points(text, f"{where}.polygon")
    for text in area.circle:
        circle_of(text, f"{where}.circle")
    for height, name in ((area.altitude, "altitude"), (area.ceiling, "ceiling")):
        if height is not None and not abs(height) <= MOST_FEET:
            raise BadRequestData(f"'{where}.{name}' must be a number of feet, at most {MOST_FEET:.0f}")
    if area.ceiling is not None and (area.altitude is None or area.ceiling < area.altitude):
        raise BadRequestData(f"'{where}.ceiling' needs an 'altitude' that is not above it")


def check_languages(infos: list[Info]) -> None:
    """Raises BadRequestData where blocks of one event in several languages say different things: who reads takes whichever is known.

    For messages of our own; others may use several blocks for several stages of an event.
    """
    if len({info.language for info in infos}) != len(infos):
        raise BadRequestData("'info' must have one block for each language")
    for info in infos[1:]:
        if _gist(info) != _gist(infos[0]):
            raise BadRequestData(f"'info' in {info.language} must have the same grades, times and places as that in {infos[0].language}")


def _gist(info: Info) -> tuple[object, ...]:
    places = tuple((tuple(area.polygon), tuple(area.circle)) for area in info.area)
    return tuple(info.category), info.urgency, info.severity, info.certainty, info.onset, info.expires, places


def _texts(value: object, where: str) -> Iterator[tuple[str, str]]:
    for name in getattr(value, "__struct_fields__", ()):
        item = getattr(value, name)
        for one in item if isinstance(item, list) else [item]:
            if isinstance(one, str):
                yield f"{where}.{name}", one
            else:
                yield from _texts(one, f"{where}.{name}")


def _fits(text: str, where: str) -> None:
    most = MOST_LONG if where.rpartition(".")[2] in _LONG else MOST_TEXT
    if len(text) > most:
        raise BadRequestData(f"'{where}' has {len(text)} characters; {most} are the most")
    if found := _UNFIT.search(text):
        raise BadRequestData(f"'{where}' has the character U+{ord(found[0]):04X}, which XML cannot have")


def _name(text: str, where: str) -> None:
    if not _NAME.fullmatch(text):
        raise BadRequestData(f"'{where}' is '{text[:100]}'; it must have 1 to 500 characters and no blank, comma, '<' or '&'")


def _bounded(count: int, most: int, where: str) -> None:
    if count > most:
        raise BadRequestData(f"'{where}' has {count} items; {most} are the most")
