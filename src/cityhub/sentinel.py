"""The sentinel: the process that runs the rules. The hub starts it and gives it its orders on standard input.

    python -m cityhub.sentinel < orders      (one line of JSON; the process ends when its input closes)

It follows the journal of the store, asks the hub which rules there are, and tells it what they have to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from cityhub.model.time import SystemClock
from cityhub.rules.models.model import KeptModels
from cityhub.rules.sentinel.checkpoint import Memory, alone
from cityhub.rules.sentinel.desk import Desk
from cityhub.rules.sentinel.following import Following
from cityhub.rules.sentinel.words import SentinelOrders
from cityhub.storage.journal_file import open_journal
from cityhub.web.logging import configure
from cityhub.web.wire_client import WireClient

YOUNG: Final = 200_000
"""New objects before the collector looks for cycles: entries leave none behind."""

log = logging.getLogger("cityhub.sentinel")


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches the hub as well, which ends this process in order
    line = sys.stdin.buffer.readline()
    if not line:  # the hub ended before it gave orders
        return 0
    orders = msgspec.json.decode(line, type=SentinelOrders, dec_hook=lambda kind, value: kind(value))
    configure(orders.settings.log_format, orders.settings.log_level)
    gc.set_threshold(YOUNG, 20, 1000)
    with alone(Path(orders.settings.data), sys.stdin.fileno()) as is_alone:
        if is_alone:
            uvloop.run(_run(orders))
    return 0


async def _run(orders: SentinelOrders) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    threading.Thread(target=_watch_input, args=(loop, end), daemon=True).start()
    data = Path(orders.settings.data)
    hub = WireClient("hub", Path(orders.socket))
    with contextlib.closing(open_journal(orders.settings.store, data)) as journal:
        following = Following(journal, hub, Memory(data), SystemClock(), KeptModels())
        desk = Desk(hub, following)
        tasks = [asyncio.create_task(work) for work in (following.run(), desk.listen(), desk.report())]
        ended = asyncio.create_task(end.wait())
        done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {ended}:
            log.error("the sentinel ends by a fault of its own", exc_info=task.exception())
        for task in (ended, *tasks):
            task.cancel()
        await asyncio.gather(ended, *tasks, return_exceptions=True)


def _watch_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may be closed by then
        loop.call_soon_threadsafe(end.set)


if __name__ == "__main__":
    sys.exit(main())
