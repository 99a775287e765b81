"""The servers that tests talk to: found on this machine, started for one run, stopped at its end."""

from __future__ import annotations

import contextlib
import os
import shutil
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


@contextlib.contextmanager
def postgres_cluster() -> Iterator[str | None]:
    """The URL of a PostgreSQL cluster of our own, or None when PostgreSQL is not installed."""
    initdb = find_program("initdb", "/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb")
    if initdb is None:
        yield None
        return
    programs = Path(initdb).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="cityhub-pg-"))
    owner = ["setpriv", "--pdeathsig", "INT"]
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        owner += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    try:
        make: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*owner, *make, "--locale", "C.UTF-8"], cwd="/", check=True, capture_output=True)
        serve: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([*owner, *serve], cwd="/", stdout=log, stderr=log)
        try:
            wait_for(lambda: (folder / ".s.PGSQL.5432").exists() and accepts(programs / "pg_isready", folder), server, "PostgreSQL")
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def wait_for(ready: Callable[[], bool], server: subprocess.Popen[bytes], name: str, seconds: float = 30) -> None:
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
