"""Clients that write to a hub and remember what it acknowledged, so that it can be held to it.

Each client numbers its operations. The number of an operation stands in everything that it writes, so the hub's content
says which operation was the last on each attribute. A client waits for each answer; there is at most one operation of it
whose outcome it does not know, and that one must be there whole or not at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

API = "/ngsi-ld/v1"
TYPE = "Counter"
BATCH = 10
Cell = tuple[str, str]
"""An entity's id and the name of one of its attributes."""
Changes = dict[Cell, int | None]
"""The number that each cell gets; None: it is gone."""


class Away(Exception):
    """The hub did not answer: the outcome of the operation is not known."""


class Refused(Exception):
    """The hub answered 503: the outcome is to be looked up."""


class Client:
    """One writer. What it alone writes: its entities, and its own attribute of the shared ones."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.acknowledged: dict[Cell, int] = {}
        self.unknown: Changes = {}
        self.operations = 0
        self._number = 0
        self._chance = random.Random(seed)

    def owns(self, cell: Cell) -> bool:
        """Whether nobody else writes it."""
        return cell[0].startswith(f"urn:own:{self.name}:") or cell[1] == f"c{self.name}"

    async def work(self, session: aiohttp.ClientSession, url: str) -> None:
        """One operation after the other, until the hub is away. Raises Refused for 503."""
        while True:
            try:
                await self._step(session, url)
            except (TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                return

    async def _step(self, session: aiohttp.ClientSession, url: str) -> None:
        assert not self.unknown
        self._number += 1
        method, path, body, changes = self._chance.choice(self._possible())()
        self.unknown = changes
        async with session.request(method, url + API + path, json=body) as answer:
            text = await answer.text()
            if answer.status == 503:
                raise Refused(text)
            assert answer.status in (200, 201, 204), (method, path, answer.status, text)
        self.take(changes)
        self.unknown = {}
        self.operations += 1

    def take(self, changes: Changes) -> None:
        """The changes are known to have happened."""
        for cell, number in changes.items():
            if number is None:
                self.acknowledged.pop(cell, None)
            else:
                self.acknowledged[cell] = number

    def settle(self, content: Mapping[Cell, int]) -> None:
        """Compares the hub's content with what it acknowledged, and learns the outcome of what was unknown.

        Raises AssertionError when something acknowledged is not there, or something unknown only in part.
        """
        there = {cell: number for cell, number in content.items() if self.owns(cell)}
        if self.unknown and there != self.acknowledged:
            self.take(self.unknown)
        self.unknown = {}
        wrong = {cell: (self.acknowledged.get(cell), there.get(cell)) for cell in there.keys() | self.acknowledged.keys()
                 if self.acknowledged.get(cell) != there.get(cell)}  # fmt: skip
        assert not wrong, f"client {self.name}: acknowledged and found differ: {wrong}"

    # -- What it does ----------------------------------------------------------------------------------------------------

    def _possible(self) -> list[Callable[[], tuple[str, str, Any, Changes]]]:
        known = [id for id, attribute in self.acknowledged if id.startswith(f"urn:own:{self.name}:e")]
        steps = [self._create, self._batch, self._shared]
        if known:
            steps += [lambda: self._patch(known), lambda: self._replace(known), lambda: self._append(known)]
        if len(known) > 5:
            steps.append(lambda: self._delete(known))
        return steps

    def _create(self) -> tuple[str, str, Any, Changes]:
        id = f"urn:own:{self.name}:e{self._number}"
        return "POST", "/entities", self._entity(id), {(id, "n"): self._number}

    def _patch(self, known: list[str]) -> tuple[str, str, Any, Changes]:
        id = self._chance.choice(known)
        body = {"n": {"type": "Property", "value": self._number}}
        return "PATCH", f"/entities/{id}", body, {(id, "n"): self._number}

    def _append(self, known: list[str]) -> tuple[str, str, Any, Changes]:
        id = self._chance.choice(known)
        body = {"n": {"type": "Property", "value": self._number}}
        return "POST", f"/entities/{id}/attrs", body, {(id, "n"): self._number}

    def _replace(self, known: list[str]) -> tuple[str, str, Any, Changes]:
        id = self._chance.choice(known)
        return "PUT", f"/entities/{id}", self._entity(id), {(id, "n"): self._number}

    def _delete(self, known: list[str]) -> tuple[str, str, Any, Changes]:
        id = self._chance.choice(known)
        return "DELETE", f"/entities/{id}", None, {(id, "n"): None}

    def _batch(self) -> tuple[str, str, Any, Changes]:
        ids = [f"urn:own:{self.name}:b{n}" for n in range(BATCH)]
        return "POST", "/entityOperations/upsert", [self._entity(id) for id in ids], {(id, "n"): self._number for id in ids}

    def _shared(self) -> tuple[str, str, Any, Changes]:
        ids = [f"urn:shared:{n}" for n in range(BATCH)]
        self._chance.shuffle(ids)
        attribute = f"c{self.name}"
        body = [{"id": id, "type": TYPE, attribute: {"type": "Property", "value": self._number}} for id in ids]
        return "POST", "/entityOperations/upsert?options=update", body, {(id, attribute): self._number for id in ids}

    def _entity(self, id: str) -> dict[str, Any]:
        place = {"type": "Point", "coordinates": [108 + self._chance.random(), 29 + self._chance.random()]}
        return {
            "id": id, "type": TYPE, "n": {"type": "Property", "value": self._number},
            "location": {"type": "GeoProperty", "value": place}, "note": {"type": "Property", "value": "x" * self._chance.randrange(2_000)},
        }  # fmt: skip


def cells(entities: list[dict[str, Any]], name_of: Callable[[str], str] = lambda name: name) -> dict[Cell, int]:
    """The numbers in entities: in simplified form, or in internal form with a function from IRIs to names."""
    found: dict[Cell, int] = {}
    for entity in entities:
        inside = {name_of(name): instances[0].get("value") for name, instances in entity["attrs"].items()} if "attrs" in entity else entity
        for name, value in inside.items():
            if name == "n" or (name.startswith("c") and name[1:].isdigit()):
                found[entity["id"], name] = value
    return found


async def content(session: aiohttp.ClientSession, url: str) -> dict[Cell, int]:
    """What the hub says it has."""
    entities: list[dict[str, Any]] = []
    while True:
        path = f"{url}{API}/entities?type={TYPE}&limit=1000&offset={len(entities)}&options=keyValues"
        async with session.get(path) as answer:
            assert answer.status == 200, (answer.status, await answer.text())
            page = await answer.json()
        entities += page
        if len(page) < 1000:
            return cells(entities)


def opened() -> aiohttp.ClientSession:
    """A session for the clients."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), connector=aiohttp.TCPConnector(limit=0))
