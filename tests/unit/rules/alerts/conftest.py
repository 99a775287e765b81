"""Rules and alerts on a real store behind a real application; a small sentinel runs what it is told and says what tests let it say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.errors import BadRequestData, NotFound, StoreUnavailable
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import CaseOpening, Document, Notice, Write
from cityhub.model.time import to_text
from cityhub.registers.versioned import Deed
from cityhub.rules.assembly import Around, Attention
from cityhub.rules.rule import Hearer, Level, Opening, Rule, Watch
from cityhub.rules.sentinel_port import RuleState, Signal, Trace, Trial
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

START = datetime(2026, 7, 23, 6, 5, tzinfo=UTC)
GAUGE = "urn:ngsi-ld:WeatherObserved:gauge-1"
ALERT = "urn:ngsi-ld:Alert:rain:1"
BY = Deed("zhang")


class SetClock:
    """A clock that tests set; it goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


class SmallSentinel:
    """Knows its rules, and refuses one whose first condition is "?"."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.state: dict[str, RuleState] = {}
        self.away = False

    async def arrange(self, rules: Sequence[Rule]) -> None:
        self.rules = list(rules)

    async def check(self, rule: Rule) -> list[str]:
        if self.away:
            raise StoreUnavailable("The sentinel does not run")
        return ["levels[0].condition: '?' is no expression; right would be one such as 'rain_1h >= 20'"] if rule.levels[0].condition == "?" else []

    async def trial(self, rule: Rule, start: str, end: str) -> Trial:
        if rule.levels[0].condition == "?":
            raise BadRequestData("no expression")
        return Trial([signal(at=start)], 1, 2, [], 0.1)

    async def trace(self, rule: str, entity: str) -> Trace:
        if all(one.id != rule for one in self.rules):
            raise NotFound("It does not run")
        return Trace("yes", {"rain_1h": 31.5}, [{"severity": "yellow", "condition": True}], ALERT, [])

    def states(self) -> Mapping[str, RuleState]:
        return self.state


class KeptNotices:
    """Keeps notices as records, each key once."""

    async def all(self, store: SqliteStore) -> list[Document]:
        return [document for _, document in await store.records("", "notice")]

    def write(self, notice: Notice) -> Write:
        def transition(current: Document | None, now: str) -> tuple[Document, None]:
            return (current, None) if current is not None else ({"id": notice.key, **msgspec.to_builtins(notice)}, None)

        return Write(notice.key, transition, "notice")

    def acknowledged(self, key: str) -> bool:
        return False


class KeptCases:
    """Opens a case for an alert; unreachable, or refusing, where a test wants that."""

    def __init__(self) -> None:
        self.cases: dict[str, CaseOpening] = {}
        self.asked: list[str] = []
        self.fault: Exception | None = None

    async def open(self, tenant: str, alert: Entity, opening: CaseOpening) -> None:
        self.asked.append(alert["id"])
        if self.fault is not None:
            raise self.fault
        self.cases[alert["id"]] = opening

    async def case_of(self, tenant: str, alert: str) -> str:
        return f"urn:ngsi-ld:Case:{alert}" if alert in self.cases else ""


class KeptDrafts:
    """Drafts a warning for an alert."""

    def __init__(self) -> None:
        self.drafts: dict[str, Document] = {}

    async def draft(self, tenant: str, alert: Entity, warning: Document) -> None:
        self.drafts[alert["id"]] = warning

    def warning_of(self, tenant: str, alert: str) -> str:
        return f"warning-{alert}" if alert in self.drafts else ""


async def terms_of(context: str, tenant: str) -> TermMap:
    return CORE


class Hub:
    """What a test has in hand."""

    def __init__(self, store: SqliteStore, clock: SetClock, folder: Path) -> None:
        self.store = store
        self.clock = clock
        self.sentinel = SmallSentinel()
        self.notices = KeptNotices()
        self.cases = KeptCases()
        self.drafts = KeptDrafts()
        self.attention = self.built(folder)
        self.application = Application(self.attention.routes(), LoopbackAccess(), 20_000_000)

    def built(self, folder: Path | None) -> Attention:
        return Attention(
            Around(
                self.store, self.store, self.sentinel, self.clock, terms_of, folder=folder, notices=self.notices,
                openings=self.cases, drafts=self.drafts,
            )
        )  # fmt: skip

    async def add(self, rule: Rule) -> Rule:
        return await self.attention.rules.create(rule, BY)

    async def hear(self, *signals: Signal) -> None:
        await self.attention.hearing(signals, signals[-1].position if signals else 0)

    async def reacted(self) -> None:
        """Returns when the journal up to now was followed."""
        last = self.store.last()
        async with asyncio.timeout(30):
            while self.attention.reactions.position < last:
                await asyncio.sleep(0.01)

    async def ask(self, method: str, path: str, body: Any = None, expect: int = 200, **parameters: str) -> Any:
        transport = httpx.ASGITransport(self.application, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, path, json=body, params=parameters)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def gauge(self, id: str = GAUGE, **more: Any) -> None:
        """Writes a rain gauge."""
        attrs = {
            f"{DEFAULT_VOCAB}rain_1h": [{"type": "Property", "value": 31.5, "unitCode": "MMT", "observedAt": to_text(START)}],
            f"{DEFAULT_VOCAB}name": [{"type": "Property", "value": "濯水雨量站"}],
            **{f"{DEFAULT_VOCAB}{name}": [{"type": "Relationship", "object": target}] for name, target in more.items() if name != "scope"},
        }  # fmt: skip

        def made(current: Entity | None, now: str) -> tuple[Entity, None]:
            scope = {"scope": more["scope"]} if "scope" in more else {}
            return {"id": id, "type": [f"{DEFAULT_VOCAB}WeatherObserved"], "attrs": attrs, "createdAt": now, "modifiedAt": now, **scope}, None

        await self.store.write("", [Write(id, made)])


def rule(id: str = "rain", **more: Any) -> Rule:
    levels = [Level("red", "rain_1h >= 80"), Level("yellow", "rain_1h >= 30", clear="rain_1h < 20")]
    return Rule(id, {"zh": "短时强降雨", "en": "Heavy rain"}, "urn:ngsi-ld:Organization:emergency", Watch("WeatherObserved"), **{"levels": levels, **more})


def heard_by(**more: Any) -> dict[str, Any]:
    return {"tells": [Hearer(post="watch-room"), Hearer(department="urn:org:water", from_severity="orange")], **more}


OPENS = Opening("flood", "flooding", "orange", ["urn:org:water"])


def signal(
    step: int = 0, kind: Any = "raised", severity: Any = "yellow", alert: str = ALERT, rule: str = "rain", subject: str = GAUGE, minutes: float = 0,
    at: str = "", value: float = 31.5, version: int = 1, location: Any = None,
) -> Signal:  # fmt: skip
    when = at or to_text(START + timedelta(minutes=minutes))
    condition = {"red": "rain_1h >= 80", "yellow": "rain_1h >= 30"}.get(severity, "rain_1h >= 50")
    inputs = {"rain_1h": value, "rain_1h at": when}
    return Signal(rule, version, "", subject, [subject], alert, step, kind, severity, when, 7 + step, inputs, condition, location)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = SetClock()
    store = await open_sqlite(tmp_path / "data", clock)
    made = Hub(store, clock, tmp_path)
    await made.attention.start()
    yield made
    await made.attention.stop()
    await store.close()
