"""Escalation: an alert that nobody acknowledges goes up a chain, step by step.

When a step is due follows from when the alert began to wait, so that a hub which was down goes on where it should be; the key of each
step's notice follows from the alert and the step, so that a step is told once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.alert import GRADES
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Notice, Notices, OpenAlerts, Store, WaitingAlert
from cityhub.model.time import Clock, to_text
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.reading import decoded
from cityhub.registers.versioned import Kind, VersionedRegister

MOST_BYTES: Final = 64 * 1024
TEMPLATE: Final = "alert-escalated"
USUAL: Final = "default"
"""Id of the chain for alerts of rules that no other chain names."""
MOST_REMEMBERED: Final = 100_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = logging.getLogger(__name__)


class Rung(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who hears of it at a step: those on duty at a post, or those of a department with a role."""

    post: str = ""
    department: str = ""
    role: str = ""


class Chain(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A chain.

    Attributes:
        id: "default", or any other name.
        title: By language.
        minutes: By grade, how long each step waits for an acknowledgement; a grade that is not there is not escalated.
        steps: The first hears of it when `minutes` have passed, the second after twice that, and so on.
        rules: Ids of the rules that it is for; empty for the usual one.
        version: Counted by the hub.
    """

    id: str
    title: dict[str, str]
    minutes: dict[str, float]
    steps: list[list[Rung]]
    rules: list[str] = []
    version: int = 1


CHAINS: Final = Kind("chain", "duty_chain", Chain, 100)


def check_chain(chain: Chain) -> None:
    """Raises BadRequestData naming the member that is wrong and what would be right."""
    if not _ID.fullmatch(chain.id):
        raise BadRequestData("'id' must be 1 to 64 letters, digits, '-' and '_'")
    if set(chain.minutes) - set(GRADES) or not all(0 < minutes <= 10_080 for minutes in chain.minutes.values()):
        raise BadRequestData(f"'minutes' must have numbers above 0 and up to 10080 (a week) by grade: {', '.join(GRADES)}")
    if not 1 <= len(chain.steps) <= 20 or not all(1 <= len(step) <= 20 for step in chain.steps):
        raise BadRequestData("'steps' must have 1 to 20 steps of 1 to 20 hearers")
    for place, step in enumerate(chain.steps):
        if not all(bool(rung.post) != bool(rung.department or rung.role) for rung in step):
            raise BadRequestData(f"'steps[{place}]': each hearer must have either 'post', or 'department' and 'role'")
    if bool(chain.rules) == (chain.id == USUAL):
        raise BadRequestData("'rules' must name rules, except in the chain 'default', which is for all others")


def read_chain(content: bytes) -> Chain:
    """A chain from YAML or JSON that has been checked. Raises BadRequestData."""
    chain = decoded(content, Chain, "chain", MOST_BYTES)
    check_chain(chain)
    return chain


class Escalation:
    """The escalation of alerts.

    Args:
        store: Where chains are kept.
        alerts: Which alerts wait; None: none are raised here.
        notices: Tells people.
        clock: The present time.
        folder: The district's folder with `duty/escalation/*.yaml`; None: none.
    """

    def __init__(self, store: Store, alerts: OpenAlerts | None, notices: Notices, clock: Clock, folder: Path | None) -> None:
        self._store = store
        self._alerts = alerts
        self._notices = notices
        self._clock = clock
        self.chains: VersionedRegister[Chain] = VersionedRegister(CHAINS, store)
        self._files = (
            DistrictFiles(folder, "duty/escalation/*.yaml", lambda _, content: read_chain(content), self.chains, MOST_BYTES)
            if folder else None
        )  # fmt: skip
        self._told: dict[str, None] = {}

    async def load(self) -> None:
        """Reads what is kept and takes the district's chains."""
        await self.chains.load()
        if self._files is not None:
            await self._files.load()

    async def check(self) -> int:
        """Tells of every step that is due and was not told since the start; how many. To be called again and again."""
        chains = self.chains.all()
        if self._alerts is None or not chains:
            return 0
        now = self._clock.now()
        soonest = min(minutes for chain in chains for minutes in chain.minutes.values()) if any(one.minutes for one in chains) else 0.0
        waiting = self._alerts.unacknowledged(to_text(now - timedelta(minutes=soonest)))
        due = [notice for alert in waiting for notice in self.due(alert, now) if notice.key not in self._told]
        for start in range(0, len(due), 500):
            part = due[start : start + 500]
            await self._store.write("", [self._notices.write(notice) for notice in part])
            self._told.update({notice.key: None for notice in part})
        while len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        return len(due)

    def due(self, alert: WaitingAlert, now: datetime) -> Iterator[Notice]:
        """The notices of the steps that are due for an alert."""
        chain = self._chain_of(alert)
        minutes = chain.minutes.get(alert.grade) if chain else None
        if chain is None or minutes is None:
            return
        since = datetime.fromisoformat(alert.since)
        for number, step in enumerate(chain.steps, 1):
            if now >= since + timedelta(minutes=minutes) * number:
                yield _notice(alert, step, number, minutes)

    def _chain_of(self, alert: WaitingAlert) -> Chain | None:
        usual = None
        for chain in self.chains.all():
            if alert.rule in chain.rules:
                return chain
            usual = chain if chain.id == USUAL else usual
        return usual


def _notice(alert: WaitingAlert, step: list[Rung], number: int, minutes: float) -> Notice:
    values = {
        "alert": alert.id, "title": alert.title, "description": alert.description, "grade": alert.grade, "since": alert.since,
        "subject": alert.subject, "step": number, "minutes": minutes * number,
    }  # fmt: skip
    return Notice(
        f"{alert.id}#{alert.since}#escalation:{number}", alert.rule, TEMPLATE, values, posts=[rung.post for rung in step if rung.post],
        departments=[(rung.department, rung.role) for rung in step if not rung.post], urgent=True, link=f"/alerts/{alert.id}",
    )  # fmt: skip
