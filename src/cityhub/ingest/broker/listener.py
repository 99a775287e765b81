"""The listener of a broker.

Source: MQTT 5.0, section 3.1.2.10 (keep alive).
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from typing import Final

import msgspec
from mqtt5 import DisconnectReasonCode

from cityhub.ingest.broker.broker import Broker, Limits
from cityhub.ingest.broker.connection import Connection
from cityhub.ingest.broker.door import Door

WATCH_S: Final = 0.5
CROWDED: Final = 0.95
"""Share of all connections from which on the most silent ones make way, some at a time."""
SILENT_S: Final = 90.0
"""No connection that said something within so long makes way: one and a half times the keep-alive of version 5."""
FILES_LEFT: Final = 500
"""Open files that connections leave to the rest of the process."""
STOP_S: Final = 0.3
"""How long clients have to read why the broker stops."""


class Listener:
    """A broker that listens; made by `listen`."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Begins to listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self.broker, self._connections), host, port, ssl=tls, backlog=1024)
        self._tasks = [asyncio.create_task(self.broker.run()), asyncio.create_task(self._watch())]

    async def stop(self) -> None:
        """Ends all connections and stops listening; clients have a moment to read the reason."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.end(DisconnectReasonCode.SERVER_SHUTTING_DOWN, "the broker stops")
        await self.broker.stop()
        end = self.broker.now() + STOP_S
        while self._connections and self.broker.now() < end:
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.cut()

    async def _watch(self) -> None:
        """Ends connections that said nothing for one and a half of their keep-alive (3.1.2.10), or did not say who they are."""
        while True:
            await asyncio.sleep(WATCH_S)
            now = self.broker.now()
            late = {one for one in self._connections if one.deadline is not None and one.deadline < now and not one.is_held}
            for connection in late | self._in_the_way(now):
                connection.cut()

    def _in_the_way(self, now: float) -> set[Connection]:
        """Silent connections that take the place of others.

        Clients of version 3.1.1 may ask for no keep-alive; the server may end those that it finds inactive all the same (MQTT 3.1.1,
        section 3.1.2.10).
        """
        most = self.broker.limits.connections
        if len(self._connections) < CROWDED * most:
            return set()
        silent = [one for one in self._connections if one.heard_at < now - SILENT_S and not one.is_held]
        silent.sort(key=lambda one: one.heard_at)
        return set(silent[: max(1, most // 20)])


async def listen(door: Door, host: str, port: int, tls: ssl.SSLContext | None = None, limits: Limits | None = None) -> Listener:
    """A broker that listens on an address. Raises OSError when it cannot."""
    listener = Listener(Broker(door, _affordable(limits or Limits())))
    await listener.start(host, port, tls)
    return listener


def _affordable(limits: Limits) -> Limits:
    """No more connections than the process may have open files: beyond that nothing in it could open any, not even to reach the hub."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return limits
    return msgspec.structs.replace(limits, connections=min(limits.connections, max(files - FILES_LEFT, files // 2)))
