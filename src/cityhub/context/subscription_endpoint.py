"""How and to whom notifications go: the "notification" member of a Subscription.

Source: GS CIM 009 V1.9.1, clauses 5.2.14, 5.2.15, 5.2.22, 6.3.8 and 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cityhub.context.subscription_names import expand_members
from cityhub.model.entity import NULL
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.view import parse_projection
from cityhub.web.views import MAX_JOIN_LEVEL

MEDIA: Final = ("application/json", "application/ld+json", "application/geo+json")
FORMATS: Final = ("normalized", "concise", "simplified", "keyValues")
SIMPLIFIED: Final = ("simplified", "keyValues")
SCHEMES: Final = ("http", "https", "mqtt", "mqtts")
MAX_NAMES: Final = 1_000
MAX_PAIRS: Final = 50
MAX_PAIR: Final = 8_192
"""Longest value of a pair in receiverInfo or notifierInfo, in characters."""
NOTIFIER: Final = {"MQTT-QoS": ("0", "1", "2"), "MQTT-Version": ("mqtt3.1.1", "mqtt5.0")}
_OWN_HEADERS: Final = frozenset(
    ("content-length", "transfer-encoding", "host", "date", "connection", "keep-alive", "upgrade", "te", "trailer", "expect")
)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WHERE: Final = "notification"


def read_notification(value: Any, terms: TermMap) -> dict[str, Any]:
    """The "notification" member in its stored form: names as IRIs, without what only the hub writes.

    Raises BadRequestData naming the member that is not as it must be.
    """
    if type(value) is not dict:
        raise BadRequestData("'notification' must be an object with an 'endpoint'")
    out: dict[str, Any] = {}
    for name, item in value.items():
        read = _MEMBERS.get(name)
        if read is not None and item is not None:
            out[name] = read(item, f"{_WHERE}.{name}", terms)
    if "endpoint" not in out:
        raise BadRequestData("'notification.endpoint' must be there: an object with a 'uri'")
    _check_together(out)
    return out


def _check_together(params: dict[str, Any]) -> None:
    if params.get("showChanges") and params.get("format") in SIMPLIFIED:
        raise BadRequestData("'notification.showChanges' must not be true with the format 'keyValues' or 'simplified'")
    if "attributes" in params and ("pick" in params or "omit" in params):
        raise BadRequestData("'notification.attributes' must not stand beside 'pick' or 'omit'")
    both = set(params.get("pick", ())) & set(params.get("omit", ()))
    if both:
        raise BadRequestData(f"'notification.pick' and 'notification.omit' must not name the same member ('{min(both)}')")
    if "joinLevel" in params and params.get("join") not in ("flat", "inline"):
        raise BadRequestData("'notification.joinLevel' is only possible with join 'flat' or 'inline'")


def names_of(value: Any, where: str) -> list[str]:
    """A list of texts. Raises BadRequestData when it is none, empty, or too long."""
    if type(value) is not list or not value or len(value) > MAX_NAMES or not all(type(item) is str and item for item in value):
        raise BadRequestData(f"'{where}' must be a list of at most {MAX_NAMES} texts, not empty")
    return list(dict.fromkeys(value))


def positive(value: Any, where: str) -> float:
    """A number above zero. Raises BadRequestData."""
    if type(value) not in (int, float) or not 0 < value < 1e12:
        raise BadRequestData(f"'{where}' must be a number greater than 0, not {value!r:.50}")
    number: float = value
    return number


def flag_of(value: Any, where: str) -> bool:
    """A boolean. Raises BadRequestData."""
    if type(value) is not bool:
        raise BadRequestData(f"'{where}' must be true or false, not {value!r:.50}")
    return value


def one_of(value: Any, where: str, choices: tuple[str, ...]) -> str:
    """One of the choices. Raises BadRequestData."""
    if type(value) is not str or value not in choices:
        raise BadRequestData(f"'{where}' must be one of {', '.join(choices)}, not {value!r:.100}")
    return value


def _attributes(value: Any, where: str, terms: TermMap) -> list[str]:
    return [terms.expand_name(name) for name in names_of(value, where)]


def _projection(value: Any, where: str, terms: TermMap) -> list[str]:
    expanded = [expand_members(text, terms) for text in names_of(value, where)]
    parse_projection(",".join(expanded), terms, where)
    return expanded


def _join_level(value: Any, where: str, _terms: TermMap) -> int:
    if type(value) is not int or not 1 <= value <= MAX_JOIN_LEVEL:
        raise BadRequestData(f"'{where}' must be a number from 1 to {MAX_JOIN_LEVEL}, not {value!r:.50}")
    return value


def _endpoint(value: Any, where: str, _terms: TermMap) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadRequestData(f"'{where}' must be an object with a 'uri'")
    out: dict[str, Any] = {}
    for name, item in value.items():
        read = _ENDPOINT_MEMBERS.get(name)
        if read is not None and item is not None:
            out[name] = read(item, f"{where}.{name}")
    if "uri" not in out:
        raise BadRequestData(f"'{where}.uri' must be there: whom to notify")
    _check_headers(out, where)
    return out


def _uri(value: Any, where: str) -> str:
    try:
        parts = urlsplit(value) if type(value) is str and len(value) <= 2048 else None
        valid = parts is not None and parts.scheme.lower() in SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or any(letter <= " " or letter == "\x7f" for letter in value):
        raise BadRequestData(f"'{where}' must be an http, https, mqtt or mqtts URI, not {value!r:.200}")
    if value.lower().startswith("mqtt"):
        topic = unquote(value.partition("://")[2].partition("/")[2])
        if not topic or any(letter in "+#\0" for letter in topic):
            raise BadRequestData(f"'{where}' must name a topic without wildcards, as in 'mqtt://broker.example/topic'")
    uri: str = value
    return uri


def _pairs(value: Any, where: str) -> list[dict[str, str]]:
    if type(value) is not list or len(value) > MAX_PAIRS:
        raise BadRequestData(f"'{where}' must be a list of at most {MAX_PAIRS} objects with 'key' and 'value'")
    for pair in value:
        if type(pair) is not dict or type(pair.get("key")) is not str or type(pair.get("value")) is not str or not pair["key"]:
            raise BadRequestData(f"'{where}' must have objects with 'key' and 'value', both texts")
        if len(pair["key"]) > MAX_PAIR or len(pair["value"]) > MAX_PAIR:
            raise BadRequestData(f"'{where}' may have texts of at most {MAX_PAIR} characters")
    return [{"key": pair["key"], "value": pair["value"]} for pair in value]


def _notifier(value: Any, where: str) -> list[dict[str, str]]:
    pairs = _pairs(value, where)
    for pair in pairs:
        choices = NOTIFIER.get(pair["key"])
        if choices is not None:
            one_of(pair["value"], f"{where} {pair['key']}", choices)
    return pairs


def _check_headers(endpoint: dict[str, Any], where: str) -> None:
    """What goes out as HTTP headers must be such, and must not be what the hub itself has to say."""
    if endpoint["uri"].lower().startswith("mqtt"):
        return
    for pair in endpoint.get("receiverInfo", ()):
        name, value = pair["key"], pair["value"]
        if _TOKEN.fullmatch(name) is None or any((letter < " " and letter != "\t") or letter == "\x7f" for letter in value):
            raise BadRequestData(f"'{where}.receiverInfo' has {name!r:.100}, which is not an HTTP header with a value of one line")
        if name.lower() in _OWN_HEADERS:
            raise BadRequestData(f"'{where}.receiverInfo' must not have the header '{name}', which the hub sets itself")
        if name.lower() == "content-type" and value != endpoint.get("accept", MEDIA[0]):
            raise BadRequestData(f"'{where}.receiverInfo' must not have another Content-Type than 'accept' says")


_ENDPOINT_MEMBERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "uri": _uri,
    "accept": lambda value, where: one_of(value, where, MEDIA),
    "timeout": positive,
    "cooldown": positive,
    "receiverInfo": _pairs,
    "notifierInfo": _notifier,
}

_MEMBERS: Final[dict[str, Callable[[Any, str, TermMap], Any]]] = {
    "attributes": _attributes,
    "pick": _projection,
    "omit": _projection,
    "format": lambda value, where, terms: one_of(value, where, FORMATS),
    "sysAttrs": lambda value, where, terms: flag_of(value, where),
    "showChanges": lambda value, where, terms: flag_of(value, where),
    "join": lambda value, where, terms: one_of(value, where, ("flat", "inline", "@none")),
    "joinLevel": _join_level,
    "endpoint": _endpoint,
}


def is_null(value: Any) -> bool:
    """Whether a member of a fragment asks for its removal: the JSON null or the NGSI-LD Null."""
    return value is None or value == NULL
