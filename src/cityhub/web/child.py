"""A process of the hub beside it: started, watched, started again when it ends, and ended with the hub."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Final

import cityhub
from cityhub.web.spawn import Spawned, spawn

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""A process that ran so long is started again without a long pause."""
_PACKAGE_HOME: Final = str(Path(cityhub.__file__).resolve().parent.parent)

log = logging.getLogger(__name__)


class Child:
    """One process.

    Attributes:
        starts: How often it was started.
        spawned: When it was started last, on the monotonic clock; 0: never.

    Args:
        name: As messages name it: "historian".
        module: What is run.
        orders: Written to its standard input, which stays open behind them: it closes when the hub ends, however that ends.
        grace_s: How long it may take to end in order.
    """

    def __init__(self, name: str, module: str, orders: bytes, grace_s: float) -> None:
        self._name = name
        self._module = module
        self._orders = orders
        self._grace_s = grace_s
        self._process: Spawned | None = None
        self.starts = 0
        self.spawned = 0.0

    @property
    def pid(self) -> int | None:
        """The process that runs now; None when none does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def watch(self) -> None:
        """Starts the process, and again after a growing pause whenever it ends, until this is cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                status: int | str = await self._spawn()
            except OSError as error:
                status = str(error)
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            log.warning("the %s ended with status %s; it is started again in %.1f s", self._name, status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def stop(self) -> None:
        """Ends the process: closes its input, waits, and kills it when it takes too long. `watch` must have been cancelled."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), self._grace_s)
        except TimeoutError:
            log.warning("the %s did not end within %.0f s and is killed", self._name, self._grace_s)
            process.kill()
            await process.wait()

    async def _spawn(self) -> int:
        search = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{_PACKAGE_HOME}{os.pathsep}{search}" if search else _PACKAGE_HOME}
        self._process = await spawn([sys.executable, "-m", self._module], environment)
        self.starts += 1
        self.spawned = time.monotonic()
        assert self._process.stdin is not None
        self._process.stdin.write(self._orders)
        return await self._process.wait()
