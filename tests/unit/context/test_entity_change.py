"""What subscriptions see of a change: triggers, deleted attributes, previous values."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.context.entity_change import CREATED, DELETED, UPDATED, EntityChange, Showing, entity_change, joined, shown_entity
from cityhub.model.change import Change, attribute_changes
from cityhub.model.entity import NULL

AT = "2026-11-23T06:05:00.000000Z"
RADAR = "urn:ngsi-ld:Dataset:radar"


def prop(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


def entity(**attrs: Any) -> dict[str, Any]:
    lists = {name: value if isinstance(value, list) else [value] for name, value in attrs.items()}
    return {"id": "urn:a:1", "type": ["T"], "createdAt": AT, "modifiedAt": AT, "attrs": lists}


def seen(before: dict[str, Any] | None, after: dict[str, Any] | None, position: int = 1) -> EntityChange:
    kind: Any = "created" if before is None else "deleted" if after is None else "updated"
    return entity_change(Change(position, "entity", "", "urn:a:1", kind, AT, after, before, attribute_changes(before, after)))


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (None, entity(a=prop(1), b=prop(2)), {"a": CREATED, "b": CREATED}),
        (entity(a=prop(1), b=prop(2)), None, {"a": DELETED, "b": DELETED}),
        (entity(a=prop(1)), entity(a=prop(2)), {"a": UPDATED}),
        (entity(a=prop(1)), entity(a=prop(1), b=prop(2)), {"b": CREATED}),
        (entity(a=prop(1), b=prop(2)), entity(a=prop(1)), {"b": DELETED}),
        # "An Attribute is considered to change when any of the members ... is updated with a value different" (5.8.6)
        (entity(a=prop(1)), entity(a=prop(1, modifiedAt="2027-01-01T00:00:00.000000Z")), {}),
        (entity(a=prop(1)), entity(a=prop(1, observedAt=AT)), {"a": UPDATED}),
        (entity(a=prop(1)), entity(a=prop(True)), {"a": UPDATED}),
        (entity(a=prop(1, attrs={"q": [prop(1)]})), entity(a=prop(1, attrs={"q": [prop(2)]})), {"a": UPDATED}),
        (entity(a=prop(1, attrs={"q": [prop(1)]})), entity(a=prop(1, attrs={"q": [prop(1, createdAt=AT)]})), {}),
        (entity(a=[prop(1), prop(2, datasetId=RADAR)]), entity(a=prop(1)), {"a": DELETED}),
        (entity(a=prop(1)), entity(a=[prop(3), prop(2, datasetId=RADAR)]), {"a": CREATED | UPDATED}),
    ],
)
def test_what_happened_to_attributes(before: Any, after: Any, events: dict[str, int]) -> None:
    assert seen(before, after).events == events


def test_what_takes_the_place_of_an_expired_entity_is_new() -> None:
    old = {**entity(a=prop(1)), "expiresAt": "2026-01-01T00:00:00.000000Z"}
    change = seen(old, entity(a=prop(1)))
    assert (change.kind, change.before, change.events) == ("created", None, {"a": CREATED})


def test_two_changes_become_one() -> None:
    first, second = seen(entity(a=prop(1)), entity(a=prop(2)), 5), seen(entity(a=prop(2)), entity(a=prop(2), b=prop(1)), 9)
    both = joined(first, second)
    assert (both.position, both.last, both.kind, both.events) == (5, 9, "updated", {"a": UPDATED, "b": CREATED})
    assert joined(seen(None, entity(a=prop(1))), second).kind == "created"
    gone = joined(first, seen(entity(a=prop(2)), None, 9))
    assert (gone.kind, gone.events) == ("deleted", {"a": DELETED})
    assert gone.before == entity(a=prop(1))


def test_an_unchanged_form_shares_the_stored_entity() -> None:
    after = entity(a=prop(2))
    assert shown_entity(seen(entity(a=prop(1)), after), Showing()) is after


def test_deleted_attributes_are_null_in_their_own_way() -> None:
    before = entity(
        p=prop(1), r={"type": "Relationship", "object": "urn:b"}, m={"type": "LanguageProperty", "languageMap": {"en": "x"}}, k=prop(0)
    )
    shown = shown_entity(seen(before, entity(k=before["attrs"]["k"])), Showing())["attrs"]
    assert shown["p"] == [prop(NULL)]
    assert shown["r"] == [{"type": "Relationship", "object": NULL}]
    assert shown["m"] == [{"type": "LanguageProperty", "languageMap": NULL}]
    plain = shown_entity(seen(before, entity(k=before["attrs"]["k"])), Showing(simplified=True))["attrs"]
    assert plain["m"] == [prop(NULL)]


def test_of_several_instances_those_that_are_gone_are_null() -> None:
    before = entity(a=[prop(1), prop(2, datasetId=RADAR)])
    shown = shown_entity(seen(before, entity(a=before["attrs"]["a"][:1])), Showing())["attrs"]["a"]
    assert shown == [prop(1), prop(NULL, datasetId=RADAR)]
    assert shown_entity(seen(before, entity()), Showing())["attrs"]["a"] == [prop(NULL)]


def test_previous_values() -> None:
    before = entity(a=prop(1), b=prop(5), c={"type": "VocabProperty", "vocab": "x"})
    after = entity(a=prop(2), b=before["attrs"]["b"], d=prop(1))
    shown = shown_entity(seen(before, after), Showing(previous=True))["attrs"]
    assert shown["a"] == [prop(2, previousValue=1)]
    assert shown["b"] == [prop(5)] and shown["d"] == [prop(1)]
    assert shown["c"] == [{"type": "VocabProperty", "vocab": NULL, "previousVocab": "x"}]


def test_a_deleted_entity() -> None:
    change = seen(entity(a=prop(1), b=prop(2)), None)
    bare = {"id": "urn:a:1", "type": ["T"], "deletedAt": AT}
    assert shown_entity(change, Showing()) == {**bare, "attrs": {}}
    assert shown_entity(change, Showing(lost=frozenset({"a"}))) == {**bare, "attrs": {"a": [prop(NULL)]}}
    assert shown_entity(change, Showing(lost=None))["attrs"].keys() == {"a", "b"}
    full = shown_entity(change, Showing(previous=True, sys_attrs=True))
    assert full["createdAt"] == full["modifiedAt"] == AT
    assert full["attrs"]["a"] == [prop(NULL, previousValue=1, deletedAt=AT)]
