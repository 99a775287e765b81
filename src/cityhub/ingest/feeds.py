"""Starting and stopping the feeds' process from the hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

import cityhub
from cityhub.web.spawn import Spawned, spawn

log = logging.getLogger(__name__)

SIMULATION_SECRET = "FEED_SIMULATION"
"""Environment variable with the password of the simulated devices."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
_PACKAGE_HOME = str(Path(cityhub.__file__).resolve().parent.parent)


class Feeds:
    """The running feeds of a hub; made by `start_feeds`.

    The process is started again, after a growing pause, when it ends by itself with an error.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._process: Spawned | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there now."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the process and its supervision."""
        await self._spawn()
        self._watch = asyncio.create_task(self._supervise(), name="feeds")

    async def stop(self, grace_s: float = 3.0) -> None:
        """Ends the process: closes its input, waits, and kills it after `grace_s`."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def done(self) -> int:
        """Waits until the process has ended by itself and returns its exit status; for `load_only`."""
        assert self._process is not None
        return await self._process.wait()

    async def _spawn(self) -> None:
        self._process = await spawn(self._command, self._environment)

    async def _supervise(self) -> None:
        pause_s = FIRST_PAUSE_S
        while self._process is not None:
            status = await self._process.wait()
            if status == 0:
                return
            log.warning("the feeds' process ended with status %s; it is started again in %.0f s", status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            await self._spawn()


async def start_feeds(
    url: str,
    district: Path,
    *,
    speed: float = 1.0,
    seed: int = 1,
    load_only: bool = False,
    log_format: str = "auto",
    log_level: str = "info",
    secret: str = "",
) -> Feeds:
    """Starts the feeds of a district in a process of their own.

    Args:
        url: The hub's own address, which must answer soon: the process waits for it up to two minutes.
        district: The district's folder.
        speed: Simulated seconds per second.
        seed: Of all chance.
        load_only: Only load the district's entities and recorded figures; nothing is simulated.
        log_format: Form of the process' log, as in the settings.
        log_level: The least severe message of it.
        secret: Password of the simulated devices at the hub's own broker.

    Returns:
        The running feeds; call `stop()` when the hub ends. Should the hub die, the process ends by itself.
    """
    command = [
        sys.executable, "-m", "cityhub.ingest.player", "--url", url, "--district", str(district),
        "--speed", str(speed), "--seed", str(seed), "--with-parent", "--log-format", log_format, "--log-level", log_level,
    ]
    if load_only:
        command.append("--load-only")
    search = os.environ.get("PYTHONPATH")
    home = f"{_PACKAGE_HOME}{os.pathsep}{search}" if search else _PACKAGE_HOME
    environment = {**os.environ, SIMULATION_SECRET: secret, "PYTHONPATH": home}
    feeds = Feeds(command, environment)
    await feeds.start()
    return feeds
