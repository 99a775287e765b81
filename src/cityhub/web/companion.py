"""What a process beside the hub does at its start and its end; `cityhub.web.child` is the hub's side of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any


def orders_line() -> bytes:
    """The line of orders on standard input; empty when the hub ended before it gave any.

    Ctrl+C in a terminal is left to the hub, which it reaches as well and which ends this process in order.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return sys.stdin.buffer.readline()


def end_of_hub() -> asyncio.Event:
    """Is set when standard input closes, as it does however the hub ends, and at SIGTERM. For the loop that runs."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    threading.Thread(target=_watch_input, args=(loop, end), daemon=True).start()
    return end


async def work_until(end: asyncio.Event, works: list[Coroutine[Any, Any, None]], log: logging.Logger) -> list[asyncio.Task[None]]:
    """Works until the end is set, or one of the works, none of which ends by itself, has failed; the tasks, for `cancelled`."""
    tasks = [asyncio.create_task(work) for work in works]
    ended = asyncio.create_task(end.wait())
    done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in done - {ended}:
        log.error("the process ends by a fault of its own", exc_info=task.exception())
    ended.cancel()
    return tasks


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _watch_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may be closed by then
        loop.call_soon_threadsafe(end.set)
