"""The Subscription document: what is refused, what is stored, what is shown, what a patch does."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.context.subscription import check, new_record, patched, query_of, read_fragment, shown, status_of
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.jsonld import CORE, TermMap, term_map

NOW = "2026-11-23T06:05:00.000000Z"
CITY = term_map({"Building": "https://city.example/Building", "level": "https://city.example/level", "at": "https://city.example/at"})
OTHER = term_map({"Haus": "https://city.example/Building", "pegel": "https://city.example/level"})
NOTIFICATION = {"endpoint": {"uri": "http://receiver.example/notify"}}
LEAST = {"type": "Subscription", "entities": [{"type": "Building"}], "notification": NOTIFICATION}


def record(document: dict[str, Any], terms: TermMap = CITY, registrations: bool = False) -> dict[str, Any]:
    fragment = read_fragment(document, terms)
    return new_record("urn:s:1", fragment, terms.source, "http://hub/context", NOW, registrations=registrations)


def patch(stored: dict[str, Any], fragment: dict[str, Any], terms: TermMap = CITY, now: str = NOW) -> dict[str, Any]:
    return patched(stored, read_fragment(fragment, terms), None, now, registrations=False)


def test_names_are_stored_as_iris_and_shown_under_the_readers_context() -> None:
    stored = record({
        **LEAST,
        "entities": [{"type": "(Building|Tower)", "idPattern": "^urn:b"}],
        "watchedAttributes": ["level"],
        "q": 'level>5;at.level=="x%20y"',
        "geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [1, 2], "geoproperty": "at"},
        "notification": {**NOTIFICATION, "pick": ["id", "at{level}"]},
    })  # fmt: skip
    assert stored["members"]["watchedAttributes"] == ["https://city.example/level"]
    mine = shown(stored, {}, CITY, NOW)
    assert mine["entities"] == [{"type": "(Building|Tower)", "idPattern": "^urn:b"}]
    assert mine["q"] == 'level>5;at.level=="x%20y"'
    assert mine["geoQ"]["geoproperty"] == "at"
    assert mine["notification"]["pick"] == ["id", "at{level}"]
    assert mine["notificationTrigger"] == ["attributeCreated", "attributeUpdated"]
    assert mine["jsonldContext"] == "http://hub/context"
    theirs = shown(stored, {"timesSent": 1}, OTHER, NOW)
    assert theirs["entities"][0]["type"] == "(Haus|Tower)"
    assert theirs["watchedAttributes"] == ["pegel"]
    assert theirs["q"].startswith("pegel>5;")
    assert theirs["notification"]["timesSent"] == 1


def test_a_stored_query_needs_no_context_any_more() -> None:
    stored = record({**LEAST, "q": 'level=="x%20y"|at'})
    query = query_of(stored)
    entity = {"id": "urn:b:1", "type": ["https://city.example/Building"], "attrs": {}}
    level = {"https://city.example/level": [{"type": "Property", "value": "x y"}]}
    assert query.matches({**entity, "attrs": level})
    assert not query.matches(entity)


@pytest.mark.parametrize(
    ("members", "wrong"),
    [
        ({"type": "Other"}, "type"),
        ({"id": "no uri"}, "id"),
        ({"notification": None}, "notification"),
        ({"notification": {}}, "endpoint"),
        ({"notification": {"endpoint": {}}}, "uri"),
        ({"notification": {"endpoint": {"uri": "ftp://x/y"}}}, "uri"),
        ({"notification": {"endpoint": {"uri": "mqtt://broker"}}}, "topic"),
        ({"notification": {"endpoint": {"uri": "mqtt://b/t", "notifierInfo": [{"key": "MQTT-QoS", "value": "3"}]}}}, "MQTT-QoS"),
        ({"notification": {"endpoint": {"uri": "http://x/y", "accept": "text/html"}}}, "accept"),
        ({"notification": {"endpoint": {"uri": "http://x/y", "timeout": 0}}}, "timeout"),
        ({"notification": {"endpoint": {"uri": "http://x/y", "receiverInfo": [{"key": "a", "value": 1}]}}}, "receiverInfo"),
        ({"notification": {"endpoint": {"uri": "http://x/y", "receiverInfo": [{"key": "Host", "value": "a"}]}}}, "Host"),
        ({"notification": {"endpoint": {"uri": "http://x/y", "receiverInfo": [{"key": "a", "value": "b\r\nc: d"}]}}}, "receiverInfo"),
        ({"notification": {**NOTIFICATION, "format": "pretty"}}, "format"),
        ({"notification": {**NOTIFICATION, "format": "keyValues", "showChanges": True}}, "showChanges"),
        ({"notification": {**NOTIFICATION, "pick": ["level"], "omit": ["level"]}}, "level"),
        ({"notification": {**NOTIFICATION, "attributes": ["level"], "omit": ["at"]}}, "attributes"),
        ({"notification": {**NOTIFICATION, "attributes": []}}, "attributes"),
        ({"notification": {**NOTIFICATION, "joinLevel": 1}}, "joinLevel"),
        ({"entities": []}, "entities"),
        ({"entities": [{"id": "urn:b:1"}]}, "type"),
        ({"entities": [{"type": "Building", "idPattern": "a["}]}, "idPattern"),
        ({"entities": None}, "watchedAttributes"),
        ({"watchedAttributes": []}, "watchedAttributes"),
        ({"notificationTrigger": ["entityChanged"]}, "notificationTrigger"),
        ({"timeInterval": 5, "throttling": 5}, "throttling"),
        ({"timeInterval": 5, "watchedAttributes": ["level"]}, "watchedAttributes"),
        ({"timeInterval": -1}, "timeInterval"),
        ({"throttling": "soon"}, "throttling"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "future"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"q": "level>"}, "q"),
        ({"csf": "(("}, "csf"),
        ({"scopeQ": "//"}, "scopeQ"),
        ({"geoQ": {"georel": "near"}}, "geoQ"),
        ({"datasetId": ["none"]}, "datasetId"),
        ({"isActive": "yes"}, "isActive"),
        ({"jsonldContext": "unknown"}, "jsonldContext"),
        ({"ngsildConformance": "one"}, "ngsildConformance"),
        ({"temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}}, "temporalQ"),
    ],
)
def test_what_is_no_subscription(members: dict[str, Any], wrong: str) -> None:
    with pytest.raises(CityHubError, match=wrong):
        record({**LEAST, **members})


def test_read_only_and_unknown_members_are_ignored() -> None:
    sent = {**LEAST, "status": "expired", "__context": "x", "notification": {**NOTIFICATION, "timesSent": 42, "status": "failed"}}
    document = shown(record(sent), {}, CITY, NOW)
    assert document["status"] == "active"
    assert "__context" not in document
    assert document["notification"] == NOTIFICATION


def test_a_patch_replaces_members_and_removes_nulls() -> None:
    stored = record({**LEAST, "q": "level>5", "throttling": 5, "expiresAt": "2030-01-01T00:00:00Z"})
    after = patch(stored, {"q": "urn:ngsi-ld:null", "throttling": None, "watchedAttributes": ["pegel"]}, OTHER)
    assert after["members"].keys() == stored["members"].keys() - {"q", "throttling"} | {"watchedAttributes"}
    assert after["members"]["watchedAttributes"] == ["https://city.example/level"]
    assert "q" not in after["names"]
    for fragment in ({"notification": None}, {"entities": None}, {"notification": {"format": "concise"}}, {"id": "urn:s:2"}):
        with pytest.raises(BadRequestData):
            patch(stored, fragment)


def test_the_names_of_a_query_keep_their_meaning_when_other_members_change() -> None:
    stored = patch(record({**LEAST, "q": "level>5"}), {"description": "x"}, OTHER)
    query = query_of(stored).q
    assert query is not None and query.attributes == {"https://city.example/level"}


def test_status() -> None:
    stored = record({**LEAST, "expiresAt": "2026-12-01T00:00:00Z"})
    assert status_of(stored, NOW) == "active"
    assert status_of(patch(stored, {"isActive": False}), NOW) == "paused"
    later = "2026-12-02T00:00:00.000000Z"
    assert status_of(stored, later) == "expired"
    assert status_of(patch(stored, {"isActive": True}, now=later), later) == "expired"
    assert status_of(patch(stored, {"expiresAt": "2030-01-01T00:00:00Z"}, now=later), later) == "active"
    with pytest.raises(BadRequestData, match="future"):
        patch(stored, {"expiresAt": "2026-12-01T00:00:00Z"}, now=later)


def test_subscriptions_to_registrations_have_no_triggers_and_may_ask_for_times() -> None:
    stored = record({**LEAST, "notificationTrigger": ["entityCreated"], "temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}},
                    registrations=True)  # fmt: skip
    assert "notificationTrigger" not in stored["members"] and "jsonldContext" not in stored["members"]
    check(stored, NOW, read_fragment({}, CORE), registrations=True)
