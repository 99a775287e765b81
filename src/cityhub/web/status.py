"""The hub's state as one document, for the status page and for tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity, value_of
from cityhub.model.ports import Journal, Store
from cityhub.model.time import Clock, to_text
from cityhub.model.vocabulary import FEED, ITEM_COUNT, NAME, SIMULATED, STATE, UPDATE_PERIOD
from cityhub.web.http import Request, Response, Route, json_response

MINUTE_S = 60
LATE_AFTER_PERIODS = 3
SHORTEST_LATE_S = 15.0
MAX_FEEDS = 200

Names = dict[str, str]


class About(msgspec.Struct, frozen=True):
    """What the status page says about the hub and its district.

    Attributes:
        version: Of the program.
        store: Which store keeps the entities ("SQLite", "PostgreSQL").
        code: The district's code; "" when the hub serves none.
        names: Its full name by language.
        short_names: Its short name by language.
        time_zone: IANA name of the zone that times are shown in.
        bounding_box: West, south, east, north in degrees.
        boundary_note: What must stand beside its boundary, by language.
        context_url: The @context of its short names.
    """

    version: str
    store: str
    code: str = ""
    names: Names = {}
    short_names: Names = {}
    time_zone: str = "Asia/Shanghai"
    bounding_box: tuple[float, float, float, float] | None = None
    boundary_note: Names = {}
    context_url: str = ""


class ChangeRate:
    """How fast the journal grows, over the last minute.

    Args:
        last: Position of the newest change.
        monotonic_s: A clock in seconds that never goes back.
    """

    def __init__(self, last: Callable[[], int], monotonic_s: Callable[[], float]) -> None:
        self._last = last
        self._monotonic_s = monotonic_s
        self._samples: deque[tuple[float, int]] = deque([(monotonic_s(), last())])

    async def sample(self) -> None:
        """Notes the journal's position; call it about once a second."""
        now_s = self._monotonic_s()
        self._samples.append((now_s, self._last()))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - MINUTE_S:
            self._samples.popleft()

    def last_minute(self) -> int:
        """Changes of the last minute, or since the start when that is less."""
        return self._last() - self._samples[0][1]

    def per_second(self, over_s: float = 10.0) -> float:
        """Changes per second over the last seconds; 0 when nothing has been sampled yet."""
        now_s = self._monotonic_s()
        began_s, position = next((item for item in self._samples if item[0] >= now_s - over_s), self._samples[-1])
        passed_s = now_s - began_s
        return (self._last() - position) / passed_s if passed_s > 0.5 else 0.0


class StatusSources(msgspec.Struct, frozen=True):
    """Where the status document gets its figures.

    Attributes:
        about: The hub and its district.
        store: Read for the feeds.
        journal: Read for its position.
        count: How many entities there are, in all tenants or the default one.
        readers: The durable readers of the journal and their positions.
        rate: The change rate.
        clients: Open live streams.
        clock: The present time.
        started: When the hub started.
    """

    about: About
    store: Store
    journal: Journal
    count: Callable[[], Awaitable[int]]
    readers: Callable[[], Awaitable[dict[str, int]]]
    rate: ChangeRate
    clients: Callable[[], int]
    clock: Clock
    started: datetime


async def status_document(sources: StatusSources) -> dict[str, Any]:
    """The hub's state: JSON values, names as maps from language to text, times in RFC 3339 UTC."""
    now = sources.clock.now()
    last = sources.journal.last()
    about = sources.about
    page = await sources.store.find("", TypeIs(FEED), None, limit=MAX_FEEDS)
    readers = await sources.readers()
    return {
        "at": to_text(now),
        "startedAt": to_text(sources.started),
        "version": about.version,
        "store": about.store,
        "district": {
            "code": about.code, "name": about.names, "shortName": about.short_names, "timeZone": about.time_zone,
            "boundingBox": about.bounding_box, "boundaryNote": about.boundary_note, "context": about.context_url,
        },
        "entities": {"count": await sources.count()},
        "changes": {"perSecond": round(sources.rate.per_second(), 1), "lastMinute": sources.rate.last_minute()},
        "journal": {
            "position": last,
            "readers": [
                {"name": name, "position": position, "lag": max(0, last - position)} for name, position in sorted(readers.items())
            ],
        },
        "streams": sources.clients(),
        "feeds": [feed_state(entity, now) for entity in page.entities],
    }


def feed_state(entity: Entity, now: datetime) -> dict[str, Any]:
    """A feed's line in the document.

    `state` is "live" or "late" for a feed that says when it last spoke and how often it does, "recorded" for one that has
    played what it holds, "silent" for one that ought to play and never did. `age_s` is null without a time.
    """
    attributes = entity["attrs"]
    observed_at = _member(attributes, STATE, "observedAt")
    period_s = _value(attributes, UPDATE_PERIOD)
    simulated = bool(_value(attributes, SIMULATED))
    age_s = None
    if isinstance(observed_at, str):
        age_s = max(0.0, (now - datetime.fromisoformat(observed_at)).total_seconds())
    return {
        "id": entity["id"],
        "name": _value(attributes, NAME) or {},
        "simulated": simulated,
        "entities": _value(attributes, ITEM_COUNT) or 0,
        "lastAt": observed_at,
        "age_s": None if age_s is None else round(age_s, 1),
        "period_s": period_s,
        "state": _feed_word(period_s, age_s),
    }


def _feed_word(period_s: Any, age_s: float | None) -> str:
    if not isinstance(period_s, (int, float)):
        return "recorded"
    if age_s is None:
        return "silent"
    return "late" if age_s > max(SHORTEST_LATE_S, LATE_AFTER_PERIODS * period_s) else "live"


def _value(attributes: dict[str, Any], name: str) -> Any:
    instances = attributes.get(name)
    return value_of(instances[0]) if instances else None


def _member(attributes: dict[str, Any], name: str, member: str) -> Any:
    instances = attributes.get(name)
    return instances[0].get(member) if instances else None


def status_routes(sources: StatusSources) -> list[Route]:
    """The door of the status document."""

    async def status(request: Request) -> Response:
        return json_response(await status_document(sources), headers=[("cache-control", "no-store")])

    return [Route("GET", "/api/status", status, "status.read", "Read the hub's state", tag="hub")]
