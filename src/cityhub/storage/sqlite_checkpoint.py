"""Moving the write-ahead log into the file beside the writer, so that no write waits for it.

SQLite by itself does it inside a commit, which then takes a hundred times as long as the others. Here a thread with a connection
of its own moves what is there; what was written meanwhile, which is little, the writer moves between two groups, and with that
the log begins anew.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import apsw

from cityhub.storage.sqlite_file import connect

PAGES: Final = 16_000
"""The log is moved when it has so many pages (64 MB); a larger one is read longer after a crash, a smaller one moved more often."""

log = logging.getLogger(__name__)


class Checkpoints(threading.Thread):
    """The thread that moves the log of one file."""

    def __init__(self, path: str) -> None:
        super().__init__(name="cityhub-checkpoints", daemon=True)
        self._path = path
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._is_moved = False

    def watch(self, writing: apsw.Connection) -> None:
        """Hears of every commit of the writer's connection, which no longer moves the log itself."""
        writing.set_wal_hook(self._grown)

    def _grown(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages >= PAGES and not self._is_moved:
            self._wanted.set()
        return apsw.SQLITE_OK

    def finish(self, writing: apsw.Connection) -> None:
        """Moves the little that came while the thread moved the rest; called by the writer between groups."""
        if self._is_moved:
            self._is_moved = False
            move(writing)

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stopping.set()
        self._wanted.set()
        self.join()

    def run(self) -> None:
        connection = connect(self._path, cache_kib=1_000)
        try:
            while True:
                self._wanted.wait()
                if self._stopping.is_set():
                    return
                move(connection)
                self._wanted.clear()
                if self._stopping.is_set():  # it was told while the log was being moved
                    return
                self._is_moved = True
        finally:
            connection.close()


def move(connection: apsw.Connection) -> None:
    """Moves what no reader needs in the log any more; a disk that is full or broken is met again by the next write."""
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except apsw.Error as error:
        log.warning("the log could not be moved into the file: %s", error)
