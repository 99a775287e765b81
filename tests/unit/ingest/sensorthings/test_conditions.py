"""What of a filter a store looks up: never less than what the filter is true for."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.conditions import condition_of, kind_condition
from cityhub.ingest.sensorthings.derive import rows_of
from cityhub.ingest.sensorthings.evaluate import holds
from cityhub.ingest.sensorthings.expression import parse
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.scope import property_of
from cityhub.model.condition import AllOf, Anything
from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.indexing import satisfies

NOW = "2026-11-23T06:05:00.000000Z"
NAMES = st.sampled_from(["a", "b", "urn:x:1", ""])


def station(id: str, name: str, languages: bool, place: bool, level: Any) -> Entity:
    attrs: dict[str, Any] = {DEFAULT_VOCAB + "level": [{"type": "Property", "value": level, "observedAt": NOW}]}
    if name:
        attrs[words.NAME] = [{"type": "LanguageProperty", "languageMap": {"en": name}} if languages else {"type": "Property", "value": name}]
    if place:
        attrs[words.PLACE] = [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}}]
    return {"id": id, "type": ["https://example.org/Station"], "attrs": attrs, "createdAt": NOW, "modifiedAt": NOW}


STATIONS = st.builds(station, st.sampled_from(["urn:x:1", "urn:x:2"]), NAMES, st.booleans(), st.booleans(), st.integers(0, 3))
TERMS = st.one_of(
    NAMES.map(lambda name: f"name eq '{name}'"), NAMES.map(lambda name: f"'{name}' eq name"), NAMES.map(lambda name: f"startswith(name,'{name}')"),
    st.sampled_from(["id eq 'urn:x:1'", "id eq 'urn:x:1~location'", "startswith(id,'urn:x:2')", "name ne 'a'", "length(name) gt 1", "id eq 'urn:x:2~sensor'"]),
)  # fmt: skip
FILTERS = st.recursive(
    TERMS, lambda inner: st.one_of(st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"), inner.map("not ({})".format)), max_leaves=5,
)  # fmt: skip


@given(STATIONS, FILTERS, st.sampled_from(["Thing", "Location", "HistoricalLocation", "Sensor", "FeatureOfInterest"]))
def test_a_condition_is_necessary(entity: Entity, filter: str, kind: str) -> None:
    if kind == "HistoricalLocation":
        filter = filter.replace("name", "id")
    expression = parse(filter, NOW)
    found = [row for row in rows_of(kind, entity) if holds(expression, lambda path, row=row: property_of(row, path.parts))]  # type: ignore[misc]
    if found:
        assert satisfies(AllOf((kind_condition(kind), condition_of(kind, expression))), entity), (filter, entity)


def test_equality_is_looked_up() -> None:
    for kind in KINDS:
        if kind not in ("HistoricalLocation", "Observation", "Datastream", "ObservedProperty"):
            assert condition_of(kind, parse("name eq 'a' and description ne 'b'", NOW)) != AllOf((Anything(), Anything()))
    assert not isinstance(condition_of("Datastream", parse("Thing/id eq 'urn:x:1'", NOW)), Anything)
