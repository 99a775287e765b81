"""The journal of a store as another process reads it: nothing is written, nothing of the store is kept in memory.

Both sources give entries as they are kept (`cityhub.model.change.Entry`), in order and without those that were compacted away.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import apsw

from cityhub.model.change import Entry
from cityhub.model.errors import StoreUnavailable
from cityhub.storage.sqlite_file import connect
from cityhub.storage.sqlite_journal import journal_entries

if TYPE_CHECKING:
    import psycopg

BYTES: Final = 64_000_000
"""A reading of a file ends with the entry whose documents bring it over so many bytes."""
ROWS: Final = 5_000
"""Most entries that are asked of a server at once."""


class JournalSource(Protocol):
    """The journal of a store, read only. It may be asked from several threads."""

    def read(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries behind a position, in order; fewer when they are large, none at the end.

        Raises StoreUnavailable when the store cannot be reached now.
        """

    def last(self) -> int:
        """Position of the newest entry; 0 when there is none. Raises like `read`."""

    def close(self) -> None:
        """Ends."""


def open_journal(store: str, folder: Path) -> JournalSource:
    """The journal of a store that exists already.

    Args:
        store: As in the settings: "sqlite", or the URL of a PostgreSQL database.
        folder: The data folder, with the file of a SQLite store.
    """
    return SqliteJournal(folder / "hub.sqlite") if store == "sqlite" else PostgresJournal(store)


class SqliteJournal:
    """The journal in a store's file."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(str(path), readonly=True, cache_kib=4_000)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the file, after a reading that is under way in another thread."""
        with self._lock:
            self._connection.close()

    def last(self) -> int:
        """See `JournalSource.last`."""
        try:
            with self._lock:
                return int(self._connection.execute("SELECT max(position) FROM journal").get or 0)
        except apsw.Error as error:
            raise StoreUnavailable(f"The journal cannot be read now ({error})") from error

    def read(self, after: int, limit: int) -> list[Entry]:
        """See `JournalSource.read`."""
        try:
            with self._lock:
                return journal_entries(self._connection, after, limit, BYTES)
        except apsw.Error as error:
            raise StoreUnavailable(f"The journal cannot be read now ({error})") from error


class PostgresJournal:
    """The journal in a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def last(self) -> int:
        """See `JournalSource.last`."""
        [(last,)] = self._ask("SELECT last FROM cityhub.journal_head", ())
        return int(last)

    def read(self, after: int, limit: int) -> list[Entry]:
        """See `JournalSource.read`."""
        from cityhub.storage.postgres_follow import JOURNAL_COLUMNS, entry_of

        rows = self._ask(
            f"SELECT {JOURNAL_COLUMNS} FROM cityhub.journal WHERE position > %s ORDER BY position LIMIT %s",
            (after, min(limit, ROWS)),
        )
        return [entry_of(row) for row in rows]

    def _ask(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The rows of a query; a connection that was lost is made anew once."""
        import psycopg

        for is_last in (False, True):
            try:
                with self._lock:
                    if self._connection is None or self._connection.closed:
                        self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
                    return self._connection.execute(statement, parameters).fetchall()
            except psycopg.Error as error:
                self.close()
                if is_last:
                    raise StoreUnavailable(f"The journal cannot be read now ({error})") from error
        raise AssertionError("unreachable")
