"""Copies of data files in tiers: written whole or not at all, verified, and in an archive never touched again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from pyarrow import fs
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from cityhub.history.tiers.plan import Tier, uri_of
from cityhub.model.errors import StoreUnavailable

BLOCK: Final = 8 * 1024 * 1024
PART: Final = ".part"
READ_ONLY: Final = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


class _Source(Protocol):
    def read(self, size: int = ...) -> bytes: ...


def copy(io: FileIO, source: str, target: str, tier: Tier) -> None:
    """Copies a file into a tier, and reads it again to compare. A whole copy of an earlier attempt is taken as it is.

    Raises StoreUnavailable when the copy differs from what was read.
    """
    if exists(io, target):
        wanted = _digest_at(io, source)
    elif tier.kind == "s3":
        wanted = _copy_object(io, source, target)
    else:
        wanted = _copy_file(io, source, Path(target.removeprefix("file://")), read_only=tier.kind == "archive")
    if _digest_at(io, target) != wanted:
        raise StoreUnavailable(f"The copy {target} differs from {source}; the file was left where it was")


def exists(io: FileIO, path: str) -> bool:
    """Whether there is such a file."""
    return bool(io.new_input(path).exists())


def _copy_object(io: FileIO, source: str, target: str) -> bytes:
    digest = hashlib.sha256()
    with io.new_input(source).open() as origin, io.new_output(target).create() as copy:
        for block in _blocks(origin):
            digest.update(block)
            copy.write(block)
    return digest.digest()


def _copy_file(io: FileIO, source: str, target: Path, *, read_only: bool) -> bytes:
    """The file appears under its name only when all its bytes are on the disk."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    with io.new_input(source).open() as origin, part.open("xb") as copy:
        for block in _blocks(origin):
            digest.update(block)
            copy.write(block)
        if read_only:
            os.fchmod(copy.fileno(), READ_ONLY)
        copy.flush()
        os.fsync(copy.fileno())
    os.link(part, target)  # unlike a rename it never takes the place of a file that is there
    part.unlink()
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest.digest()


def _digest_at(io: FileIO, path: str) -> bytes:
    digest = hashlib.sha256()
    with io.new_input(path).open() as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.digest()


def _blocks(file: _Source) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def files_in(io: FileIO, tier: Tier) -> Iterator[tuple[str, int, float]]:
    """Every file in a tier's own location: path, bytes, and when it was written there (seconds since 1970)."""
    assert isinstance(io, PyArrowFileIO)
    location = uri_of(tier)
    scheme, netloc, path = PyArrowFileIO.parse_location(location, io.properties)
    head = location.removesuffix(path)
    selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
    for info in io.fs_by_scheme(scheme, netloc).get_file_info(selector):
        if info.type == fs.FileType.File:
            yield head + info.path, info.size, info.mtime.timestamp()
