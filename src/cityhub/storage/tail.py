"""The newest changes of the journal, in memory, for its readers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
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
        self._sizes: deque[int] = deque()
        self._bound = bound
        self._bound_bytes = bound_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def extend(self, changes: Sequence[Change]) -> None:
        """Adds newer changes in their order; after a gap it begins anew."""
        if not changes:
            return
        with self._lock:
            kept, sizes = self._changes, self._sizes
            if changes[-1].position - changes[0].position >= len(changes):  # a gap among them
                changes = _behind_gaps(changes)
                self._clear()
            elif kept and changes[0].position != kept[-1].position + 1:
                self._clear()
            added = [_size(change) for change in changes]
            kept.extend(changes)
            sizes.extend(added)
            self._bytes += sum(added)
            while len(kept) > self._bound or (self._bytes > self._bound_bytes and len(kept) > 1):
                kept.popleft()
                self._bytes -= sizes.popleft()

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
        self._sizes.clear()
        self._bytes = 0


def _behind_gaps(changes: Sequence[Change]) -> Sequence[Change]:
    """The last of the changes that follow one another."""
    start = len(changes) - 1
    while start and changes[start - 1].position == changes[start].position - 1:
        start -= 1
    return changes[start:]


def _size(change: Change) -> int:
    after: Any = change.after
    before: Any = change.before
    return (0 if after is None else int(after.weight)) + (0 if before is None else int(before.weight))
