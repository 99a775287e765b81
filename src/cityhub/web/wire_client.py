"""Asking over the wire between the hub's processes (`cityhub.web.wire`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.model.errors import StoreUnavailable
from cityhub.web.wire import ASKED, DATA, END, MAX_FRAME, Question, frame, read_frame, read_problem

PATIENCE_S: Final = 10.0
"""How long a question waits for a process that is starting."""
KNOCK_S: Final = 0.05
TIMEOUT_S: Final = 60.0
MARGIN_S: Final = 5.0
"""How much longer than the other process itself a caller waits for an answer, before it takes that process for stuck."""


class _Ended(Exception):
    """The connection was closed before the answer was whole."""


class WireClient:
    """Asks another process.

    Attributes:
        missed: Set as soon as a question finds that process absent.

    Args:
        party: Whom it asks, as messages name it: "historian".
        path: Its socket.
        last: The newest journal position: what is acknowledged when a question is asked is seen by its answer. None: nobody cares.
        patience_s: How long a question waits for a process that is not there.
    """

    def __init__(self, party: str, path: Path, last: Callable[[], int] | None = None, patience_s: float = PATIENCE_S) -> None:
        self._party = party
        self._path = path
        self._last = last
        self._patience_s = patience_s
        self._encode = msgspec.msgpack.Encoder().encode
        self.missed = asyncio.Event()

    async def call(self, name: str, body: Any, *, fresh: bool = True, timeout_s: float = TIMEOUT_S, again: bool = False) -> bytes:
        """The answer to a question, in one piece.

        Args:
            name: The handler's name.
            body: Its question, whatever msgspec can encode.
            fresh: Whether the answer must have seen all that is acknowledged by now.
            timeout_s: How long the work may take.
            again: Whether it is asked once more when the other process ends before it has answered anything.

        Raises:
            StoreUnavailable: The other process is not there, is stuck, or says so itself.
            CityHubError: Whatever the handler raised.
        """
        pieces = [piece async for piece in self.stream(name, body, fresh=fresh, timeout_s=timeout_s, again=again)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def stream(
        self, name: str, body: Any, *, fresh: bool = True, timeout_s: float = TIMEOUT_S, again: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """The answer to a question, piece by piece; see `call`. Leaving the loop ends the work."""
        question = self._encode(Question(name, self._last() if fresh and self._last is not None else 0, timeout_s, self._encode(body)))
        deadline = asyncio.get_running_loop().time() + timeout_s + MARGIN_S
        began = False
        try:
            async with aclosing(self._answer(question, deadline)) as pieces:
                async for piece in pieces:
                    began = True
                    yield piece
        except _Ended:
            if began or not again:
                raise StoreUnavailable(f"The {self._party} ended while it answered; it is being started again, try again later") from None
        else:
            return
        async with aclosing(self.stream(name, body, fresh=fresh, timeout_s=timeout_s)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answer(self, question: bytes, deadline: float) -> AsyncGenerator[bytes, None]:
        reader, writer = await self._connect()
        try:
            writer.write(frame(ASKED, question))
            while True:
                async with asyncio.timeout_at(deadline):
                    kind, content = await read_frame(reader)
                if kind == END:
                    return
                if kind != DATA:
                    raise read_problem(content)
                yield content
        except TimeoutError:
            raise StoreUnavailable(f"The {self._party} had no answer in time") from None
        except (asyncio.IncompleteReadError, OSError):
            raise _Ended from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_s
        while True:
            try:
                return await asyncio.open_unix_connection(self._path, limit=MAX_FRAME)
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                self.missed.set()
                if loop.time() >= end:
                    raise StoreUnavailable(f"The {self._party} is not there: it starts, or the log says why not; try again later") from None
            await asyncio.sleep(KNOCK_S)
