"""Rules tried on a real history, by the engine that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cityhub.hub import Hub, build
from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import Write
from cityhub.model.time import to_text
from cityhub.rules.rule import Figure, Level, Rule, Watch
from cityhub.rules.sentinel_port import Trial
from cityhub.rules.trial.trials import HistoryTrials
from cityhub.settings import Settings

START = datetime(2026, 6, 1, tzinfo=UTC)
RAIN = [0, 0, 5, 12, 20, 3, 0, 0, 0, 0, 0, 25, 25, 0, 0, 0]
"""Millimetres in each hour."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


def moment(hour: float) -> str:
    return to_text(START + timedelta(hours=hour))


def gauge(id: str, hour: int, amount: float, catchment: str) -> Write:
    attrs = {
        f"{DEFAULT_VOCAB}precipitation": [{"type": "Property", "value": amount, "unitCode": "MMT", "observedAt": moment(hour)}],
        f"{DEFAULT_VOCAB}catchment": [{"type": "Property", "value": catchment}],
    }

    def written(current: Entity | None, now: str) -> tuple[Entity, None]:
        created = current["createdAt"] if current else now
        kept = current["attrs"] if current else {}
        new = {name: kept[name] if name in kept and name.endswith("catchment") else value for name, value in attrs.items()}
        return {"id": id, "type": [f"{DEFAULT_VOCAB}RainGauge"], "attrs": new, "createdAt": created, "modifiedAt": now}, None

    return Write(id, written)


async def terms_of(context: str, tenant: str) -> TermMap:
    return CORE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    folder: Path = tmp_path_factory.mktemp("hub")
    made = await build(Settings(data=folder, feeds=False))
    await made.start()
    for hour, amount in enumerate(RAIN):
        writes = [gauge("urn:ngsi-ld:RainGauge:1", hour, amount, "apeng"), gauge("urn:ngsi-ld:RainGauge:2", hour, amount / 2, "apeng")]
        await made.store.write("", writes)
    yield made
    await made.stop()


def rule(**more: Any) -> Rule:
    levels = [Level("red", "rain_3h >= 50"), Level("yellow", "rain_3h >= 30", clear="rain_3h < 10")]
    figures = {"rain_3h": Figure("sum", "precipitation", over="PT3H")}
    return Rule("rain", {"en": "Rain"}, "urn:org:1", Watch("RainGauge"), **{"levels": levels, "figures": figures, **more})


async def tried(hub: Hub, rule: Rule, start: str = moment(0), end: str = moment(24)) -> Trial:
    return await HistoryTrials(hub.analysis, hub.store, terms_of, "Asia/Shanghai").trial(rule, start, end)


async def test_a_rule_says_what_it_would_have_said(hub: Hub) -> None:
    trial = await tried(hub, rule())
    said = [(one.subject.rpartition(":")[2], one.kind, one.severity, one.at) for one in trial.signals]
    assert ("1", "raised", "yellow", moment(4)) in said
    assert ("1", "raised", "red", moment(12)) in said
    assert [one for one in said if one[0] == "1"][-1][1] == "cleared"
    assert (trial.raised, trial.observations, trial.problems) == (len([one for one in said if one[1] == "raised"]), 2 * len(RAIN), [])


async def test_the_same_past_gives_the_same_signals(hub: Hub) -> None:
    assert (await tried(hub, rule())).signals == (await tried(hub, rule())).signals


async def test_a_group_is_summed(hub: Hub) -> None:
    trial = await tried(hub, rule(group_by="catchment"))
    assert all("apeng" in one.subject for one in trial.signals)
    assert ("red", moment(4)) in [(one.severity, one.at) for one in trial.signals]


async def test_what_was_before_fills_the_windows(hub: Hub) -> None:
    whole, part = await tried(hub, rule()), await tried(hub, rule(), moment(11.5))
    assert [one.at for one in part.signals if one.kind != "raised"] == [one.at for one in whole.signals if one.at >= moment(11.5) and one.kind != "raised"]


async def test_nothing_is_kept(hub: Hub) -> None:
    before = hub.store.last()
    await tried(hub, rule())
    assert hub.store.last() == before


async def test_a_wrong_rule_and_too_long_a_time_are_refused(hub: Hub) -> None:
    with pytest.raises(BadRequestData, match="levels"):
        await tried(hub, rule(levels=[Level("red", "rain_3h >=")]))
    with pytest.raises(BadRequestData, match="days"):
        await tried(hub, rule(), "1990-01-01T00:00:00.000000Z")


async def test_several_at_once_wait_for_each_other(hub: Hub) -> None:
    trials = HistoryTrials(hub.analysis, hub.store, terms_of, "Asia/Shanghai")
    found = await asyncio.gather(*(trials.trial(rule(), moment(0), moment(24)) for _ in range(2)))
    assert found[0].signals == found[1].signals
