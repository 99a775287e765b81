"""Entities out."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import DEFAULT_VOCAB, NULL, Entity
from cityhub.model.errors import NotFound
from cityhub.model.jsonld import CORE, term_map
from cityhub.model.ngsild.flat import render_flat
from cityhub.model.ngsild.geojson import render_feature, render_feature_collection
from cityhub.model.ngsild.merge import create
from cityhub.model.ngsild.parse import parse_entity
from cityhub.model.ngsild.render import render_attribute, render_entities, render_entity, render_value
from cityhub.model.ngsild.view import CONCISE, SIMPLIFIED, View, parse_projection

V = DEFAULT_VOCAB
T0 = "2026-01-01T00:00:00.000000Z"
POINT = {"type": "Point", "coordinates": [108.77, 29.53]}
POINT_2 = {"type": "Point", "coordinates": [9, 9]}
DOCUMENT: dict[str, Any] = {
    "id": "urn:ngsi-ld:Gauge:1",
    "type": ["Gauge", "Device"],
    "scope": ["/a/b", "/c"],
    "level": [
        {"type": "Property", "value": 3.2, "unitCode": "MTR", "observedAt": "2026-11-23T06:05:00.000Z",
         "accuracy": {"type": "Property", "value": 0.01, "by": {"type": "Relationship", "object": "urn:a:b"}}},
        {"type": "Property", "value": 3.1, "datasetId": "urn:d:1"},
    ],
    "river": {"type": "Relationship", "object": "urn:ngsi-ld:River:Apeng", "objectType": "River"},
    "location": {"type": "GeoProperty", "value": POINT},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "测站", "en": ["gauge", "station"]}},
    "raw": {"type": "JsonProperty", "json": {"type": "x", "level": None}},
    "colour": {"type": "VocabProperty", "vocab": ["ok", "manual"]},
    "depths": {"type": "ListProperty", "valueList": [1, [2, 3]]},
    "route": {"type": "ListRelationship", "objectList": [{"object": "urn:a:1"}, {"object": "urn:a:2"}]},
    "address": {"type": "Property", "value": {"street": "x", "type": "PostalAddress"}, "valueType": "xsd:any"},
    "open": {"type": "Property", "value": True},
}  # fmt: skip


def stored(**more: Any) -> Entity:
    return create(parse_entity({**DOCUMENT, **more}, CORE), T0)


def entity(**attributes: Any) -> Entity:
    return create(parse_entity({"id": "urn:a:b", "type": "T", **attributes}, CORE), T0)


def test_normalized_is_what_came_in() -> None:
    assert render_entity(stored(), CORE) == DOCUMENT


def test_concise() -> None:
    assert render_entity(stored(), CORE, CONCISE) == {
        "id": "urn:ngsi-ld:Gauge:1",
        "type": ["Gauge", "Device"],
        "scope": ["/a/b", "/c"],
        "level": [
            {"value": 3.2, "unitCode": "MTR", "observedAt": "2026-11-23T06:05:00.000Z", "accuracy": {"value": 0.01, "by": {"object": "urn:a:b"}}},
            {"value": 3.1, "datasetId": "urn:d:1"},
        ],
        "river": {"object": "urn:ngsi-ld:River:Apeng", "objectType": "River"},
        "location": POINT,
        "name": {"languageMap": {"zh": "测站", "en": ["gauge", "station"]}},
        "raw": {"json": {"type": "x", "level": None}},
        "colour": {"vocab": ["ok", "manual"]},
        "depths": {"valueList": [1, [2, 3]]},
        "route": {"objectList": ["urn:a:1", "urn:a:2"]},
        "address": {"value": {"street": "x", "type": "PostalAddress"}, "valueType": "xsd:any"},
        "open": True,
    }


@pytest.mark.parametrize(
    "value", [{"value": 1}, {"object": "x"}, {"type": "Property"}, [{"datasetId": "urn:a:b"}], POINT, {"unitCode": "x"}, {"@value": 1, "@type": "x"}]
)
def test_concise_keeps_what_would_be_read_as_something_else(value: Any) -> None:
    before = entity(a={"type": "Property", "value": value})
    assert parse_entity(render_entity(before, CORE, CONCISE), CORE)["attrs"] == before["attrs"]


def test_simplified() -> None:
    assert render_entity(stored(), CORE, SIMPLIFIED) == {
        "id": "urn:ngsi-ld:Gauge:1",
        "type": ["Gauge", "Device"],
        "scope": ["/a/b", "/c"],
        "level": {"dataset": {"@none": 3.2, "urn:d:1": 3.1}},
        "river": "urn:ngsi-ld:River:Apeng",
        "location": POINT,
        "name": {"languageMap": {"zh": "测站", "en": ["gauge", "station"]}},
        "raw": {"json": {"type": "x", "level": None}},
        "colour": {"vocab": ["ok", "manual"]},
        "depths": [1, [2, 3]],
        "route": ["urn:a:1", "urn:a:2"],
        "address": {"street": "x", "type": "PostalAddress"},
        "open": True,
    }


def test_names_are_those_of_the_callers_context() -> None:
    terms = term_map({"水位": V + "level", "好": V + "ok", "街": V + "street"})
    document = render_entity(stored(), terms)
    assert document["水位"][0]["accuracy"]["value"] == 0.01
    assert document["colour"]["vocab"] == ["好", "manual"]
    assert document["address"]["value"] == {"街": "x", "type": "PostalAddress"}
    assert document["raw"]["json"] == {"type": "x", "level": None}
    foreign = create(parse_entity({"id": "urn:a:b", "type": "T", "speed": 1}, term_map({"speed": "https://e.org/speed"})), T0)
    assert render_entity(foreign, CORE)["https://e.org/speed"] == {"type": "Property", "value": 1}


def test_system_times_on_every_level() -> None:
    t1, t2 = "2026-01-02T00:00:00.500000Z", "2026-01-03T00:00:00.123456Z"
    before: Entity = {
        "id": "urn:a:b", "type": [V + "T"], "createdAt": T0, "modifiedAt": t2, "expiresAt": "2100-01-01T00:00:00.000000Z",
        "attrs": {
            V + "old": [{"type": "Property", "value": 1}],
            V + "new": [{"type": "Property", "value": 1, "createdAt": t1, "expiresAt": t2, "attrs": {
                V + "s": [{"type": "Property", "value": 1}], V + "t": [{"type": "Property", "value": 1, "modifiedAt": t2}]}}],
        },
    }  # fmt: skip
    times = {"createdAt": "2026-01-02T00:00:00.500Z", "modifiedAt": "2026-01-02T00:00:00.500Z"}
    document = render_entity(before, CORE, View(sys_attrs=True))
    assert document["modifiedAt"] == "2026-01-03T00:00:00.123456Z"
    assert document["expiresAt"] == "2100-01-01T00:00:00Z"
    assert document["old"] == {"type": "Property", "value": 1, "createdAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z"}
    assert document["new"] == {
        "type": "Property", "value": 1, **times, "expiresAt": "2026-01-03T00:00:00.123456Z",
        "s": {"type": "Property", "value": 1, **times},
        "t": {"type": "Property", "value": 1, **times, "modifiedAt": "2026-01-03T00:00:00.123456Z"},
    }  # fmt: skip
    assert "expiresAt" not in str(render_entity(before, CORE))
    assert render_entity(before, CORE, View(format="simplified", sys_attrs=True))["createdAt"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(languages=("en",)), {"type": "Property", "value": ["gauge", "station"], "lang": "en"}),
        (View(languages=("zh",), format="concise"), {"value": "测站", "lang": "zh"}),
        (View(languages=("zh",), format="simplified"), "测站"),
    ],
)
def test_one_language(view: View, expected: Any) -> None:
    assert render_entity(stored(), CORE, view)["name"] == expected


def test_the_type_of_a_value_in_languages() -> None:
    document = {"type": "LanguageProperty", "languageMap": {"zh": "x"}, "valueType": "langString"}
    assert render_entity(entity(a=document), CORE)["a"] == document
    assert render_entity(entity(a=document), CORE, View(languages=("zh",)))["a"] == {"type": "Property", "value": "x", "lang": "zh"}


@pytest.mark.parametrize(
    ("view", "keys"),
    [
        (View(pick=parse_projection("id,open", CORE, "pick")), ["id", "open"]),
        (View(pick=parse_projection("type|level", CORE, "pick")), ["type", "level"]),
        (View(pick=parse_projection("nothing", CORE, "pick")), []),
        (View(attrs=frozenset((V + "open",))), ["id", "type", "scope", "open"]),
        (View(dataset_ids=frozenset(("urn:d:1",))), ["id", "type", "scope", "level"]),
    ],
)
def test_what_is_picked(view: View, keys: list[str]) -> None:
    assert list(render_entity(stored(), CORE, view)) == keys


def test_what_is_omitted() -> None:
    document = render_entity(stored(), CORE, View(omit=parse_projection("type,name,scope", CORE, "omit")))
    assert list(document) == [key for key in DOCUMENT if key not in ("type", "name", "scope")]


def test_lists_leave_out_what_shows_nothing() -> None:
    view = View(pick=parse_projection("open", CORE, "pick"))
    assert render_entities([stored(), entity(a=1)], CORE, view) == [{"open": {"type": "Property", "value": True}}]


def test_datasets_are_selected() -> None:
    one = render_entity(stored(), CORE, View(dataset_ids=frozenset(("urn:d:1",))))["level"]
    assert one == {"type": "Property", "value": 3.1, "datasetId": "urn:d:1"}
    both = render_entity(stored(), CORE, View(dataset_ids=frozenset(("urn:d:1", "@none"))))
    assert len(both["level"]) == 2
    assert "open" in both


# Linked entities.


def city(id: str, **attributes: Any) -> Entity:
    return create(parse_entity({"id": id, "type": "City", **attributes}, CORE), T0)


PARIS = city("urn:c:paris", name="Paris", isIn={"object": "urn:c:france"})
FRANCE = city("urn:c:france", name="France", capital={"object": "urn:c:paris"})
LINKED = {"urn:c:paris": PARIS, "urn:c:france": FRANCE}
TOWER = entity(at={"type": "Relationship", "object": "urn:c:paris"}, name="Tower")


def test_linked_entities_inline() -> None:
    document = render_entity(TOWER, CORE, View(join_level=1), LINKED)
    assert document["at"]["entity"] == {**render_entity(PARIS, CORE)}
    document = render_entity(TOWER, CORE, View(join_level=2), LINKED)
    assert document["at"]["entity"]["isIn"]["entity"] == render_entity(FRANCE, CORE)
    assert render_entity(TOWER, CORE, View(join_level=1), {}) == render_entity(TOWER, CORE)
    assert "entity" not in render_entity(TOWER, CORE, View(), LINKED)["at"]


def test_links_that_lead_back_are_not_followed() -> None:
    document = render_entity(PARIS, CORE, View(join_level=9), LINKED)
    assert document["isIn"]["entity"]["capital"] == {"type": "Relationship", "object": "urn:c:paris"}


def test_linked_entities_simplified_and_projected() -> None:
    assert render_entity(TOWER, CORE, View(format="simplified", join_level=1), LINKED)["at"] == {
        "id": "urn:c:paris", "type": "City", "name": "Paris", "isIn": "urn:c:france"
    }  # fmt: skip
    view = View(pick=parse_projection("id,at{name,isIn{name}}", CORE, "pick"), join_level=2)
    assert render_entity(TOWER, CORE, view, LINKED) == {
        "id": "urn:a:b",
        "at": {
            "type": "Relationship", "object": "urn:c:paris",
            "entity": {
                "name": {"type": "Property", "value": "Paris"},
                "isIn": {"type": "Relationship", "object": "urn:c:france", "entity": {"name": {"type": "Property", "value": "France"}}},
            },
        },
    }  # fmt: skip


def test_linked_entities_flat() -> None:
    def names(view: View, levels: int) -> list[list[str]]:
        return [list(document) for document in render_flat([TOWER], CORE, view, LINKED, levels)]

    everything = [list(render_entity(one, CORE)) for one in (TOWER, PARIS, FRANCE)]
    assert names(View(), 0) == everything[:1]
    assert names(View(), 1) == everything[:2]
    assert names(View(), 9) == everything
    assert names(View(pick=parse_projection("id,at{name,isIn{name}}", CORE, "pick")), 2) == [["id", "at"], ["name", "isIn"], ["name"]]
    assert names(View(pick=parse_projection("id", CORE, "pick")), 2) == [["id"]]
    assert names(View(omit=parse_projection("type,at{name,isIn{name}}", CORE, "omit")), 2) == [
        ["id", "at", "name"], ["id", "type", "isIn"], ["id", "type", "capital"]
    ]  # fmt: skip
    assert len(render_flat([TOWER, PARIS], CORE, View(), LINKED, 2)) == 3


def test_several_linked_entities_keep_their_order() -> None:
    both = ["urn:c:france", "urn:c:none", "urn:c:paris"]
    many = entity(a={"type": "Relationship", "object": both}, b={"type": "ListRelationship", "objectList": both})
    document = render_entity(many, CORE, View(join_level=1), LINKED)
    assert [one["id"] for one in document["a"]["entity"]] == ["urn:c:france", "urn:c:paris"]
    assert [one["id"] for one in document["b"]["entityList"]] == ["urn:c:france", "urn:c:paris"]
    simplified = render_entity(many, CORE, View(format="simplified", join_level=1), LINKED)["b"]
    assert [one if isinstance(one, str) else one["id"] for one in simplified] == both


# Notifications.


def test_what_notifications_add() -> None:
    instance = {"type": "Property", "value": NULL, "previousValue": {V + "street": 1}, "deletedAt": T0}
    language = {"type": "LanguageProperty", "languageMap": NULL, "previousLanguageMap": {"en": "x"}, "deletedAt": T0}
    before: Entity = {"id": "urn:a:b", "type": [V + "T"], "attrs": {V + "a": [instance], V + "b": [language]}, "deletedAt": T0}
    document = render_entity(before, CORE)
    assert document["deletedAt"] == "2026-01-01T00:00:00Z"
    assert document["a"] == {"type": "Property", "value": NULL, "previousValue": {"street": 1}, "deletedAt": "2026-01-01T00:00:00Z"}
    assert document["b"]["languageMap"] == {"@none": NULL}
    assert render_entity(before, CORE, View(languages=("en",)))["b"]["languageMap"] == {"@none": NULL}
    assert render_entity(before, CORE, SIMPLIFIED)["a"] == NULL


# One attribute, one value.


def test_one_attribute() -> None:
    assert render_attribute(stored(), V + "open", CORE) == {"type": "Property", "value": True}
    assert render_attribute(stored(), V + "open", CORE, CONCISE) is True
    assert len(render_attribute(stored(), V + "level", CORE)) == 2
    for name, view in ((V + "none", View()), (V + "open", View(dataset_ids=frozenset(("urn:d:1",))))):
        with pytest.raises(NotFound):
            render_attribute(stored(), name, CORE, view)


@pytest.mark.parametrize(
    ("name", "view", "value"),
    [
        ("level", View(), 3.2),
        ("level", View(dataset_ids=frozenset(("urn:d:1",))), 3.1),
        ("level", View(dataset_ids=frozenset(("@none",))), 3.2),
        ("river", View(), "urn:ngsi-ld:River:Apeng"),
        ("name", View(), {"zh": "测站", "en": ["gauge", "station"]}),
        ("name", View(languages=("zh",)), "测站"),
        ("raw", View(), {"type": "x", "level": None}),
        ("colour", View(), ["ok", "manual"]),
        ("depths", View(), [1, [2, 3]]),
        ("route", View(), ["urn:a:1", "urn:a:2"]),
        ("address", View(), {"street": "x", "type": "PostalAddress"}),
    ],
)
def test_one_value(name: str, view: View, value: Any) -> None:
    assert render_value(stored(), V + name, CORE, view) == value


def test_a_value_that_is_not_there() -> None:
    for name, view in ((V + "none", View()), (V + "level", View(dataset_ids=frozenset(("urn:d:2",))))):
        with pytest.raises(NotFound):
            render_value(stored(), name, CORE, view)


# GeoJSON.


def test_a_feature() -> None:
    feature = render_feature(stored(), CORE)
    assert (feature["id"], feature["type"], feature["geometry"]) == ("urn:ngsi-ld:Gauge:1", "Feature", POINT)
    assert feature["properties"] == {key: value for key, value in DOCUMENT.items() if key != "id"}
    assert render_feature(stored(), CORE, SIMPLIFIED)["properties"]["open"] is True


def test_the_geometry_is_chosen() -> None:
    two = entity(location=[{"value": POINT_2, "datasetId": "urn:d:1"}, {"value": POINT}], area=POINT_2, speed=5)
    assert render_feature(two, CORE)["geometry"] == POINT
    assert render_feature(two, CORE, View(dataset_ids=frozenset(("urn:d:1",))))["geometry"] == POINT_2
    assert render_feature(two, CORE, View(geometry_property=V + "area"))["geometry"] == POINT_2
    assert render_feature(two, CORE, View(geometry_property=V + "speed"))["geometry"] is None
    assert render_feature(two, CORE, View(geometry_property=V + "none"))["geometry"] is None
    picked = render_feature(two, CORE, View(pick=parse_projection("id,speed", CORE, "pick")))
    assert (picked["geometry"], list(picked["properties"])) == (POINT, ["speed"])


def test_a_feature_collection() -> None:
    assert render_feature_collection([], CORE) == {"type": "FeatureCollection", "features": []}
    features = render_feature_collection([stored(), entity(a=1)], CORE)["features"]
    assert [feature["id"] for feature in features] == ["urn:ngsi-ld:Gauge:1", "urn:a:b"]
    view = View(pick=parse_projection("open", CORE, "pick"))
    assert len(render_feature_collection([stored(), entity(a=1)], CORE, view)["features"]) == 1
