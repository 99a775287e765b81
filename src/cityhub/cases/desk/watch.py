"""Looks after the clocks of all open cases: tells people at each level of escalation, and wakes processes whose time has come."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from cityhub.cases.desk.deed import Deed
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.record import Case, Entry
from cityhub.cases.desk.rest import noted
from cityhub.model.errors import CityHubError, Conflict, NotFound
from cityhub.model.ports import Write

WATCH_S: Final = 1.0
"""How often it is looked."""
AT_ONCE: Final = 200
"""So many cases at most in one look: after a long stop the others wait for the next."""
AGAIN: Final = 60
"""After so many looks a case whose process failed is tried again."""

log = logging.getLogger(__name__)


class Watch:
    """Looks after the clocks.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: CaseDesk) -> None:
        self._desk = desk
        self._failed: dict[str, int] = {}
        self._looks = 0

    async def look(self) -> int:
        """Tells and wakes what is due; returns how many cases that were."""
        self._looks += 1
        self._failed = {id: look for id, look in self._failed.items() if look >= self._looks}
        now = self._desk.now()
        due = [
            row.shown["id"] for row in self._desk.around.index
            if (row.mark_at and row.mark_at < now) or (row.wake_at and row.wake_at <= now)
        ]  # fmt: skip
        todo = [id for id in due if id not in self._failed][:AT_ONCE]
        for id in todo:
            await self._tend(id)
        return len(todo)

    async def _tend(self, id: str) -> None:
        try:
            await self._escalate(id)
            await self._desk.wake(id)
        except (Conflict, NotFound):
            return  # another hub was faster, or the case is done
        except CityHubError as error:
            self._failed[id] = self._looks + AGAIN
            log.warning("the case %s could not be tended: %s", id, error.detail)

    async def _escalate(self, id: str) -> None:
        notices: list[Write] = []

        async def work(case: Case, now: str) -> Case:
            notices.clear()
            after, told = escalated(case, now)
            for place, level in told:
                notices.extend(self._desk.around.telling.level(after, after.clocks[place], level))
            return after if told else case

        await self._desk.change(id, Deed("clock"), "escalate", work, lambda case: list(notices))


def escalated(case: Case, now: str) -> tuple[Case, list[tuple[int, int]]]:
    """The case after telling of its clocks, and of which (its place among them) which level was told."""
    told: list[tuple[int, int]] = []
    clocks = []
    for place, clock in enumerate(case.clocks):
        level = 0 if clock.ended_at or clock.cancelled or clock.paused or clock.least else sum(mark < now for mark in clock.marks)
        if case.state == "open" and level > clock.told:
            told.append((place, level))
            clock = msgspec.structs.replace(clock, told=level)
        clocks.append(clock)
    entries = [
        Entry(now, "clock", "escalated", data={"limit": clocks[place].limit, "level": level, "dueAt": clocks[place].due_at})
        for place, level in told
    ]  # fmt: skip
    return noted(msgspec.structs.replace(case, clocks=clocks), *entries) if told else case, told
