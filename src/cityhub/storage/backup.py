"""Online backup of a store into one file, and its restoration into a store of any backend.

The file is gzip of JSON lines: a head, one line per entity, record and journal entry, and a foot with their numbers and
the checksum of all that comes before it. A file that was cut has no foot, and nothing of it is restored.

    {"cityhub": "backup", "format": 1, "version": ..., "at": ..., "position": ..., "tenants": [...], "readers": {...}}
    ["entity", tenant, document]
    ["record", collection, tenant, id, document]
    ["change", position, collection, tenant, id, kind, at, trace, attributes, before, after]
    {"entities": ..., "records": ..., "changes": ..., "sha256": ...}
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import orjson

from cityhub import __version__
from cityhub.model.change import Change
from cityhub.model.errors import AlreadyExists, BadRequestData
from cityhub.model.ports import ENTITIES
from cityhub.storage.kept import Key

FORMAT = 1
BLOCK = 1_000
"""Items handed on at a time, at most."""
BLOCK_BYTES = 8_000_000
"""JSON handed on at a time, at most, unless one item has more."""

Item = tuple[Key, bytes]
"""An entity or a record: its key and its document as JSON."""


class State(msgspec.Struct, frozen=True):
    """What a store holds beside items and journal.

    Attributes:
        at: The moment of the snapshot.
        position: The journal's last position.
        tenants: All tenants but the default one.
        readers: How far each durable reader has come.
    """

    at: str
    position: int
    tenants: tuple[str, ...] = ()
    readers: dict[str, int] = {}


def state_of(at: str, newest: int, last: int, tenants: Iterable[str], readers: dict[str, int]) -> State:
    """The state of a store whose newest journal entry may be older than its last position (a tenant was dropped).

    Readers that have passed the newest entry have passed everything: they stand at the last position.
    """
    position = max([newest, last, *readers.values()])
    passed = {name: position if own >= newest else own for name, own in sorted(readers.items())}
    return State(at, position, tuple(sorted(tenants)), passed)


class Block(msgspec.Struct):
    """A few items and journal entries, in their order: first all items in the order of creation, then the journal."""

    items: list[Item] = []
    changes: list[Change] = []


class Snapshot(Protocol):
    """A store at one moment, while writes go on."""

    @property
    def state(self) -> State:
        """All but items and journal."""

    def blocks(self) -> AsyncIterator[Block]:
        """Items in the order of creation, entities before records, then the journal."""


class Portable(Protocol):
    """A store that can be backed up and restored into."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The store at this moment."""

    async def is_empty(self) -> bool:
        """Whether there are no items and no journal entries."""

    async def load(self, state: State, blocks: Callable[[], Iterator[Block]]) -> None:
        """Replaces everything by what is given, wholly or not at all. The iterators block."""


class Summary(msgspec.Struct, frozen=True):
    """What a backup holds."""

    state: State
    version: str
    entities: int
    records: int
    changes: int
    sha256: str


async def backup(store: Portable, path: Path, told: Callable[[int], None] = lambda items: None) -> Summary:
    """Writes a consistent backup of a store that is in use; the file is there once it is whole and on disk.

    Args:
        store: What is backed up.
        path: The file.
        told: Is called now and then with how many items and journal entries have been written.

    Raises:
        StoreUnavailable: The store cannot be read now.
        OSError: The file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        async with store.snapshot() as snapshot:
            with await asyncio.to_thread(_Output, part) as output:
                await asyncio.to_thread(output.head, snapshot.state)
                async for block in snapshot.blocks():
                    await asyncio.to_thread(output.block, block)
                    told(output.written)
                summary = await asyncio.to_thread(output.foot, snapshot.state)
        await asyncio.to_thread(_finish, part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return summary


async def restore(path: Path, store: Portable, replace: bool = False) -> Summary:
    """Fills a store from a backup, wholly or not at all, after its checksum was verified.

    Args:
        path: The backup.
        store: An empty store, of whatever backend. No other hub may be using it.
        replace: Whether a store that is not empty may be emptied first.

    Raises:
        BadRequestData: The file is no backup, is not whole, or is of a newer format.
        AlreadyExists: The store is not empty and may not be replaced.
        StoreUnavailable: The store cannot take it now.
        OSError: The file cannot be read.
    """
    summary = await asyncio.to_thread(verify, path)
    if not replace and not await store.is_empty():
        raise AlreadyExists("The store is not empty; restore into an empty one, or ask for its contents to be replaced")
    await store.load(summary.state, lambda: _blocks(path))
    return summary


def verify(path: Path) -> Summary:
    """What a backup holds, after reading all of it. Blocks.

    Raises:
        BadRequestData: The file is no backup, is not whole, or is of a newer format.
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    counts = {"entity": 0, "record": 0, "change": 0}
    lines = _lines(path)
    first = next(lines, b"")
    head = _head(path, first)
    digest.update(first)
    foot = b""
    for line in lines:
        if foot:
            digest.update(foot)
            counts[_kind(path, foot)] += 1
        foot = line
    found = Summary(head.state, head.version, counts["entity"], counts["record"], counts["change"], digest.hexdigest())
    if _foot(path, foot) != _Foot(found.entities, found.records, found.changes, found.sha256):
        raise BadRequestData(f"{path} was damaged: its contents do not agree with the numbers and the checksum at its end")
    return found


class _Head(msgspec.Struct):
    cityhub: str
    format: int
    version: str
    at: str
    position: int
    tenants: tuple[str, ...]
    readers: dict[str, int]

    @property
    def state(self) -> State:
        return State(self.at, self.position, self.tenants, self.readers)


class _Foot(msgspec.Struct):
    entities: int
    records: int
    changes: int
    sha256: str


class _Output:
    """The file while it is written."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb")
        self._file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=3, mtime=0)
        self._digest = hashlib.sha256()
        self._counts = {"entity": 0, "record": 0, "change": 0}

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        with self._raw:
            self._file.close()

    @property
    def written(self) -> int:
        """How many items and changes are in it so far."""
        return sum(self._counts.values())

    def head(self, state: State) -> None:
        """Writes the first line."""
        head = _Head("backup", FORMAT, __version__, state.at, state.position, state.tenants, state.readers)
        self._write([msgspec.json.encode(head)])

    def block(self, block: Block) -> None:
        """Writes a line per item and change."""
        lines = []
        for (collection, tenant, id), document in block.items:
            kind, names = ("entity", [tenant]) if collection == ENTITIES else ("record", [collection, tenant, id])
            self._counts[kind] += 1
            lines.append(orjson.dumps([kind, *names])[:-1] + b"," + document + b"]")
        for change in block.changes:
            self._counts["change"] += 1
            lines.append(orjson.dumps(["change", *(getattr(change, name) for name in _CHANGE)]))
        self._write(lines)

    def foot(self, state: State) -> Summary:
        """Writes the last line and puts all on disk."""
        entities, records, changes = self._counts["entity"], self._counts["record"], self._counts["change"]
        digest = self._digest.hexdigest()
        self._write([msgspec.json.encode(_Foot(entities, records, changes, digest))])
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        return Summary(state, __version__, entities, records, changes, digest)

    def _write(self, lines: list[bytes]) -> None:
        if lines:
            data = b"\n".join(lines) + b"\n"
            self._digest.update(data)
            self._file.write(data)


def _finish(part: Path, path: Path) -> None:
    """Gives the file its name, durably."""
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of the file, each with its end."""
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadRequestData(f"{path} is no backup or not whole: {error}") from None


def _head(path: Path, line: bytes) -> _Head:
    try:
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError as error:
        raise BadRequestData(f"{path} is not a backup of CityHub: {error}") from None
    if head.cityhub != "backup" or head.format > FORMAT:
        raise BadRequestData(f"{path} has format {head.format}; this version reads formats up to {FORMAT}. Use a newer CityHub")
    return head


def _foot(path: Path, line: bytes) -> _Foot:
    try:
        return msgspec.json.decode(line, type=_Foot)
    except msgspec.DecodeError:
        raise BadRequestData(f"{path} is not whole: its last line is missing") from None


def _kind(path: Path, line: bytes) -> str:
    for kind in ("entity", "record", "change"):
        if line.startswith(b'["' + kind.encode() + b'"'):
            return kind
    raise BadRequestData(f"{path} has a line that is neither entity, record nor change: {line[:60]!r}")


def _blocks(path: Path) -> Iterator[Block]:
    """The contents of a verified backup."""
    block, size = Block(), 0
    lines = _lines(path)
    next(lines)
    for line in lines:
        if line.startswith(b"{"):  # the foot
            break
        _add(block, orjson.loads(line))
        size += len(line)
        if size > BLOCK_BYTES or len(block.items) + len(block.changes) >= BLOCK:
            yield block
            block, size = Block(), 0
    yield block


def _add(block: Block, row: list[Any]) -> None:
    kind, *values = row
    if kind == "entity":
        tenant, document = values
        block.items.append(((ENTITIES, tenant, document["id"]), orjson.dumps(document)))
    elif kind == "record":
        collection, tenant, id, document = values
        block.items.append(((collection, tenant, id), orjson.dumps(document)))
    else:
        block.changes.append(Change(**dict(zip(_CHANGE, values, strict=True))))


_CHANGE: Final = ("position", "collection", "tenant", "id", "kind", "at", "trace", "attributes", "before", "after")
