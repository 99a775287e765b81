"""The past played through the engine: rows of observations become the journal's entries that they came from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import orjson
import pyarrow as pa

from cityhub.model.change import Entry
from cityhub.model.entity import VALUE_KEY, Entity
from cityhub.model.ports import ENTITIES
from cityhub.rules.engine.compiling import CompiledRule
from cityhub.rules.engine.engine import Engine
from cityhub.rules.sentinel_port import Signal
from cityhub.rules.trial.frames import SCOPE, Heard, Part

COLUMNS: Final = ("entity", "type", "attribute", "time", "number", "text", "json", "lon", "lat", "unit", "kind")
BLOCK: Final = 2_000
"""So many entries are given to the engine at once."""
Row = tuple[Any, ...]


class Replay:
    """A rule on its way through the past.

    Args:
        compiled: The rule.
        start, end: Which signals count, RFC 3339 UTC.
    """

    def __init__(self, compiled: CompiledRule, start: str, end: str) -> None:
        self._engine = Engine()
        self._engine.arrange([compiled])
        self._tenant = compiled.rule.tenant
        self._running = self._engine.rules[compiled.rule.id]
        self._start, self._end = start, end
        self._documents: dict[str, Entity] = {}
        self._known: dict[str, Entity] = {}
        self._position = 0

    def play(self, part: Part) -> Heard:
        """What a piece of the past gives."""
        signals: list[Signal] = []
        self._known |= {document["id"]: document for document in part.known}
        for id, document in part.learned.items():
            signals += self._engine.learn(self._tenant, id, document, self._engine.now)
        count, problems = 0, list[str]()
        block: list[Entry] = []
        for rows in _groups(part.rows):
            count += len(rows)
            block.append(self._entry(rows))
            if len(block) >= BLOCK:
                signals += self._taken(block, problems)
                block = []
        signals += self._taken(block, problems)
        signals += self._engine.tick(_micros(part.until))
        counted = [signal for signal in signals if self._start <= signal.at < self._end]
        return Heard(counted, count, problems, sorted({id for _, id in self._engine.missing()}))

    def _taken(self, block: list[Entry], problems: list[str]) -> list[Signal]:
        failed = self._running.failed
        signals = self._engine.take(block)
        if self._running.failed > failed and self._running.trouble not in problems and len(problems) < 10:
            problems.append(self._running.trouble)
        return signals

    def _entry(self, rows: list[Row]) -> Entry:
        """The entry of what was observed of one entity at one moment."""
        id, types, _, time, *_ = rows[0]
        at = f"{time}Z"
        before = self._documents.get(id)
        document: Entity = before or {"attrs": {}, **self._known.get(id, {}), "id": id, "type": types.split(" "), "createdAt": at}
        attrs = dict(document["attrs"])
        for row in rows:
            if row[2] == SCOPE:
                document = {**document, "scope": orjson.loads(row[6]) if row[6] is not None else row[5]}
            else:
                attrs[row[2]] = [_instance(row, at)]
        document = self._documents[id] = {**document, "attrs": attrs, "modifiedAt": at}
        self._position += 1
        attributes = b"" if before is None else orjson.dumps({row[2]: "updated" for row in rows if row[2] != SCOPE})
        kind = "created" if before is None else "updated"
        return (self._position, ENTITIES, self._tenant, id, kind, at, orjson.dumps(document), None, attributes, "")


def _groups(rows: bytes) -> Iterator[list[Row]]:
    """The rows of one entity at one moment, in the order of time."""
    if not rows:
        return
    with pa.ipc.open_stream(rows) as reader:
        for batch in reader:
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            for _, group in groupby(zip(*columns, strict=True), key=lambda row: (row[3], row[0])):
                yield list(group)


def _instance(row: Row, at: str) -> dict[str, Any]:
    _, _, _, _, number, text, document, lon, lat, unit, kind = row
    instance: dict[str, Any] = {"type": kind, "observedAt": at}
    if number is not None:
        value: Any = int(number) if number.is_integer() and abs(number) < 2**53 else number
    elif text is not None:
        value = text
    elif document is not None:
        value = orjson.loads(document)
    else:
        value = {"type": "Point", "coordinates": [lon, lat]}
    instance[VALUE_KEY[kind]] = value
    if unit is not None:
        instance["unitCode"] = unit
    return instance


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
