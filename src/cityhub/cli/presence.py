"""Which process has a data folder: one hub at a time, and others can find it.

The file `hub.lock` in the folder is locked by the process that has it, and says where it answers. The lock ends with
the process, however that ends, so that what the file says can never be taken for true after a crash.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "hub.lock"
DATABASE: Final = "hub.sqlite"
"""The embedded store in a data folder."""


class Running(msgspec.Struct, frozen=True):
    """A process that has the data folder; `url` is "" while it is not answering yet (or is not a server)."""

    pid: int
    url: str = ""


class Taken(Exception):
    """The data folder belongs to another process."""

    def __init__(self, data: Path, running: Running) -> None:
        where = f" at {running.url}" if running.url else ""
        super().__init__(f"The data folder {data} is in use by process {running.pid}{where}: stop it, or use another folder")
        self.running = running


class Claim:
    """This process's hold on a data folder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.announce("")

    def announce(self, url: str) -> None:
        """Lets others know where this process answers."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(Running(os.getpid(), url)), 0)


@contextlib.contextmanager
def claim(data: Path) -> Iterator[Claim]:
    """Holds the data folder, made when it is not there, for as long as the block runs.

    Raises:
        Taken: Another process has it.
        RuntimeError: It cannot be made or written to; says why.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RuntimeError(f"'data' is '{data}': right would be a folder that this user may make and write to ({error.strerror})") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken(data, _content(data)) from None
        yield Claim(descriptor)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def find(data: Path) -> Running | None:
    """The process that has the data folder now; None when nobody has it."""
    try:
        descriptor = os.open(data / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _content(data)
    finally:
        os.close(descriptor)


def begun(data: Path) -> bool:
    """Whether a hub with an embedded store has ever begun in the folder."""
    return (data / DATABASE).exists()


def _content(data: Path) -> Running:
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Running)
    except msgspec.DecodeError:
        # It was locked a moment ago and is not written yet.
        return Running(0)
