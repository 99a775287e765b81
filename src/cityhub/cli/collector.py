"""Python's garbage collector, kept from searching again and again through what stays in memory.

The collector looks for cycles among all objects that it knows. A hub keeps thousands of entities in memory, so that
one full collection takes a tenth of a second, and under writing there are several a second. Here everything that has
survived for a moment is set aside (which costs nothing, however much it is; it is still freed when its last reference
goes), the young are searched as always, and what was set aside is searched only when it has grown much.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

YOUNG: Final = 200_000
"""New objects before the young are searched for cycles. A request leaves none behind, so that this is for what goes wrong."""
SET_ASIDE_S: Final = 0.2
"""How often the survivors are set aside: before a busy hub has so many new ones, since to search them costs more than to set them aside."""
CHECKED_EVERY: Final = 300
"""Settings-aside between two looks at how many objects are there."""
GROWTH: Final = 500_000
"""What was set aside is searched when it has doubled and grown by so many objects."""


async def tame() -> None:
    """Takes over from the collector's own rhythm until it is cancelled."""
    rhythm = gc.get_threshold()
    gc.set_threshold(YOUNG, 20, 1_000_000)
    settled = _search_all()
    times = 0
    try:
        while True:
            await asyncio.sleep(SET_ASIDE_S)
            gc.freeze()
            times += 1
            if times % CHECKED_EVERY == 0 and gc.get_freeze_count() > 2 * settled + GROWTH:
                settled = _search_all()
    finally:
        gc.unfreeze()
        gc.set_threshold(*rhythm)


def _search_all() -> int:
    """Searches everything for cycles and sets aside what is left; how many objects that are."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()
