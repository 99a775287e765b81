"""A hub in a process of its own that a test may kill, starve and start again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[2]
READY_S = 60.0


class Hub:
    """One hub on one data folder. `start` may be called again after `kill`."""

    def __init__(self, data: Path, *options: str, wrapper: Sequence[str] = (), **environment: str) -> None:
        self.data = data
        self.url = ""
        self._command = [
            *wrapper, sys.executable, "-m", "cityhub", "run", "--dev", "--no-feeds", "--port", "0", "--data", str(data), *options,
        ]  # fmt: skip
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CITYHUB_LOG_LEVEL": "error", **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Begins to start it."""
        self.process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE)

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        self.spawn()
        await self.ready()

    async def ready(self) -> None:
        """Waits until it answers."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self.process.stdout.readline), READY_S)
        assert line, f"the hub did not start (exit code {self.process.wait()})"
        self.url = orjson.loads(line)["url"]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Ends it without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it in order; does nothing when it has ended."""
        self._end(signal.SIGTERM)

    def kill_historian(self) -> bool:
        """Ends the process of its history without warning; whether there was one."""
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"cityhub.historian" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)
                    return True
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def limit_files(self, size: int | None) -> None:
        """Lets no file of it grow beyond a size in bytes, as a disk without space would; None: any size again."""
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))
