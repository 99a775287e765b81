"""Observations that came too late to be the present state, as the journal has them (`cityhub.model.history_events`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cityhub.model.entity import VALUE_KEY
from cityhub.rules.engine.moments import Micros

Late = tuple[str, list[str], dict[str, list[tuple[int, Any]]]]
"""Id and types of an entity, and moment and value of its observations by attribute."""


def late_values(document: Mapping[str, Any], moments: Micros, horizon: int) -> Iterator[Late]:
    """What an event of the history says of entities, without what tells a time after the horizon."""
    kind = document.get("event")
    puts = document["puts"] if kind == "put_many" else [document] if kind == "put" else []
    for put in puts:
        values: dict[str, list[tuple[int, Any]]] = {}
        for iri, instances in put.get("attributes", {}).items():
            found = [
                (moments[one["observedAt"]], one.get(VALUE_KEY[one["type"]]))
                for one in instances
                if "observedAt" in one and "datasetId" not in one and "deletedAt" not in one
            ]
            if found := [one for one in found if one[0] <= horizon]:
                values[iri] = found
        types = put.get("types", [])
        if values and types:
            yield put["entity"], types, values
