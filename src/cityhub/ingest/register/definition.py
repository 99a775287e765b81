"""A feed's definition from a document, checked as far as that needs no library of a protocol; the gateway checks the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import orjson
import yaml

from cityhub.ingest.feed import AttributeMapping, Check, EntityMapping, Feed, read_feed
from cityhub.ingest.mapping import compile_mapping
from cityhub.ingest.quality import checks_of
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import check_name
from cityhub.model.ngsild.geometry import read_geometry

MOST_BYTES: Final = 256 * 1024
"""Largest document of a feed."""
MOST_EXPRESSION: Final = 10_000
"""Longest expression, in characters."""
MOST_ENTITIES: Final = 100
MOST_ATTRIBUTES: Final = 500
MOST_NESTING: Final = 50
RESERVED: Final = frozenset(("protocols", "formats", "trial"))
_SECRET: Final = re.compile(r"(?i)(^|[_-])(password|passphrase|secret|token|credential|authorization|api_?key|private_?key_?data)$")
_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_USER_IN_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@:]*:[^/\s@]+@")
_TENANT: Final = re.compile(r"[A-Za-z0-9_]{0,256}")


def read_definition(content: bytes) -> Feed:
    """A feed from YAML or JSON that has been checked. Raises BadRequestData naming the member that is wrong."""
    if len(content) > MOST_BYTES:
        raise BadRequestData(f"A feed may have at most {MOST_BYTES} bytes; this one has {len(content)}")
    if content.lstrip()[:1] == b"{":
        with suppress(orjson.JSONDecodeError):
            return definition_of(orjson.loads(content))
    _check_yaml(content)
    feed = read_feed(content)
    check_definition(feed)
    return feed


def definition_of(value: Any) -> Feed:
    """A feed from JSON values that has been checked. Raises BadRequestData naming the member that is wrong."""
    try:
        feed = msgspec.convert(value, Feed)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The feed is not as it should be: {error}") from None
    check_definition(feed)
    return feed


def check_definition(feed: Feed) -> None:
    """Raises BadRequestData for a feed that cannot be right, whatever its protocol; names the member and says what would be right."""
    if feed.id in RESERVED:
        raise BadRequestData(f"'id' may not be '{feed.id}': that address is taken")
    if not feed.protocol:
        raise BadRequestData("'protocol' must name a protocol, such as \"mqtt\"")
    if not _TENANT.fullmatch(feed.tenant):
        raise BadRequestData("'tenant' must be letters, digits and '_'")
    if feed.context and not re.fullmatch(r"https?://\S+", feed.context):
        raise BadRequestData("'context' must be the http(s) address of an @context, or empty for that of the district")
    _at_least(feed.skew_s, 0, "skew_s")
    _at_least(feed.interval_s, 0, "interval_s")
    _no_secrets(feed.source, "source")
    _no_secrets(feed.decoder, "decoder")
    _expression(feed.records, "records")
    if len(feed.entities) > MOST_ENTITIES:
        raise BadRequestData(f"'entities' may have at most {MOST_ENTITIES} items, not {len(feed.entities)}")
    for place, entity in enumerate(feed.entities):
        _check_entity(entity, f"entities[{place}]")
    for name, check in feed.checks.items():
        _check_check(check, f"checks.{name}")
    compile_mapping(feed, _some_iri)
    checks_of(feed, _some_iri)


def _some_iri(name: str) -> str:
    """Stands for what the feed's @context makes of a name, which only the gateway needs."""
    check_name(name)
    return f"urn:name:{name}"


def _check_yaml(content: bytes) -> None:
    """Refuses what grows when it is read: references inside the document, and documents that are nested too deep."""
    depth = 0
    try:
        for event in yaml.parse(content, yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise BadRequestData("A feed in YAML may not refer to other parts of itself ('*name'); write them out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_NESTING:
                raise BadRequestData(f"A feed may be nested at most {MOST_NESTING} deep")
    except yaml.YAMLError as error:
        raise BadRequestData(f"The feed must be YAML or JSON: {str(error)[:300]}") from None


def _check_entity(entity: EntityMapping, where: str) -> None:
    check_name(entity.type)
    _expression(entity.id, f"{where}.id", needed=True)
    _expression(entity.when, f"{where}.when")
    _expression(entity.observed_at, f"{where}.observed_at")
    try:
        ZoneInfo(entity.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequestData(f"'{where}.time_zone' must be a zone of the tz database such as Asia/Shanghai") from None
    if entity.within is not None:
        if entity.within.get("type") not in ("Polygon", "MultiPolygon"):
            raise BadRequestData(f"'{where}.within' must be a GeoJSON Polygon or MultiPolygon")
        read_geometry(entity.within, f"{where}.within")
    if len(entity.attributes) > MOST_ATTRIBUTES:
        raise BadRequestData(f"'{where}.attributes' may have at most {MOST_ATTRIBUTES} members, not {len(entity.attributes)}")
    for name, attribute in entity.attributes.items():
        check_name(name)
        _check_attribute(attribute, f"{where}.attributes.{name}")


def _check_attribute(attribute: AttributeMapping, where: str) -> None:
    _expression(attribute.value, f"{where}.value", needed=True)
    _expression(attribute.observed_at, f"{where}.observed_at")
    _expression(attribute.dataset, f"{where}.dataset")
    if attribute.to and not attribute.unit:
        raise BadRequestData(f"'{where}.to' needs 'unit', the unit of the source")
    reads = [read for read, _ in attribute.table]
    if len(reads) == 1 or any(later <= earlier for earlier, later in pairwise(reads)):
        raise BadRequestData(f"'{where}.table' must be at least two pairs [read, true] with ascending first numbers")
    if attribute.decimals is not None and not 0 <= attribute.decimals <= 15:
        raise BadRequestData(f"'{where}.decimals' must be 0 to 15")


def _check_check(check: Check, where: str) -> None:
    if check.minimum is not None and check.maximum is not None and check.minimum > check.maximum:
        raise BadRequestData(f"'{where}.minimum' must not be above 'maximum'")
    for name in ("jump", "stuck_s", "drift"):
        value = getattr(check, name)
        if value is not None and not value > 0:
            raise BadRequestData(f"'{where}.{name}' must be above 0")


def _at_least(value: float, least: float, where: str) -> None:
    if not value >= least or value > 1e9:
        raise BadRequestData(f"'{where}' must be a number of seconds, {least} or more")


def _expression(text: str, where: str, *, needed: bool = False) -> None:
    if needed and not text.strip():
        raise BadRequestData(f"'{where}' must be an expression")
    if len(text) > MOST_EXPRESSION:
        raise BadRequestData(f"'{where}' may have at most {MOST_EXPRESSION} characters")


def _no_secrets(value: Any, where: str) -> None:
    """Raises BadRequestData for a secret that stands in the definition itself: everybody who may read feeds would see it."""
    for name, text, place in _texts(value, "", where, MOST_NESTING):
        if (_SECRET.search(name) and not _REFERENCE.fullmatch(text)) or _USER_IN_ADDRESS.search(text):
            raise BadRequestData(f"'{place}' is a secret: right would be 'env:NAME' or 'file:PATH', which the gateway reads where it runs")


def _texts(value: Any, name: str, where: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth == 0:
        raise BadRequestData(f"'{where[:100]}' is nested too deep")
    if isinstance(value, str):
        yield name, value, where
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, str(key), f"{where}.{key}", depth - 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _texts(one, name, f"{where}[{place}]", depth - 1)
