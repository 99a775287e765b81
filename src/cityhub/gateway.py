"""The gateway: the process that runs the feeds. The hub starts it and gives it its orders on standard input.

    python -m cityhub.gateway < orders      (one line of JSON; the process ends when its input closes)

It asks the hub for its feeds over a Unix socket, runs their protocols, makes entities of what comes, and acknowledges to a sender only
what the hub has in its journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from cityhub.ingest.gateway.compiling import compile_feed
from cityhub.ingest.gateway.desk import Desk
from cityhub.ingest.gateway.hub_side import GatewayOrders
from cityhub.ingest.gateway.memory import Memory
from cityhub.ingest.gateway.outlet import Outlet
from cityhub.ingest.gateway.running import RunningFeeds
from cityhub.ingest.gateway.surroundings import Place
from cityhub.web.logging import configure
from cityhub.web.wire_client import WireClient

YOUNG: Final = 200_000
"""New objects before the collector looks for cycles: messages leave none behind."""
MOST_FILES: Final = 65_536
"""Open files and connections that it asks the system for."""

log = logging.getLogger("cityhub.gateway")


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches the hub as well, which ends this process in order
    line = sys.stdin.buffer.readline()
    if not line:  # the hub ended before it gave orders
        return 0
    orders = msgspec.json.decode(line, type=GatewayOrders, dec_hook=lambda kind, value: kind(value))
    configure(orders.settings.log_format, orders.settings.log_level)
    gc.set_threshold(YOUNG, 20, 1000)
    _allow_files()
    uvloop.run(_run(orders))
    return 0


async def _run(orders: GatewayOrders) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    threading.Thread(target=_watch_input, args=(loop, end), daemon=True).start()
    hub = WireClient("hub", Path(orders.socket))
    outlet = Outlet(hub)
    place = Place(orders.settings, hub, orders.secrets)
    feeds = RunningFeeds(outlet, place, compile_feed, Memory(Path(orders.settings.data)))
    desk = Desk(hub, feeds)
    tasks = [asyncio.create_task(work) for work in (outlet.run(), desk.listen(), desk.report(), feeds.keep())]
    ended = asyncio.create_task(end.wait())
    done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in done - {ended}:
        log.error("the gateway ends by a fault of its own", exc_info=task.exception())
    await feeds.stop()
    await place.stop()
    for task in (ended, *tasks):
        task.cancel()
    await asyncio.gather(ended, *tasks, return_exceptions=True)


def _allow_files() -> None:
    """Takes as many open files as the system gives: shells and services begin with 1024, which few idle devices would use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # then fewer devices can be connected
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _watch_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may be closed by then
        loop.call_soon_threadsafe(end.set)


if __name__ == "__main__":
    sys.exit(main())
