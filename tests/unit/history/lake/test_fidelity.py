"""Whatever an instance is, it comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.history.lake.columns import instance_of, row_of
from cityhub.history.lake.lake import Lake
from cityhub.history.lake.tail import OBSERVATIONS_TAIL, chunk_of
from cityhub.model.entity import NULL, VALUE_KEY
from cityhub.model.time import to_text
from tests.unit.history.lake.conftest import SENSOR, TEMPERATURE, Journal, sensor

AT = "2026-11-23T06:05:00.123456Z"
text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(to_text)  # noqa: DTZ001
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
points = st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "LineString"]), "coordinates": st.lists(numbers, min_size=2, max_size=3)},
    optional={"bbox": st.just([1, 2])},
)
optional = {
    "observedAt": times, "unitCode": text, "datasetId": text, "expiresAt": times, "objectType": st.lists(text), "valueType": text,
    "observedAtText": text, "lang": text, "deletedAt": times,
    "attrs": st.dictionaries(text | st.just("https://example.org/quality"), st.lists(
        st.fixed_dictionaries({"type": st.just("Property"), "value": json}, optional={"createdAt": times}), min_size=1, max_size=2), max_size=2),
}  # fmt: skip


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(VALUE_KEY)))
    instance = draw(st.fixed_dictionaries({"type": st.just(kind)}, optional=optional))
    instance[VALUE_KEY[kind]] = draw(json | st.just(NULL) | points)
    return instance


@settings(deadline=None, max_examples=300)
@given(instances())
def test_an_instance_comes_back_from_its_row(instance: dict[str, Any]) -> None:
    row = row_of("t", "urn:a", "urn:t", "urn:b", instance, AT, 7, 3, 7)
    [found] = chunk_of(OBSERVATIONS_TAIL, [row]).to_pylist()
    assert instance_of(found, "5eed") == {
        **instance, "instanceId": "urn:ngsi-ld:Instance:5eed-7-3", "createdAt": AT, "modifiedAt": AT,
    }  # fmt: skip


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json | text | numbers, members=st.fixed_dictionaries({}, optional=optional))
def test_both_ways_through_the_lake_give_the_same(lake: Lake, journal: Journal, value: Any, members: dict[str, Any]) -> None:
    """Once as an update, which mostly goes the short way, read from the tail and from the tables."""
    members.pop("deletedAt", None)
    members.pop("expiresAt", None)
    observed = members.pop("observedAt", AT)
    sensor(journal, 0, "2026-01-01T00:00:00.000000Z")
    before = sensor(journal, value, observed, **members)
    lake.catch_up()
    [wanted] = before["attrs"][TEMPERATURE]
    for _ in range(2):
        with lake.reading("") as reading:
            cursor = reading.connection.execute(
                "SELECT * FROM observations WHERE entity = ? AND position = ? AND deleted_at IS NULL", [SENSOR, journal.last()]
            )
            [found] = cursor.to_arrow_table().to_pylist()
        instance = instance_of(found, lake.seed)
        assert {**instance, "modifiedAt": wanted["modifiedAt"]} == {
            **wanted, "instanceId": instance["instanceId"], "createdAt": instance["createdAt"],
        }  # fmt: skip
        lake.flush()
