"""Where data come from and what is made of them, as OpenLineage events and as a graph.

The hub's own steps (a feed fills a type, types are laid down in the lake) are told as runs that ended when the dataset was last
described; runs of other programs come in by the standard's own door.

Source: OpenLineage specification 2-0-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cityhub.catalogue.model import Dataset, in_language
from cityhub.catalogue.register import Contents
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

Event = dict[str, Any]

RUNS: Final = "catalogue-run"
NAMESPACE: Final = "cityhub"
PRODUCER: Final = "https://cityhub.example/catalogue"
SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS: Final = "https://openlineage.io/spec/facets/"
KEPT: Final = 20
"""So many events of a job are kept, the newest."""
MAX_JOBS: Final = 5_000
MAX_HOPS: Final = 10
EVENT_TYPES: Final = frozenset(("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"))
JOBS: Final = {
    "entity type": "ingest", "lake table": "lay-down", "view": "view", "indicator": "indicator", "application table": "application",
    "feed": "feed",
    "file": "file",
}  # fmt: skip


def own_events(contents: Contents) -> list[Event]:
    """One event for each dataset that the hub itself makes of others."""
    by_id = {dataset.id: dataset for dataset in contents.datasets.all}
    return [
        _event(one, [by_id[id] for id in one.upstream if id in by_id]) for one in contents.datasets.all if one.upstream and one.available
    ]


def _event(dataset: Dataset, upstream: Sequence[Dataset]) -> Event:
    kind = dataset.origin.kind if dataset.origin else "file"
    job = f"{JOBS.get(kind, kind)}.{dataset.name}"
    return {
        "eventType": "COMPLETE",
        "eventTime": dataset.modified,
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{PRODUCER}/{job}/{dataset.modified}")), "facets": {}},
        "job": {"namespace": NAMESPACE, "name": job, "facets": {"jobType": _facet(
            "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet", processingType="STREAMING", integration="CITYHUB", jobType="JOB",
        )}},
        "inputs": [_reference(one) for one in upstream],
        "outputs": [_described(dataset)],
        "producer": PRODUCER,
        "schemaURL": SPEC,
    }  # fmt: skip


def _reference(dataset: Dataset) -> Event:
    return {"namespace": NAMESPACE, "name": dataset.name, "facets": {}}


def _described(dataset: Dataset) -> Event:
    fields = [
        {"name": field.name, "type": field.type, **({"description": in_language(field.title)} if field.title else {})}
        for field in dataset.fields
    ]
    facets = {"schema": _facet("1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", fields=fields)}
    if dataset.description:
        text = in_language(dataset.description)
        facets["documentation"] = _facet("1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet", description=text)
    if dataset.owner:
        owners = [{"name": dataset.owner, "type": "OWNER"}]
        facets["ownership"] = _facet("1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet", owners=owners)
    return {"namespace": NAMESPACE, "name": dataset.name, "facets": facets}


def _facet(schema: str, **members: Any) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": FACETS + schema, **members}


class Runs:
    """The runs that other programs told of.

    Args:
        store: Where they are kept.
        clock: The present time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(self, tenant: str, event: Any) -> None:
        """Keeps an event. Raises BadRequestData when it is none, with the member that is wrong."""
        checked = _checked(event)
        job = checked["job"]
        id = str(uuid5(NAMESPACE_URL, f"{PRODUCER}/{job['namespace']}/{job['name']}"))
        now = to_text(self._clock.now())
        if len(await self._store.records(tenant, RUNS)) >= MAX_JOBS and await self._store.fetch(tenant, id, RUNS) is None:
            raise BadRequestData(f"The lineage knows {MAX_JOBS} jobs already and takes no more")

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            before = current["events"] if current else []
            return {"id": id, "at": now, "events": [*before[1 - KEPT :], checked]}, None

        await self._store.write(tenant, [Write(id, transition, RUNS)])

    async def events(self, tenant: str) -> list[Event]:
        """All events that are kept, in the order in which their jobs became known."""
        return [event for _, document in await self._store.records(tenant, RUNS) for event in document["events"]]


def _checked(event: Any) -> Event:
    """The event, when it is a RunEvent as far as the lineage needs it."""
    if not isinstance(event, dict):
        raise BadRequestData("An OpenLineage event must be a JSON object")
    job, run = event.get("job"), event.get("run")
    if not isinstance(job, dict) or not all(isinstance(job.get(name), str) and job[name] for name in ("namespace", "name")):
        raise BadRequestData("'job' must have a 'namespace' and a 'name'")
    if run is not None and not _is_uuid(run.get("runId") if isinstance(run, dict) else None):
        raise BadRequestData("'run' must have a 'runId' that is a UUID")
    if event.get("eventType") is not None and event["eventType"] not in EVENT_TYPES:
        raise BadRequestData(f"'eventType' must be one of {', '.join(sorted(EVENT_TYPES))}")
    if not isinstance(event.get("eventTime"), str) or not isinstance(event.get("producer"), str):
        raise BadRequestData("'eventTime' and 'producer' must be texts")
    for side in ("inputs", "outputs"):
        items = event.get(side, [])
        if not isinstance(items, list) or len(items) > 1_000 or not all(_is_dataset(item) for item in items):
            raise BadRequestData(f"'{side}' must be at most 1000 datasets, each with 'namespace' and 'name'")
    return event


def _is_uuid(text: Any) -> bool:
    try:
        return bool(UUID(text)) if isinstance(text, str) else False
    except ValueError:
        return False


def _is_dataset(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("namespace"), str) and isinstance(item.get("name"), str)


def around(dataset: Dataset, events: Iterable[Event], contents: Contents, hops: int = MAX_HOPS) -> list[Event]:
    """The events that lead to the dataset, and those that go on from it, each at most `hops` steps away, in their order.

    The tables of the history hold what comes from everywhere: a way leads to them, but not on through them.
    """
    known = list(events)
    here = {(NAMESPACE, dataset.name), (NAMESPACE, dataset.id)}
    ends = {(NAMESPACE, one.name) for one in contents.datasets.all if one.origin is not None and one.origin.kind == "lake table"}
    chosen = _reached(known, here, "outputs", "inputs", ends, hops) | _reached(known, here, "inputs", "outputs", ends, hops)
    return [event for place, event in enumerate(known) if place in chosen]


Place = tuple[str, str]


def _reached(events: Sequence[Event], start: set[Place], near: str, far: str, ends: set[Place], hops: int) -> set[int]:
    chosen: set[int] = set()
    edge = set(start)
    for _ in range(hops):
        found = {place for place, event in enumerate(events) if place not in chosen and edge & set(names_of_side(event, near))}
        if not found:
            break
        chosen |= found
        edge = {name for place in found for name in names_of_side(events[place], far)} - ends
    return chosen


def names_of_side(event: Event, side: str) -> list[tuple[str, str]]:
    """(namespace, name) of the datasets on one side of a run."""
    return [(item["namespace"], item["name"]) for item in event.get(side, [])]


def graph_of(events: Iterable[Event], contents: Contents) -> dict[str, Any]:
    """The events as nodes (datasets and jobs) and edges; a dataset of the catalogue has its title and kind."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[tuple[str, str], None] = {}
    for event in events:
        job = f"job:{event['job']['namespace']}/{event['job']['name']}"
        nodes.setdefault(job, {"id": job, "kind": "job", "name": event["job"]["name"]})
        nodes[job] |= {"state": event.get("eventType"), "at": event["eventTime"]}
        for side in ("inputs", "outputs"):
            for namespace, name in names_of_side(event, side):
                id = f"dataset:{namespace}/{name}"
                nodes.setdefault(id, _node(id, namespace, name, contents))
                edges[(id, job) if side == "inputs" else (job, id)] = None
    return {"nodes": list(nodes.values()), "edges": [{"from": start, "to": end} for start, end in edges]}


def _node(id: str, namespace: str, name: str, contents: Contents) -> dict[str, Any]:
    dataset = contents.datasets.find(name) if namespace == NAMESPACE else None
    if dataset is None:
        return {"id": id, "kind": "dataset", "name": name, "namespace": namespace}
    kind = dataset.origin.kind if dataset.origin else "file"
    return {"id": id, "kind": kind, "name": dataset.name, "title": dataset.title, "dataset": dataset.id}
