"""Tries rules on the history of the hub."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

import cityhub
from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable, TooBusy
from cityhub.model.ports import Analysis, Store
from cityhub.model.time import to_text
from cityhub.rules.alerts.suppression import TermsOf
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Trial
from cityhub.rules.trial.frames import Heard, Orders, Part, frame_of, receive_frame
from cityhub.rules.trial.reading import Sight, between, count, sight_of, spans, standing
from cityhub.web.spawn import PIPE, Spawned, spawn

MOST_OBSERVATIONS: Final = 20_000_000
MOST_ENTITIES: Final = 200_000
MOST_TIME: Final = timedelta(days=3_660)
MOST_SIGNALS: Final = 1_000
MOST_PROBLEMS: Final = 20
MOST_WAITING: Final = 4
TIMEOUT_S: Final = 600.0
_PACKAGE_HOME: Final = str(Path(cityhub.__file__).resolve().parent.parent)


class HistoryTrials:
    """Tries rules on the history, one after the other, each in a process of its own.

    Args:
        analysis: Reads the history.
        store: Has the entities that rules follow links to, as they are now.
        terms_of: The names that rules use.
        zone: The district's time zone.
    """

    def __init__(self, analysis: Analysis, store: Store, terms_of: TermsOf, zone: str) -> None:
        self._analysis = analysis
        self._store = store
        self._terms_of = terms_of
        self._zone = zone
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def trial(self, rule: Rule, start: str, end: str) -> Trial:
        """What a rule would have said between two moments (RFC 3339 UTC); nothing of it is kept.

        Raises:
            BadRequestData: The rule is wrong, or there is too much to read.
            TooBusy: Others wait already.
            StoreUnavailable: The history cannot be asked, or it took too long.
        """
        terms = await self._terms_of(rule.context, rule.tenant)
        sight = sight_of(compile_rule(rule, terms, self._zone))
        if datetime.fromisoformat(end) - datetime.fromisoformat(start) > MOST_TIME:
            raise BadRequestData(f"A rule is tried on at most {MOST_TIME.days} days")
        if self._waiting >= MOST_WAITING:
            raise TooBusy("Other rules are being tried; try again later")
        self._waiting += 1
        try:
            async with self._turn, asyncio.timeout(TIMEOUT_S):
                return await self._play(Orders(rule, *terms.definitions, self._zone, start, end), sight)
        except TimeoutError:
            raise StoreUnavailable(f"The trial took longer than {TIMEOUT_S:.0f} s; right would be a shorter time") from None
        finally:
            self._waiting -= 1

    async def _play(self, orders: Orders, sight: Sight) -> Trial:
        began = time.monotonic()
        first = to_text(datetime.fromisoformat(orders.start) - sight.lead)
        observations = await count(self._analysis, sight, first, orders.end)
        if observations > MOST_OBSERVATIONS:
            raise BadRequestData(
                f"The rule would read {observations:,} observations, and {MOST_OBSERVATIONS:,} are the most; right would be a shorter time"
            )
        process = await _start(orders)
        try:
            trial = await self._heard(_Player(process), orders, sight, first, observations)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        return msgspec.structs.replace(trial, took_s=round(time.monotonic() - began, 3))

    async def _heard(self, player: _Player, orders: Orders, sight: Sight, first: str, observations: int) -> Trial:
        tenant = sight.tenant
        known = await self._known(sight)
        heard = await player.play(Part(await standing(self._analysis, sight, first), first, known))
        all_heard = [heard]
        for start, end in spans(first, orders.end, observations):
            learned = {id: await self._store.fetch(tenant, id) for id in heard.missing}
            rows = await between(self._analysis, sight, start, end)
            heard = await player.play(Part(rows, end, [], learned, end == orders.end))
            all_heard.append(heard)
        signals = [signal for one in all_heard for signal in one.signals]
        raised = sum(signal.kind == "raised" for signal in signals)
        problems = list(dict.fromkeys(problem for one in all_heard for problem in one.problems))
        return Trial(signals[:MOST_SIGNALS], raised, sum(one.observations for one in all_heard[1:]), problems[:MOST_PROBLEMS], 0.0)

    async def _known(self, sight: Sight) -> list[Entity]:
        """What has no time of observation is taken as it is now: the history knows it only since the hub was told."""
        found: list[Entity] = []
        for type in sight.types:
            async for block in self._store.scan(sight.tenant, TypeIs(type)):
                found += [one for entity in block if (one := _timeless(entity, sight)) is not None]
                if len(found) > MOST_ENTITIES:
                    raise BadRequestData(f"The rule looks at more than {MOST_ENTITIES:,} entities; right would be a narrower 'watch'")
        return found


def _timeless(entity: Entity, sight: Sight) -> Entity | None:
    wanted = sight.attributes
    attrs = {
        name: [{key: value for key, value in one.items() if key not in ("createdAt", "modifiedAt")} for one in instances]
        for name, instances in entity["attrs"].items()
        if (not wanted or name in wanted) and not any("observedAt" in one for one in instances)
    }
    scope = {"scope": entity["scope"]} if "scope" in entity else {}
    return {"id": entity["id"], "attrs": attrs, **scope} if attrs or scope else None


class _Player:
    """The process that plays the past."""

    def __init__(self, process: Spawned) -> None:
        self._process = process

    async def play(self, part: Part) -> Heard:
        """What a piece gives. Raises CityHubError when the process ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(frame_of(part))
            await self._process.stdin.drain()
            return msgspec.msgpack.decode(await receive_frame(self._process.stdout), type=Heard)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            raise CityHubError(f"The trial ended before its time ({type(error).__name__}); the log of the hub says why") from None


async def _start(orders: Orders) -> Spawned:
    search = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": f"{_PACKAGE_HOME}{os.pathsep}{search}" if search else _PACKAGE_HOME}
    process = await spawn([sys.executable, "-m", "cityhub.rules.trial.worker"], environment, stdout=PIPE, limit=1 << 20)
    assert process.stdin is not None
    process.stdin.write(frame_of(orders))
    return process
