"""Opening zip and gzip files that may be made to do harm: bombs, paths that lead elsewhere, locked members."""

from __future__ import annotations

import gzip
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from cityhub.model.errors import BadRequestData

MEMBERS: Final = 1_000
"""Most members of an archive."""
RATIO: Final = 200
"""An archive may unpack to so many times its size; spreadsheets of repeated figures reach some 50."""
FREE_BYTES: Final = 100_000_000
"""What unpacks to less is not held against the ratio."""
BLOCK: Final = 1 << 20


class Room:
    """How much an archive may still unpack to."""

    def __init__(self, size: int, most: int) -> None:
        self._left = self._bound = min(most, max(FREE_BYTES, RATIO * size))

    def take(self, size: int) -> None:
        """Raises BadRequestData when it is used up."""
        self._left -= size
        if self._left < 0:
            raise BadRequestData(f"The archive unpacks to more than {self._bound} bytes: send its content as a plain file, or in parts")


def unpack(path: Path, folder: Path, most: int) -> list[Path]:
    """Unpacks the files of a zip into a folder, without their folders in it, and returns them.

    Raises:
        BadRequestData: It is a bomb, has a locked member or a path that leads out of it, or is broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    room = Room(path.stat().st_size, most)
    made: dict[str, Path] = {}
    with _opened(path) as archive:
        for member in _members(archive):
            name = _name(member)
            if name in made or name.startswith("."):
                continue
            made[name] = folder / name
            _write(archive, member, made[name], room)
    return list(made.values())


def check_workbook(path: Path, most: int) -> None:
    """Raises BadRequestData for a workbook in a zip that is a bomb; its members are unpacked to nowhere, as their heads may lie."""
    room = Room(path.stat().st_size, most)
    with _opened(path) as archive:
        for member in _members(archive):
            _write(archive, member, None, room)


def gunzip(path: Path, target: Path, most: int) -> Path:
    """Unpacks a gzip file. Raises BadRequestData when it is a bomb or broken."""
    room = Room(path.stat().st_size, most)
    try:
        with gzip.open(path) as packed, open(target, "wb") as file:
            while block := packed.read(BLOCK):
                room.take(len(block))
                file.write(block)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRequestData(f"The gzip file is broken or cut short: {error}") from None
    return target


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadRequestData(f"The zip file is broken or cut short: {error}") from None


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MEMBERS:
        raise BadRequestData(f"The zip file has {len(members)} members; at most {MEMBERS} are taken")
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if ".." in parts or member.filename.startswith(("/", "\\")) or ":" in member.filename.split("/")[0]:
            raise BadRequestData(f"The zip file has a member '{member.filename[:200]}' that leads out of it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BadRequestData(f"The zip file has a link '{member.filename[:200]}'; right would be the file itself")
        if member.flag_bits & 1:
            raise BadRequestData("The zip file is locked with a password: send it unlocked")
    return members


def _name(member: zipfile.ZipInfo) -> str:
    """The file's own name. Chinese systems write it in GBK, which zip does not tell: Python then takes it for code page 437."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    if not member.flag_bits & 0x800 and not name.isascii():
        try:
            name = name.encode("cp437").decode("gb18030")
        except UnicodeError:
            pass
    return name.replace("/", "_").replace("\0", "_")[-200:]


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path | None, room: Room) -> None:
    try:
        with archive.open(member) as source:
            if target is None:
                _copy(source, None, room)
                return
            with open(target, "wb") as file:
                _copy(source, file, room)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadRequestData(f"'{member.filename[:200]}' in the zip file is broken: {error}") from None


def _copy(source: IO[bytes], file: IO[bytes] | None, room: Room) -> None:
    while block := source.read(BLOCK):
        room.take(len(block))
        if file is not None:
            file.write(block)
