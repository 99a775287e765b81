"""The process of a trial: `python -m cityhub.rules.trial.worker`. It ends when its input closes; its memory is bounded."""

from __future__ import annotations

import gc
import os
import resource
import sys
from typing import Final

import msgspec

from cityhub.model.jsonld import TermMap
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.trial.frames import Orders, Part, frame_of, read_frame
from cityhub.rules.trial.replay import Replay

MEMORY_BYTES: Final = 4_000_000_000
YOUNG: Final = 200_000
"""New objects before the collector looks for cycles: entries leave none behind."""


def main() -> None:
    """Plays what it is given."""
    gc.set_threshold(YOUNG, 20, 1000)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever a library prints must not stand between the frames.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        try:
            orders = msgspec.msgpack.decode(read_frame(sys.stdin.buffer), type=Orders)
            terms = TermMap("trial" if orders.iris else None, orders.iris, set(orders.prefixes))
            replay = Replay(compile_rule(orders.rule, terms, orders.zone), orders.start, orders.end)
            is_last = False
            while not is_last:
                part = msgspec.msgpack.decode(read_frame(sys.stdin.buffer), type=Part)
                out.write(frame_of(replay.play(part)))
                out.flush()
                is_last = part.is_last
        except EOFError:
            return


if __name__ == "__main__":
    main()
