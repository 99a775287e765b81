"""The sentinel: the process that runs the rules. The hub starts it and gives it its orders on standard input.

    python -m cityhub.sentinel < orders      (one line of JSON; the process ends when its input closes)

It follows the journal of the store, asks the hub which rules there are, and tells it what they have to say.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
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
from cityhub.web.companion import cancelled, end_of_hub, orders_line, work_until
from cityhub.web.logging import configure
from cityhub.web.wire_client import WireClient

YOUNG: Final = 200_000
"""New objects before the collector looks for cycles: entries leave none behind."""

log = logging.getLogger("cityhub.sentinel")


def main() -> int:
    """Runs until standard input closes, or SIGTERM. Returns 0."""
    line = orders_line()
    if not line:
        return 0
    orders = msgspec.json.decode(line, type=SentinelOrders, dec_hook=lambda kind, value: kind(value))
    configure(orders.settings.log_format, orders.settings.log_level)
    gc.set_threshold(YOUNG, 20, 1000)
    with alone(Path(orders.settings.data), sys.stdin.fileno()) as is_alone:
        if is_alone:
            uvloop.run(_run(orders))
    return 0


async def _run(orders: SentinelOrders) -> None:
    end = end_of_hub()
    data = Path(orders.settings.data)
    hub = WireClient("hub", Path(orders.socket))
    with contextlib.closing(open_journal(orders.settings.store, data)) as journal:
        following = Following(journal, hub, Memory(data), SystemClock(), KeptModels())
        desk = Desk(hub, following)
        tasks = await work_until(end, [following.run(), desk.listen(), desk.report()], log)
        await cancelled(tasks)


if __name__ == "__main__":
    sys.exit(main())
