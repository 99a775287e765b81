"""Temporal representations in. Source: GS CIM 009 V1.9.1 clauses 4.5.6 to 4.5.9, 5.2.20, 5.6.11."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import DEFAULT_VOCAB, NULL
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.temporal_document import TemporalDocument, parse_temporal_entity

NOW = "2026-11-23T06:05:00.000000Z"
T1, T2 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
I1 = "2026-01-01T00:00:00.000000Z"
SPEED = f"{DEFAULT_VOCAB}speed"


def read(**members: Any) -> TemporalDocument:
    return parse_temporal_entity({"id": "urn:e:1", "type": "Vehicle", **members}, CORE, NOW)


def test_an_attribute_may_have_many_instances_of_one_dataset() -> None:
    dataset = {"datasetId": "urn:d:1"}
    found = read(speed=[{"type": "Property", "value": 1, "observedAt": T1}, {"value": 2, "observedAt": T2, **dataset}, {"value": 3, "observedAt": T1, **dataset}])
    assert [one["value"] for one in found.attrs[SPEED]] == [1, 2, 3]
    assert found.types == [f"{DEFAULT_VOCAB}Vehicle"]
    assert read(speed={"type": "Property", "value": 1}).attrs == {SPEED: [{"type": "Property", "value": 1}]}
    assert read(speed=[]).attrs == {SPEED: []}


@pytest.mark.parametrize(
    ("kind", "member", "pairs", "key", "values"),
    [
        ("Property", "values", [[1, T1], ["a", T2]], "value", [1, "a"]),
        ("Relationship", "objects", [["urn:x:1", T1]], "object", ["urn:x:1"]),
        ("LanguageProperty", "languageMaps", [[{"languageMap": {"en": "a"}}, T1]], "languageMap", [{"en": "a"}]),
        ("JsonProperty", "jsons", [[{"json": {"a": 1}}, T1]], "json", [{"a": 1}]),
        ("ListProperty", "valueLists", [[[1, 2], T1]], "valueList", [[1, 2]]),
        ("ListRelationship", "objectLists", [[["urn:x:1"], T1]], "objectList", [["urn:x:1"]]),
    ],
)
def test_reads_pairs_of_value_and_time(kind: str, member: str, pairs: list[Any], key: str, values: list[Any]) -> None:
    instances = read(speed={"type": kind, "datasetId": "urn:d:1", member: pairs}).attrs[SPEED]
    assert [one[key] for one in instances] == values
    assert all(one["datasetId"] == "urn:d:1" and one["observedAt"] for one in instances)


@pytest.mark.parametrize(
    "instance",
    [
        {"type": "Property", "value": NULL},
        {"type": "Relationship", "object": NULL},
        {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
        {"type": "ListProperty", "valueList": [NULL]},
    ],
)
def test_the_null_as_value_marks_a_deletion(instance: dict[str, Any]) -> None:
    [mark] = read(speed=[{**instance, "observedAt": T1}]).attrs[SPEED]
    assert (mark["deletedAt"], mark["observedAt"]) == (I1, I1)
    [mark] = read(speed=[{**instance, "deletedAt": T1}]).attrs[SPEED]
    assert (mark["deletedAt"], "observedAt" in mark) == (I1, False)
    assert read(speed=[instance]).attrs[SPEED][0]["deletedAt"] == NOW


def test_scopes_are_properties_over_time() -> None:
    assert read(scope=["/a", "/b"]).attrs["scope"] == [{"type": "Property", "value": ["/a", "/b"], "observedAt": NOW}]
    instances = read(scope=[{"type": "Property", "value": "/a", "observedAt": T1}, {"type": "Property", "value": NULL, "deletedAt": T1}]).attrs["scope"]
    assert instances == [{"type": "Property", "value": ["/a"], "observedAt": I1}, {"type": "Property", "value": [], "deletedAt": I1}]


def test_a_fragment_needs_neither_id_nor_type_but_must_say_something() -> None:
    found = parse_temporal_entity({"speed": {"type": "Property", "value": 1}}, CORE, NOW, fragment=True)
    assert (found.id, found.types) == ("", [])
    assert parse_temporal_entity({"type": "Truck"}, CORE, NOW, fragment=True).types == [f"{DEFAULT_VOCAB}Truck"]
    with pytest.raises(BadRequestData):
        parse_temporal_entity({}, CORE, NOW, fragment=True)


@pytest.mark.parametrize(
    "members",
    [
        {"id": "no uri"},
        {"type": None},
        {"expiresAt": NULL},
        {"speed": {"type": "Property", "value": 1, "observedAt": "2026-01-01"}},
        {"speed": {"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00+03:00"}},
        {"speed": {"type": "Property", "value": NULL, "observedAt": NULL}},
        {"speed": {"type": "Property", "values": [[1]]}},
        {"speed": {"type": "Property", "values": [1]}},
        {"speed": [{"type": "Property"}]},
        {"scope": [{"type": "Relationship", "object": "urn:x:1"}]},
        {"scope": [{"type": "Property", "value": "no scope"}]},
        {"speed": {"type": "Property", "value": 1}, SPEED: {"type": "Property", "value": 1}},
    ],
)
def test_refuses(members: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        read(**members)


def test_refuses_what_is_no_object() -> None:
    with pytest.raises(InvalidRequest):
        parse_temporal_entity([], CORE, NOW)
