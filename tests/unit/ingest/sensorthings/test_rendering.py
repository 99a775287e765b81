"""Entities as JSON, on a real store."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.ingest.sensorthings import rendering
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.measured import MeasuredAttributes
from cityhub.ingest.sensorthings.query import read_query
from cityhub.ingest.sensorthings.rendering import Rendering
from cityhub.ingest.sensorthings.scope import Scope
from cityhub.ingest.sensorthings.search import Search
from cityhub.model.errors import TooManyResults
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore

NOW = "2026-11-23T06:05:00.000000Z"
AROUND = {"$expand": "Datastreams/Thing/Datastreams/Thing"}


async def page(store: SqliteStore, options: dict[str, str]) -> dict[str, Any]:
    search = Search(store, None, MeasuredAttributes(store, SystemClock()), "")  # type: ignore[arg-type]
    query = read_query(KINDS["Thing"], options, NOW)
    return await Rendering(search, "https://hub.example/sta/v1.1").page(await search.find(Scope("Thing"), query), query, "Things")


async def test_an_answer_has_a_bounded_number_of_entities(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await page(store, AROUND)
    assert whole["value"][0]["Datastreams"][0]["Thing"]["Datastreams"][0]["Thing"]["@iot.id"] == whole["value"][0]["@iot.id"]
    monkeypatch.setattr(rendering, "MAX_SHOWN", 4)
    with pytest.raises(TooManyResults, match="expand less"):
        await page(store, AROUND)


async def test_the_latest_observation_needs_no_history(store: SqliteStore) -> None:
    latest = "Observations($top=1;$orderby=phenomenonTime desc;$select=result)"
    whole = await page(store, {"$expand": f"Datastreams($expand={latest})", "$select": "name"})
    [stream] = whole["value"][0]["Datastreams"]
    assert stream["Observations"] == [{"result": 2.5}]
    assert stream["Observations@iot.nextLink"].endswith("$skip=1")
