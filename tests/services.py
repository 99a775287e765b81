"""The servers that tests talk to: found on this machine, started for one run, stopped at its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def unavailable(what: str) -> None:
    """Skips the test and says what is missing; fails it in continuous integration, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}; in continuous integration every service must be there", pytrace=False)
    pytest.skip(what)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_program(name: str, *patterns: str) -> str | None:
    """The path of a program: on PATH, or the newest match of the patterns; None when there is none."""
    found = [str(match) for pattern in patterns for match in Path("/").glob(pattern.lstrip("/"))]
    return shutil.which(name) or (max(found) if found else None)


class PostgresCluster:
    """A PostgreSQL cluster of our own in a folder, which may be killed and started again.

    Attributes:
        url: Where its database is.
    """

    def __init__(self, programs: Path, folder: Path, *settings: str) -> None:
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._folder = folder
        self._pg_isready = programs / "pg_isready"
        self._owner = ["setpriv", "--pdeathsig", "INT"]
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            self._owner += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        options = [word for setting in ("listen_addresses=", *settings) for word in ("-c", setting)]
        self._serve: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-k", folder, *options]
        make: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*self._owner, *make, "--locale", "C.UTF-8"], cwd="/", check=True, capture_output=True)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the server and waits until it takes connections."""
        with open(self._folder / "log", "ab") as log:
            server = self._server = subprocess.Popen([*self._owner, *self._serve], cwd="/", stdout=log, stderr=log)
        wait_for(lambda: accepts(self._pg_isready, self._folder), server, "PostgreSQL")

    def kill(self) -> None:
        """Ends the server without warning; what it was doing is recovered at the next start."""
        if self._server is not None:
            for pid in self._processes:  # the children would end by themselves, but some not before they have answered
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._server.wait()
        self._server = None

    def pause(self) -> None:
        """Stops every process of it where it is: connections stay open and nobody answers."""
        for pid in self._processes:
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Ends a pause."""
        for pid in self._processes:
            os.kill(pid, signal.SIGCONT)

    @property
    def _processes(self) -> list[int]:
        if self._server is None or self._server.poll() is not None:
            return []
        pid = self._server.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def stop(self) -> None:
        """Ends the server in order; does nothing when it does not run."""
        if self._server is not None:
            stop(self._server)
        self._server = None


@contextlib.contextmanager
def own_postgres(*settings: str) -> Iterator[PostgresCluster | None]:
    """A running PostgreSQL cluster of our own, or None when PostgreSQL is not installed."""
    initdb = find_program("initdb", "/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb")
    if initdb is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="cityhub-pg-"))
    try:
        cluster = PostgresCluster(Path(initdb).resolve().parent, folder, *settings)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres_cluster() -> Iterator[str | None]:
    """The URL of a PostgreSQL cluster of our own, or None when PostgreSQL is not installed."""
    with own_postgres("fsync=off") as cluster:
        yield None if cluster is None else cluster.url


def accepts(pg_isready: Path, folder: Path) -> bool:
    """Whether the cluster whose socket is in the folder takes connections."""
    return subprocess.run([pg_isready, "-q", "-h", folder], check=False).returncode == 0


@contextlib.contextmanager
def mosquitto_broker() -> Iterator[int | None]:
    """The loopback port of a Mosquitto broker of our own, or None when Mosquitto is not installed."""
    program = find_program("mosquitto", "/usr/sbin/mosquitto")
    if program is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cityhub-mqtt-") as folder:
        settings = Path(folder) / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", program, "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: listens(port), server, "Mosquitto")
            yield port
        finally:
            stop(server)


def listens(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready: Callable[[], bool], server: subprocess.Popen[bytes], name: str, seconds: float = 120) -> None:
    """Returns when `ready()` is true; fails the test when the server ends or the time is over."""
    end = time.monotonic() + seconds
    while not ready():
        if server.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{name} did not start (exit code {server.poll()})", pytrace=False)
        time.sleep(0.05)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ends a server, by force after ten seconds."""
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
