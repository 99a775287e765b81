"""Whole queries from requests and documents. Source: GS CIM 009 V1.9.1 clauses 5.2.12, 5.2.13, 5.2.23, 5.7.2.4."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.indexing import satisfies
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document, query_from_parameters, query_from_subscription
from tests.unit.model.ngsild.sample import TERMS, entity, instance, rich

HERE = {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": "[8,40]"}


def placed() -> Entity:
    thing = rich()
    thing["attrs"] |= entity(location=instance({"type": "Point", "coordinates": [8.001, 40.001]}, "GeoProperty"))["attrs"]
    return thing


@pytest.mark.parametrize(
    ("parameters", "matches"),
    [
        ({}, True),
        ({"type": "T", "q": "speed>20", "scopeQ": "/Madrid/#", **HERE}, True),
        ({"type": "T", "q": "speed>50", "scopeQ": "/Madrid/#", **HERE}, False),
        ({"type": "T", "q": "speed>20", "scopeQ": "/Berlin", **HERE}, False),
        ({"type": "T", "q": "speed>20", **HERE, "coordinates": "[9,40]"}, False),
        ({"type": "U", "q": "speed>20"}, False),
        ({"id": "urn:ngsi-ld:T:1,urn:b"}, True),
        ({"idPattern": "T:1$"}, True),
        ({"attrs": "nothing,speed"}, True),
        ({"attrs": "nothing"}, False),
        ({"attrs": "createdAt"}, True),
        ({"q": "category==commercial", "expandValues": "category"}, True),
        ({"q": "category==commercial"}, False),
        ({"q": 'ticket[value]=="Overstay"', "jsonKeys": "ticket,other"}, True),
        ({**HERE, "geoproperty": "location"}, True),
        ({**HERE, "geoproperty": "observationSpace"}, False),
    ],
)
def test_parameters(parameters: dict[str, str], matches: bool) -> None:
    asked = query_from_parameters(parameters, TERMS)
    assert asked.matches(placed()) is matches
    if matches:
        assert satisfies(asked.condition, placed())


@pytest.mark.parametrize(
    ("parameters", "narrow"),
    [
        ({"type": "T"}, True),
        ({"type": "*"}, True),
        ({"attrs": "speed"}, True),
        ({"attrs": "createdAt"}, False),
        ({"q": "speed>50"}, True),
        ({"q": 'modifiedAt>"2020-01-01T00:00:00Z"'}, False),
        (HERE, True),
        ({"id": "urn:a"}, False),
        ({"idPattern": ".*"}, False),
        ({"scopeQ": "/a"}, False),
        ({}, False),
    ],
)
def test_queries_that_are_too_wide(parameters: dict[str, str], narrow: bool) -> None:
    asked = query_from_parameters(parameters, TERMS)
    asked.require_narrow(local=True)
    if narrow:
        asked.require_narrow(local=False)
    else:
        with pytest.raises(BadRequestData, match="too wide"):
            asked.require_narrow(local=False)


def test_ids_suffice_where_that_is_said() -> None:
    query_from_parameters({"id": "urn:a"}, TERMS).require_narrow(local=False, ids_suffice=True)
    assert query_from_parameters({"type": "*"}, TERMS).every_type
    assert not query_from_parameters({"id": "urn:a"}, TERMS).every_type


def test_queries_that_are_too_deep() -> None:
    asked = query_from_parameters({"type": "T", "q": 'owner{works{name}}=="x"'}, TERMS)
    asked.require_links(2)
    for level in (0, 1):
        with pytest.raises(BadRequestData, match="too deep"):
            asked.require_links(level)
    EntityQuery().require_links(0)


def test_the_context_source_filter_is_for_registrations() -> None:
    asked = query_from_parameters({"type": "T", "csf": 'sourceType=="sensor"'}, TERMS)
    assert asked.matches(rich())
    assert asked.csf is not None
    assert asked.csf.over_documents()({"sourceType": {"type": "Property", "value": "sensor"}})


def test_links_are_followed() -> None:
    asked = query_from_parameters({"type": "T", "q": 'owner{name}=="Alice"'}, TERMS)
    people = {"urn:ngsi-ld:Person:1": entity(name="Alice")}
    assert asked.with_links(people.get)(rich())
    assert not asked.matches(rich())
    assert satisfies(asked.condition, rich())


WRONG_PARAMETERS: list[dict[str, str]] = [
    {"type": ""}, {"id": ""}, {"id": "notauri"}, {"id": "urn:a,"}, {"idPattern": "("}, {"attrs": ""}, {"attrs": "a,,b"}, {"attrs": "a b"},
    {"attrs": "owner{name}"}, {"q": ""}, {"q": "a=="}, {"scopeQ": ""}, {"scopeQ": "((/a"}, {"georel": "within"}, {"geometry": "Point"},
    {"coordinates": "[0,0]"}, {"georel": "within", "geometry": "Point"}, {"georel": "within", "coordinates": "[0,0]"},
    {"geometry": "Point", "coordinates": "[0,0]"}, {"geoproperty": "location"}, {"georel": "", "geometry": "Point", "coordinates": "[0,0]"},
    {"georel": "within", "geometry": "", "coordinates": "[0,0]"}, {"georel": "within", "geometry": "Point", "coordinates": ""},
    {"q": "a", "expandValues": "a,,b"}, {"q": "a", "jsonKeys": ""}, {"csf": "))bad(("},
]  # fmt: skip


@pytest.mark.parametrize("parameters", WRONG_PARAMETERS)
def test_refuses_wrong_parameters(parameters: dict[str, str]) -> None:
    with pytest.raises(BadRequestData):
        query_from_parameters(parameters, TERMS)


GEO = {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": [8, 40]}


@pytest.mark.parametrize(
    ("document", "matches"),
    [
        ({"type": "Query"}, True),
        ({"entities": [{"type": "U"}, {"type": "T", "id": "urn:ngsi-ld:T:1"}], "q": "speed>20", "geoQ": GEO, "scopeQ": "/CompanyA"}, True),
        ({"entities": [{"type": "U"}, {"type": "T", "id": "urn:x"}]}, False),
        ({"attrs": ["speed", "x"], "geoQ": {**GEO, "coordinates": "[8,40]", "geoproperty": "location"}}, True),
        ({"attrs": ["x"]}, False),
        ({"q": "category==commercial", "expandValues": "category"}, True),
        ({"q": "category==commercial", "expandValues": ["category"]}, True),
    ],
)
def test_documents(document: dict[str, Any], matches: bool) -> None:
    asked = query_from_document(document, TERMS)
    assert asked.matches(placed()) is matches
    if matches:
        assert satisfies(asked.condition, placed())


WRONG_DOCUMENTS: list[dict[str, Any]] = [
    {"entities": []}, {"entities": {}}, {"entities": {"a": 12}}, {"entities": ["x"]}, {"entities": [{}]}, {"attrs": False}, {"attrs": []},
    {"attrs": ["a", 13]}, {"attrs": ["a", ""]}, {"attrs": "a"}, {"q": True}, {"q": ""}, {"q": "A=="}, {"scopeQ": 5}, {"scopeQ": ""},
    {"geoQ": 5}, {"geoQ": {}}, {"geoQ": {"georel": "within", "coordinates": [1, 2]}}, {"geoQ": {"georel": "within", "geometry": "Point"}},
    {"geoQ": {"geometry": "Point", "coordinates": [1, 2]}}, {"geoQ": {**GEO, "bogus": 1}}, {"geoQ": {**GEO, "geometry": 5}},
    {"geoQ": {**GEO, "georel": "bogus"}}, {"geoQ": {**GEO, "georel": 5}}, {"q": "a", "expandValues": 5}, {"q": "a", "jsonKeys": [5]}, {"csf": 5},
    {"csf": ""},
]  # fmt: skip


@pytest.mark.parametrize("document", WRONG_DOCUMENTS)
def test_refuses_wrong_documents(document: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        query_from_document(document, TERMS)
    if "attrs" not in document:
        with pytest.raises(BadRequestData):
            query_from_subscription(document, TERMS)


def test_a_subscription_matches_whatever_it_watches() -> None:
    asked = query_from_subscription({"entities": [{"type": "T"}], "watchedAttributes": ["nothing"], "q": "speed>20"}, TERMS)
    assert asked.matches(rich())
    assert asked.attributes == frozenset()


def test_refuses_what_is_too_complex() -> None:
    with pytest.raises(TooComplexQuery):
        query_from_parameters({"q": "(" * 100 + "a" + ")" * 100}, TERMS)
    with pytest.raises(BadRequestData):
        query_from_document({"entities": [{"type": "T"}] * 1_001}, TERMS)
