"""Asking an edge node of Sparkplug B for a rebirth, when it sends data whose names nobody knows, as after a restart of the gateway.

Source: Eclipse Sparkplug 3.0.0, chapters 5.6 and 6.4 (NCMD, 'Node Control/Rebirth').
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from cityhub.ingest.decoding.sparkplug_message import payload_class

PAUSE_S: Final = 60.0
"""A node is asked once in so many seconds."""
NODES: Final = 10_000
BOOLEAN: Final = 11
_DATA: Final = ("NDATA", "DDATA")


class Rebirths:
    """Whom to ask, and whom not again yet."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str], float] = OrderedDict()

    def of(self, levels: Sequence[str]) -> tuple[str, bytes] | None:
        """Topic and payload that ask the node of refused data for a rebirth; None for what is no data, or was asked a moment ago."""
        if len(levels) < 4 or levels[0] != "spBv1.0" or levels[2] not in _DATA:
            return None
        node, now = (levels[1], levels[3]), time.monotonic()
        if now - self._asked.get(node, -PAUSE_S) < PAUSE_S:
            return None
        self._asked[node] = now
        self._asked.move_to_end(node)
        if len(self._asked) > NODES:
            self._asked.popitem(last=False)
        return f"spBv1.0/{node[0]}/NCMD/{node[1]}", _request()


def _request() -> bytes:
    payload = payload_class()()
    payload.timestamp = time.time_ns() // 1_000_000
    payload.metrics.add(name="Node Control/Rebirth", datatype=BOOLEAN, boolean_value=True)
    encoded: bytes = payload.SerializeToString()
    return encoded
