"""What the files of a killed hub must satisfy, whatever was going on."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import apsw

from cityhub.model.condition import Anything
from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.ports import ENTITIES
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite
from tests.faults.ledger import Cell, cells


def name_of(iri: str) -> str:
    """The term of an IRI of the default vocabulary."""
    return iri.removeprefix(DEFAULT_VOCAB)


def copied(data: Path, to: Path) -> Path:
    """A copy of the files of a hub that does not run: looking at the originals would change them."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(data, to, ignore=shutil.ignore_patterns("*.sock"))
    return to


class Audit:
    """Follows a journal over many kills, and holds each time the store to it."""

    def __init__(self) -> None:
        self.position = 0
        self.replayed: dict[tuple[str, str], dict[str, Any]] = {}
        self.steps: Counter[tuple[str, str, int]] = Counter()

    @property
    def cells(self) -> dict[Cell, int]:
        """The numbers that the journal gives."""
        return cells(list(self.replayed.values()), name_of)

    async def look(self, data: Path) -> dict[Cell, int]:
        """Checks the files and returns the numbers that are in them.

        The journal has no gap; each entry begins where the one before on its entity ended; all of them together give
        the table of entities; the indexes say the same as the entities; the pages are sound.
        """
        self._pages(data / "hub.sqlite")
        store = await open_sqlite(data, SystemClock())
        try:
            entities = await self.follow(store)
        finally:
            await store.close()
        self._indexes(data / "hub.sqlite", len(entities))
        return self.cells

    async def follow(self, store: Any) -> dict[tuple[str, str], dict[str, Any]]:
        """Plays the journal on from where it was last time, and returns the entities, which must be what it gives."""
        while block := await store.read(self.position):
            for change in block:
                assert change.position == self.position + 1, f"gap in the journal behind {self.position}"
                self.position = change.position
                if change.collection == ENTITIES:
                    self._step(change)
        entities = {}
        async for part in store.scan("", Anything()):
            entities.update({("", entity["id"]): dict(entity) for entity in part})
        assert entities == self.replayed, "the journal, played from its start, does not give the state"
        counts = {(shape.type, shape.attribute): shape.count for shape in await store.shapes("")}
        expected = Counter((type_, name) for one in entities.values() for type_ in one["type"] for name in ("", *one["attrs"]))
        assert counts == dict(expected)
        return entities

    def _step(self, change: Any) -> None:
        key = (change.tenant, change.id)
        assert change.before == self.replayed.get(key), f"{change.id} at {change.position} does not begin where it was"
        if change.after is None:
            del self.replayed[key]
            return
        self.replayed[key] = dict(change.after)
        now = cells([change.after], name_of)
        before = cells([change.before], name_of) if change.before else {}
        for cell, number in now.items():
            if before.get(cell) != number:
                self.steps[*cell, number] += 1
                assert self.steps[*cell, number] == 1, f"{cell} became {number} twice"

    def _pages(self, path: Path) -> None:
        connection = apsw.Connection(str(path))
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        assert connection.execute("SELECT rtreecheck('entity_box')").get == "ok"
        connection.close()

    def _indexes(self, path: Path, count: int) -> None:
        connection = apsw.Connection(str(path))
        ask = connection.execute
        assert ask("SELECT count(*) FROM entity").get == count
        orphans = "SELECT count(*) FROM {0} WHERE entity NOT IN (SELECT number FROM entity)"
        for table in ("entity_type", "entity_scope", "entity_box", "entity_value"):
            assert ask(orphans.format(table)).get == 0, f"{table} has rows of entities that are gone"
        assert ask("SELECT count(*) FROM entity WHERE number NOT IN (SELECT entity FROM entity_type)").get == 0
        kept = "tenant IN (SELECT tenant FROM place_index)"
        located = ask(f"SELECT count(*) FROM entity WHERE instr(document, ?) > 0 AND {kept}", (b'"GeoProperty"',)).get
        assert ask("SELECT count(DISTINCT entity) FROM entity_box").get == located
        connection.close()
