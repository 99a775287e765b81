"""The newest changes of the journal, in memory, for its readers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from cityhub.model.change import Change

TAIL = 10_000
"""So many changes at most."""
TAIL_BYTES = 96_000_000
"""About so many bytes of memory at most, counted before and after each change; the newest change is kept whatever its size."""


class Tail:
    """The newest changes without a gap between them. One thread may add while others read."""

    def __init__(self, bound: int = TAIL, bound_bytes: int = TAIL_BYTES) -> None:
        self._changes: deque[Change] = deque()
        self._bound = bound
        self._bound_bytes = bound_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def extend(self, changes: Iterable[Change]) -> None:
        """Adds newer changes in their order; after a gap it begins anew."""
        with self._lock:
            kept = self._changes
            expected = kept[-1].position + 1 if kept else 0
            for change in changes:
                if kept and change.position != expected:
                    self._clear()
                kept.append(change)
                self._bytes += _size(change)
                expected = change.position + 1
            while len(kept) > self._bound or (self._bytes > self._bound_bytes and len(kept) > 1):
                self._bytes -= _size(kept.popleft())

    def read(self, after: int, limit: int) -> list[Change] | None:
        """Up to `limit` changes behind a position; None when not all of them are here."""
        with self._lock:
            kept = self._changes
            if not kept or kept[0].position > after + 1:
                return None
            start = max(0, after + 1 - kept[0].position)
            wanted = len(kept) - start
            if wanted > limit or wanted > start:
                return list(islice(kept, start, start + limit))
            newest = list(islice(reversed(kept), max(0, wanted)))  # most readers are near the end
            newest.reverse()
            return newest

    def clear(self) -> None:
        """Forgets all changes."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._changes.clear()
        self._bytes = 0


def _size(change: Change) -> int:
    after: Any = change.after
    before: Any = change.before
    return (0 if after is None else int(after.weight)) + (0 if before is None else int(before.weight))
