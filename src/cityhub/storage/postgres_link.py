"""Connections to one PostgreSQL database, and which of its errors mean what."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from cityhub.model.errors import StoreUnavailable

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]

PATIENCE_S = 2.0
"""How long a single item is waited for in the event loop."""

_TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected)
_OF_THE_STATEMENT = (errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.QueryCanceled)
_OUTAGE = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, PoolTimeout, PoolClosed, TooManyRequests)


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is tried again at once."""
    return isinstance(error, _TRANSIENT)


def is_outage(error: BaseException) -> bool:
    """Whether the server is away, full or read-only, so that nothing can be done about it here."""
    return isinstance(error, _OUTAGE) and not isinstance(error, _TRANSIENT + _OF_THE_STATEMENT)


def unavailable(error: BaseException) -> StoreUnavailable:
    """The error that callers get while the server is away."""
    reason = str(error).strip().splitlines()
    return StoreUnavailable(f"The PostgreSQL server cannot answer now: {reason[0] if reason else type(error).__name__}")


class _Impatient(psycopg.Connection[tuple[Any, ...]]):
    """A connection that blocks, but not for ever: a statement fails when its answer has not come after PATIENCE_S."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """See `psycopg.Connection.wait`."""
        return super().wait(_until(gen, time.monotonic() + min(PATIENCE_S, timeout or PATIENCE_S)), interval)


def _until(gen: PQGen[T], end: float) -> PQGen[T]:
    """The generator, which fails when it is still waiting at the end of its time."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > end:
                raise psycopg.OperationalError(f"no answer within {PATIENCE_S:g} s")
            wanted = gen.send(ready)
    except StopIteration as done:
        value: T = done.value
        return value


class Link:
    """Hands out connections: a pool for reading, dedicated ones for writing, listening and `get`."""

    def __init__(self, url: str, readers: int = 6) -> None:
        # Every query of ours has its index, and must use it also while the server's statistics are old. JIT compilation
        # costs more than any of them. The plans of searches must see the values that they are for.
        options = f"{conninfo_to_dict(url).get('options') or ''} -c search_path=cityhub,public -c jit=off -c enable_seqscan=off"
        self._info = make_conninfo(
            url,
            options=f"{options} -c enable_hashjoin=off -c enable_mergejoin=off",
            application_name="cityhub",
            connect_timeout=3,
            tcp_user_timeout=5000,
            keepalives_idle=10,
        )
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            make_conninfo(self._info, options=f"{options} -c plan_cache_mode=force_custom_plan"),
            kwargs={"autocommit": True},
            min_size=1,
            max_size=readers,
            timeout=5,
            reconnect_timeout=5,
            open=False,
        )

    async def open(self) -> None:
        """Opens the pool. Raises StoreUnavailable when the server does not answer within five seconds."""
        try:
            await self._pool.open(wait=True, timeout=5)
        except _OUTAGE as error:
            await self._pool.close()
            raise unavailable(error) from error

    async def close(self) -> None:
        """Closes the pool; dedicated connections are closed by those who asked for them."""
        await self._pool.close()

    async def connect(self) -> Connection:
        """A dedicated connection."""
        return await psycopg.AsyncConnection.connect(self._info, autocommit=True)

    def connect_blocking(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A dedicated connection for the caller's own thread."""
        return _Impatient.connect(self._info, autocommit=True)

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What the work returns, on a pooled connection; tried twice, because an idle connection may have died.

        Raises StoreUnavailable when the server is away.
        """
        # Shielded: a caller that is cancelled leaves at once, and the work ends as it would have (see `cancelled`).
        return await asyncio.shield(asyncio.ensure_future(self._tried(work)))

    async def _tried(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        for attempt in (1, 2):
            try:
                async with self._pool.connection() as connection:
                    return await work(connection)
            except _OUTAGE as error:
                if not is_outage(error):
                    raise
                if attempt == 2 or isinstance(error, PoolTimeout | PoolClosed):
                    raise unavailable(error) from error
                await self._pool.check()
        raise AssertionError("unreachable")

    async def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query."""

        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            cursor = await connection.execute(query, parameters, binary=True)
            return await cursor.fetchall()

        return await self.read(work)


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks and returns when they have ended.

    Asked more than once: before Python 3.12 `asyncio.wait_for`, in which psycopg waits, loses a cancellation that
    comes in the moment of an answer.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.1)


def encode(text: str) -> str:
    """Text as PostgreSQL can keep it: NUL, which it cannot, and the sign that marks it are written as two signs.

    Keeps order and prefixes; one to one (`decode` is its inverse).
    """
    if "\x00" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def decode(text: str) -> str:
    """The text that `encode` was given."""
    if "\x01" in text:
        return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
    return text
