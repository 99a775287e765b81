"""Starting, watching and stopping the historian's process from the hub."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import msgspec

from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Journal
from cityhub.settings import Settings
from cityhub.web.child import Child
from cityhub.web.wire_client import WireClient

SOCKET: Final = "historian.sock"
"""The name of its socket's file."""
NAME: Final = "history"
"""The historian's name among the journal's readers."""
BEGIN_S: Final = 2.0
"""The process is started so long after the first change that it does not have, or as soon as somebody asks it."""
START_S: Final = 30.0
"""A first start that takes no longer is in order; a question waits so long for it."""
STATUS_S: Final = 2.0
"""How often the historian is asked how far it is, and the journal hears of it."""
GRACE_S: Final = 20.0
"""How long it may take to end in order: it lays down what it has in memory."""


class LakeStatus(msgspec.Struct, frozen=True):
    """How the lake is; see `cityhub.history.lake.lake.Status`."""

    read: int
    committed: int
    tail_rows: int = 0
    tail_bytes: int = 0
    files: dict[str, int] = {}
    rows: dict[str, int] = {}
    size: dict[str, int] = {}
    pending: int = 0
    readings: int = 0
    set_aside: dict[str, str] = {}


class Supervision:
    """Keeps the historian's process running; it is started again, after a growing pause, whenever it ends.

    Args:
        orders: What the process is told.
        journal: Hears how far the tables are, so that it may drop what is behind.
        client: Asks the process how it is.
    """

    def __init__(self, orders: Orders, journal: Journal, client: WireClient) -> None:
        self._child = Child("historian", "cityhub.historian", write_orders(orders), GRACE_S)
        self._journal = journal
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []
        self._told = -1
        self._begun = False
        self.status: LakeStatus | None = None

    @property
    def starts(self) -> int:
        """How often the process was started."""
        return self._child.starts

    @property
    def pid(self) -> int | None:
        """The process that runs now; None when none does."""
        return self._child.pid

    @property
    def trouble(self) -> str:
        """Why the history cannot be asked now; "" when it can, and before the process is begun, which a question would do."""
        if not self._begun:
            return ""
        if self.pid is None:
            return "The historian does not run; the log says why"
        is_starting = self.starts == 1 and time.monotonic() - self._child.spawned < START_S
        return "" if self.status is not None or is_starting else "The historian does not answer; its log tells why"

    async def start(self) -> None:
        """Starts the process and its supervision; does not wait until it answers."""
        # From now on the journal keeps what the tables do not have.
        self._told = await self._journal.position(NAME)
        self._tasks = [
            asyncio.create_task(self._supervise(), name="historian"),
            asyncio.create_task(self._follow(), name="historian status"),
        ]

    async def stop(self) -> None:
        """Ends the process: closes its input, waits, and kills it when it takes too long. The journal keeps what it did not lay down."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._child.stop()

    async def _supervise(self) -> None:
        await self._first_need()
        self._begun = True
        await self._child.watch()

    async def _first_need(self) -> None:
        """Returns when there is something to do for the process: a hub that nobody writes to or asks goes without it."""

        async def changed() -> None:
            await self._journal.wait(self._told)
            await asyncio.sleep(BEGIN_S)

        needs = [asyncio.create_task(changed()), asyncio.create_task(self._client.missed.wait())]
        try:
            await asyncio.wait(needs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for need in needs:
                need.cancel()

    async def _follow(self) -> None:
        while True:
            if not self._child.starts:  # not begun yet: asking would wake it
                await asyncio.sleep(BEGIN_S)
                continue
            with contextlib.suppress(StoreUnavailable):  # it is starting or in trouble; `trouble` says so
                await self._ask()
            await asyncio.sleep(STATUS_S)

    async def _ask(self) -> None:
        try:
            self.status = msgspec.msgpack.decode(await self._client.call("status", None, fresh=False, timeout_s=30.0), type=LakeStatus)
        except StoreUnavailable:
            self.status = None
            raise
        if self.status.committed > self._told:
            await self._journal.advance(NAME, self.status.committed)
            self._told = self.status.committed


class Orders(msgspec.Struct, frozen=True):
    """What the hub tells the historian at its start: where to answer, and the hub's own settings."""

    socket: str
    settings: Settings


def write_orders(orders: Orders) -> bytes:
    """The orders as one line of JSON. They travel through a pipe, since the settings may hold the password of a database."""
    return msgspec.json.encode(orders, enc_hook=str) + b"\n"


def read_orders(line: bytes) -> Orders:
    """The orders in a line of JSON."""
    return msgspec.json.decode(line, type=Orders, dec_hook=lambda kind, value: kind(value))
