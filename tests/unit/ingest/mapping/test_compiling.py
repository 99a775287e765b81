"""Mappings applied: what entities come out, and what is said of records that do not fit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.feed import Feed
from cityhub.ingest.mapping import MappingError, compile_mapping
from cityhub.ingest.mapping.datums import to_bd09
from cityhub.ingest.message import Message
from cityhub.model.entity import NGSI_LD
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.names import check_name

ARRIVED = "2026-11-23T06:05:10.000000Z"
CORE = {"location", "observationSpace", "operationSpace"}


def names(name: str) -> str:
    check_name(name)
    return f"{NGSI_LD}{name}" if name in CORE else f"https://example.org/{name}"


def feed_of(attributes: dict[str, Any], *, entity: dict[str, Any] | None = None, **feed: Any) -> Feed:
    one = {"type": "Gauge", "id": '"urn:ngsi-ld:Gauge:" + id', "attributes": attributes, **(entity or {})}
    return msgspec.convert({"id": "gauges", "protocol": "http", "entities": [one], **feed}, Feed)


def apply(attributes: dict[str, Any], record: Any, about: dict[str, Any] | None = None, **more: Any) -> Any:
    mapping = compile_mapping(feed_of(attributes, **more), names)
    return mapping.apply(record, Message(b"", about or {}, ARRIVED))


def instance(attribute: dict[str, Any], record: dict[str, Any], name: str = "level", **more: Any) -> dict[str, Any]:
    (update,) = apply({name: attribute}, {"id": "1", **record}, **more)
    ((found,),) = update.attributes.values()
    return dict(found)


def test_an_entity() -> None:
    (update,) = apply(
        {"level": {"value": "data.h", "unit": "cm", "to": "m", "decimals": 2}, "state": {"value": "data.s"}, "name": {"value": "data.n", "kind": "LanguageProperty"}},
        {"id": "7", "data": {"h": 431, "s": "ok", "n": {"zh": "濯水", "en": "Zhuoshui"}, "t": "2026-11-23 14:05:00"}},
        entity={"observed_at": "data.t"},
    )
    assert update.id == "urn:ngsi-ld:Gauge:7"
    assert update.types == ["https://example.org/Gauge"]
    at = "2026-11-23T06:05:00.000000Z"
    assert update.attributes == {
        "https://example.org/level": [{"type": "Property", "value": 4.31, "unitCode": "MTR", "observedAt": at}],
        "https://example.org/state": [{"type": "Property", "value": "ok", "observedAt": at}],
        "https://example.org/name": [{"type": "LanguageProperty", "languageMap": {"zh": "濯水", "en": "Zhuoshui"}, "observedAt": at}],
    }


def test_the_time_of_arrival_where_nothing_is_said() -> None:
    assert instance({"value": "v"}, {"v": 1})["observedAt"] == ARRIVED


@pytest.mark.parametrize(("attribute", "value", "expected"), [
    ({}, 1.5, 1.5), ({}, True, True), ({}, "text", "text"), ({}, [1, 2], [1, 2]), ({"scale": 0.1, "offset": -4, "decimals": 3}, 215, 17.5),
    ({"unit": "Cel"}, "２１．５", 21.5), ({"table": [[0, 0], [4, 0], [20, 10]]}, 12, 5.0), ({"decimals": 0}, 2.7, 3),
    ({"unit": "m/s", "to": "km/h", "scale": 0.5}, 10, 18.0), ({"unit": "[degF]", "to": "Cel", "decimals": 1}, 212, 100.0),
    ({"table": [[0, 0], [10, 100]], "unit": "cm", "to": "m"}, 5, 0.5), ({"unit": "mm"}, [1, "2"], [1, 2]),
])  # fmt: skip
def test_values(attribute: dict[str, Any], value: Any, expected: Any) -> None:
    assert instance({"value": "v", **attribute}, {"v": value})["value"] == expected


@pytest.mark.parametrize(("kind", "value", "key", "expected"), [
    ("Relationship", "urn:x:1", "object", "urn:x:1"), ("VocabProperty", "good", "vocab", "https://example.org/good"), ("JsonProperty", {"a": None}, "json", {"a": None}),
    ("ListProperty", [1, 2], "valueList", [1, 2]), ("ListProperty", 1, "valueList", [1]), ("ListRelationship", ["urn:x:1"], "objectList", ["urn:x:1"]),
    ("LanguageProperty", "hello", "languageMap", {"@none": "hello"}), ("GeoProperty", "108.7,29.5", "value", {"type": "Point", "coordinates": [108.7, 29.5]}),
])  # fmt: skip
def test_kinds(kind: str, value: Any, key: str, expected: Any) -> None:
    found = instance({"value": "v", "kind": kind}, {"v": value})
    assert (found["type"], found[key]) == (kind, expected)


def test_names_inside_of_values_are_those_of_the_context() -> None:
    assert instance({"value": "v"}, {"v": {"depth": 1, "水 深": 2}})["value"] == {"https://example.org/depth": 1, "水 深": 2}


def test_a_place_of_a_map_service() -> None:
    lon, lat = to_bd09(108.77, 29.53)
    found = instance({"value": "[x, y]", "kind": "GeoProperty", "datum": "BD-09"}, {"x": lon, "y": lat}, "location")
    assert found["value"]["coordinates"] == pytest.approx([108.77, 29.53], abs=1e-7)


def test_a_place_outside_of_the_fence_is_flagged() -> None:
    square = {"type": "Polygon", "coordinates": [[[108, 29], [109, 29], [109, 30], [108, 30], [108, 29]]]}
    attribute = {"value": "[x, 29.5]", "kind": "GeoProperty"}
    assert "attrs" not in instance(attribute, {"x": 108.5}, "location", entity={"within": square})
    found = instance(attribute, {"x": 110.5}, "location", entity={"within": square}, simulated=True)
    assert found["attrs"] == {
        "https://example.org/simulated": [{"type": "Property", "value": True}],
        "https://example.org/quality": [{"type": "Property", "value": ["outside"]}],
    }


def test_made_up_figures_say_so() -> None:
    assert instance({"value": "v"}, {"v": 1}, simulated=True)["attrs"] == {"https://example.org/simulated": [{"type": "Property", "value": True}]}


def test_datasets_and_own_times() -> None:
    found = instance({"value": "v", "dataset": '"urn:x:" + source', "observed_at": "t"}, {"v": 1, "source": "a", "t": 1795413900})
    assert (found["datasetId"], found["observedAt"]) == ("urn:x:a", "2026-11-23T06:05:00.000000Z")


def test_names_of_the_message_cannot_be_forged_by_a_record() -> None:
    entity = {"id": '"urn:x:" + device'}
    (update,) = apply({"v": {"value": "topic[2]"}}, {"device": "forged", "topic": "forged"}, {"device": "d1", "topic": ["a", "b"]}, entity=entity)
    assert update.id == "urn:x:d1"
    assert update.attributes["https://example.org/v"][0]["value"] == "b"
    with pytest.raises(MappingError, match=r"'device' is that of the message, the record's own is 'record.device'"):
        apply({"v": {"value": "1"}}, {"device": "forged"}, entity=entity)
    (update,) = apply({"v": {"value": "record.topic"}}, {"device": "x", "topic": "own"}, entity={"id": '"urn:x:" + record.device'})
    assert update.attributes["https://example.org/v"][0]["value"] == "own"


def test_what_else_a_protocol_tells_gives_way_to_the_record() -> None:
    (update,) = apply({"a": {"value": "modified"}, "b": {"value": "bucket"}}, {"id": "1", "modified": "own"}, {"modified": "file", "bucket": "rain"})
    assert [instance["value"] for (instance,) in update.attributes.values()] == ["own", "rain"]


def test_each_mapping_that_applies_is_used() -> None:
    feed = msgspec.convert({"id": "f", "protocol": "http", "entities": [
        {"type": "A", "id": '"urn:a:" + id', "when": 'kind = "a"', "attributes": {"v": {"value": "v"}}},
        {"type": "B", "id": '"urn:b:" + id', "attributes": {"v": {"value": "v"}}},
    ]}, Feed)  # fmt: skip
    mapping = compile_mapping(feed, names)
    assert [update.id for update in mapping.apply({"id": "1", "kind": "a", "v": 1}, Message(b""))] == ["urn:a:1", "urn:b:1"]
    assert [update.id for update in mapping.apply({"id": "1", "kind": "x", "v": 1}, Message(b""))] == ["urn:b:1"]
    assert mapping.apply({"id": "1", "kind": "x", "v": 1}, Message(b""))[0].attributes["https://example.org/v"] == [{"type": "Property", "value": 1}]


def test_a_condition_that_is_null_is_no_answer() -> None:
    entity = {"when": "rian > 0"}
    with pytest.raises(MappingError, match=r"'when' \(rian > 0\) is null"):
        apply({"v": {"value": "rain"}}, {"id": "1", "rain": 2}, entity=entity)
    assert apply({"v": {"value": "rain"}}, {"id": "1"}, entity={"when": "rain != null and rain > 0"}) == []


def test_a_null_leaves_the_attribute_out() -> None:
    (update,) = apply({"a": {"value": "a"}, "b": {"value": "b"}}, {"id": "1", "a": 1})
    assert list(update.attributes) == ["https://example.org/a"]


def test_records_inside_of_a_payload() -> None:
    mapping = compile_mapping(feed_of({"v": {"value": "v"}}, records="data.items"), names)
    message = Message(b"")
    assert mapping.records([{"data": {"items": [{"v": 1}, {"v": 2}]}}, {"data": {"items": {"v": 3}}}], message) == [{"v": 1}, {"v": 2}, {"v": 3}]
    with pytest.raises(MappingError, match=r"'records' \(data.items\) found nothing"):
        mapping.records([{"data": 1}], message)


@pytest.mark.parametrize(("attributes", "record", "words"), [
    ({"level": {"value": "v", "unit": "m"}}, {"id": "1", "v": "deep"}, ["entity 1 (Gauge)", "attribute 'level'", "(v)", "'deep' is not a number"]),
    ({"level": {"value": "v"}}, {"v": 1}, ["'id' (\"urn:ngsi-ld:Gauge:\" + id) is null"]),
    ({"level": {"value": "v"}}, {"id": "a b", "v": 1}, ["'urn:ngsi-ld:Gauge:a b' is not a URI"]),
    ({"level": {"value": "v"}}, {"id": "1", "w": 1}, ["no attribute has a value", "'value' (v) is null"]),
    ({"level": {"value": "v", "observed_at": "t"}}, {"id": "1", "v": 1, "t": "soon"}, ["attribute 'level'", "'observed_at' (t)", "'soon' is not a time"]),
    ({"level": {"value": "v", "observed_at": "t"}}, {"id": "1", "v": 1}, ["there is no time"]),
    ({"level": {"value": "v", "dataset": "d"}}, {"id": "1", "v": 1, "d": 5}, ["'dataset' (d): 5 is not a URI"]),
    ({"level": {"value": "v", "kind": "Relationship"}}, {"id": "1", "v": "x"}, ["must have a URI"]),
    ({"level": {"value": "v"}}, {"id": "1", "v": "urn:ngsi-ld:null"}, ["NGSI-LD Null"]),
    ({"level": {"value": "v"}}, {"id": "1", "v": 2**70}, ["64 bits"]),
    ({"level": {"value": "v", "scale": 1e300}}, {"id": "1", "v": 1e300}, ["finite"]),
    ({"level": {"value": "v"}}, 5, ["is null"]),
])  # fmt: skip
def test_what_is_said_of_records_that_do_not_fit(attributes: dict[str, Any], record: Any, words: list[str]) -> None:
    with pytest.raises(MappingError) as caught:
        apply(attributes, record)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("attributes", "entity", "words"), [
    ({"level": {"value": "1 +"}}, {}, ["attribute 'level'", "(1 +)"]),
    ({"level": {"value": "v", "unit": "°C"}}, {}, ["attribute 'level'", "did you mean 'Cel'"]),
    ({"level": {"value": "v", "to": "m"}}, {}, ["'to' needs 'unit'"]),
    ({"level": {"value": "v", "unit": "m", "kind": "Relationship"}}, {}, ["are for numbers"]),
    ({"level": {"value": "v", "datum": "BD-09"}}, {}, ["GeoProperty"]),
    ({"location": {"value": "v"}}, {}, ["its kind must be GeoProperty"]),
    ({"level": {"value": "v", "table": [[0, 1], [1, 2]], "scale": 2}}, {}, ["'table' takes the place"]),
    ({"level": {"value": "v", "decimals": 40}}, {}, ["-12 to 12"]),
    ({"type": {"value": "v"}}, {}, ["'type' must not be there"]),
    ({"a b": {"value": "v"}}, {}, ["attribute 'a b'"]),
    ({}, {}, ["at least one attribute"]),
    ({"level": {"value": "v"}}, {"time_zone": "Mars"}, ["IANA"]),
    ({"level": {"value": "v"}}, {"id": "["}, ["'id'"]),
    ({"level": {"value": "v"}}, {"within": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}, ["needs an attribute of kind GeoProperty"]),
])  # fmt: skip
def test_mappings_that_contradict_themselves(attributes: dict[str, Any], entity: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadRequestData) as caught:
        compile_mapping(feed_of(attributes, entity=entity), names)
    for word in words:
        assert word in caught.value.detail


MAPPED = compile_mapping(
    feed_of(
        {
            "a": {"value": "a"}, "b": {"value": "b", "unit": "Cel", "to": "K"}, "c": {"value": "c", "kind": "GeoProperty", "datum": "GCJ-02"},
            "d": {"value": "d", "kind": "LanguageProperty"}, "e": {"value": "e", "observed_at": "f"}, "g": {"value": "e * 2 + b"},
        }
    ),
    names,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "f", "topic", "record"]), JSON), JSON)
def test_nothing_but_mapping_errors(record: dict[str, Any], other: Any) -> None:
    for one in ({"id": "1", **record}, other):
        try:
            MAPPED.apply(one, Message(b"", {}, ARRIVED))
        except MappingError as error:
            assert len(str(error)) < 3000
