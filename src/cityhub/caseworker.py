"""The caseworker: the process that works out steps of cases. The hub starts it and gives it its orders on standard input.

    python -m cityhub.caseworker < orders      (one line of JSON; the process ends when its input closes)

It keeps nothing: each question has the process and the state of the case, each answer the next state. SpiffWorkflow is loaded here only.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from cityhub.cases.bpmn.answering import Answers, Progress
from cityhub.cases.bpmn.running import quiet
from cityhub.cases.bpmn.words import CaseworkerOrders
from cityhub.web.companion import end_of_hub, orders_line
from cityhub.web.logging import configure
from cityhub.web.wire import WireServer

DEPTH: Final = 5_000
"""How deep SpiffWorkflow, which climbs from task to task by recursion, may call itself."""


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    line = orders_line()
    if not line:
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
    end = end_of_hub()
    server = WireServer("caseworker", Answers(Progress(Path(orders.progress)), orders.step_s).handlers())
    await server.start(Path(orders.socket))
    await end.wait()
    await server.stop()


if __name__ == "__main__":
    sys.exit(main())
