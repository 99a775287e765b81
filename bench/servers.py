"""The servers beside each other: how each is started, found ready, weighed and stopped."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import ngsild_load
from bench.generators import LoadFailed
from bench.workloads import API

READY_WITHIN_S = 60.0
HUB = "cityhub"
BASELINE = "baseline"


@dataclass
class Server:
    """One server of a comparison.

    Attributes:
        name: What it is called in results.
        command: How to start it, with `{data}` for an empty folder of its own and `{port}` for a free port. A command
            without `{port}` prints one JSON line with "port" when it is ready. Empty: it runs already.
        port: Where it listens; 0 while it does not run.
        durable: Whether a second start on the same folder must find the entities.
        start_s: Seconds from the start of the process to its first answer.
    """

    name: str
    command: list[str]
    port: int = 0
    durable: bool = False
    start_s: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Starts it on its folder, a new one unless it ran before, and waits until it answers."""
        if not self.command:
            return
        self.folder = self.folder or tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-")
        data, log = Path(self.folder.name, "data"), Path(self.folder.name, "stderr.log")
        data.mkdir(exist_ok=True)
        port = free_port()
        command = [part.format(data=data, port=port) for part in self.command]
        announces = not any("{port}" in part for part in self.command)
        started = time.perf_counter()
        with log.open("ab") as complaints:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE if announces else subprocess.DEVNULL, stderr=complaints)
        self.port = self.announced_port() if announces else port
        self.await_answer(started + READY_WITHIN_S)
        self.start_s = time.perf_counter() - started

    def announced_port(self) -> int:
        """The port on the JSON line that the process prints when it is ready."""
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"{"):
                return int(json.loads(line)["port"])
        raise LoadFailed(f"{self.name} ended before it was ready:\n{self.complaint()}")

    def await_answer(self, deadline: float) -> None:
        """Returns when it answers an NGSI-LD request, whatever the answer."""
        while True:
            try:
                ngsild_load.call(self.port, "GET", f"{API}/entities?type=Any&limit=1")
                return
            except OSError:
                if time.perf_counter() > deadline or (self.process and self.process.poll() is not None):
                    raise LoadFailed(f"{self.name} does not answer:\n{self.complaint()}") from None
                time.sleep(0.005)

    def running(self) -> bool:
        """Whether the process is there; one that was started elsewhere is taken to be."""
        return self.process is None or self.process.poll() is None

    def complaint(self) -> str:
        """The end of what it wrote to standard error."""
        return Path(self.folder.name, "stderr.log").read_text(errors="replace")[-2000:] if self.folder else ""

    def memory_mb(self) -> float | None:
        """Resident memory of the process and its children; None where this cannot be known."""
        return resident_mb(self.process.pid) if self.process else None

    def processor_s(self) -> float | None:
        """Processor time that the process has used so far, over all its threads; None where this cannot be known."""
        return used_processor_s(self.process.pid) if self.process else None

    def stop(self, keep: bool = False) -> None:
        """Ends the process, and with it its folder unless it is to be kept for another start."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process, self.port = None, 0
        if self.folder and not keep:
            self.folder.cleanup()
            self.folder = None


def hub(command: str | None) -> Server:
    """The hub itself: one worker, durable on disk."""
    beside = Path(sys.executable).with_name("cityhub")
    program = str(beside) if beside.exists() else shutil.which("cityhub")
    words = shlex.split(command) if command else [program or "cityhub", "run", "--dev", "--port", "0", "--no-feeds", "--data", "{data}"]
    return Server(HUB, words, durable=True)


def baseline() -> Server:
    """The smallest possible Python server."""
    return Server(BASELINE, [sys.executable, str(Path(__file__).with_name("baseline.py"))])


def peer(definition: str) -> Server:
    """A peer given as NAME=URL of a running one, or NAME=COMMAND with {port} and, if it keeps anything, {data}."""
    name, _, what = definition.partition("=")
    if not name or not what:
        raise ValueError(f"A peer is NAME=URL or NAME=COMMAND, not {definition!r}")
    if what.startswith("http://"):
        return Server(name, [], ngsild_load.loopback_port(what))
    return Server(name, shlex.split(what))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process tree in megabytes (10^6 bytes), as Linux counts it; None elsewhere."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return None
    below = (resident_mb(int(child)) or 0.0 for child in children)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(below)


def used_processor_s(pid: int) -> float | None:
    """User and system time of a process, without its children, as Linux counts it; None elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
