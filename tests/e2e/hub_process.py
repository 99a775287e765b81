"""A hub as its users start it: a process of its own, on a free port, with its feeds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson

ROOT = Path(__file__).parents[2]
READY_S = 30.0


class RunningHub:
    """A running hub and its address."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Answer to a GET."""
        return httpx.get(self.url + path, timeout=10, **options)

    def status(self) -> dict[str, Any]:
        """The status document."""
        document: dict[str, Any] = self.get("/api/status").json()
        return document

    def devices_spoke(self) -> bool:
        """Whether everything has come that the district's devices say by MQTT and HTTP push."""
        feeds = [feed for feed in self.get("/api/feeds").json()["feeds"] if feed["protocol"] in ("broker", "http")]
        return len(feeds) == 5 and all(feed["status"]["written"] > 0 for feed in feeds)

    def wait_until(self, holds: Any, timeout_s: float = READY_S) -> dict[str, Any]:
        """The status document as soon as it satisfies a condition."""
        end = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if holds(status):
                return status
            assert time.monotonic() < end, status
            time.sleep(0.2)

    def kill(self) -> None:
        """Ends the hub without warning."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running_hub(data: Path, *options: str, port: int = 0) -> Iterator[RunningHub]:
    """A hub on a data folder; it is stopped at the end, unless the test has killed it."""
    command = [sys.executable, "-m", "cityhub", "run", "--dev", "--port", str(port), "--data", str(data), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CITYHUB_LOG_LEVEL": "warning"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready = orjson.loads(process.stdout.readline())
        yield RunningHub(process, ready["url"])
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def feeders_of(url: str) -> list[int]:
    """Process ids of the players that feed a hub."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"cityhub.ingest.player" in words and url.encode() in words:
                    found.append(int(folder.name))
    return found
