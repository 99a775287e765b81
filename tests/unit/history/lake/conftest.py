"""A journal in memory and a lake that follows it, in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.model.change import Entry, attribute_changes, undo_of
from cityhub.model.entity import Entity
from cityhub.model.history_events import Event, document_of
from cityhub.model.ports import HISTORY_EVENTS
from cityhub.model.time import to_text
from tests.unit.history.conftest import TickingClock


class Journal:
    """Entries just as a store would write them."""

    def __init__(self, clock: TickingClock) -> None:
        self.clock = clock
        self.entries: list[Entry] = []
        self.documents: dict[tuple[str, str], Entity] = {}

    def read(self, after: int, limit: int) -> list[Entry]:
        return self.entries[after : after + limit]

    def last(self) -> int:
        return len(self.entries)

    def write(self, entity: Entity | None, id: str = "", tenant: str = "") -> str:
        """An entity comes, changes or goes (None); when."""
        key = (tenant, entity["id"] if entity else id)
        before = self.documents.get(key)
        at = to_text(self.clock.now())
        kind = "created" if before is None else "deleted" if entity is None else "updated"
        attributes = attribute_changes(before, entity)
        self._add("entity", tenant, key[1], kind, at, entity, before, attributes)
        if entity is None:
            del self.documents[key]
        else:
            self.documents[key] = entity
        return at

    def event(self, event: Event, tenant: str = "") -> str:
        """A client does something to the history; when."""
        at = to_text(self.clock.now())
        self._add(HISTORY_EVENTS, tenant, getattr(event, "entity", "tenant"), "created", at, document_of(event), None, {})
        return at

    def _add(self, collection: str, tenant: str, id: str, kind: str, at: str, after: Any, before: Any, attributes: Any) -> None:
        encoded = [None if document is None else orjson.dumps(document) for document in (after, before)]
        position = len(self.entries) + 1
        if kind == "updated" and position % 2:  # a SQLite store keeps the undo of an update, PostgreSQL the whole of what was before
            encoded[1] = undo_of(before, after, attributes)
        self.entries.append((position, collection, tenant, id, kind, at, encoded[0], encoded[1], orjson.dumps(attributes), ""))


TEMPERATURE = "https://smartdatamodels.org/temperature"
SENSOR = "urn:ngsi-ld:Device:sensor-1"


def sensor(journal: Journal, value: Any, observed_at: str, id: str = SENSOR, tenant: str = "", **members: Any) -> Entity:
    """Writes a sensor's observation as the context's operations would; the entity."""
    before = journal.documents.get((tenant, id))
    at = to_text(journal.clock.moment)
    instance = {"type": "Property", "value": value, "observedAt": observed_at, "unitCode": "CEL", **members}
    if before is not None:
        instance["modifiedAt"] = to_text(journal.clock.now())
        journal.clock.moment = journal.clock.moment.replace(microsecond=journal.clock.moment.microsecond - 1000)
    entity: Entity = {"id": id, "type": ["https://smartdatamodels.org/Device"], "attrs": {TEMPERATURE: [instance]}, "createdAt": at}
    if before is not None:
        entity["createdAt"] = before["createdAt"]
        entity["modifiedAt"] = instance["modifiedAt"]
    journal.write(entity, tenant=tenant)
    return entity


@pytest.fixture
def journal(clock: TickingClock) -> Journal:
    return Journal(clock)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(warehouse=str(tmp_path / "lake"), data=str(tmp_path), batch=20, keep_s=0, grace_s=0)


@pytest.fixture
def lake(place: Place, journal: Journal, clock: TickingClock) -> Iterator[Lake]:
    lake = open_lake(place, journal, clock)
    yield lake
    lake.close()


def rows(lake: Lake, statement: str, tenant: str = "", parameters: Any = None) -> list[tuple[Any, ...]]:
    """What a statement gives, after everything in the journal was taken in."""
    lake.catch_up()
    with lake.reading(tenant) as reading:
        return reading.connection.execute(statement, parameters).fetchall()
