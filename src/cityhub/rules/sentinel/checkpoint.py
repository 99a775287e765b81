"""What the sentinel remembers across restarts: its state at one position of the journal."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cityhub.rules.engine.state import EngineState
from cityhub.rules.sentinel.words import RuleOrder
from cityhub.rules.sentinel_port import Signal

STATE: Final = "rules.state"
LOCK: Final = "sentinel.lock"
LOOK_S: Final = 0.05
HEAD: Final = b"cityhub rules 1\n"
"""How a file of this version begins; one that begins otherwise is not read."""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def alone(folder: Path, orders: int) -> Iterator[bool]:
    """Holds the lock of a folder's one sentinel for as long as the block runs.

    When a hub is killed, its sentinel may write its last while the next one begins: that one waits, for as long as its own hub is there.

    Args:
        folder: The data folder.
        orders: Descriptor of the input that closes when the hub ends.

    Yields whether the lock could be had.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(descriptor, orders)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, orders: int) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if select.select([orders], [], [], LOOK_S)[0]:
                return False
        else:
            return True


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """All that is needed to go on.

    Attributes:
        orders: The rules that ran.
        zone: The time zone that they ran in.
        state: What the engine remembered.
        unsaid: Signals that follow from it and have perhaps not been heard.
    """

    orders: list[RuleOrder]
    zone: str
    state: EngineState
    unsaid: list[Signal]


class Memory:
    """The file of a data folder.

    Args:
        folder: The data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder / STATE
        self._encode = msgspec.msgpack.Encoder().encode

    def read(self) -> Checkpoint | None:
        """The newest checkpoint; None where there is none, or none that can be read."""
        try:
            content = self._state.read_bytes()
        except FileNotFoundError:
            return None
        try:
            if not content.startswith(HEAD):
                raise ValueError("it is of another version")
            return msgspec.msgpack.decode(memoryview(content)[len(HEAD) :], type=Checkpoint)
        except ValueError as error:  # msgspec's errors are such
            log.error("%s cannot be read and is passed over (%s): all rules begin anew", self._state, error)
            return None

    def encoded(self, checkpoint: Checkpoint) -> bytes:
        """A checkpoint as bytes."""
        return HEAD + self._encode(checkpoint)

    def write(self, content: bytes) -> None:
        """Puts a checkpoint in the place of the one before, wholly or not at all."""
        new = self._state.with_suffix(".new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state)
        folder = os.open(self._state.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
