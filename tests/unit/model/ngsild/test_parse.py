"""Entities in."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import DEFAULT_VOCAB, NULL
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.jsonld import CORE, term_map
from cityhub.model.ngsild.parse import Fragment, parse_attribute, parse_entity, parse_fragment

V = DEFAULT_VOCAB
POINT = {"type": "Point", "coordinates": [108.77, 29.53]}


def entity(**attributes: Any) -> dict[str, Any]:
    return {"id": "urn:ngsi-ld:Gauge:1", "type": "Gauge", **attributes}


def parsed(value: Any, name: str = "a") -> Any:
    """The instances of one attribute."""
    return next(iter(parse_entity(entity(**{name: value}), CORE)["attrs"].values()))


def refused(match: str, **attributes: Any) -> None:
    with pytest.raises(BadRequestData, match=match):
        parse_entity(entity(**attributes), CORE)


def test_a_normalized_entity() -> None:
    document = entity(
        level={
            "type": "Property", "value": 3.2, "unitCode": "MTR", "observedAt": "2026-11-23T06:05:00Z",
            "accuracy": {"type": "Property", "value": 0.01},
        },
        river={"type": "Relationship", "object": "urn:ngsi-ld:River:Apeng", "objectType": "River"},
        location={"type": "GeoProperty", "value": POINT},
        name={"type": "LanguageProperty", "languageMap": {"zh": "测站", "en": ["gauge", "station"]}},
        raw={"type": "JsonProperty", "json": {"type": "x", "n": None}},
        colour={"type": "VocabProperty", "vocab": ["ok", "manual"]},
        depths={"type": "ListProperty", "valueList": [1, [2, 3]]},
        route={"type": "ListRelationship", "objectList": ["urn:a:1", {"object": "urn:a:2"}]},
        scope="/Qianjiang/Rivers",
        expiresAt="2100-01-01T00:00:00Z",
    )  # fmt: skip
    assert parse_entity(document, CORE) == {
        "id": "urn:ngsi-ld:Gauge:1",
        "type": [V + "Gauge"],
        "scope": ["/Qianjiang/Rivers"],
        "expiresAt": "2100-01-01T00:00:00.000000Z",
        "attrs": {
            V + "level": [
                {
                    "type": "Property", "value": 3.2, "unitCode": "MTR", "observedAt": "2026-11-23T06:05:00.000000Z",
                    "attrs": {V + "accuracy": [{"type": "Property", "value": 0.01}]},
                }
            ],
            V + "river": [{"type": "Relationship", "object": "urn:ngsi-ld:River:Apeng", "objectType": [V + "River"]}],
            "https://uri.etsi.org/ngsi-ld/location": [{"type": "GeoProperty", "value": POINT}],
            V + "name": [{"type": "LanguageProperty", "languageMap": {"zh": "测站", "en": ["gauge", "station"]}}],
            V + "raw": [{"type": "JsonProperty", "json": {"type": "x", "n": None}}],
            V + "colour": [{"type": "VocabProperty", "vocab": [V + "ok", V + "manual"]}],
            V + "depths": [{"type": "ListProperty", "valueList": [1, [2, 3]]}],
            V + "route": [{"type": "ListRelationship", "objectList": ["urn:a:1", "urn:a:2"]}],
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "instance"),
    [
        (5, {"type": "Property", "value": 5}),
        ("urn:a:b", {"type": "Property", "value": "urn:a:b"}),
        ([1, 2], {"type": "Property", "value": [1, 2]}),
        ([{"value": 1}], {"type": "Property", "value": [{"https://uri.etsi.org/ngsi-ld/hasValue": 1}]}),
        ({"street": "x"}, {"type": "Property", "value": {V + "street": "x"}}),
        ({"type": "PostalAddress", "street": "x"}, {"type": "Property", "value": {"type": V + "PostalAddress", V + "street": "x"}}),
        (POINT, {"type": "GeoProperty", "value": POINT}),
        ({"value": POINT}, {"type": "GeoProperty", "value": POINT}),
        ({"value": 5, "unitCode": "CEL"}, {"type": "Property", "value": 5, "unitCode": "CEL"}),
        ({"object": "urn:a:b"}, {"type": "Relationship", "object": "urn:a:b"}),
        ({"object": ["urn:a:b", "urn:a:c"]}, {"type": "Relationship", "object": ["urn:a:b", "urn:a:c"]}),
        ({"languageMap": {"zh": "a"}}, {"type": "LanguageProperty", "languageMap": {"zh": "a"}}),
        ({"json": [{"a": 1}]}, {"type": "JsonProperty", "json": [{"a": 1}]}),
        ({"vocab": "ok"}, {"type": "VocabProperty", "vocab": V + "ok"}),
        ({"valueList": []}, {"type": "ListProperty", "valueList": []}),
        ({"objectList": ["urn:a:b"]}, {"type": "ListRelationship", "objectList": ["urn:a:b"]}),
        ({"value": 5, "s": 6}, {"type": "Property", "value": 5, "attrs": {V + "s": [{"type": "Property", "value": 6}]}}),
        ({"@type": "Property", "value": 5}, {"type": "Property", "value": 5}),
        ({"type": "https://uri.etsi.org/ngsi-ld/Property", "value": 5}, {"type": "Property", "value": 5}),
        ({"type": "Property", "value": 5, "lang": "zh"}, {"type": "Property", "value": 5, "lang": "zh"}),
    ],
)
def test_each_attribute_shows_its_representation(value: Any, instance: Any) -> None:
    assert parsed(value) == [instance]


def test_words_that_only_the_hub_writes_are_ignored() -> None:
    document = entity(createdAt="x", modifiedAt=5, deletedAt=None, a={"type": "Property", "value": 1, "createdAt": "x", "instanceId": 7})
    assert parse_entity(document, CORE)["attrs"] == {V + "a": [{"type": "Property", "value": 1}]}


def test_keywords_of_json_ld_and_words_for_them() -> None:
    plain = parse_entity(entity(a={"type": "Property", "value": 1}), CORE)
    assert parse_entity({"@id": "urn:ngsi-ld:Gauge:1", "@type": "Gauge", "a": {"@type": "Property", "value": 1}}, CORE) == plain
    terms = term_map({"kind": "@type", "identifier": "@id"})
    assert parse_entity({"identifier": "urn:ngsi-ld:Gauge:1", "kind": "Gauge", "a": {"kind": "Property", "value": 1}}, terms) == plain


def test_several_types_and_scopes() -> None:
    result = parse_entity({"id": "urn:a:b", "type": ["A", "B", "A"], "scope": ["/x", "x", "y/z"]}, CORE)
    assert result["type"] == [V + "A", V + "B"]
    assert result["scope"] == ["/x", "/y/z"]


def test_an_entity_may_come_without_type_where_that_is_allowed() -> None:
    assert parse_entity({"id": "urn:a:b"}, CORE, require_type=False) == {"id": "urn:a:b", "type": [], "attrs": {}}


@pytest.mark.parametrize("document", [{}, {"type": "T"}, {"id": "urn:a:b"}, {"id": "urn:a:b", "type": []}])
def test_what_is_no_entity(document: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_entity(document, CORE)


@pytest.mark.parametrize("document", [None, 5, "x", [], [entity()]])
def test_what_is_no_object(document: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_entity(document, CORE)
    with pytest.raises(InvalidRequest):
        parse_fragment(document, CORE, nulls=True)


INVISIBLE = [0x202E, 0x200B, 0xFEFF, 0x2028, 0xA0, 0x3C, 0xFE0F, 0xE0100, 0xFDD0, 0xFFFE, 0x115F, 0x3164, 0xFFA0, 0x2800, 0x1FFFF, 0xE000]


@pytest.mark.parametrize(
    "id",
    ["", "gauge-1", "urn:", ":a", "1urn:a", "urn:a b", "urn:a%zz", "urn:a%4", NULL, 5, None, ["urn:a:b"], "urn:" + "a" * 3000,
     *(f"urn:ngsi-ld:Vehicle:A{chr(code)}B" for code in INVISIBLE)],
)  # fmt: skip
def test_ids_are_uris(id: Any) -> None:
    with pytest.raises(BadRequestData, match="'id'"):
        parse_entity({"id": id, "type": "T"}, CORE)


@pytest.mark.parametrize("id", ["urn:ngsi-ld:T:1", "http://a.b/c?d=e#f", "urn:ngsi-ld:Ciudad:París", "urn:区:黔江", "a:b", "urn:a%20b", "urn:x:𠀀"])
def test_ids_may_be_any_uri(id: str) -> None:
    assert parse_entity({"id": id, "type": "T"}, CORE)["id"] == id


@pytest.mark.parametrize("type_", ["9Gauge", "a b", "a<b", "", NULL, [1], ["A", ""], {"a": 1}, ["A", NULL], "@type"])
def test_types_are_names(type_: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_entity({"id": "urn:a:b", "type": type_}, CORE)


@pytest.mark.parametrize(
    "name", ["my attr", "9a", "a<b", "a(b)", "", "datasetId", "instanceId", "observedAt", "unitCode", "objectType", "entity", "previousValue",
             "@graph", "@none", "entityList", "valueType"],
)  # fmt: skip
def test_attributes_have_names_of_their_own(name: str) -> None:
    with pytest.raises(BadRequestData):
        parse_entity(entity(**{name: {"type": "Property", "value": 1}}), CORE)


@pytest.mark.parametrize("name", ["výška_1", "水位", "ngsi-ld:x", "https://example.org/x", "urn:a:b", "value", "lang"])
def test_names_are_of_all_scripts(name: str) -> None:
    assert parsed({"type": "Property", "value": 1}, name) == [{"type": "Property", "value": 1}]


def test_two_names_of_one_attribute() -> None:
    refused("there twice", **{"a": 1, V + "a": 2})
    refused("there twice", a={"value": 1, "b": 1, V + "b": 2})


@pytest.mark.parametrize(
    "value",
    [
        None, NULL, {"type": "Property"}, {"type": "Property", "value": None}, {"type": "Property", "value": NULL},
        {"type": "Property", "value": {"a": NULL}}, {"type": "Property", "value": {"a": [None]}}, {"type": "Property", "value": [NULL]},
        {"type": "Property", "value": 1, "object": "urn:a:b"}, {"type": "Property", "value": 1, "valueList": [1]},
        {"type": "Property", "value": 1, "previousValue": 0}, {"type": "Property", "value": 1, "entityIdSealed": True},
        {"type": "Property", "value": 1, "@context": {}}, {"type": "Property", "value": 1, "objectType": "T"},
        {"type": "Property", "value": 1, "entity": {}}, {"type": "Property", "value": 1, "valueType": 5}, {"type": "Property", "value": 1, "id": "x"},
        {"type": "Property", "value": 1, "unitCode": 5}, {"type": "Property", "value": 1, "unitCode": ""}, {"type": "Property", "value": 1, "unitCode": NULL},
        {"type": "Property", "value": 1, "observedAt": {"type": "Property", "value": "x"}}, {"type": "Property", "value": 1, "observedAt": NULL},
        {"type": "Property", "value": 1, "expiresAt": "soon"}, {"type": "Property", "value": 1, "datasetId": NULL},
        {"type": "Property", "value": 1, "datasetId": "gps"}, {"type": "Property", "value": 1, "datasetId": 5}, {"type": "Property", "value": 1, "lang": 5},
        {"type": "Property", "value": 1, "s": NULL}, {"type": "Property", "value": 1, "s": {"type": "Property", "value": NULL}},
        {"type": "Property", "value": 1, "s t": 1}, {"type": "Property", "value": 2**70}, {"type": "Property", "value": float("inf")},
        {"type": "Number", "value": 1}, {"type": "Relationship"}, {"type": "Relationship", "object": "x"}, {"type": "Relationship", "object": NULL},
        {"type": "Relationship", "object": []}, {"type": "Relationship", "object": ["urn:a:b", 5]}, {"type": "Relationship", "object": {"a": 1}},
        {"type": "Relationship", "value": "urn:a:b"}, {"type": "Relationship", "object": "urn:a:b", "unitCode": "MTR"},
        {"type": "Relationship", "object": "urn:a:b", "valueType": "x"}, {"type": "Relationship", "object": "urn:a:b", "objectType": []},
        {"type": "Relationship", "object": "urn:a:b", "objectType": "a b"}, {"type": "Relationship", "object": "urn:a:b", "previousObject": "urn:a:c"},
        {"type": "GeoProperty", "value": 5}, {"type": "GeoProperty", "value": NULL}, {"type": "Point", "coordinates": [1]},
        {"type": "LanguageProperty"}, {"type": "LanguageProperty", "languageMap": {}}, {"type": "LanguageProperty", "languageMap": "x"},
        {"type": "LanguageProperty", "languageMap": {"en": 5}}, {"type": "LanguageProperty", "languageMap": {"en": ["a", 5]}},
        {"type": "LanguageProperty", "languageMap": {"en": []}}, {"type": "LanguageProperty", "languageMap": {"": "x"}},
        {"type": "LanguageProperty", "languageMap": {"e n": "x"}}, {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
        {"type": "LanguageProperty", "languageMap": {"en": "x"}, "valueType": "xsd:string"},
        {"type": "JsonProperty", "json": 5}, {"type": "JsonProperty", "json": [5]}, {"type": "JsonProperty", "json": None},
        {"type": "JsonProperty", "json": {}, "unitCode": "MTR"}, {"type": "JsonProperty", "json": {}, "value": 1},
        {"type": "VocabProperty", "vocab": 5}, {"type": "VocabProperty", "vocab": []}, {"type": "VocabProperty", "vocab": NULL},
        {"type": "ListProperty", "valueList": 5}, {"type": "ListProperty", "valueList": [None]}, {"type": "ListProperty", "valueList": [1], "value": 3},
        {"type": "ListRelationship", "objectList": ["not a uri"]}, {"type": "ListRelationship", "objectList": [{"object": "urn:a:b", "x": 1}]},
        [{"type": "Property", "value": 1}, {"type": "Property", "value": 2}],
        [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "@none"}],
        [{"type": "Property", "value": 1, "datasetId": "urn:a:b"}, {"type": "Property", "value": 2, "datasetId": "urn:a:b"}],
        [{"type": "Property", "value": 1}, None],
    ],
)  # fmt: skip
def test_attributes_that_break_the_model(value: Any) -> None:
    refused("'a", a=value)


def test_instances_are_told_apart_by_dataset() -> None:
    assert parsed([{"type": "Property", "value": 1, "datasetId": "@none"}, {"value": 2, "datasetId": "urn:d:1"}]) == [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ]
    assert parsed([54.5, {"value": 55, "datasetId": "urn:d:1"}])[0] == {"type": "Property", "value": 54.5}


@pytest.mark.parametrize("value", [7, "x", {"type": "Property", "value": 7}, {"object": "urn:a:b"}, {"type": "Property", "value": POINT}])
def test_location_is_a_geoproperty(value: Any) -> None:
    refused("'location' must be a GeoProperty", location=value)


def test_the_proof_of_an_entity() -> None:
    proof = {"type": "Property", "value": {"proofValue": "z"}, "entityIdSealed": "urn:a:b", "entityTypeSealed": "Gauge"}
    [instance] = parsed(proof, "ngsildproof")
    assert (instance["entityIdSealed"], instance["entityTypeSealed"]) == ("urn:a:b", V + "Gauge")
    refused("ngsildproof", ngsildproof={"type": "Property", "value": "text"})
    refused("ngsildproof", ngsildproof={"type": "Property", "value": {}, "entityTypeSealed": 42})


def test_linked_entities_that_come_along_are_not_stored() -> None:
    linked = {"id": "urn:a:b", "type": "T"}
    assert parsed({"type": "Relationship", "object": "urn:a:b", "entity": linked}) == [{"type": "Relationship", "object": "urn:a:b"}]
    assert "entityList" not in parsed({"type": "ListRelationship", "objectList": ["urn:a:b"], "entityList": [linked]})[0]
    refused("linked entities", a={"type": "Relationship", "object": "urn:a:b", "entity": 5})


@pytest.mark.parametrize("scope", ["9bad", "/a//b", "a-b", NULL, ["/ok", "9bad"], "", [], 5, "/", "/a/", "a b", None])
def test_scopes_have_levels_of_names(scope: Any) -> None:
    refused("scope", scope=scope)


def test_how_a_time_was_written_is_kept_where_it_would_be_lost() -> None:
    [instance] = parsed({"value": 1, "observedAt": "2026-11-23T06:05:00.000Z"})
    assert instance["observedAtText"] == "2026-11-23T06:05:00.000Z"


@pytest.mark.parametrize("depth", [70, 900])
def test_depth_is_bounded(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    refused("deep", a=value)
    refused("deep", a={"type": "JsonProperty", "json": value})
    for _ in range(depth):
        value = {"type": "Property", "value": 1, "a": value}
    refused("deep", a=value)


SIMPLIFIED = [
    (5, [{"type": "Property", "value": 5}]),
    ({"value": 5}, [{"type": "Property", "value": {"https://uri.etsi.org/ngsi-ld/hasValue": 5}}]),
    ([{"type": "Property", "value": 1}], [{"type": "Property", "value": [{"type": "https://uri.etsi.org/ngsi-ld/Property",
                                                                          "https://uri.etsi.org/ngsi-ld/hasValue": 1}]}]),
    (POINT, [{"type": "GeoProperty", "value": POINT}]),
    ({"languageMap": {"zh": "x"}}, [{"type": "LanguageProperty", "languageMap": {"zh": "x"}}]),
    ({"vocab": "x"}, [{"type": "VocabProperty", "vocab": V + "x"}]),
    ({"json": {"a": 1}}, [{"type": "JsonProperty", "json": {"a": 1}}]),
    ({"dataset": {"@none": 1, "urn:d:1": 2}}, [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "instances"), SIMPLIFIED)
def test_simplified_documents_have_bare_values(value: Any, instances: Any) -> None:
    assert parse_entity(entity(a=value), CORE, simplified=True)["attrs"] == {V + "a": instances}


# Fragments.


def test_a_fragment_may_ask_for_removal() -> None:
    fragment = parse_fragment(
        {"a": NULL, "b": {"type": "LanguageProperty", "languageMap": {"@none": NULL}}, "c": {"type": "Relationship", "object": NULL,
         "datasetId": "urn:d:1"}, "d": {"type": "Property", "value": 1, "unitCode": NULL, "s": NULL}, "scope": NULL, "expiresAt": NULL},
        CORE, nulls=True,
    )  # fmt: skip
    assert fragment == Fragment(
        attrs={
            V + "a": [{"type": "Property", "value": NULL}],
            V + "b": [{"type": "LanguageProperty", "languageMap": NULL}],
            V + "c": [{"type": "Relationship", "object": NULL, "datasetId": "urn:d:1"}],
            V + "d": [{"type": "Property", "value": 1, "unitCode": NULL, "attrs": {V + "s": [{"type": "Property", "value": NULL}]}}],
        },
        scope=NULL,
        expires_at=NULL,
    )


@pytest.mark.parametrize(
    "document", [{"a": NULL}, {"scope": NULL}, {"a": {"value": 1, "unitCode": NULL}}, {"expiresAt": NULL}, {"a": {"unitCode": "X", "type": "Property"}}]
)
def test_a_fragment_without_nulls_refuses_them(document: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_fragment(document, CORE, nulls=False)


def test_nulls_inside_values_are_for_merges() -> None:
    document = {"a": {"type": "Property", "value": {"b": NULL}}}
    with pytest.raises(BadRequestData):
        parse_fragment(document, CORE, nulls=True)
    assert parse_fragment(document, CORE, nulls=True, partial=True).attrs == {V + "a": [{"type": "Property", "value": {V + "b": NULL}}]}
    with pytest.raises(BadRequestData):
        parse_attribute("a", {"value": {"b": NULL}}, CORE, nulls=True, partial=True)
    for value in ({"value": [NULL]}, {"value": {"b": [{"c": NULL}]}}, {"languageMap": {"en": [NULL]}}, {"valueList": [1, NULL]}):
        with pytest.raises(BadRequestData):
            parse_fragment({"a": value}, CORE, nulls=True, partial=True)


@pytest.mark.parametrize(
    ("value", "instance"),
    [
        ({"unitCode": "CEL"}, {"unitCode": "CEL"}),
        ({"value": 5}, {"value": 5}),
        (5, {"value": 5}),
        ({"observedAt": "2026-11-23T06:05:00Z"}, {"observedAt": "2026-11-23T06:05:00.000000Z"}),
        ({"type": "Property", "s": 1}, {"type": "Property", "attrs": {V + "s": [{"value": 1}]}}),
        ({"s": {"type": "Property", "value": 1}}, {"attrs": {V + "s": [{"type": "Property", "value": 1}]}}),
        ({"street": "x"}, {"value": {"street": "x"}}),
    ],
)
def test_a_merge_fragment_says_only_what_changes(value: Any, instance: Any) -> None:
    assert parse_fragment({"a": value}, CORE, nulls=True, partial=True).attrs == {V + "a": [instance]}


def test_the_fragment_of_one_attribute() -> None:
    sub = {"providedBy": {"object": "urn:a:b"}}
    expected = [{"attrs": {V + "providedBy": [{"type": "Relationship", "object": "urn:a:b"}]}}]
    assert parse_attribute("a", sub, CORE, nulls=True, partial=True) == expected
    assert parse_attribute("a", {"a": {"type": "Property", "value": 1}, "@context": "http://x"}, CORE) == [{"type": "Property", "value": 1}]
    assert parse_attribute(V + "a", {"value": 1}, CORE) == [{"type": "Property", "value": 1}]


@pytest.mark.parametrize(("name", "value"), [("scope", {"value": "/a"}), ("@invalid", 1), ("a b", 1), ("type", "T"), ("a", {}), ("a", [])])
def test_what_cannot_be_the_fragment_of_an_attribute(name: str, value: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_attribute(name, value, CORE, nulls=True, partial=True)


@pytest.mark.parametrize("document", [{}, {"@context": []}, {"id": "x"}, {"a": {"type": "Property", "value": 1, "datasetId": NULL}}])
def test_what_is_no_fragment(document: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_fragment(document, CORE, nulls=True, partial=True)
