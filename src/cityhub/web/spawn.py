"""Starting another program from the event loop.

Not asyncio's way: on uvloop that is a fork whose child runs Python before it becomes the other program. There Python takes down the
threads that the child does not have, and with them their SQLite connections, which waits for ever when one of those threads was inside
SQLite at that moment; and the parent waits for the child, whole, with its event loop. `subprocess` runs no Python in the child.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Final

PIPE: Final = subprocess.PIPE
DEVNULL: Final = subprocess.DEVNULL
LIMIT: Final = 64 * 1024


class Spawned:
    """A program that was started.

    Attributes:
        stdin: Its input, when it is a pipe.
        stdout: What it prints, when that is a pipe.
        stderr: What it complains of, when that is a pipe.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        threading.Thread(target=self._watch, name=f"cityhub-child-{process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._status.result() if self._status.done() else None

    async def wait(self) -> int:
        """Its exit status, when it has ended."""
        return await asyncio.shield(self._status)

    def kill(self) -> None:
        """Ends it without warning."""
        self._process.kill()

    async def communicate(self, content: bytes) -> tuple[bytes, bytes]:
        """Writes its whole input; what it prints and what it complains of, when it has ended."""
        _, printed, complained, _ = await asyncio.gather(self._feed(content), _all(self.stdout), _all(self.stderr), self.wait())
        return printed, complained

    async def _feed(self, content: bytes) -> None:
        assert self.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it read no more than it needed
            self.stdin.write(content)
            await self.stdin.drain()
        self.stdin.close()

    def _watch(self) -> None:
        status = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            self._loop.call_soon_threadsafe(self._end, status)

    def _end(self, status: int) -> None:
        self._status.set_result(status)
        if self.stdin is not None:
            self.stdin.close()


async def spawn(
    command: Sequence[str], environment: Mapping[str, str], *, stdout: int = DEVNULL, stderr: int | None = None, limit: int = LIMIT
) -> Spawned:
    """Starts a program with a pipe to its input, which closes when this process ends, however that ends.

    Args:
        command: The program and its arguments.
        environment: All of its environment.
        stdout: `PIPE` or `DEVNULL`.
        stderr: `PIPE`, `DEVNULL`, or None for this process's own.
        limit: Of the buffers of pipes that are read, in bytes.

    Raises:
        OSError: It cannot be started.
    """
    # Unbuffered, as the pipes are read and written by the event loop.
    process = subprocess.Popen(command, env=environment, stdin=PIPE, stdout=stdout, stderr=stderr, bufsize=0)  # noqa: ASYNC220 - see above
    spawned = Spawned(process)
    try:
        spawned.stdin = await _writer(process.stdin)
        spawned.stdout = await _reader(process.stdout, limit)
        spawned.stderr = await _reader(process.stderr, limit)
    except BaseException:  # nobody would know of it
        spawned.kill()
        raise
    return spawned


class _Reading(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Nothing more comes: uvloop closes the pipe only when it is told so."""
        super().eof_received()
        return False


async def _writer(pipe: IO[bytes] | None) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())  # of which only the bounding of what is written is used
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _reader(pipe: IO[bytes] | None, limit: int) -> asyncio.StreamReader | None:
    if pipe is None:
        return None
    reader = asyncio.StreamReader(limit=limit)
    await asyncio.get_running_loop().connect_read_pipe(lambda: _Reading(reader), pipe)
    return reader


async def _all(reader: asyncio.StreamReader | None) -> bytes:
    return await reader.read() if reader is not None else b""
