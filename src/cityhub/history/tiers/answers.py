"""The historian's part of the tiers: it counts reads, answers what the tiers cost, and moves files through its own lake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from cityhub.history.tiers.access import Accesses
from cityhub.history.tiers.costs import Costs, costs
from cityhub.history.tiers.moving import clean, move
from cityhub.history.tiers.plan import Plan, Tier
from cityhub.history.tiers.tables import Replacing, held
from cityhub.model.errors import CityHubError
from cityhub.model.time import Clock

COUNT_S: Final = 10.0
"""How often the counts of reads are taken up."""
MOVE_S: Final = 3600.0
"""How often it is looked whether files belong elsewhere."""
WITHOUT: Final = Plan(tier=(Tier(name="hot", title="闪存", source="no plan of tiers is set"),))
"""The plan of a hub that has none: one tier, no prices."""

log = logging.getLogger(__name__)


class TieredLake(Replacing, Protocol):
    """The lake, as far as tiers need it."""

    def count_reads(self) -> None:
        """Begins to count what is read of files."""

    def file_reads(self) -> dict[str, tuple[int, int]]:
        """Requests and bytes by path since the last time."""


class TierQuestion(msgspec.Struct, frozen=True):
    """What do the tiers cost? `plan`: under this plan; None: under the hub's own."""

    plan: Plan | None = None


class TierAnswers:
    """See the module.

    Args:
        lake: The lake.
        plan: The hub's plan; None: there is none, and nothing moves.
        folder: Where the counts are kept.
        clock: The time.
        grace_s: How long a file that no snapshot names is left alone.
    """

    def __init__(self, lake: TieredLake, plan: Plan | None, folder: Path, clock: Clock, grace_s: float = 3600.0) -> None:
        self._lake = lake
        self._plan = plan
        self._clock = clock
        self._grace_s = grace_s
        self._accesses = Accesses(folder, clock)
        self._tasks: list[asyncio.Task[None]] = []

    def handlers(self) -> dict[str, Any]:
        """What it answers on the wire."""
        return {"tiers": self.answer}

    async def answer(self, body: bytes) -> bytes:
        """The handler "tiers": a `TierQuestion`; answered by the report as JSON."""
        question = msgspec.msgpack.decode(body, type=TierQuestion)
        return msgspec.json.encode(await asyncio.to_thread(self.report, question.plan))

    def report(self, plan: Plan | None) -> Costs:
        """The report, now."""
        self.count()
        return costs(held(self._lake), plan or self._plan or WITHOUT, self._accesses, self._clock)

    def count(self) -> None:
        """Takes up what was read since the last time."""
        self._accesses.note(self._lake.file_reads())

    def tidy(self) -> None:
        """Moves what is due, clears up, and writes the counts down."""
        if self._plan is not None:
            done = move(self._lake, self._plan, self._accesses, self._clock)
            cleaned = clean(self._lake, self._plan, self._clock, grace_s=self._grace_s)
            if done.of_files or cleaned.files:
                log.info("moved %s of %s files, removed %s", done.files, done.of_files, cleaned.files)
        self._accesses.save([file.path for file in held(self._lake)])

    async def start(self) -> None:
        """Begins to count and to tidy."""
        await asyncio.to_thread(self._lake.count_reads)
        self._tasks = [asyncio.create_task(self._every(COUNT_S, self.count)), asyncio.create_task(self._every(MOVE_S, self.tidy))]

    async def stop(self) -> None:
        """Ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _every(self, seconds: float, work: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            thread = asyncio.get_running_loop().run_in_executor(None, work)
            try:
                await asyncio.shield(thread)
            except asyncio.CancelledError:
                with contextlib.suppress(Exception):  # a thread cannot be cancelled: the end waits for it
                    await thread
                raise
            except CityHubError as error:
                log.warning("the tiers could not be tidied, it will be tried again: %s", error.detail)
            except Exception:
                log.exception("the tiers could not be tidied, it will be tried again")
