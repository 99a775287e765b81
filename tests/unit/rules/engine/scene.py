"""Rules on a stage: what entities say at which second, and what the rules make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from cityhub.model.change import Entry
from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.history_events import Put, PutMany, document_of
from cityhub.model.jsonld import CORE
from cityhub.model.ports import HISTORY_EVENTS
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.entries import entry_of
from cityhub.rules.engine.models import MODELS
from cityhub.rules.engine.moments import SECOND, micros, text_of
from cityhub.rules.rule import Level, Rule, Watch
from cityhub.rules.sentinel_port import Signal

ZONE = "Asia/Shanghai"
NOON = micros("2026-11-23T04:00:00.000000Z")
"""Noon in the district; seconds are counted from it."""
LOCATION = "https://uri.etsi.org/ngsi-ld/location"


def rule(*levels: Level, id: str = "r", watch: str = "Gauge", **members: Any) -> Rule:
    """A rule with these levels."""
    return Rule(id, {"zh": "试", "en": "try"}, "o", members.pop("watches", None) or Watch(watch), list(levels), **members)


def red(condition: str, **members: Any) -> Level:
    """A level of the gravest kind."""
    return Level("red", condition, **members)


def instance(value: Any, second: float | None) -> dict[str, Any]:
    """An instance of an attribute that was observed at a second; None: nobody says when."""
    if type(value) is str and value.startswith("urn:"):
        return {"type": "Relationship", "object": value}
    kind = "GeoProperty" if type(value) is dict else "Property"
    observed = {} if second is None or kind == "GeoProperty" else {"observedAt": text_of(NOON + round(second * SECOND))}
    return {"type": kind, "value": value, **observed}


def iri(name: str) -> str:
    """The IRI of a short name."""
    return LOCATION if name == "location" else DEFAULT_VOCAB + name


def point(lon: float, lat: float) -> dict[str, Any]:
    """A place."""
    return {"type": "Point", "coordinates": [lon, lat]}


class Script:
    """Entries of a journal, as entities speak."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._entities: dict[str, Entity] = {}

    def say(self, id: str, second: float, at: float | None = None, *, kind: str = "Gauge", timed: bool = True, **values: Any) -> Entry:
        """An entity says something that was observed at a second and committed at one (the same where it is not told)."""
        committed = NOON + round((second if at is None else at) * SECOND)
        former = self._entities.get(id)
        changed = {iri(name): [instance(value, second if timed else None)] for name, value in values.items()}
        stamp = text_of(committed)
        document = {
            "id": id, "type": [DEFAULT_VOCAB + kind], "createdAt": former["createdAt"] if former else stamp, "modifiedAt": stamp,
            "attrs": {**(former["attrs"] if former else {}), **changed},
        }  # fmt: skip
        self._entities[id] = document
        entry = entry_of(len(self.entries) + 1, "", document, list(changed) if former else (), committed)
        self.entries.append(entry)
        return entry

    def say_late(self, id: str, second: float, at: float, *, kind: str = "Gauge", **values: Any) -> Entry:
        """What was observed at a second comes when a newer one is there already: it goes to the history only."""
        attributes = {iri(name): [instance(value, second)] for name, value in values.items()}
        event = orjson.dumps(document_of(PutMany([Put(id, [DEFAULT_VOCAB + kind], attributes)])))
        stamp = text_of(NOON + round(at * SECOND))
        entry = (len(self.entries) + 1, HISTORY_EVENTS, "", id, "created", stamp, event, None, b"", "")
        self.entries.append(entry)
        return entry

    def model(self, id: str, at: float, document: dict[str, Any]) -> None:
        """A model of history is trained."""
        stamp = text_of(NOON + round(at * SECOND))
        self.entries.append((len(self.entries) + 1, MODELS, "", id, "created", stamp, orjson.dumps(document), None, b"", ""))

    def delete(self, id: str, at: float) -> Entry:
        """An entity is deleted."""
        before = orjson.dumps(self._entities.pop(id))
        stamp = text_of(NOON + round(at * SECOND))
        entry = (len(self.entries) + 1, "entity", "", id, "deleted", stamp, None, before, b"", "")
        self.entries.append(entry)
        return entry


class Scene(Script):
    """An engine with rules, and a script that it follows as it is written."""

    def __init__(self, *rules: Rule, models: Any = None) -> None:
        super().__init__()
        self.engine = Engine(models)
        self.signals: list[Signal] = []
        self.engine.arrange([compile_rule(one, CORE, ZONE) for one in rules])

    def follow(self) -> list[Signal]:
        """What the entries that were not taken yet give rise to."""
        signals = self.engine.take([entry for entry in self.entries if entry[0] > self.engine.position])
        self.signals += signals
        return signals

    def tick(self, second: float) -> list[Signal]:
        """What follows when nothing comes until a second."""
        signals = self.follow() + self.engine.tick(NOON + round(second * SECOND))
        self.signals += signals
        return signals


def told(signals: Sequence[Signal]) -> list[tuple[str, str, str, float]]:
    """Subject, kind, severity and second of each signal."""
    return [(one.subject, one.kind, one.severity, (micros(one.at) - NOON) / SECOND) for one in signals]
