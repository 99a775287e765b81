"""Kept connections to receivers, opened only to addresses that the policy permits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from cityhub.notify.http_connection import STALE, HttpConnection
from cityhub.notify.lane import Attempt, Done
from cityhub.web.addresses import AddressPolicy

MAX_PER_HOST: Final = 64
"""Most connections to one host and port; further lanes to it wait for one."""
KEEP_S: Final = 4.5
"""An idle connection is not used again after so long; many servers close after five seconds."""
_LOOKUP_THREADS: Final = 16


class Target(NamedTuple):
    """Where connections lead."""

    tls: bool
    host: str
    port: int


class ForbiddenError(OSError):
    """The policy forbids every address of the host."""


class _Job(NamedTuple):
    """One request that waits for a connection."""

    request: bytes
    timeout_s: float
    done: Done


class _Place:
    """The connections to one target."""

    __slots__ = ("count", "idle", "waiting")

    def __init__(self) -> None:
        self.idle: list[HttpConnection] = []
        self.waiting: deque[_Job] = deque()
        self.count = 0


class HttpPool:
    """Sends requests over kept connections, at most `MAX_PER_HOST` at a time to one target."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._places: dict[Target, _Place] = {}
        self._tls: ssl.SSLContext | None = None
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="cityhub-dns")
        self._lookups: dict[Target, asyncio.Future[list[str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[HttpConnection] = set()

    def send(self, target: Target, request: bytes, timeout_s: float, done: Done) -> None:
        """Sends a request to a target; `done` hears how it ended."""
        place = self._places.get(target)
        if place is None:
            place = self._places[target] = _Place()
        self._dispatch(target, place, _Job(request, timeout_s, done))

    def close(self) -> None:
        """Closes all connections."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self._connections):
            connection.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self, target: Target, place: _Place, job: _Job) -> None:
        oldest = asyncio.get_running_loop().time() - KEEP_S
        while place.idle:
            connection = place.idle.pop()
            if connection.usable and connection.idle_since >= oldest:
                self._use(connection, target, place, job)
                return
            connection.close()
        if place.count >= MAX_PER_HOST:
            place.waiting.append(job)
            return
        place.count += 1
        task = asyncio.get_running_loop().create_task(self._open(target, place, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _use(self, connection: HttpConnection, target: Target, place: _Place, job: _Job) -> None:
        def done(attempt: Attempt) -> None:
            if attempt is STALE:
                self._dispatch(target, place, job)
            else:
                job.done(attempt)

        connection.send(job.request, job.timeout_s, done)

    async def _open(self, target: Target, place: _Place, job: _Job) -> None:
        try:
            async with asyncio.timeout(job.timeout_s):
                connection = await self._connect(target, place)
        except ForbiddenError as error:
            self._opened_not(target, place, job, Attempt(str(error)))
        except TimeoutError:
            self._opened_not(target, place, job, Attempt(f"no connection within {job.timeout_s:g} s", again=True))
        except OSError as error:
            self._opened_not(target, place, job, Attempt(_reason(error), again=True))
        except ValueError as error:  # a name that cannot be one
            self._opened_not(target, place, job, Attempt(f"'{target.host[:200]}' is not a host: {error}"))
        else:
            self._use(connection, target, place, job)

    def _opened_not(self, target: Target, place: _Place, job: _Job, attempt: Attempt) -> None:
        place.count -= 1
        self._next(target, place)
        job.done(attempt)

    def _next(self, target: Target, place: _Place) -> None:
        """A connection is gone: another one may be opened for those who wait, or nobody needs the place any more."""
        if place.waiting:
            self._dispatch(target, place, place.waiting.popleft())
        elif place.count == 0 and self._places.get(target) is place:
            del self._places[target]

    async def _connect(self, target: Target, place: _Place) -> HttpConnection:
        loop = asyncio.get_running_loop()
        last: OSError | None = None
        make = self._maker(target, place)
        found = await asyncio.shield(self._look_up(target))
        for address in permitted(self._policy, target.host, target.port, found):
            try:
                _, connection = await loop.create_connection(
                    make, address, target.port, ssl=self._context() if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )  # fmt: skip
            except OSError as error:
                last = error
                continue
            if connection.lost:
                raise OSError("the receiver closed the connection at once")
            self._connections.add(connection)
            return connection
        raise last or OSError("the host has no address")

    def _look_up(self, target: Target) -> asyncio.Future[list[str]]:
        """The addresses of a host; one look-up for all who want them, so that a dead name server holds up few threads."""
        running = self._lookups.get(target)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._threads, look_up, target.host, target.port)
            self._lookups[target] = running
            running.add_done_callback(lambda done: self._looked_up(target, done))
        return running

    def _looked_up(self, target: Target, done: asyncio.Future[list[str]]) -> None:
        self._lookups.pop(target, None)
        if not done.cancelled():
            done.exception()  # whoever still waits gets it; nobody may be left

    def _maker(self, target: Target, place: _Place) -> Callable[[], HttpConnection]:
        def free(connection: HttpConnection) -> None:
            if place.waiting:
                self._use(connection, target, place, place.waiting.popleft())
            else:
                connection.idle_since = asyncio.get_running_loop().time()
                place.idle.append(connection)

        def gone(connection: HttpConnection) -> None:
            if connection not in self._connections:
                return  # it never came to be
            self._connections.discard(connection)
            place.count -= 1
            if connection in place.idle:
                place.idle.remove(connection)
            self._next(target, place)

        return lambda: HttpConnection(free, gone)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def permitted(policy: AddressPolicy, host: str, port: int, addresses: list[str]) -> list[str]:
    """Those of a host's addresses that the policy permits. Raises ForbiddenError when there is none."""
    allowed = addresses if policy.permits_host(host, port) else [address for address in addresses if policy.permits(address, port)]
    if not allowed:
        raise ForbiddenError(f"the address of {host} is not public and not on the list of allowed hosts")
    return allowed


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError when it is unknown."""
    infos: list[Any] = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos if info[0] in (socket.AF_INET, socket.AF_INET6)))


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host is unknown ({error.strerror})"
    return str(error) or type(error).__name__
