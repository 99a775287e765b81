"""Starts the worker's processes for the hub: few at a time, each for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Final

import cityhub
from cityhub.model.errors import StoreUnavailable
from cityhub.web.spawn import PIPE, spawn

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
WAITING: Final = 50
"""So many tasks may wait for their turn; more are refused."""
TIMEOUT_S: Final = 60.0
PACKAGES: Final = str(Path(cityhub.__file__).resolve().parents[1])


class Workers:
    """Runs tasks of `cityhub.catalogue.worker`."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def run(self, task: str, content: bytes) -> bytes:
        """What the worker answers to a task.

        Raises:
            StoreUnavailable: Too many tasks wait, it took too long, or it failed; the log says why.
        """
        if self._waiting >= WAITING:
            raise StoreUnavailable("The catalogue is making as many files as it can: try again in a minute")
        self._waiting += 1
        try:
            async with self._turns:
                return await self._run(task, content)
        finally:
            self._waiting -= 1

    async def _run(self, task: str, content: bytes) -> bytes:
        # The worker finds this very package, wherever it was imported from.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (PACKAGES, os.environ.get("PYTHONPATH"))))}
        process = await spawn([sys.executable, "-m", "cityhub.catalogue.worker", task], environment, stdout=PIPE, stderr=PIPE)
        try:
            answer, said = await asyncio.wait_for(process.communicate(content), TIMEOUT_S)
        except TimeoutError:
            raise StoreUnavailable(f"The catalogue's worker needed more than {TIMEOUT_S:.0f} s for this: ask for less") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            log.error("the catalogue's worker failed at '%s': %s", task, said.decode("utf-8", "replace")[-2000:])
            raise StoreUnavailable("The catalogue's worker failed at this; the hub's log says why")
        return answer
