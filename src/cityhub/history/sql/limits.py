"""How much one statement, and all together, may take; and how the engine is locked."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import resource
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from cityhub.model.errors import StoreUnavailable, TooComplexQuery

log = logging.getLogger(__name__)

MB: Final = 1024 * 1024
INTERRUPT_S: Final = 0.1
"""How often a statement that is over its time is told so, until it ends."""
ASK_S: Final = 0.02
OPEN: Final = ("enable_external_file_cache", "parquet_metadata_cache")
"""Settings that the lake changes while it runs: they make DuckDB forget what it knows of files."""


class Limits(msgspec.Struct, frozen=True):
    """The bounds.

    Attributes:
        memory_mb: What DuckDB may hold in memory, of all statements together.
        spill_mb: What it may lay down in its temporary folder besides.
        rows: Most rows in an answer that is streamed.
        answer_mb: Most of its size.
        rows_mb: Most of the size of an answer that is given at once.
        timeout_s: The longest time of a statement, whatever is asked for.
        concurrent: Statements that run at one time.
        waiting: Statements that wait for their turn.
        wait_s: How long they wait.
    """

    memory_mb: int = 1024
    spill_mb: int = 4096
    rows: int = 50_000_000
    answer_mb: int = 4096
    rows_mb: int = 64
    timeout_s: float = 600.0
    concurrent: int = 4
    waiting: int = 16
    wait_s: float = 20.0


def load_spatial(connection: duckdb.DuckDBPyConnection) -> None:
    """Loads DuckDB's spatial functions from the installed package: nothing is downloaded. Call it before `lock`."""
    package = importlib.util.find_spec("duckdb_extension_spatial")
    if package is None or package.origin is None:
        raise RuntimeError("The package 'duckdb-extension-spatial' is not installed; it comes with the hub")
    file = Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
    connection.load_extension(str(file))


def lock(connection: duckdb.DuckDBPyConnection, folders: Sequence[str], spill: Path, limits: Limits) -> None:
    """Bounds a database and locks it: from now on it opens nothing outside the folders, and no setting can be changed.

    Args:
        connection: Any connection of the database; all others of it are bound as well.
        folders: Where the files of the lake are: folders, or prefixes such as "s3://lake/".
        spill: A private folder for what does not fit into memory, made unless the database has one already.
        limits: How much.
    """
    row = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    if row is None or row[0] in (None, "", ".tmp"):
        spill.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{limits.memory_mb} MiB'")
    connection.execute(f"SET max_temp_directory_size = '{limits.spill_mb} MiB'")
    for setting in (
        "python_enable_replacements = false", "autoinstall_known_extensions = false", "autoload_known_extensions = false",
        "allow_community_extensions = false", "allow_unsigned_extensions = false", "enable_logging = false",
        "max_expression_depth = 400",
    ):  # fmt: skip
        with contextlib.suppress(duckdb.CatalogException):
            connection.execute(f"SET {setting}")
    connection.execute("SET allowed_directories = ?", [list(folders)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET allowed_configs = ?", [list(OPEN)])
    connection.execute("SET lock_configuration = true")


def bound_process(megabytes: int) -> None:
    """Bounds what this process may allocate from now on, beyond what it has.

    DuckDB does not count everything in its own bound (what a function makes of constants, for one); with this bound it says
    that memory is out, where the system would end the whole process.
    """
    used = 0
    for line in Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ():
        if line.startswith("VmData:"):
            used = int(line.split()[1]) * 1024
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = used + megabytes * MB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class Slots:
    """How many statements run at one time, and how many wait."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = threading.Semaphore(limits.concurrent)
        self._lock = threading.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Holds a slot; waits for it without holding a thread. Raises StoreUnavailable when too many wait or it takes too long."""
        with self._queued() as deadline:
            while not self._free.acquire(blocking=False):
                self._late(deadline)
                await asyncio.sleep(ASK_S)
        try:
            yield
        finally:
            self._free.release()

    @contextlib.contextmanager
    def held_by_thread(self) -> Iterator[None]:
        """Like `held`, for callers that are threads."""
        with self._queued() as deadline:
            while not self._free.acquire(timeout=ASK_S):
                self._late(deadline)
        try:
            yield
        finally:
            self._free.release()

    @contextlib.contextmanager
    def _queued(self) -> Iterator[float]:
        with self._lock:
            if self._waiting >= self._limits.waiting:
                raise StoreUnavailable(f"{self._limits.concurrent} statements run and {self._waiting} wait already: try again later")
            self._waiting += 1
        try:
            yield time.monotonic() + self._limits.wait_s
        finally:
            with self._lock:
                self._waiting -= 1

    def _late(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"{self._limits.concurrent} statements have run for {self._limits.wait_s:.0f} s: try again later")


class Deadline:
    """Interrupts a connection when its time is over, again and again until the block is left."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self.passed = False
        self.seconds = seconds
        self._connection = connection
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="deadline")

    def __enter__(self) -> Deadline:
        """Raises TooComplexQuery when there is no memory left for a thread."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise TooComplexQuery("There is not enough memory for the statement now: try again later") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._left.wait(self.seconds):
            return
        self.passed = True
        while not self._left.wait(INTERRUPT_S):
            self._connection.interrupt()
