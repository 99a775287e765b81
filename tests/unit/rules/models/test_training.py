"""Models of a real history: trained, kept with their versions, shown, and asked by rules."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from cityhub.access.loopback import LoopbackAccess
from cityhub.hub import Hub, build
from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import Write
from cityhub.model.time import to_text
from cityhub.rules.models.model import SECOND, KeptModels
from cityhub.rules.models.model_api import ModelApi
from cityhub.rules.models.training import LIFE, Training
from cityhub.rules.rule import Figure, Level, Rule, Watch
from cityhub.settings import Settings
from cityhub.web.application import Application

NOW = datetime(2026, 6, 20, tzinfo=UTC)
STATION = "urn:ngsi-ld:Station:1"
NEW = "urn:ngsi-ld:Station:new"
LOAD = f"{DEFAULT_VOCAB}load"
RULE = Rule(
    "load", {"en": "Load"}, "urn:org:1", Watch("Station"), [Level("yellow", "strange > 0.999")],
    {"strange": Figure("anomaly", "load"), "soon": Figure("forecast", "load", ahead="PT2H")},
)  # fmt: skip
pytestmark = pytest.mark.asyncio(loop_scope="module")


class At:
    """A clock that stands."""

    moment = NOW

    def now(self) -> datetime:
        return self.moment


def load(moment: datetime) -> float:
    """A day's rhythm, with a little that nobody can foresee."""
    seconds = moment.timestamp()
    return 100 + 30 * math.sin(seconds / 86_400 * 2 * math.pi) + 2 * math.sin(seconds * 0.37)


def observed(id: str, moment: datetime) -> Write:
    def written(current: Entity | None, now: str) -> tuple[Entity, None]:
        attrs = {LOAD: [{"type": "Property", "value": load(moment), "observedAt": to_text(moment)}]}
        created = current["createdAt"] if current else now
        return {"id": id, "type": [f"{DEFAULT_VOCAB}Station"], "attrs": attrs, "createdAt": created, "modifiedAt": now}, None

    return Write(id, written)


async def terms_of(context: str, tenant: str) -> TermMap:
    return CORE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    folder: Path = tmp_path_factory.mktemp("hub")
    made = await build(Settings(data=folder, feeds=False))
    await made.start()
    begin = NOW - timedelta(days=10)
    moments = [begin + timedelta(minutes=15 * n) for n in range(960)]
    for start in range(0, 960, 320):
        await made.store.write("", [observed(STATION, moment) for moment in moments[start : start + 320]])
    await made.store.write("", [observed(NEW, NOW - timedelta(hours=1))])
    yield made
    await made.stop()


async def shown(hub: Hub, training: Training, **parameters: str) -> dict[str, Any]:
    application = Application(ModelApi(hub.store, training).routes(), LoopbackAccess(), 1_000_000)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer: dict[str, Any] = (await client.get("/api/rules/models", params=parameters)).json()
    return answer


async def test_a_model_is_trained_kept_and_renewed(hub: Hub) -> None:
    clock, kept = At(), KeptModels()
    training = Training(hub.analysis, hub.store, kept, lambda: [RULE], terms_of, clock, "Asia/Shanghai")
    assert await training.renew() == 2
    model = kept.get("", STATION, LOAD)
    assert model is not None
    later = NOW + timedelta(hours=5)
    at = int(later.timestamp()) * SECOND
    assert kept.expected("", STATION, LOAD, at) == pytest.approx(load(later), abs=8)
    near, far = kept.surprise("", STATION, LOAD, load(later), at), kept.surprise("", STATION, LOAD, load(later) + 40, at)
    assert near is not None and far is not None
    assert near < 0.99 < 0.999 < far
    assert kept.expected("", STATION, LOAD, at + 30 * 86_400 * SECOND) is None
    assert kept.expected("", NEW, LOAD, at) is None
    assert await training.renew() == 0  # young enough

    answer = await shown(hub, training, rule="load")
    facts = answer["models"][0]
    assert (answer["count"], facts["entity"], facts["version"], facts["rules"]) == (1, STATION, 1, ["load"])
    assert facts["mae"] < 5 and facts["trainedFrom"] < facts["trainedTo"] <= to_text(NOW) and "values" not in facts
    assert "200 are needed" in answer["refused"][f"{NEW} {LOAD}"]

    clock.moment = NOW + LIFE + timedelta(minutes=1)
    assert await training.renew() == 2
    facts = (await shown(hub, training))["models"][0]
    assert (facts["version"], [one["version"] for one in facts["earlier"]]) == (2, [1])

    again = Training(hub.analysis, hub.store, KeptModels(), list, terms_of, clock, "Asia/Shanghai")
    await again.load()
    assert again._kept.get("", STATION, LOAD) == kept.get("", STATION, LOAD)
    assert await again.renew() == 0  # nobody asks
