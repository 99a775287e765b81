"""From query parameters to a view: what of the found entities is shown, and in which representation.

Source: GS CIM 009 V1.9.1, clauses 6.3.7, 6.3.11, 6.3.15, 4.15, 4.21 and tables 6.4.3.2-1, 6.5.3.1-1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.view import NORMALIZED, Format, View, check_projections, parse_projection
from cityhub.web.negotiation import GEO_JSON, flag, option_set

PARAMETERS: Final = frozenset((
    "options", "format", "attrs", "pick", "omit", "lang", "geometryProperty", "datasetId", "join", "joinLevel", "containedBy",
))  # fmt: skip
FORMATS: Final = {"normalized": "normalized", "concise": "concise", "simplified": "simplified", "keyValues": "simplified"}
OPTIONS: Final = frozenset((*FORMATS, "sysAttrs"))
MAX_JOIN_LEVEL: Final = 8
_TEXTS: Final = ("lang", "join", "geometryProperty")
_LISTS: Final = ("attrs", "pick", "omit", "datasetId", "containedBy")


def view_of(query: dict[str, str], terms: TermMap, media: str) -> View:
    """The view that the parameters ask for. Raises BadRequestData or InvalidRequest for parameters that contradict."""
    if query.keys().isdisjoint(PARAMETERS):
        return NORMALIZED
    options = option_set(query, OPTIONS)
    if "geometryProperty" in query and media != GEO_JSON:
        raise BadRequestData("'geometryProperty' is only possible with Accept: application/geo+json")
    pick = parse_projection(query["pick"], terms, "pick") if "pick" in query else None
    omit = parse_projection(query["omit"], terms, "omit") if "omit" in query else None
    geometry = query.get("geometryProperty")
    attributes = attributes_of(query, terms)
    levels = join_level(query)
    check_projections(pick, omit, attributes, levels)
    return View(
        format=_format(query, options),
        sys_attrs="sysAttrs" in options,
        languages=parse_languages(query["lang"]) if "lang" in query else (),
        pick=pick,
        omit=omit,
        attrs=attributes,
        dataset_ids=dataset_ids(query),
        geometry_property=terms.expand(geometry) if geometry else NORMALIZED.geometry_property,
        join_level=levels if query.get("join") == "inline" else 0,
    )


def _format(query: dict[str, str], options: frozenset[str]) -> Format:
    # The "format" parameter, new in 1.7, wins over the older options.
    named = query.get("format")
    if named is not None:
        if named not in FORMATS:
            raise InvalidRequest(f"'format' must be one of {', '.join(sorted(FORMATS))}, not '{named[:50]}'")
        return cast(Format, FORMATS[named])
    asked = {FORMATS[option] for option in options if option in FORMATS}
    if "simplified" in asked:
        return "simplified"
    return "concise" if "concise" in asked else "normalized"


def attributes_of(query: dict[str, str], terms: TermMap) -> frozenset[str] | None:
    """The attributes (IRIs) of the `attrs` parameter; None when it is absent. Raises BadRequestData for an empty name."""
    text = query.get("attrs")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise BadRequestData("'attrs' must be attribute names with ',' between them")
    return frozenset(terms.expand_name(name) for name in names)


def dataset_ids(query: dict[str, str]) -> frozenset[str] | None:
    """The datasets of the `datasetId` parameter, the default one as "@none"; None when it is absent. Raises BadRequestData."""
    text = query.get("datasetId")
    if text is None:
        return None
    ids = frozenset(part.strip() for part in text.split(","))
    for id in ids:
        if id != "@none" and not is_uri(id):
            raise BadRequestData(f"'datasetId' must be URIs or @none, not '{id[:200]}'")
    return ids


def join_level(query: dict[str, str]) -> int:
    """How many levels of linked entities are retrieved; 0 without join. Raises BadRequestData."""
    join = query.get("join")
    if join not in (None, "flat", "inline", "@none"):
        raise BadRequestData(f"'join' must be flat, inline or @none, not '{str(join)[:50]}'")
    text = query.get("joinLevel")
    if text is not None:
        if join not in ("flat", "inline"):
            raise BadRequestData("'joinLevel' is only possible with join=flat or join=inline")
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:4])):
            raise BadRequestData(f"'joinLevel' must be a number from 1, not '{text[:50]}'")
        if int(text[:9]) > MAX_JOIN_LEVEL:
            raise BadRequestData(f"'joinLevel' may be at most {MAX_JOIN_LEVEL}")
    return int(text or 1) if join in ("flat", "inline") else 0


def is_local(query: dict[str, str]) -> bool:
    """Whether the caller wants this broker's own data only."""
    return flag(query, "local")


def as_parameters(document: dict[str, Any]) -> dict[str, str]:
    """The members of a Query document that shape the answer, as the URL parameters they correspond to (5.2.23)."""
    parameters: dict[str, str] = {}
    for name in _TEXTS:
        _take(document, name, parameters, lambda value: value if isinstance(value, str) else None)
    for name in _LISTS:
        _take(document, name, parameters, _joined)
    _take(document, "joinLevel", parameters, lambda value: str(value) if type(value) is int else None)
    return parameters


def _take(document: dict[str, Any], name: str, parameters: dict[str, str], read: Callable[[Any], str | None]) -> None:
    if name not in document:
        return
    text = read(document[name])
    if text is None:
        raise BadRequestData(f"'{name}' of the query is not of the kind that it must be")
    parameters[name] = text


def _joined(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return None
