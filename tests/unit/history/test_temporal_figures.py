"""Figures worked out in the lake are those of the aggregated representation, which says what they are to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityhub.history.instances import COLUMNS, instances_in
from cityhub.history.lake.columns import row_of
from cityhub.history.lake.schema import OBSERVATIONS_SCHEMA
from cityhub.history.questions import Aggregate
from cityhub.history.selection import spanned, time_of
from cityhub.history.temporal_figures import figures_of
from cityhub.model.ngsild.temporal import METHODS, Aggregation, Period, TemporalQuery
from cityhub.model.ngsild.temporal_aggregate import aggregated_body
from cityhub.model.ngsild.temporal_render import time_of as time_of_instance
from cityhub.model.ports import Window
from cityhub.model.time import to_text

E1, E2 = "urn:e:1", "urn:e:2"
START = datetime(2026, 1, 30, 12, 30, tzinfo=UTC)
_KINDS = {"string": "VARCHAR", "timestamptz": "TIMESTAMPTZ", "long": "BIGINT", "int": "INTEGER", "double": "DOUBLE"}


class Shown:
    """A reading of rows of the test alone."""

    seed = "s"
    position = 1

    def __init__(self, instances: list[tuple[str, str, dict[str, Any]]]) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f'"{field.name}" {_KINDS[str(field.field_type)]}' for field in OBSERVATIONS_SCHEMA.fields)
        self.connection.execute(f"CREATE TABLE observations ({columns})")
        width = len(OBSERVATIONS_SCHEMA.fields)
        rows = [
            row_of("", entity, "T", name, instance, to_text(START + timedelta(seconds=place)), place + 1, 0, place + 1)[:width]
            for place, (entity, name, instance) in enumerate(instances)
        ]
        if rows:
            self.connection.executemany(f"INSERT INTO observations VALUES ({', '.join('?' * width)})", rows)


def expected(shown: Shown, ids: list[str], window: Window, query: TemporalQuery) -> list[dict[str, Any]]:
    """What the oracle makes of the instances."""
    assert query.aggregation is not None
    where, values = spanned(window)
    rows = shown.connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM observations WHERE attribute <> 'scope'{where} "
        f"ORDER BY {time_of(window)}, modified_at, position, ordinal", values,
    ).fetchall()  # fmt: skip
    found, _ = instances_in(shown, ids, rows)
    documents = []
    for attributes in found.values():
        origin = min((time_of_instance(one[0], query.time_property) for one in attributes.values()), default=None)
        body = aggregated_body(query.aggregation, query, origin)
        documents.append({name: orjson.loads(orjson.dumps(body(name, attributes[name]))) for name in sorted(attributes)})
    return documents


NUMBERS = st.one_of(
    st.integers(-5, 5), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.1, 0.2, 0.3, 1e308, -0.0])
)
INSTANCES = st.builds(
    lambda value, minute, dataset, extra: {
        "type": "Property", "value": value,
        **({} if minute is None else {"observedAt": to_text(START + timedelta(minutes=minute))}),
        **({"datasetId": dataset} if dataset else {}), **extra,
    },
    NUMBERS, st.none() | st.integers(0, 60 * 24 * 70), st.sampled_from([None, None, None, "urn:d:1"]),
    st.sampled_from([{}, {}, {}, {"unitCode": "CEL"}, {"attrs": {"https://q": [{"type": "Property", "value": 1}]}}]),
)  # fmt: skip
SERIES = st.lists(st.tuples(st.sampled_from([E1, E1, E2]), st.sampled_from(["a", "a", "b"]), INSTANCES), max_size=25)
PERIODS = st.sampled_from([Period(), Period(0, 3600), Period(0, 0.25), Period(0, 86400.0), Period(1), Period(3, 60.5), Period(12)])
SPANS = st.sampled_from([
    (None, None, None), ("after", START - timedelta(minutes=7), None), ("before", START + timedelta(days=40), None),
    ("between", START + timedelta(days=1), START + timedelta(days=33)),
])  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(SERIES, PERIODS, SPANS, st.sampled_from(["observedAt", "modifiedAt"]))
@example([(E1, "a", {"type": "Property", "value": value, "observedAt": to_text(START)}) for value in (0.1, 0.2, 0.3)], Period(), (None, None, None), "observedAt")
def test_they_are_those_of_the_representation(instances: list[Any], period: Period, span: tuple[Any, Any, Any], time: Any) -> None:
    relation, start, end = span[0], *(None if moment is None else to_text(moment) for moment in span[1:])
    query = TemporalQuery(relation, start, end, time, None, Aggregation(METHODS, period))
    window = Window(time, query.start, query.end, relation is not None)
    shown = Shown(instances)
    wanted = expected(shown, [E1, E2], window, query)
    question = Aggregate("", [E1, E2], window, METHODS, period.months, period.seconds)
    found = [one for block in figures_of(shown, question) for one in block]
    for one, document in zip(found, wanted, strict=True):
        assert list(one.attributes) == list(document)
        for name, ready in one.attributes.items():
            if ready is not None:
                assert orjson.loads(ready) == document[name]


@pytest.mark.parametrize("instance", [
    {"type": "Property", "value": "text", "observedAt": to_text(START)},
    {"type": "Property", "value": True, "observedAt": to_text(START)},
    {"type": "Property", "value": 2**60, "observedAt": to_text(START)},
    {"type": "Property", "value": "urn:ngsi-ld:null", "observedAt": to_text(START), "deletedAt": to_text(START)},
])  # fmt: skip
def test_what_is_no_plain_number_is_left_to_the_representation(instance: dict[str, Any]) -> None:
    shown = Shown([(E1, "a", {"type": "Property", "value": 1, "observedAt": to_text(START)}), (E1, "a", instance), (E1, "b", measured(3))])
    [[found]] = list(figures_of(shown, Aggregate("", [E1], Window(), ("avg",))))
    assert found.attributes["a"] is None
    assert orjson.loads(found.attributes["b"] or b"")["avg"][0][0] == 3


def measured(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": to_text(START)}


def test_a_measurement_that_came_twice_counts_once() -> None:
    shown = Shown([(E1, "a", measured(value)) for value in (5, 7, 5, 5)])
    [[found]] = list(figures_of(shown, Aggregate("", [E1], Window(), ("sum", "totalCount"))))
    described = orjson.loads(found.attributes["a"] or b"")
    assert (described["sum"][0][0], described["totalCount"][0][0]) == (12, 2)
