"""Merge Entity."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import DEFAULT_VOCAB, NULL, Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.merge import create
from cityhub.model.ngsild.parse import parse_entity, parse_fragment
from cityhub.model.ngsild.patch import merge_entity, merge_values
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import CONCISE

V = DEFAULT_VOCAB
T0, T1 = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"
CURRENT = create(
    parse_entity(
        {
            "id": "urn:a:b", "type": "T",
            "owner": {"object": "urn:p:1", "s": 1}, "name": {"languageMap": {"en": "Hello", "fr": "Bonjour"}},
            "temp": {"value": 20, "observedAt": "2026-01-01T00:00:00.000Z", "unitCode": "CEL", "acc": {"value": 1, "u": 2}},
            "raw": {"json": {"a": {"b": 1}, "c": None}}, "hue": {"vocab": "red"}, "list": {"valueList": [1, 2]},
            "address": {"value": {"street": "x", "city": "B", "country": "D"}},
            "location": {"type": "Point", "coordinates": [1, 2]},
            "multi": [1, {"value": 2, "datasetId": "urn:d:1"}],
        },
        CORE,
    ),
    T0,
)  # fmt: skip
BEFORE = render_entity(CURRENT, CORE, CONCISE)


def merged(document: dict[str, Any], simplified: bool = False, **more: Any) -> Entity:
    fragment = parse_fragment(document, CORE, nulls=True, partial=True, simplified=simplified)
    return merge_entity(CURRENT, fragment, T1, CORE, **more)


def difference(after: Entity) -> dict[str, Any]:
    """What is other than before, concise; None for what is gone."""
    document = render_entity(after, CORE, CONCISE)
    return {key: document.get(key) for key in {**BEFORE, **document} if document.get(key) != BEFORE.get(key)}


TEMP = {"value": 20, "observedAt": "2026-01-01T00:00:00.000Z", "unitCode": "CEL", "acc": {"value": 1, "u": 2}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"temp": 25}, {"temp": {**TEMP, "value": 25}}),
        ({"temp": {"unitCode": "KEL"}}, {"temp": {**TEMP, "unitCode": "KEL"}}),
        ({"temp": {"value": 1, "observedAt": "2026-02-01T00:00:00Z"}}, {"temp": {**TEMP, "value": 1, "observedAt": "2026-02-01T00:00:00Z"}}),
        ({"temp": {"observedAt": NULL, "unitCode": NULL, "acc": NULL}}, {"temp": 20}),
        ({"temp": {"type": "Property", "acc": {"u": NULL, "type": "Property"}}}, {"temp": {**TEMP, "acc": 1}}),
        ({"temp": {"type": "Property", "acc": 7, "more": 8}}, {"temp": {**TEMP, "acc": {"value": 7, "u": 2}, "more": 8}}),
        ({"temp": NULL}, {"temp": None}),
        ({"temp": {"type": "Property", "value": NULL}}, {"temp": None}),
        ({"owner": {"type": "Relationship", "object": "urn:p:2"}}, {"owner": {"object": "urn:p:2", "s": 1}}),
        ({"owner": {"type": "Relationship", "object": NULL}}, {"owner": None}),
        ({"name": {"languageMap": {"en": NULL, "zh": "你好"}}}, {"name": {"languageMap": {"fr": "Bonjour", "zh": "你好"}}}),
        ({"name": {"languageMap": {"en": NULL, "fr": NULL}}}, {"name": None}),
        ({"name": {"languageMap": {"@none": NULL}}}, {"name": None}),
        ({"address": {"value": {"street": "y", "country": NULL}}}, {"address": {"street": "y", "city": "B"}}),
        ({"address": {"street": "y", "more": {"x": NULL, "y": 1}}}, {"address": {"street": "y", "city": "B", "country": "D", "more": {"y": 1}}}),
        ({"address": "text"}, {"address": "text"}),
        ({"raw": {"json": {"a": {"z": 1}, "c": NULL}}}, {"raw": {"json": {"a": {"b": 1, "z": 1}}}}),
        ({"hue": {"vocab": "blue"}}, {"hue": {"vocab": "blue"}}),
        ({"list": {"valueList": [3]}}, {"list": {"valueList": [3]}}),
        ({"list": {"valueList": [NULL]}}, {"list": None}),
        ({"location": {"type": "Point", "coordinates": [3, 4]}}, {"location": {"type": "Point", "coordinates": [3, 4]}}),
        ({"location": {"value": '{"type": "Point", "coordinates": [3, 4]}'}}, {"location": {"type": "Point", "coordinates": [3, 4]}}),
        ({"multi": {"value": 5, "datasetId": "urn:d:1"}}, {"multi": [1, {"value": 5, "datasetId": "urn:d:1"}]}),
        ({"multi": {"value": 5, "datasetId": "urn:d:2"}}, {"multi": [*BEFORE["multi"], {"value": 5, "datasetId": "urn:d:2"}]}),
        ({"multi": {"value": NULL, "datasetId": "urn:d:1"}}, {"multi": 1}),
        ({"multi": [NULL, {"value": NULL, "datasetId": "urn:d:1"}]}, {"multi": None}),
        ({"more": {"value": {"a": NULL, "b": 1}, "unitCode": NULL, "s": NULL}}, {"more": {"b": 1}}),
        ({"more": {"type": "Point", "coordinates": [1, 2]}}, {"more": {"type": "Point", "coordinates": [1, 2]}}),
        ({"more": {"languageMap": {"en": "x"}}}, {"more": {"languageMap": {"en": "x"}}}),
        ({"type": ["T", "U"], "scope": "/a"}, {"type": ["T", "U"], "scope": "/a"}),
    ],
)
def test_a_merge(document: dict[str, Any], expected: dict[str, Any]) -> None:
    assert difference(merged(document)) == expected


@pytest.mark.parametrize(
    ("document", "more", "expected"),
    [
        ({"owner": "urn:p:2"}, {}, {"owner": {"object": "urn:p:2", "s": 1}}),
        ({"name": "Hola"}, {"lang": "es"}, {"name": {"languageMap": {"en": "Hello", "fr": "Bonjour", "es": "Hola"}}}),
        ({"name": {"languageMap": {"es": "Hola"}}}, {}, {"name": {"languageMap": {"en": "Hello", "fr": "Bonjour", "es": "Hola"}}}),
        ({"hue": "blue"}, {}, {"hue": {"vocab": "blue"}}),
        ({"raw": {"street": 1}}, {}, {"raw": {"json": {"a": {"b": 1}, "c": None, "street": 1}}}),
        ({"list": [3]}, {}, {"list": {"valueList": [3]}}),
        ({"temp": 25}, {}, {"temp": {**TEMP, "value": 25}}),
        ({"owner": NULL}, {}, {"owner": None}),
        ({"new": "urn:p:2"}, {}, {"new": "urn:p:2"}),
    ],
)
def test_simplified_values_keep_the_attribute_type(document: dict[str, Any], more: dict[str, Any], expected: dict[str, Any]) -> None:
    assert difference(merged(document, simplified=True, **more)) == expected


def test_a_common_time_replaces_times_that_are_there() -> None:
    after = merged({"temp": 25, "multi": 5, "new": 1}, observed_at="2026-06-01T12:00:00.000000Z")
    assert difference(after) == {"temp": {**TEMP, "value": 25, "observedAt": "2026-06-01T12:00:00Z"}, "multi": [5, BEFORE["multi"][1]], "new": 1}
    own = merged({"temp": {"value": 25, "observedAt": "2026-07-01T12:00:00Z"}}, observed_at="2026-06-01T12:00:00.000000Z")
    assert difference(own)["temp"]["observedAt"] == "2026-07-01T12:00:00Z"


@pytest.mark.parametrize(
    ("document", "simplified"),
    [
        ({"owner": "urn:p:2"}, False),
        ({"owner": {"value": "urn:p:2"}}, False),
        ({"owner": "text"}, True),
        ({"name": "Hola"}, True),
        ({"name": "Hola"}, False),
        ({"temp": {"type": "Relationship", "object": "urn:p:2"}}, False),
        ({"temp": {"languageMap": {"en": "x"}}}, False),
        ({"owner": {"unitCode": "CEL"}}, False),
        ({"new": {"unitCode": "CEL"}}, False),
        ({"new": {"languageMap": {"en": NULL}}}, False),
        ({"temp": {"type": "Property", "new": {"type": "Property", "unitCode": "CEL"}}}, False),
        ({"location": 5}, False),
        ({"location": {"type": "Point", "coordinates": [1]}}, False),
        ({"observationSpace": 5}, False),
    ],
)
def test_a_merge_that_breaks_the_model(document: dict[str, Any], simplified: bool) -> None:
    with pytest.raises(BadRequestData):
        merged(document, simplified)


def test_what_a_merge_does_not_touch_is_shared() -> None:
    after = merged({"temp": {"type": "Property", "acc": 7}, "gone": NULL})
    assert {iri for iri, instances in after["attrs"].items() if instances is not CURRENT["attrs"][iri]} == {V + "temp"}
    instance = after["attrs"][V + "temp"][0]
    assert instance["modifiedAt"] == T1
    assert instance["attrs"][V + "acc"][0]["modifiedAt"] == T1
    assert instance["attrs"][V + "acc"][0]["attrs"] is CURRENT["attrs"][V + "temp"][0]["attrs"][V + "acc"][0]["attrs"]
    assert (after["createdAt"], after["modifiedAt"]) == (T0, T1)


def test_a_merge_that_changes_nothing_is_no_change() -> None:
    assert merged({"gone": NULL, "type": "T", "scope": NULL, "expiresAt": NULL}) is CURRENT


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": NULL}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": NULL}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, "bar", "bar"),
        ([1, 2], {"a": "b", "c": NULL}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": NULL}}}, {"a": {"bb": {}}}),
    ],
)
def test_values_merge_like_json_merge_patches(old: Any, patch: Any, new: Any) -> None:
    """The test cases of RFC 7396, appendix A, with the NGSI-LD Null."""
    assert merge_values(old, patch) == new
