"""Writes as transitions, except Merge Entity."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.change import attribute_changes
from cityhub.model.entity import DEFAULT_VOCAB, NULL, Entity
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild import merge
from cityhub.model.ngsild.parse import Fragment, parse_attribute, parse_entity, parse_fragment
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import CONCISE

V = DEFAULT_VOCAB
T0, T1, T2 = (f"2026-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3))


def entity(**attributes: Any) -> Entity:
    return merge.create(parse_entity({"id": "urn:a:b", "type": "T", **attributes}, CORE), T0)


def fragment(nulls: bool = True, **document: Any) -> Fragment:
    return parse_fragment(document, CORE, nulls=nulls)


def shown(current: Entity) -> dict[str, Any]:
    """The concise document, without id and type."""
    document = render_entity(current, CORE, CONCISE)
    return {key: value for key, value in document.items() if key not in ("id", "type")}


def partial(current: Entity, name: str, value: Any) -> Entity:
    return merge.partial_update(current, V + name, parse_attribute(name, value, CORE, nulls=True, partial=True), T1, CORE, name)


def test_create_stamps_the_entity_only() -> None:
    created = entity(a={"value": 1, "s": 2})
    assert (created["createdAt"], created["modifiedAt"]) == (T0, T0)
    assert created["attrs"] == {V + "a": [{"type": "Property", "value": 1, "attrs": {V + "s": [{"type": "Property", "value": 2}]}}]}


# Replace Entity.


def test_replace_keeps_creation_times() -> None:
    current, _, _ = merge.append_attributes(entity(a=1, gone=1, scope="/x"), fragment(b={"value": 1, "s": 1}), T1)
    after = merge.replace_entity(current, parse_entity({"id": "urn:a:b", "type": "U", "a": 2, "b": {"value": 2, "s": 2, "t": 2}, "c": 3}, CORE), T2)
    assert (after["createdAt"], after["modifiedAt"], after["type"]) == (T0, T2, [V + "U"])
    assert "scope" not in after
    attrs = after["attrs"]
    assert sorted(attrs) == [V + "a", V + "b", V + "c"]
    assert attrs[V + "a"] == [{"type": "Property", "value": 2, "modifiedAt": T2}]
    assert attrs[V + "b"][0]["createdAt"] == T1
    assert attrs[V + "b"][0]["attrs"][V + "s"] == [{"type": "Property", "value": 2, "modifiedAt": T2}]
    assert attrs[V + "b"][0]["attrs"][V + "t"] == [{"type": "Property", "value": 2, "createdAt": T2}]
    assert attrs[V + "c"] == [{"type": "Property", "value": 3, "createdAt": T2}]


def test_replace_without_a_type_keeps_the_types() -> None:
    assert merge.replace_entity(entity(), parse_entity({"id": "urn:a:b"}, CORE, require_type=False), T1)["type"] == [V + "T"]


# Append Attributes.


def test_append_replaces_instances_of_the_same_dataset() -> None:
    current = entity(a={"value": 1, "unitCode": "CEL"}, b=1)
    after, updated, refused = merge.append_attributes(current, fragment(False, a=[5, {"value": 6, "datasetId": "urn:d:1"}], c=3), T1)
    assert shown(after) == {"a": [5, {"value": 6, "datasetId": "urn:d:1"}], "b": 1, "c": 3}
    assert (updated, refused) == ([V + "a", V + "c"], [])
    assert after["attrs"][V + "b"] is current["attrs"][V + "b"]
    assert attribute_changes(current, after) == {V + "a": "updated", V + "c": "created"}
    assert after["attrs"][V + "a"][0] == {"type": "Property", "value": 5, "modifiedAt": T1}
    assert after["attrs"][V + "a"][1]["createdAt"] == T1


def test_append_without_overwriting() -> None:
    current = entity(a=1, scope="/x")
    document = fragment(False, a=[5, {"value": 6, "datasetId": "urn:d:1"}], scope=["/x", "/y"], type=["T", "U"])
    after, updated, refused = merge.append_attributes(current, document, T1, overwrite=False)
    assert shown(after) == {"a": [1, {"value": 6, "datasetId": "urn:d:1"}], "scope": ["/x", "/y"]}
    assert (updated, [name for name, _ in refused]) == ([V + "a"], [V + "a"])
    assert after["type"] == [V + "T", V + "U"]
    unchanged, updated, refused = merge.append_attributes(current, fragment(False, a=5), T1, overwrite=False)
    assert unchanged is current
    assert (updated, refused) == ([], [(V + "a", merge.EXISTS)])


def test_append_and_the_members_of_the_entity() -> None:
    current = entity(scope="/x", expiresAt="2100-01-01T00:00:00Z")
    later = fragment(False, scope="/y", expiresAt="2200-01-01T00:00:00Z")
    after, _, _ = merge.append_attributes(current, later, T1)
    assert (after["scope"], after["expiresAt"]) == (["/y"], "2200-01-01T00:00:00.000000Z")
    after, _, refused = merge.append_attributes(current, later, T1, overwrite=False)
    assert (after["scope"], after["expiresAt"], refused) == (["/x", "/y"], "2100-01-01T00:00:00.000000Z", [("expiresAt", merge.EXISTS)])


# Update Attributes.


def test_update_replaces_whole_instances() -> None:
    current = entity(a={"value": 25, "unitCode": "CEL", "s": 1}, b=1)
    after, updated, refused = merge.update_attributes(current, fragment(a={"value": 100}, c=1), T1)
    assert shown(after) == {"a": 100, "b": 1, "c": 1}
    assert (updated, refused) == ([V + "a", V + "c"], [])
    assert after["attrs"][V + "b"] is current["attrs"][V + "b"]


def test_update_may_change_the_attribute_type() -> None:
    after, _, _ = merge.update_attributes(entity(a=1), fragment(a={"object": "urn:a:c"}), T1)
    assert shown(after) == {"a": {"object": "urn:a:c"}}


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ({"a": NULL}, {"a": {"value": 2, "datasetId": "urn:d:1"}, "b": 1}),
        ({"a": {"value": NULL, "datasetId": "urn:d:1"}}, {"a": 1, "b": 1}),
        ({"a": [NULL, {"value": NULL, "datasetId": "urn:d:1"}]}, {"b": 1}),
        ({"b": {"type": "Relationship", "object": NULL}}, {"a": [1, {"value": 2, "datasetId": "urn:d:1"}]}),
        ({"b": {"value": 7, "unitCode": NULL, "s": NULL}}, {"a": [1, {"value": 2, "datasetId": "urn:d:1"}], "b": 7}),
    ],
)
def test_update_removes_what_is_null(part: dict[str, Any], left: dict[str, Any]) -> None:
    after, _, _ = merge.update_attributes(entity(a=[1, {"value": 2, "datasetId": "urn:d:1"}], b=1), fragment(**part), T1)
    assert shown(after) == left


def test_update_that_changes_nothing_is_no_change() -> None:
    current = entity(a=1)
    assert merge.update_attributes(current, fragment(b=NULL, type="T"), T1) == (current, [], [])
    assert merge.update_attributes(current, fragment(b=NULL), T1)[0] is current


def test_update_and_the_members_of_the_entity() -> None:
    after, _, refused = merge.update_attributes(entity(), fragment(scope="/x", type="U"), T1)
    assert "scope" not in after
    assert refused == [("scope", merge.NO_SCOPE)]
    assert after["type"] == [V + "T", V + "U"]
    current = entity(scope="/x", expiresAt="2100-01-01T00:00:00Z")
    assert merge.update_attributes(current, fragment(scope="/y"), T1)[0]["scope"] == ["/y"]
    after, _, _ = merge.update_attributes(current, fragment(scope=NULL, expiresAt=NULL), T1)
    assert not {"scope", "expiresAt"} & set(after)
    assert merge.update_attributes(entity(), fragment(scope=NULL, expiresAt=NULL), T1)[0]["modifiedAt"] == T0


# Partial Attribute Update.


def test_a_partial_update_keeps_what_it_does_not_name() -> None:
    current = entity(a={"value": 25, "unitCode": "CEL", "observedAt": "2022-03-14T01:59:26.535Z", "s": {"value": 1, "u": 2}, "t": 3})
    after = partial(current, "a", {"value": 100, "observedAt": "2022-03-14T13:00:00.000Z", "s": 9})
    assert shown(after) == {"a": {"value": 100, "unitCode": "CEL", "observedAt": "2022-03-14T13:00:00.000Z", "s": 9, "t": 3}}
    instance = after["attrs"][V + "a"][0]
    assert (instance["modifiedAt"], instance["attrs"][V + "s"][0]["modifiedAt"]) == (T1, T1)
    assert instance["attrs"][V + "t"] is current["attrs"][V + "a"][0]["attrs"][V + "t"]
    after = partial(after, "a", {"observedAt": "2022-03-14T14:00:00Z"})
    assert shown(after)["a"]["observedAt"] == "2022-03-14T14:00:00Z"


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ({"unitCode": NULL}, {"a": {"value": 1, "s": 2}}),
        ({"s": NULL}, {"a": {"value": 1, "unitCode": "CEL"}}),
        ({"s": {"type": "Property", "value": NULL}, "t": 5}, {"a": {"value": 1, "unitCode": "CEL", "t": 5}}),
        ({"value": NULL}, {}),
        ({"type": "Property", "value": NULL}, {}),
    ],
)
def test_a_partial_update_removes_what_is_null(part: dict[str, Any], left: dict[str, Any]) -> None:
    assert shown(partial(entity(a={"value": 1, "unitCode": "CEL", "s": 2}), "a", part)) == left


def test_a_partial_update_of_each_type() -> None:
    current = entity(
        r={"object": "urn:a:c"}, l={"languageMap": {"en": "x", "fr": "y"}}, v={"vocab": "x"}, j={"json": {"a": 1}}, location={"type": "Point", "coordinates": [1, 2]}
    )
    assert shown(partial(current, "r", {"object": "urn:a:d"}))["r"] == {"object": "urn:a:d"}
    assert shown(partial(current, "l", {"languageMap": {"en": "z"}}))["l"] == {"languageMap": {"en": "z"}}
    assert shown(partial(current, "v", {"vocab": "z"}))["v"] == {"vocab": "z"}
    assert shown(partial(current, "j", {"json": {"b": 1}}))["j"] == {"json": {"b": 1}}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a", {"type": "Relationship", "object": "urn:a:c"}),
        ("a", {"object": "urn:a:c"}),
        ("r", {"value": 5}),
        ("r", 5),
        ("r", {"unitCode": "CEL"}),
        ("r", {"valueType": "x"}),
        ("a", {"objectType": "x", "value": 1}),
        ("geo", {"value": 5}),
    ],
)
def test_a_partial_update_of_another_type_is_refused(name: str, part: Any) -> None:
    with pytest.raises(BadRequestData, match=name):
        partial(entity(a=1, r={"object": "urn:a:c"}, geo={"type": "Point", "coordinates": [1, 2]}), name, part)


def test_a_partial_update_of_what_is_not_there() -> None:
    current = entity(a={"value": 1, "datasetId": "urn:d:1"})
    for name, part in (("b", {"value": 1}), ("a", {"value": 1}), ("a", {"value": 1, "datasetId": "urn:d:2"}), ("a", {"value": NULL})):
        with pytest.raises(NotFound):
            partial(current, name, part)
    assert shown(partial(current, "a", {"value": 2, "datasetId": "urn:d:1"})) == {"a": {"value": 2, "datasetId": "urn:d:1"}}


# Replace Attribute, values, Delete Attribute.


def test_an_attribute_is_replaced_whole() -> None:
    current = entity(a=[{"value": 1, "unitCode": "CEL"}, {"value": 2, "datasetId": "urn:d:1"}], b=1)
    after = merge.replace_attribute(current, V + "a", parse_attribute("a", {"object": "urn:a:c"}, CORE), T1)
    assert shown(after) == {"a": [{"object": "urn:a:c"}, {"value": 2, "datasetId": "urn:d:1"}], "b": 1}
    assert after["attrs"][V + "a"][0] == {"type": "Relationship", "object": "urn:a:c", "modifiedAt": T1}
    for name, value in (("c", 1), ("a", {"value": 1, "datasetId": "urn:d:2"})):
        with pytest.raises(NotFound):
            merge.replace_attribute(current, V + name, parse_attribute(name, value, CORE), T1)


def test_a_value_is_set() -> None:
    current = entity(
        a=[{"value": 1, "unitCode": "CEL", "observedAt": "2022-03-14T13:00:00.000Z"}, {"value": 2, "datasetId": "urn:d:1"}],
        r={"object": "urn:a:c"}, l={"languageMap": {"en": "x"}}, v={"vocab": "x"}, j={"json": {"x": 1}},
    )  # fmt: skip

    def set_value(name: str, value: Any, **more: Any) -> Any:
        return shown(merge.set_value(current, V + name, value, T1, CORE, name=name, **more))[name]

    assert set_value("a", {"street": 1})[0] == {"value": {"street": 1}, "unitCode": "CEL"}
    assert set_value("a", 5, observed_at=T1)[0] == {"value": 5, "unitCode": "CEL", "observedAt": "2026-01-02T00:00:00Z"}
    assert set_value("a", 5, dataset_id="urn:d:1")[1] == {"value": 5, "datasetId": "urn:d:1"}
    assert set_value("r", "urn:a:d") == {"object": "urn:a:d"}
    assert set_value("l", {"zh": "y"}) == {"languageMap": {"zh": "y"}}
    assert set_value("v", ["y", "z"]) == {"vocab": ["y", "z"]}
    assert set_value("j", {"a": None}) == {"json": {"a": None}}
    for name, value in (("a", None), ("a", NULL), ("r", 5), ("l", "x"), ("j", 5)):
        with pytest.raises(BadRequestData):
            set_value(name, value)
    for name, dataset in (("b", None), ("a", "urn:d:2")):
        with pytest.raises(NotFound):
            set_value(name, 1, dataset_id=dataset)


def test_instances_are_deleted() -> None:
    current = entity(a=[1, {"value": 2, "datasetId": "urn:d:1"}], b=1, scope="/x")

    def left(name: str, dataset: str | None, everything: bool = False) -> dict[str, Any]:
        return shown(merge.delete_attribute(current, name if name == "scope" else V + name, dataset, everything, T1, name))

    assert left("a", None)["a"] == {"value": 2, "datasetId": "urn:d:1"}
    assert left("a", "@none")["a"] == {"value": 2, "datasetId": "urn:d:1"}
    assert left("a", "urn:d:1")["a"] == 1
    assert "a" not in left("a", None, True)
    assert "b" not in left("b", None)
    assert "scope" not in left("scope", None)
    for name, dataset in (("c", None), ("a", "urn:d:2"), ("b", "urn:d:1")):
        with pytest.raises(NotFound):
            left(name, dataset)
    with pytest.raises(NotFound):
        merge.delete_attribute(entity(), "scope", None, False, T1)
