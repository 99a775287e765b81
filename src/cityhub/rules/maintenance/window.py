"""A maintenance window, and whether it covers an alert."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
from shapely import from_geojson
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.ngsild.scope import parse_scope_q
from cityhub.model.time import to_text
from cityhub.rules.rule import Rule

MOST_NAMED: Final = 1_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Maintenance(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """A time in which alerts about something are expected and disturb nobody.

    It covers an alert when all that it names fits: one of `rules`, one of `entities`, `scope`, `area`. It must name something.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: What is done.
        start, end: RFC 3339 with a zone ("from" and "to"); the end is outside.
        rules: Ids; empty: any.
        entities: Ids of subjects or of entities that an alert was worked out of; empty: any.
        scope: NGSI-LD scope query on the subject; "": anywhere.
        area: GeoJSON Polygon or MultiPolygon in which the subject lies; empty: anywhere.
        reason: Why, and who answers for it.
        by: Id of who entered it; set by the hub.
        tenant: Whose entities.
        version: Counted by the hub.
    """

    id: str
    title: str
    start: str
    end: str
    rules: list[str] = []
    entities: list[str] = []
    scope: str = ""
    area: dict[str, Any] = {}
    reason: str = ""
    by: str = ""
    tenant: str = ""
    version: int = 1

    def covers(self, rule: Rule, entities: list[str], subject: Entity | None, location: dict[str, Any] | None, at: str) -> bool:
        """Whether it keeps an alert quiet that was raised at a moment (RFC 3339 UTC)."""
        return (
            self.start <= at < self.end
            and self.tenant == rule.tenant
            and (not self.rules or rule.id in self.rules)
            and (not self.entities or any(id in self.entities for id in entities))
            and (not self.scope or (subject is not None and parse_scope_q(self.scope).matches(subject)))
            and (not self.area or (location is not None and _area(orjson.dumps(self.area)).intersects(shape(location))))
        )


@lru_cache(maxsize=256)
def _area(geojson: bytes) -> BaseGeometry:
    geometry: BaseGeometry = from_geojson(geojson)
    return geometry


def read_window(content: bytes) -> Maintenance:
    """A window from JSON. Raises BadRequestData with what would be right."""
    try:
        window = msgspec.json.decode(content, type=Maintenance)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequestData(f"The maintenance window is not as it should be: {error}") from None
    return checked(window)


def checked(window: Maintenance) -> Maintenance:
    """The window with its times in the hub's form. Raises BadRequestData."""
    if not _ID.fullmatch(window.id):
        raise BadRequestData("'id' must be 1 to 100 letters, digits, '-' and '_'")
    if not window.title.strip() or len(window.title) > 200 or len(window.reason) > 2_000:
        raise BadRequestData("'title' must be a text of 1 to 200 characters, and 'reason' one of at most 2000")
    if not (window.rules or window.entities or window.scope or window.area):
        raise BadRequestData("The window must name 'rules', 'entities', a 'scope' or an 'area'; without any it would silence everything")
    if len(window.rules) > MOST_NAMED or len(window.entities) > MOST_NAMED:
        raise BadRequestData(f"'rules' and 'entities' may have at most {MOST_NAMED} items each")
    if window.scope:
        parse_scope_q(window.scope, "scope")
    if window.area:
        if window.area.get("type") not in ("Polygon", "MultiPolygon"):
            raise BadRequestData("'area' must be a GeoJSON Polygon or MultiPolygon")
        read_geometry(window.area, "area")
    start, end = moment(window.start, "from"), moment(window.end, "to")
    if start >= end:
        raise BadRequestData("'to' must be later than 'from'")
    return msgspec.structs.replace(window, start=start, end=end)


def moment(text: str, name: str) -> str:
    """A moment in the hub's form. Raises BadRequestData."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequestData(f"'{name}' must be a moment such as 2026-11-23T08:00:00+08:00")
    return to_text(found)
