"""A hub as its users start it: a process of its own, on a free port, with its feeds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.hub_process import ROOT, HubProcess

__all__ = ["ROOT", "RunningHub", "feeders_of", "running_hub"]

READY_S = 120.0


class RunningHub:
    """A running hub and its address."""

    def __init__(self, run: HubProcess) -> None:
        self.run = run
        self.process = run.process
        self.url = run.url

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Answer to a GET."""
        return httpx.get(self.url + path, timeout=60, **options)

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
        self.run.kill()


@contextlib.contextmanager
def running_hub(data: Path, *options: str, port: int = 0) -> Iterator[RunningHub]:
    """A hub on a data folder; it is stopped at the end, unless the test has killed it."""
    with HubProcess(data, ("--dev", "--port", str(port), *options), CITYHUB_LOG_LEVEL="warning") as process:
        yield RunningHub(process)


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
