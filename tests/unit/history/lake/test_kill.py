"""Killed with -9 at random moments of flush, compaction, expiry and deletion, the lake has what the journal says, once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from cityhub.history.lake.lake import Lake
from cityhub.history.recording import happening_of
from cityhub.model.change import Change, attribute_changes
from cityhub.model.history_events import DeleteAttribute, DeleteEntity, Put, document_of
from cityhub.model.ports import HISTORY_EVENTS
from cityhub.storage.sqlite_journal import insert_change
from tests.unit.history.lake.killed import open_here, work

ROUNDS = int(os.environ.get("CITYHUB_TEST_KILLS", "20"))
ENTRIES_A_ROUND = 150
ATTRIBUTE = "https://smartdatamodels.org/temperature"
JOURNAL = (
    "CREATE TABLE journal (position INTEGER PRIMARY KEY, first INTEGER, collection TEXT, tenant INTEGER, at TEXT, changes BLOB); "
    "CREATE TABLE compacted (position INTEGER); INSERT INTO compacted VALUES (0); "
    "CREATE TABLE tenant (number INTEGER PRIMARY KEY, name TEXT); INSERT INTO tenant VALUES (0, '')"
)


class Writer:
    """Writes a journal, and knows what the history must be after it."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._file = apsw.Connection(str(folder / "hub.sqlite"))
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute(JOURNAL)
        self._chance = chance
        self._now: dict[str, dict[str, Any]] = {}
        self._position = 0
        self.rows: dict[tuple[str, str, str], tuple[float, int]] = {}

    def write(self, count: int) -> None:
        """Adds entries."""
        with self._file:
            for _ in range(count):
                change = self._change()
                self._expect(change)
                insert_change(self._file, change, 0)

    def _change(self) -> Change:
        self._position += 1
        chance = self._chance
        id = f"urn:s:{chance.randrange(12)}"
        seconds = self._position // 10
        at = f"2026-{1 + seconds // 300 % 12:02d}-01T00:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{self._position:06d}Z"
        what = chance.random()
        if what < 0.04:
            return self._event(at, id, DeleteEntity(id))
        if what < 0.06:
            return self._event(at, id, DeleteAttribute(id, ATTRIBUTE, all=True))
        if what < 0.12 and self.rows:
            entity, observed, _ = chance.choice(list(self.rows))
            put = Put(entity, ["urn:t"], {ATTRIBUTE: [{"type": "Property", "value": 0.5, "observedAt": observed}]})
            return self._event(at, entity, put)
        before = self._now.get(id)
        instance: dict[str, Any] = {"type": "Property", "value": round(chance.uniform(0, 40), 2), "observedAt": at}
        after = {"id": id, "type": ["urn:t"], "attrs": {ATTRIBUTE: [instance]}, "createdAt": (before or {}).get("createdAt", at)}
        if before is not None:
            instance["modifiedAt"] = at
        self._now[id] = after
        kind: Any = "updated" if before else "created"
        return Change(self._position, "entity", "", id, kind, at, after, before, attribute_changes(before, after))

    def _event(self, at: str, id: str, event: Any) -> Change:
        return Change(self._position, HISTORY_EVENTS, "", id, "created", at, document_of(event))

    def _expect(self, change: Change) -> None:
        """The same history, made in the simplest way: rows by entity, time of observation and position."""
        if change.collection != HISTORY_EVENTS:
            happening = happening_of(change)
            assert happening is not None
            for _, instance in happening.instances:
                self.rows[(change.id, instance["observedAt"], str(change.position))] = (instance["value"], change.position)
            return
        event: dict[str, Any] = change.after or {}
        observed = event["attributes"][ATTRIBUTE][0]["observedAt"] if event["event"] == "put" else None
        for key in [key for key in self.rows if key[0] == event["entity"] and observed in (None, key[1])]:
            del self.rows[key]
        if observed is not None:
            self.rows[(event["entity"], observed, str(change.position))] = (0.5, change.position)

    def checksum(self) -> tuple[int, float, int]:
        """Number of rows, sum of values, sum of positions."""
        values = self.rows.values()
        return len(values), round(sum(value for value, _ in values), 6), sum(position for _, position in values)


def checksum(lake: Lake) -> tuple[int, float, int]:
    """What the lake has."""
    with lake.reading("") as reading:
        found = reading.connection.execute(
            "SELECT count(*), round(coalesce(sum(number), 0), 6), coalesce(sum(position), 0)::BIGINT FROM observations"
        ).fetchall()
    count, total, positions = found[0]
    return count, total, positions


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ.get("CITYHUB_TEST_SEED", "20261123")))
    writer = Writer(tmp_path, chance)
    lake, source = open_here(tmp_path)
    lake.close()
    source.close()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([work.__module__])  # what takes a second is imported once
    for number in range(ROUNDS):
        writer.write(ENTRIES_A_ROUND)
        mine, its = processes.Pipe(duplex=False)
        child = processes.Process(target=work, args=(tmp_path, number, its))
        child.start()
        mine.recv()
        time.sleep(chance.uniform(0, 0.35))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        lake, source = open_here(tmp_path)
        lake.catch_up()
        assert checksum(lake) == writer.checksum(), f"after {number + 1} kills, before a flush"
        if number % 10 == 9:
            lake.flush()
            assert checksum(lake) == writer.checksum(), f"after {number + 1} kills"
            lake.expire()
            lake.clean()
            on_disk = {path.name for path in tmp_path.rglob("*.parquet")}
            assert len(on_disk) == sum(lake.status().files.values()), "a file is there that no snapshot names"
        lake.close()
        source.close()
