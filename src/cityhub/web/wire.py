"""How the hub's processes talk: frames over a Unix socket that only its owner may open; one connection for each question.

A frame is its length (4 bytes, big-endian), one byte that says what it is, and its content. One process sends a `Question`; the
other answers with pieces (`DATA`) and an end (`END`), or with a `Problem` (`FAULT`). Whoever closes the connection early
wants no more: the work is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import stat
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.model import errors
from cityhub.model.errors import CityHubError, StoreUnavailable

MAX_FRAME: Final = 64 * 1024 * 1024
"""The largest frame in bytes; longer answers come in several."""
MAX_PATH: Final = 100
"""The longest path of a Unix socket in bytes that every system takes."""
MAX_OPEN: Final = 256
"""Most questions that are answered or wait at one time."""
GRACE_S: Final = 1.0
"""How much longer than the caller the answering process waits before it ends the work by itself."""
ASK_S: Final = 10.0
"""How long a caller may take to put its question."""
ASKED: Final = b"?"
DATA: Final = b"d"
END: Final = b"e"
FAULT: Final = b"x"
_PRIVATE: Final = 0o700
_HEAD: Final = struct.Struct(">Ic")

log = logging.getLogger(__name__)


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What is asked.

    Attributes:
        name: Which handler answers.
        position: The journal position that the answer must have seen; 0: any.
        timeout_s: How long the work may take.
        body: The handler's own question, msgpack.
    """

    name: str
    position: int
    timeout_s: float
    body: bytes


class Problem(msgspec.Struct, frozen=True, array_like=True):
    """An error on its way to the one who asked: the name of its class in `cityhub.model.errors`, its detail and its members."""

    kind: str
    detail: str
    members: dict[str, Any] = {}

    def error(self) -> CityHubError:
        """The error itself; StoreUnavailable for what this version does not know."""
        kind = getattr(errors, self.kind, None)
        if isinstance(kind, type) and issubclass(kind, CityHubError):
            return kind(self.detail, **self.members)
        return StoreUnavailable(self.detail)


Answering = Callable[[bytes], Awaitable[bytes] | AsyncIterator[bytes]]
"""A handler: the body of a question to one answer (a coroutine), or to its pieces (an async generator)."""

_encoder = msgspec.msgpack.Encoder()
_question = msgspec.msgpack.Decoder(Question)
_problem = msgspec.msgpack.Decoder(Problem)


def socket_path(data: Path, name: str) -> Path:
    """Where a socket of a data folder is: in it, or in a private folder of its own where the path would be too long.

    Args:
        data: The data folder.
        name: Of the socket's file, such as "historian.sock".

    Raises:
        RuntimeError: That folder belongs to somebody else.
    """
    path = data.absolute() / name
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    known = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"cityhub-{os.getuid()}-{known}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != _PRIVATE or not stat.S_ISDIR(status.st_mode):
        raise RuntimeError(f"{folder} is not this user's own: right would be a data folder with a shorter path, or to remove it")
    return folder / path.name


async def read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Kind and content of the next frame. Raises IncompleteReadError at the end, ValueError for what is no frame."""
    length, kind = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
    return kind, await reader.readexactly(length)


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """A frame as bytes. Raises ValueError when it is too long."""
    if len(content) > MAX_FRAME:
        raise ValueError(f"an answer of {len(content)} bytes in one piece is longer than {MAX_FRAME}")
    return _HEAD.pack(len(content), kind) + content


def read_problem(content: bytes) -> CityHubError:
    """The error in a frame of kind `FAULT`."""
    return _problem.decode(content).error()


class WireServer:
    """Answers questions on a Unix socket.

    Args:
        party: Who answers, as messages name it: "historian".
        handlers: What answers, by the name of the question.
        seen: Returns when everything up to a journal position is there to be seen; called before each answer with a position.
            None: everything always is.
    """

    def __init__(self, party: str, handlers: Mapping[str, Answering], seen: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._party = party
        self._handlers = handlers
        self._seen = seen
        self._path = Path()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, path: Path) -> None:
        """Begins to listen; a socket that an earlier process left is replaced."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        listener.setblocking(False)
        self._path = path
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=MAX_FRAME)

    async def stop(self) -> None:
        """Takes no more questions and ends those that are being answered."""
        if self._server is not None:
            self._path.unlink(missing_ok=True)
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            async with asyncio.timeout(ASK_S):
                kind, content = await read_frame(reader)
            if kind == ASKED:
                await self._until_gone(reader, writer, _question.decode(content))
        except (asyncio.IncompleteReadError, OSError, TimeoutError, ValueError):  # msgspec's decoding errors are ValueErrors
            pass
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _until_gone(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: Question) -> None:
        """Answers, unless the caller closes the connection before the end."""
        work = asyncio.create_task(self._answer(writer, question))
        gone = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _answer(self, writer: asyncio.StreamWriter, question: Question) -> None:
        try:
            async with asyncio.timeout(question.timeout_s + GRACE_S):
                if len(self._open) > MAX_OPEN:
                    raise StoreUnavailable(f"The {self._party} has too many questions at once; try again later")
                handler = self._handlers.get(question.name)
                if handler is None:
                    raise StoreUnavailable(f"The {self._party} does not know '{question.name}': it is of another version")
                if question.position and self._seen is not None:
                    await self._seen(question.position)
                answer = handler(question.body)
                if isinstance(answer, AsyncIterator):
                    async for piece in answer:
                        await _send(writer, DATA, piece)
                else:
                    await _send(writer, DATA, await answer)
            await _send(writer, END)
        except ConnectionError:
            pass
        except CityHubError as error:
            await _fail(writer, type(error).__name__, error.detail, error.members)
        except TimeoutError:
            await _fail(writer, "StoreUnavailable", f"The {self._party} had no answer within {question.timeout_s:.0f} s")
        except Exception as error:
            log.exception("a question to the %s failed", self._party, extra={"question": question.name})
            await _fail(writer, "StoreUnavailable", f"The {self._party} failed to answer ({type(error).__name__}); its log says why")


async def _send(writer: asyncio.StreamWriter, kind: bytes, content: bytes = b"") -> None:
    writer.write(frame(kind, content))
    await writer.drain()


async def _fail(writer: asyncio.StreamWriter, kind: str, detail: str, members: Mapping[str, Any] | None = None) -> None:
    with contextlib.suppress(ConnectionError):
        await _send(writer, FAULT, _encoder.encode(Problem(kind, detail, dict(members or {}))))
