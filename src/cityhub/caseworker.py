"""The caseworker: the process that works out steps of cases. The hub starts it and gives it its orders on standard input.

    python -m cityhub.caseworker < orders      (one line of JSON; the process ends when its input closes)

It keeps nothing: each question has the process and the state of the case, each answer the next state. SpiffWorkflow is loaded here only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec

from cityhub.cases.bpmn.answering import Answers, Progress
from cityhub.cases.bpmn.running import quiet
from cityhub.cases.bpmn.words import CaseworkerOrders
from cityhub.web.logging import configure
from cityhub.web.wire import WireServer

DEPTH: Final = 5_000
"""How deep SpiffWorkflow, which climbs from task to task by recursion, may call itself."""


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches the hub as well, which ends this process in order
    line = sys.stdin.buffer.readline()
    if not line:  # the hub ended before it gave orders
        return 0
    orders = msgspec.json.decode(line, type=CaseworkerOrders)
    configure(orders.log_format, orders.log_level)
    quiet()
    sys.setrecursionlimit(DEPTH)
    if orders.memory:
        resource.setrlimit(resource.RLIMIT_AS, (orders.memory, orders.memory))
    asyncio.run(_run(orders))
    return 0


async def _run(orders: CaseworkerOrders) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    threading.Thread(target=_watch_input, args=(loop, end), daemon=True).start()
    server = WireServer("caseworker", Answers(Progress(Path(orders.progress)), orders.step_s).handlers())
    await server.start(Path(orders.socket))
    await end.wait()
    await server.stop()


def _watch_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may be closed by then
        loop.call_soon_threadsafe(end.set)


if __name__ == "__main__":
    sys.exit(main())
