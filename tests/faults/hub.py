"""A hub in a process of its own that a test may kill, starve and start again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.hub_process import DEV, HubProcess


class Hub:
    """One hub on one data folder. `start` may be called again after `kill`."""

    def __init__(self, data: Path, *options: str, wrapper: Sequence[str] = (), **environment: str) -> None:
        self.data = data
        self.url = ""
        self._options = (*DEV, *options)
        self._wrapper = wrapper
        self._environment = {"CITYHUB_LOG_LEVEL": "error", **environment}
        self._hub: HubProcess | None = None

    def spawn(self) -> None:
        """Begins to start it."""
        self._hub = HubProcess(self.data, self._options, self._wrapper, **self._environment)

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        self.spawn()
        await self.ready()

    async def ready(self) -> None:
        """Waits until it answers."""
        assert self._hub is not None
        await asyncio.to_thread(self._hub.__enter__)
        self.url = self._hub.url

    @property
    def pid(self) -> int:
        assert self._hub is not None
        return self._hub.process.pid

    def is_running(self) -> bool:
        return self._hub is not None and self._hub.is_running()

    def kill(self) -> None:
        """Ends it without warning."""
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.kill()

    def stop(self) -> None:
        """Ends it in order; does nothing when it has ended."""
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.stop()

    def kill_historian(self) -> bool:
        """Ends the process of its history without warning; whether there was one."""
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"cityhub.historian" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)
                    return True
        return False

    def limit_files(self, size: int | None) -> None:
        """Lets no file of it grow beyond a size in bytes, as a disk without space would; None: any size again."""
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))
