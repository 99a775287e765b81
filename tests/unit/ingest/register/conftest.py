"""The registers on a real store behind a real application, with a small gateway that takes JSON records {"id", "level"}."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult, Described, FeedState, Problem, Score, Trial
from cityhub.ingest.message import PICKED, Command, Message, Settled
from cityhub.ingest.register.assembly import Around, Registers
from cityhub.model.dead_letter import letter_writes
from cityhub.model.errors import Conflict, NotFound, TooBusy
from cityhub.model.ports import DeadLetter
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application


class SetClock:
    """A clock that tests set; it goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


class SmallGateway:
    """Takes a JSON record {"level": number}, or a list of them; keeps what it took, and makes dead letters of the rest in the store."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.feeds: dict[str, Feed] = {}
        self.arranged: list[list[Feed]] = []
        self.taken: list[Any] = []
        self.messages: list[Message] = []
        self.full = False
        self.state: dict[str, FeedState] = {}
        self.commands: list[tuple[str, Command]] = []
        self.result = CommandResult("acknowledged", "", {"valve": "open"})

    async def arrange(self, feeds: Sequence[Feed]) -> None:
        self.feeds = {feed.id: feed for feed in feeds}
        self.arranged.append(list(feeds))

    def _read(self, message: Message) -> tuple[list[Any], list[Problem]]:
        try:
            value = message.records if message.records is not None else orjson.loads(message.body)
        except orjson.JSONDecodeError as error:
            return [], [Problem(-1, "decode", f"The body is not JSON: {error}")]
        records = value if isinstance(value, list) else [value]
        return records, [Problem(place, "map", "'level' must be a number") for place, one in enumerate(records)
                         if not isinstance(one, dict) or not isinstance(one.get("level"), int | float)]  # fmt: skip

    async def push(self, feed: str, message: Message, *, keep: bool = True) -> Settled:
        if self.full:
            raise TooBusy("The queue is full")
        if feed not in self.feeds:
            raise NotFound("no such feed")
        if not self.feeds[feed].enabled:
            raise Conflict("The feed does not run; start it")
        self.messages.append(message)
        records, problems = self._read(message)
        bad = {problem.record for problem in problems}
        good = [one for place, one in enumerate(records) if place not in bad]
        self.taken += good
        version = self.feeds[feed].version
        letters = [
            DeadLetter(feed, one.reason, one.stage, message.body if one.record < 0 else orjson.dumps(records[one.record]),  # type: ignore[arg-type]
                       "json", {**message.about, **({} if one.record < 0 else {PICKED: True})}, message.received_at, version)
            for one in problems
        ]  # fmt: skip
        if keep:
            await self.store.write("", [write for place, letter in enumerate(letters) for write in letter_writes(letter, place)])
        return Settled(len(good), refused=[letter.reason for letter in letters])

    async def trial(self, feed: Feed, message: Message) -> Trial:
        records, problems = self._read(message)
        return Trial(records, [{"id": f"urn:ngsi-ld:{feed.id}:1", "type": "Tank"}], problems)

    async def command(self, feed: str, command: Command) -> CommandResult:
        self.commands.append((feed, command))
        return self.result

    async def protocols(self) -> list[Described]:
        return [Described("mqtt", "MQTT", {"type": "object"})]

    async def formats(self) -> list[Described]:
        return [Described("json", "JSON")]

    async def scores(self, feed: str, things: Sequence[str], most: int) -> list[Score]:
        return []

    def states(self) -> Mapping[str, FeedState]:
        return self.state


class Hub:
    """What a test has in hand."""

    def __init__(self, store: SqliteStore, clock: SetClock, folder: Path) -> None:
        self.store = store
        self.clock = clock
        self.folder = folder
        self.gateway = SmallGateway(store)
        self.registers = Registers(Around(store, store, self.gateway, clock, 50, 90.0))
        self.application = Application(self.registers.routes(), self.registers.access(LoopbackAccess()), 20_000_000)

    def client(self, peer: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """A caller on this machine, or a stranger."""
        transport = httpx.ASGITransport(self.application, client=(peer, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = SetClock()
    store = await open_sqlite(tmp_path / "data", clock)
    made = Hub(store, clock, tmp_path)
    await made.registers.start()
    yield made
    await made.registers.stop()
    await store.close()
