"""A hub in a process of its own, as its users start it: started within a bounded time, told from its log when it fails, ended always."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[1]
DEV = ("--dev", "--port", "0", "--no-feeds")
READY_S = 120.0
"""A machine with other work takes ten times as long as a quiet one; a hub that hangs never comes."""
STOP_S = 60.0
DUMP_S = 10.0


class HubProcess:
    """One hub on one data folder, for one run.

    As a context manager it is started, and stopped in order at the end unless the test has ended it.

    Attributes:
        ready: What its ready line says.

    Args:
        data: The data folder.
        options: Of `cityhub run`.
        wrapper: A command that runs it.
        environment: Variables beside this process's own.
    """

    def __init__(self, data: Path, options: Sequence[str] = DEV, wrapper: Sequence[str] = (), **environment: str) -> None:
        command = [*wrapper, sys.executable, "-m", "cityhub", "run", *options, "--data", str(data)]
        # Where it hangs, SIGABRT makes it write what each of its threads does.
        around = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONFAULTHANDLER": "1", **environment}
        # A file: a pipe that nobody reads would stop a hub that has much to say.
        self._log = tempfile.TemporaryFile()
        self._whole_log = ""
        self.process = subprocess.Popen(command, env=around, stdout=subprocess.PIPE, stderr=self._log, bufsize=0)
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> HubProcess:
        try:
            self.ready = orjson.loads(self.first_line())
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it answers."""
        return str(self.ready["url"])

    def first_line(self) -> bytes:
        """What it prints first, which it does when it takes requests; fails with its log when it does not."""
        assert self.process.stdout is not None
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        end = time.monotonic() + READY_S
        line = b""
        while not line.endswith(b"\n"):
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                self.kill(signal.SIGABRT)
                raise AssertionError(f"the hub was not ready within {READY_S:.0f} s:\n{self.log}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                self.kill()
                raise AssertionError(f"the hub did not start (exit code {self.process.returncode}):\n{self.log}")
            line += piece
        return line

    @property
    def log(self) -> str:
        """What it has complained of so far, or all of it when it has ended."""
        if self._log.closed:
            return self._whole_log
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it without warning."""
        self.process.send_signal(number)
        try:
            self.process.wait(DUMP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._end()

    def stop(self) -> str:
        """Ends it in order; what it printed after its first line. Does nothing when it has ended."""
        if self.process.stdout is None or self.process.stdout.closed:
            return ""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGABRT)
            raise AssertionError(f"the hub did not stop within {STOP_S:.0f} s:\n{self.log}") from None
        return self._end()

    def _end(self) -> str:
        rest = ""
        if self.process.stdout is not None and not self.process.stdout.closed:
            rest = self.process.stdout.read().decode()
            self.process.stdout.close()
        if not self._log.closed:
            self._whole_log = self.log
            self._log.close()
            sys.stderr.write(self._whole_log)  # pytest shows it where a test fails
        return rest
