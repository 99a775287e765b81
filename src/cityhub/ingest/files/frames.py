"""What the hub and the process that works on a file say to each other through its standard input and output.

A frame is its length in four bytes, then a list in MessagePack: a word and what belongs to it.

    the hub:      ["orders", Look | Run]          once, then an answer to each question
                  ["taken", [what became of each update]]     ["staged", true]     ["refused", reason]: the hub cannot take it now
    the process:  ["progress", Progress]          now and then
                  ["take", Take]   ["stage", Stage]            questions
                  ["looked", Looked]   ["ended", Progress]     ["failed", reason]: the last word
"""

from __future__ import annotations

import asyncio
import struct
from typing import IO, Any, Final

import msgspec

from cityhub.ingest.files.plan import Plan, Reading
from cityhub.model.ports import EntityUpdate

MAX_FRAME: Final = 64_000_000
_LENGTH: Final = struct.Struct(">I")


class Look(msgspec.Struct, frozen=True, tag=True):
    """An order: read a table of the file in a folder and say what is in it. `most`: bytes that an archive may unpack to."""

    folder: str
    reading: Reading
    key: str
    most: int


class Run(msgspec.Struct, frozen=True, tag=True):
    """An order: carry out a plan.

    Attributes:
        folder: That of the file.
        key: The table's.
        plan: What to do.
        names: IRIs by name.
        arrived: What counts as time of arrival.
        begin: Place of the row to begin with; those before it are done.
        done: What was done before.
        most_rows: For a dry run; None: all of them, and they are written.
        staging: Folder for staged observations.
        seed: Makes the names of staged files; the same for the same file, plan and tenant.
        faults: The file for what is refused.
    """

    folder: str
    key: str
    plan: Plan
    names: dict[str, str]
    arrived: str
    staging: str
    seed: str
    faults: str
    begin: int = 0
    done: Progress | None = None
    is_dry: bool = False
    most_rows: int | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        total: Rows of the table.
        rows: Rows that were dealt with.
        made: Updates or observations that came of them.
        written, late, same: What became of updates; see `cityhub.model.ports.Intake`.
        refused: Rows, or single cells of rows that were taken otherwise, that could not be taken.
        begin: Place of the row where a run that is started again begins.
        fault_bytes: Size of the list of what is refused up to there; what is behind was written by a run that was cut short.
        problems: Some of what is refused: row, column, reason, content.
        sample: Of a dry run: some of what would be written.
    """

    total: int = 0
    rows: int = 0
    made: int = 0
    written: int = 0
    late: int = 0
    same: int = 0
    refused: int = 0
    begin: int = 0
    fault_bytes: int = 0
    problems: list[tuple[int, str, str, str]] = []
    sample: list[dict[str, Any]] = []


class Take(msgspec.Struct, frozen=True):
    """Updates for the context. `progress` is how far the run is once they are taken; it is kept with them, in one transaction."""

    updates: list[EntityUpdate]
    progress: Progress


class Stage(msgspec.Struct, frozen=True):
    """A staged file for the history: its id, the observations in it, and how far the run is once it is taken."""

    id: str
    rows: int
    progress: Progress


def frame_of(word: str, value: Any) -> bytes:
    """A frame."""
    body = msgspec.msgpack.encode([word, value])
    return _LENGTH.pack(len(body)) + body


def read_frame(stream: IO[bytes]) -> tuple[str, msgspec.Raw]:
    """The next frame. Raises EOFError when there is none."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    return _parts(stream.read(_LENGTH.unpack(head)[0]))


async def receive_frame(stream: asyncio.StreamReader) -> tuple[str, msgspec.Raw]:
    """The next frame. Raises asyncio.IncompleteReadError when there is none, ValueError for one that is too long."""
    (size,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if size > MAX_FRAME:
        raise ValueError(f"A frame has at most {MAX_FRAME} bytes, not {size}")
    return _parts(await stream.readexactly(size))


def _parts(body: bytes) -> tuple[str, msgspec.Raw]:
    return msgspec.msgpack.decode(body, type=tuple[str, msgspec.Raw])
