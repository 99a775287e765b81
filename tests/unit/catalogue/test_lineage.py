"""Lineage: what the hub tells of itself, what others tell, and the way from a feed to what is made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cityhub.catalogue.lineage import Runs, graph_of, own_events
from cityhub.catalogue.lineage import around as steps_around
from cityhub.model.errors import BadRequestData
from tests.unit.catalogue.conftest import City

RUN = {
    "eventType": "COMPLETE", "eventTime": "2026-11-23T06:05:00Z", "producer": "https://tool.example",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "01926c2f-7a1d-7cc6-b4b7-6e0c8a1e1f00"}, "job": {"namespace": "etl", "name": "daily-mean"},
    "inputs": [{"namespace": "cityhub", "name": "weather-observed"}], "outputs": [{"namespace": "etl", "name": "weather-daily"}],
}  # fmt: skip


async def test_from_the_feed_to_what_others_make_of_it(known: tuple[City, Any]) -> None:
    city, contents = known
    runs = Runs(city.store, city.clock)
    await runs.take("", RUN)
    weather = contents.datasets.find("weather-observed")
    events = steps_around(weather, [*own_events(contents), *await runs.events("")], contents)
    assert [event["job"]["name"] for event in events] == ["ingest.weather-observed", "daily-mean"]
    graph = graph_of(events, contents)
    ids = {node["id"] for node in graph["nodes"]}
    assert {"dataset:cityhub/feed-weather", "dataset:cityhub/weather-observed", "job:etl/daily-mean", "dataset:etl/weather-daily"} <= ids
    assert {"from": "dataset:cityhub/weather-observed", "to": "job:etl/daily-mean"} in graph["edges"]
    # A sibling of the dataset is neither before nor after it.
    assert "water-observed" not in str(steps_around(weather, own_events(contents), contents))


@pytest.fixture
async def known(around: City) -> tuple[City, Any]:
    return around, await around.catalogue.register.contents("")


async def test_a_job_keeps_its_newest_runs(known: tuple[City, Any]) -> None:
    city, _ = known
    runs = Runs(city.store, city.clock)
    for minute in range(30):
        await runs.take("", {**RUN, "eventTime": f"2026-11-23T06:{minute:02}:00Z"})
    events = await runs.events("")
    assert len(events) == 20
    assert events[-1]["eventTime"] == "2026-11-23T06:29:00Z"


@pytest.mark.parametrize(
    "wrong",
    [
        [], {}, {**RUN, "job": {"name": "x"}}, {**RUN, "run": {"runId": "7"}}, {**RUN, "eventType": "DONE"}, {**RUN, "inputs": [{"name": "x"}]},
        {**RUN, "eventTime": 5}, {**RUN, "outputs": "x"},
    ],
)  # fmt: skip
async def test_what_is_no_event_is_refused(known: tuple[City, Any], wrong: Any) -> None:
    with pytest.raises(BadRequestData):
        await Runs(known[0].store, known[0].clock).take("", wrong)


async def test_events_are_those_of_the_specification(known: tuple[City, Any]) -> None:
    """Against the JSON schemas of the specification; CITYHUB_TEST_OPENLINEAGE names the folder `spec` of its repository."""
    folder = os.environ.get("CITYHUB_TEST_OPENLINEAGE")
    if not folder:
        pytest.skip("CITYHUB_TEST_OPENLINEAGE names no folder with the specification's JSON schemas")
    jsonschema, referencing = pytest.importorskip("jsonschema"), pytest.importorskip("referencing")
    documents = [json.loads(path.read_text("utf-8")) for path in (Path(folder) / "facets").glob("*.json")]
    core = json.loads((Path(folder) / "OpenLineage.json").read_text("utf-8"))
    registry = referencing.Registry().with_resources(
        [(document["$id"], referencing.Resource.from_contents(document)) for document in [core, *documents]]
    )
    events = own_events(known[1])
    assert events
    run_event = jsonschema.Draft202012Validator({"$ref": f"{core['$id']}#/$defs/RunEvent"}, registry=registry)
    for event in [*events, RUN]:
        run_event.validate(event)
        for facet in [*event["job"].get("facets", {}).values(), *(one for item in event["outputs"] for one in item.get("facets", {}).values())]:
            jsonschema.Draft202012Validator({"$ref": facet["_schemaURL"]}, registry=registry).validate(facet)
