"""The other side of a connector in tests: a real sink in memory, and surroundings that allow this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Connector, Message, Settled, State, Surroundings
from cityhub.model.errors import Forbidden, StoreUnavailable
from cityhub.web.addresses import AddressPolicy


class Kept:
    """Keeps messages and their bookmarks as the hub would; is it `away`, it takes none."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.bookmark: dict[str, Any] | None = None
        self.states: list[tuple[State, str]] = []
        self.connected: list[int] = []
        self.address = ""
        self.counted: list[Settled | Exception] = []
        self.away = False
        self.full = False
        self._came = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    async def put(self, message: Message) -> Settled:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("The hub is away")
        self._keep(message)
        async with self._came:
            self._came.notify_all()
        return Settled(written=len(message.records or [message]))

    def offer(self, message: Message, settled: Callable[[Settled | Exception], None]) -> bool:
        if self.full:
            return False
        loop = asyncio.get_running_loop()
        if self.away:
            loop.call_soon(settled, StoreUnavailable("The hub is away"))
        else:
            self._keep(message)
            loop.call_soon(settled, Settled(written=1))
            telling = loop.create_task(self._tell())
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        return True

    async def room(self) -> None:
        while self.full:
            await asyncio.sleep(0.01)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    def _keep(self, message: Message) -> None:
        self.messages.append(message)
        if message.bookmark is not None:
            self.bookmark = message.bookmark

    async def last(self) -> dict[str, Any] | None:
        return self.bookmark

    def state(self, state: State, detail: str = "") -> None:
        self.states.append((state, detail))

    def connections(self, count: int) -> None:
        self.connected.append(count)

    def settled(self, outcome: Settled | Exception) -> None:
        self.counted.append(outcome)

    def listens(self, address: str) -> None:
        self.address = address

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for message in self.messages for record in message.records or []]

    async def until(self, enough: Callable[[], Any], seconds: float = 60) -> None:
        """Returns when it holds; fails after so many seconds."""
        async with asyncio.timeout(seconds):
            while not enough():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05), self._came:
                        await self._came.wait()

    async def count(self, messages: int, seconds: float = 60) -> None:
        await self.until(lambda: len(self.messages) >= messages, seconds)


def surroundings(kept: Kept, policy: AddressPolicy | None = None, secrets: dict[str, str] | None = None, **more: Any) -> Surroundings:
    """Surroundings over a sink in memory; without a policy this machine may be called."""
    known = secrets or {}
    rules = policy or AddressPolicy(loopback_allowed=True)

    def allow(host: str, port: int) -> list[str]:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        allowed = [address for address in found if rules.permits_host(host, port) or rules.permits(address, port)]
        if not allowed:
            raise Forbidden(f"the address of {host} is not public and not on the list of allowed hosts")
        return allowed

    return Surroundings(
        notices=kept, bookmarks=kept, secret=lambda text: known.get(text, text), allow=allow,
        now=more.pop("now", lambda: datetime.now(UTC).isoformat().replace("+00:00", "Z")), **more,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def running(connector: Connector, kept: Kept) -> AsyncIterator[asyncio.Task[None]]:
    """A connector that runs until the end of the block; what it raised before is raised there."""
    task = asyncio.ensure_future(connector.run(kept))
    try:
        yield task
    finally:
        ended = task.done()
        task.cancel()
        if ended:
            task.result()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def feed(protocol: str, **members: Any) -> Feed:
    return Feed(id=f"{protocol}-feed", protocol=protocol, **members)
