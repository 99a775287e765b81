"""The hub's end of the process that works on a file."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

import cityhub
from cityhub.ingest.files.frames import Look, Run, frame_of, receive_frame
from cityhub.web.spawn import PIPE, Spawned, spawn

_PACKAGE_HOME: Final = str(Path(cityhub.__file__).resolve().parent.parent)


class Process:
    """One process with one order. It ends with the hub, however that ends, since its input is then closed."""

    def __init__(self, process: Spawned) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def answer(self) -> tuple[str, msgspec.Raw] | None:
        """What it says next; None when it has ended without a last word."""
        assert self._process.stdout is not None
        try:
            return await receive_frame(self._process.stdout)
        except (asyncio.IncompleteReadError, ValueError, msgspec.DecodeError):
            return None

    def say(self, word: str, value: Any) -> None:
        """Answers a question of the process; one that is gone does not hear it. Does not wait: it may be busy with its next question."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(frame_of(word, value))

    async def end(self) -> None:
        """Ends it, if it runs still."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def start(order: Look | Run) -> Process:
    """Starts a process with an order."""
    search = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": f"{_PACKAGE_HOME}{os.pathsep}{search}" if search else _PACKAGE_HOME}
    process = await spawn([sys.executable, "-m", "cityhub.ingest.files.worker"], environment, stdout=PIPE, limit=1 << 20)
    made = Process(process)
    made.say("orders", order)
    return made
