"""The gateway: the process that runs the feeds. The hub starts it and gives it its orders on standard input.

    python -m cityhub.gateway < orders      (one line of JSON; the process ends when its input closes)

It asks the hub for its feeds over a Unix socket, runs their protocols, makes entities of what comes, and acknowledges to a sender only
what the hub has in its journal.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import resource
import sys
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
from cityhub.web.companion import cancelled, end_of_hub, orders_line, work_until
from cityhub.web.logging import configure
from cityhub.web.wire_client import WireClient

YOUNG: Final = 200_000
"""New objects before the collector looks for cycles: messages leave none behind."""
MOST_FILES: Final = 65_536
"""Open files and connections that it asks the system for."""

log = logging.getLogger("cityhub.gateway")


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    line = orders_line()
    if not line:
        return 0
    orders = msgspec.json.decode(line, type=GatewayOrders, dec_hook=lambda kind, value: kind(value))
    configure(orders.settings.log_format, orders.settings.log_level)
    gc.set_threshold(YOUNG, 20, 1000)
    _allow_files()
    uvloop.run(_run(orders))
    return 0


async def _run(orders: GatewayOrders) -> None:
    end = end_of_hub()
    hub = WireClient("hub", Path(orders.socket))
    outlet = Outlet(hub)
    place = Place(orders.settings, hub, orders.secrets)
    feeds = RunningFeeds(outlet, place, compile_feed, Memory(Path(orders.settings.data)))
    desk = Desk(hub, feeds)
    tasks = await work_until(end, [outlet.run(), desk.listen(), desk.report(), feeds.keep()], log)
    await feeds.stop()
    await place.stop()
    await cancelled(tasks)


def _allow_files() -> None:
    """Takes as many open files as the system gives: shells and services begin with 1024, which few idle devices would use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # then fewer devices can be connected
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
