"""The checks of a feed, applied to what its mappings say.

The score of a thing is the share of its values without a flag, the latest 100 counting most; that of a feed the same over 10,000:

    score <- score + (x - score) / min(n, N)    x = 1 for a value without a flag, else 0; n counts values from 1; N = 100 or 10,000

It is 1 before the first value. Only attributes that have a check count; others are held against the clock alone.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from cityhub.ingest.feed import Check, Feed
from cityhub.ingest.quality.flags import CLOCK, DUPLICATE, flagged
from cityhub.ingest.quality.trace import Trace
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import EntityUpdate

MAX_THINGS: Final = 50_000
"""Things that are remembered; the one that was silent longest is forgotten first."""
MAX_TRACES: Final = 64
"""Attributes and datasets of a thing that are remembered."""
WINDOW_OF_THING: Final = 100
WINDOW_OF_FEED: Final = 10_000


class _Thing:
    __slots__ = ("seen", "share", "traces")

    def __init__(self) -> None:
        self.share, self.seen = 1.0, 0
        self.traces: dict[str, Trace] = {}


class Quality:
    """The checks of one version of a feed, and what they remember. Made by `checks_of`.

    Args:
        checks: By IRI of the attribute.
        skew_s: How far a time of observation may be ahead of arrival.
        quality: IRI of the sub-attribute for flags.
        things: How many things are remembered.
    """

    def __init__(self, checks: dict[str, Check], skew_s: float, quality: str, things: int = MAX_THINGS) -> None:
        self._checks = checks
        self._skew_s = skew_s
        self._quality = quality
        self._limit = things
        self._things: OrderedDict[str, _Thing] = OrderedDict()
        self._share, self._seen = 1.0, 0

    def flag(self, updates: list[EntityUpdate], received_at: str, redelivered: bool = False) -> list[EntityUpdate]:
        """The updates, with flags in the sub-attribute `quality` of values that are not normal. Nothing is left out.

        Args:
            updates: They are not changed; one without a new flag comes back itself.
            received_at: When they came, RFC 3339 UTC.
            redelivered: Whether the sender may have sent them before: what was seen then is no duplicate.
        """
        arrived = seconds(received_at)
        return [self._flag(update, arrived, redelivered) for update in updates]

    def is_flagged(self, update: EntityUpdate) -> bool:
        """Whether a value of an update has a flag, by whomever."""
        return any(
            "attrs" in instance and self._quality in instance["attrs"] for instances in update.attributes.values() for instance in instances
        )

    def score(self, thing: str = "") -> float:
        """The score of a thing, or of the feed, 0 to 1; 1 for a thing that is not remembered."""
        if not thing:
            return self._share
        found = self._things.get(thing)
        return found.share if found else 1.0

    def scores(self, things: Sequence[str], most: int) -> list[tuple[str, float, int]]:
        """Of things that are remembered their id, score and how many values it is of; the worst first.

        Args:
            things: Which; empty: all.
            most: So many at most.
        """
        known = self._things
        found = [(id, known[id].share, known[id].seen) for id in (things or known) if id in known and known[id].seen]
        return heapq.nsmallest(most, found, key=lambda one: (one[1], one[0]))

    def _flag(self, update: EntityUpdate, arrived: float, redelivered: bool) -> EntityUpdate:
        thing = self._thing(update.id)
        changed: Attributes = {}
        written, at = "", arrived
        for iri, instances in update.attributes.items():
            check = self._checks.get(iri)
            for place, instance in enumerate(instances):
                observed = instance.get("observedAt")
                if observed and observed != written:
                    written, at = observed, seconds(observed)
                flags = self._of_value(thing, iri, instance, at if observed else arrived, check) if check else []
                if redelivered and DUPLICATE in flags:
                    flags.remove(DUPLICATE)
                if observed and at > arrived + self._skew_s:
                    flags.append(CLOCK)
                if check:
                    self._count(thing, not flags)
                if flags:
                    now = changed.setdefault(iri, list(instances))
                    now[place] = flagged(instance, flags, self._quality)
        return EntityUpdate(update.id, update.types, {**update.attributes, **changed}) if changed else update

    @staticmethod
    def _of_value(thing: _Thing, iri: str, instance: Instance, at: float, check: Check) -> list[str]:
        dataset = instance.get("datasetId")
        key = f"{iri} {dataset}" if dataset else iri
        trace = thing.traces.get(key)
        if trace is None:
            if len(thing.traces) >= MAX_TRACES:
                del thing.traces[next(iter(thing.traces))]
            trace = thing.traces[key] = Trace()
        return trace.flags(instance.get("value"), at, check)

    def _thing(self, id: str) -> _Thing:
        thing = self._things.get(id)
        if thing is not None:
            self._things.move_to_end(id)
            return thing
        if len(self._things) >= self._limit:
            self._things.popitem(last=False)
        thing = self._things[id] = _Thing()
        return thing

    def _count(self, thing: _Thing, good: bool) -> None:
        x = 1.0 if good else 0.0
        thing.seen += 1
        thing.share += (x - thing.share) / min(thing.seen, WINDOW_OF_THING)
        self._seen += 1
        self._share += (x - self._share) / min(self._seen, WINDOW_OF_FEED)

    def snapshot(self, traces: int | None = None) -> dict[str, Any]:
        """What is remembered, as JSON, for `restore`.

        Args:
            traces: So many pasts of attributes at most, those of the things that spoke last; None: all.
        """
        room = len(self._things) * MAX_TRACES if traces is None else traces
        things: list[tuple[str, list[Any]]] = []
        for id, thing in reversed(self._things.items()):
            room -= max(len(thing.traces), 1)
            if room < 0:
                break
            things.append((id, [thing.share, thing.seen, {key: trace.state() for key, trace in thing.traces.items()}]))
        return {"score": [self._share, self._seen], "things": dict(reversed(things))}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Remembers a snapshot again; attributes without a check any more are left out. Raises ValueError when it is none."""
        try:
            share, seen = snapshot["score"]
            things: OrderedDict[str, _Thing] = OrderedDict()
            for id, (own, count, traces) in list(snapshot["things"].items())[-self._limit :]:
                thing = things[id] = _Thing()
                thing.share, thing.seen = float(own), int(count)
                for key, state in traces.items():
                    if key.partition(" ")[0] in self._checks:
                        thing.traces[key] = Trace.restored(state)
            self._share, self._seen, self._things = float(share), int(seen), things
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"this is not a snapshot of quality checks: {error}") from None


def checks_of(feed: Feed, names: Callable[[str], str]) -> Quality:
    """The checks of a feed, with nothing remembered.

    Raises BadRequestData when a check is for an attribute that no mapping has, or contradicts itself.

    Args:
        feed: Its definition.
        names: Turns a short name into its IRI.
    """
    mapped = {name for entity in feed.entities for name in entity.attributes}
    for name, check in feed.checks.items():
        if mapped and name not in mapped:
            raise BadRequestData(f"'checks' has '{name[:100]}', which no mapping writes; the attributes are {', '.join(sorted(mapped))}")
        if check.minimum is not None and check.maximum is not None and check.minimum > check.maximum:
            raise BadRequestData(f"'checks' of '{name}': 'minimum' must not be above 'maximum'")
        for word in ("jump", "stuck_s", "drift"):
            if (getattr(check, word) or 0.0) < 0.0:
                raise BadRequestData(f"'checks' of '{name}': '{word}' must not be negative")
    return Quality({names(name): check for name, check in feed.checks.items()}, feed.skew_s, names("quality"))


def seconds(moment: str) -> float:
    """Seconds since 1970 of an RFC 3339 UTC time; 0 for ""."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
