"""What the lake stands at: the state that questions see, who is looking at which files, and the locks.

Locks are taken in this order, and none is held while files are read for a question:
`upkeep` (one job at a time), `commit` (one commit at a time), `intake` (the tail grows or shrinks), and inside the state's own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import msgspec

from cityhub.history.lake.reading import Half, State
from cityhub.history.lake.schema import OBSERVATIONS
from cityhub.history.lake.tables import Version


class Standing:
    """The state and its locks."""

    def __init__(self, state: State) -> None:
        self.upkeep = threading.Lock()
        self.commit = threading.Lock()
        self.intake = threading.Lock()
        self.is_flushing = False
        self.oldest: float | None = None
        """When the oldest of what is not committed came, by the monotonic clock."""
        self._lock = threading.Lock()
        self._state = state
        self._pins: dict[str, int] = {}
        self._readings = 0

    @property
    def state(self) -> State:
        """What questions see now."""
        return self._state

    @property
    def readings(self) -> int:
        """How many questions are being answered."""
        return self._readings

    def swap(self, state: State) -> None:
        """Puts another state in the place of the present one; for the holder of `intake`."""
        with self._lock:
            self._state = state

    def swap_half(self, name: str, half: Half) -> None:
        """Puts another half in its place; for the holder of `intake`."""
        self.swap(msgspec.structs.replace(self._state, **{member_of(name): half}))

    def swap_version(self, name: str, version: Version) -> None:
        """Puts another version of a table's files in its place."""
        with self.intake:
            self.swap_half(name, msgspec.structs.replace(self.half(name), version=version))

    def half(self, name: str) -> Half:
        """The half of a table."""
        half: Half = getattr(self._state, member_of(name))
        return half

    def note_arrival(self) -> None:
        """Something came that is not committed."""
        if self.oldest is None:
            self.oldest = time.monotonic()

    @contextlib.contextmanager
    def pinned(self) -> Iterator[State]:
        """The present state; its files stay until the end of the block."""
        with self._lock:
            state = self._state
            paths = [file.path for file in state.files]
            self._readings += 1
            for path in paths:
                self._pins[path] = self._pins.get(path, 0) + 1
        try:
            yield state
        finally:
            with self._lock:
                self._readings -= 1
                for path in paths:
                    left = self._pins[path] - 1
                    if left:
                        self._pins[path] = left
                    else:
                        del self._pins[path]

    def in_use(self) -> set[str]:
        """The files that a question is looking at, or that the next one would."""
        with self._lock:
            return {*self._pins, *(file.path for file in self._state.files)}


def member_of(name: str) -> str:
    """The member of a state that holds a table."""
    return "observations" if name == OBSERVATIONS else "versions"
