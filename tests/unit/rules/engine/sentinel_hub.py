"""A store with the hub's side of the sentinel, and what it hears written down: as much of a hub as the sentinel knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from cityhub.context.intake import StoreIntake
from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import EntityUpdate, Write
from cityhub.model.time import SystemClock, to_text
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel.hub_side import SentinelLink
from cityhub.rules.sentinel_port import Signal, Trial
from cityhub.settings import Settings
from cityhub.storage.sqlite import SqliteStore, open_sqlite

HEARD = "heard"
"""The collection of the signals that were heard."""
WAIT_S = 120.0


class Around:
    """The store, the link, and what was heard."""

    def __init__(self, store: SqliteStore, link: SentinelLink) -> None:
        self.store = store
        self.link = link
        self.intake = StoreIntake(store)

    async def hear(self, signals: Sequence[Signal], position: int) -> None:
        """Keeps signals as alerts would be kept: each step of each alert once."""
        await self.store.write("", [Write(f"{one.alert}#{one.step}", _kept(one), HEARD) for one in signals])

    async def heard(self) -> list[dict[str, Any]]:
        """Every signal that was heard, each once."""
        return [document for _, document in await self.store.records("", HEARD)]

    async def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """What was heard as soon as it is as it should be; AssertionError when that never comes."""
        async with asyncio.timeout(WAIT_S):
            while not holds(heard := await self.heard()):
                await asyncio.sleep(0.02)
        return heard

    async def say(self, id: str, at: str | None = None, kind: str = "Gauge", **values: Any) -> None:
        """An entity says something of itself."""
        moment = at or to_text(SystemClock().now())
        attributes = {
            DEFAULT_VOCAB + name: [{"type": "Property", "value": value, "observedAt": moment}] for name, value in values.items()
        }
        [result] = await self.intake.take("", [EntityUpdate(id, [DEFAULT_VOCAB + kind], attributes)])
        assert isinstance(result, str), result


def _kept(signal: Signal) -> Callable[[Any, str], tuple[Any, None]]:
    document = {"id": f"{signal.alert}#{signal.step}", "rule": signal.rule, "alert": signal.alert, "step": signal.step, "kind": signal.kind,
                "severity": signal.severity, "subject": signal.subject, "at": signal.at, "inputs": signal.inputs}  # fmt: skip
    return lambda current, now: (current or document, None)


async def core_terms(context: str, tenant: str) -> TermMap:
    """The names of the core @context."""
    if context:
        raise BadRequestData(f"'{context}' cannot be had")
    return CORE


async def no_trial(rule: Rule, start: str, end: str) -> Trial:
    """Where no history is."""
    raise BadRequestData("There is no history here")


@contextlib.asynccontextmanager
async def sentinel_hub(folder: Path) -> AsyncIterator[Around]:
    """A hub of a folder for as long as the block runs."""
    store = await open_sqlite(folder, SystemClock())
    settings = Settings(data=folder)
    link = SentinelLink(settings, store, store, core_terms, "Asia/Shanghai", no_trial)
    around = Around(store, link)
    link.hearing = around.hear
    try:
        yield around
    finally:
        await link.stop()
        await store.close()
