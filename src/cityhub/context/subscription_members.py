"""The members of a Subscription one by one: how each is read, and how it is shown again.

Source: GS CIM 009 V1.9.1, tables 5.2.12-1, 5.2.13-1, 5.2.21-1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from cityhub.context.subscription_endpoint import flag_of, names_of, one_of, positive, read_notification
from cityhub.context.subscription_names import compact_members, compact_types, expand_types
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import query_from_subscription
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.selector import read_selector

TRIGGERS: Final = (
    "entityCreated", "entityUpdated", "entityDeleted", "attributeCreated", "attributeUpdated", "attributeDeleted",
)  # fmt: skip
MAX_TEXT: Final = 10_000
"""Longest text of a member, in characters."""
_TIME_RELATIONS: Final = ("before", "after", "between")
_TIME_PROPERTIES: Final = ("observedAt", "createdAt", "modifiedAt", "deletedAt")
_VERSION: Final = re.compile(r"\d{1,3}\.\d{1,3}")

KEYWORDS: Final = {"@id": "id", "@type": "type"}
MemberReader = Callable[[Any, str, TermMap], Any]
"""Gives the stored form of a member (value, name, @context). Raises BadRequestData, TooComplexQuery."""


def _text(value: Any, where: str, _terms: TermMap) -> str:
    if type(value) is not str or not value or len(value) > MAX_TEXT:
        raise BadRequestData(f"'{where}' must be a text of 1 to {MAX_TEXT} characters")
    return value


def _entities(value: Any, where: str, terms: TermMap) -> list[dict[str, Any]]:
    if type(value) is not list or not value or len(value) > 1_000:
        raise BadRequestData(f"'{where}' must be a list of at most 1000 selectors, not empty")
    out = []
    for item in value:
        read_selector(item, terms, where)
        selector = {KEYWORDS.get(name, name): part for name, part in item.items()}
        selector["type"] = expand_types(selector["type"], terms)
        read_selector(selector, CORE, where)
        out.append(selector)
    return out


def _attributes(value: Any, where: str, terms: TermMap) -> list[str]:
    return [terms.expand_name(name) for name in names_of(value, where)]


def _triggers(value: Any, where: str, _terms: TermMap) -> list[str]:
    return [one_of(name, where, TRIGGERS) for name in names_of(value, where)]


def _datasets(value: Any, where: str, _terms: TermMap) -> list[str]:
    ids = names_of([value] if type(value) is str else value, where)
    for id in ids:
        if id != "@none" and not is_uri(id):
            raise BadRequestData(f"'{where}' must be a list of URIs or '@none', not {id!r:.200}")
    return ids


def _geo(value: Any, where: str, terms: TermMap) -> dict[str, Any]:
    query_from_subscription({"geoQ": value}, terms)
    out = {name: item for name, item in value.items() if name not in ("type", "@type")}
    if out.get("geoproperty") is not None:
        out["geoproperty"] = terms.expand_name(out["geoproperty"])
    return out


def _scope(value: Any, where: str, terms: TermMap) -> str:
    query_from_subscription({"scopeQ": value}, terms)
    return str(value)


def _temporal(value: Any, where: str, _terms: TermMap) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadRequestData(f"'{where}' must be an object with 'timerel' and 'timeAt'")
    out = {"timerel": one_of(value.get("timerel"), f"{where}.timerel", _TIME_RELATIONS)}
    for name in ("timeAt", "endTimeAt") if out["timerel"] == "between" else ("timeAt",):
        moment.read(value.get(name), f"{where}.{name}")
        out[name] = value[name]
    if "timeproperty" in value:
        out["timeproperty"] = one_of(value["timeproperty"], f"{where}.timeproperty", _TIME_PROPERTIES)
    return out


def _languages(value: Any, where: str, terms: TermMap) -> str:
    parse_languages(_text(value, where, terms))
    return str(value)


def _name_list(value: Any, where: str, terms: TermMap) -> str:
    """A comma-separated list of names (a list of texts is as good), with the names as they were given."""
    return _text(",".join(names_of(value, where)) if type(value) is list else value, where, terms)


def _uri(value: Any, where: str, terms: TermMap) -> str:
    if not is_uri(value):
        raise BadRequestData(f"'{where}' must be a URI that can be dereferenced, not {value!r:.200}")
    return str(value)


def _version(value: Any, where: str, _terms: TermMap) -> str:
    if type(value) is not str or _VERSION.fullmatch(value) is None:
        raise BadRequestData(f"'{where}' must be a version such as '1.8', not {value!r:.50}")
    return value


READERS: Final[dict[str, MemberReader]] = {
    "subscriptionName": _text,
    "description": _text,
    "entities": _entities,
    "watchedAttributes": _attributes,
    "notificationTrigger": _triggers,
    "timeInterval": lambda value, where, terms: positive(value, where),
    "throttling": lambda value, where, terms: positive(value, where),
    "q": _text,
    "csf": _text,
    "geoQ": _geo,
    "scopeQ": _scope,
    "temporalQ": _temporal,
    "lang": _languages,
    "expandValues": _name_list,
    "jsonKeys": _name_list,
    "datasetId": _datasets,
    "isActive": lambda value, where, terms: flag_of(value, where),
    "expiresAt": lambda value, where, terms: moment.read(value, where),
    "localOnly": lambda value, where, terms: flag_of(value, where),
    "splitEntities": lambda value, where, terms: flag_of(value, where),
    "jsonldContext": _uri,
    "ngsildConformance": _version,
    "notification": lambda value, where, terms: read_notification(value, terms),
}


def _show_entities(value: list[dict[str, Any]], terms: TermMap) -> list[dict[str, Any]]:
    return [{**selector, "type": compact_types(selector["type"], terms)} for selector in value]


def _show_geo(value: dict[str, Any], terms: TermMap) -> dict[str, Any]:
    return {name: terms.compact(item) if name == "geoproperty" else item for name, item in value.items()}


def _show_notification(value: dict[str, Any], terms: TermMap) -> dict[str, Any]:
    out = dict(value)
    if "attributes" in out:
        out["attributes"] = [terms.compact(name) for name in out["attributes"]]
    for name in ("pick", "omit"):
        if name in out:
            out[name] = [compact_members(text, terms) for text in out[name]]
    return out


SHOWERS: Final[dict[str, Callable[[Any, TermMap], Any]]] = {
    "entities": _show_entities,
    "watchedAttributes": lambda value, terms: [terms.compact(name) for name in value],
    "geoQ": _show_geo,
    "notification": _show_notification,
    "expiresAt": lambda value, terms: moment.show(value),
}
