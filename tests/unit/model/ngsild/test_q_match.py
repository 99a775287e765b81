"""What queries by attribute values match. Source of the cases: GS CIM 009 V1.9.1 clause 4.9 and its examples."""

from __future__ import annotations

import pytest

from cityhub.model.condition import AnyOf, Anything, ValueIn
from cityhub.model.entity import Entity
from cityhub.model.indexing import satisfies
from cityhub.model.ngsild.q import parse_q
from tests.unit.model.ngsild.sample import TERMS, entity, instance, iri, rich

MATCHING = [
    # existence
    "speed", "speed.quality", "address[city]", "label[fr]", "owner", "speed.observedAt", "!nothing", "!speed.nothing", "!nothing.quality",
    "!address[zip]", "!label[de]",
    # numbers
    "speed==30", "speed==30.0", "speed==3e1", "speed!=31", "speed>29.5", "speed>=30", "speed<31", "speed<=30", "speed==30..40",
    "speed==1,30", "speed!=31..40", "speed!=1,2", "big==1152921504606846977", "big>1152921504606846976",
    # texts
    'name=="Eiffel Tower"', 'name!="Big Ben"', 'name>"Eiffel"', 'name<="Eiffel Tower"', 'name=="A".."F"', 'name=="a","Eiffel Tower"',
    "name~=Tower", 'name~="^Eiffel"', "name!~=Ben$", 'name~="(Big|Eiffel) T"', "name~=(Big|Eiffel)", "name~=T[aeo|;]w",
    # kinds are told apart: unequal, never ordered
    'speed!="30"', 'name!=30', "active!=1", 'active!="true"', 'speed!="a".."z"',
    # arrays
    'tags=="a"', 'tags=="x","b"', 'tags!="c"', "mixed==1", 'mixed=="one"', "mixed==true", "mixed>0", 'tags~="^b$"', 'tags!~="c"',
    "levels==2.5", 'levels=="high"', "levels>2",
    # languages
    'label[en]=="red"', 'label[fr]=="vermeil"', 'label[*]=="rouge"', 'label=="rouge"', 'label[en]!="rouge"', 'label[*]!="rot"',
    'label!="rot"', "label[*]~=^ver", 'label[fr]!="rot"',
    # compound values; names of members are expanded in a Property and raw in a JsonProperty
    'address[city]=="Berlin"', "address[geo.lat]==52.5", 'address[type]=="PostalAddress"', 'ticket[value]=="Overstay"', 'places[city]=="Oslo"',
    'arrival[@value]=="2026-03-01T07:00:00.5Z"',
    # relationships
    "owner==urn:ngsi-ld:Person:1", 'owner=="urn:ngsi-ld:Person:1"', 'owner!="urn:x"', 'parts=="urn:ngsi-ld:Part:2"',
    'stops=="urn:ngsi-ld:Stop:1"', 'owner=="urn:a","urn:ngsi-ld:Person:1"', 'parts!="urn:ngsi-ld:Part:3"', 'owner.objectType=="Person"',
    # vocabularies
    f'category=="{iri("commercial")}"',
    # times
    "departure==2026-03-01T06:00:00Z", "departure==2026-03-01T14:00:00+08:00", 'departure=="2026-03-01T06:00:00.000Z"',
    'departure>"2026-02-15T00:00:00Z"', "departure>2026-02-15T00:00:00,5Z", "departure==2026-03-01T00:00:00Z..2026-03-01T06:00:00Z",
    "arrival>2026-03-01T07:00:00Z", "day==2026-03-01", "day>2026-02-28",
    # members of instances and of the entity
    "speed.observedAt==2026-03-01T00:00:00Z", 'speed.observedAt<"2026-03-01T00:00:01Z"', 'speed.unitCode=="KMH"',
    "speed.quality.observedAt>2026-03-31T00:00:00Z", "speed.createdAt==2026-01-01T00:00:00Z", "speed.modifiedAt<2026-01-02T00:00:00Z",
    "speed.type==Property", 'multi.datasetId=="urn:ngsi-ld:Dataset:1"',
    "createdAt<2026-01-02T00:00:00Z", 'modifiedAt>"2026-01-15T00:00:00Z"', "type==Vehicle", 'id~="^urn:ngsi-ld:T"', 'scope=="/CompanyA"',
    "id==urn:ngsi-ld:T:1",
    # several instances: one of them
    "multi==10", "multi==55", "multi>50", "multi!=10",
    # logic
    "speed>50|active==true", "(speed>50|speed<40);active==true", "speed>50;active==false|tags", "((speed>50|speed<40);(active==true))",
    "!speed|name",
]  # fmt: skip

NOT_MATCHING = [
    "nothing", "!speed", "speed.nothing", "address[zip]", "label[de]", "owner[x]", "nothing!=1", 'nothing!~="a"', "speed.nothing!=5",
    "address[zip]!=5", "label[de]!=red", "speed==31", "speed>30", "speed<30", "speed==31..40", "speed!=30", "speed!=30..40", "speed!=1,30",
    "big==1152921504606846976", 'name>"Eiffel Tower"', 'name=="F".."Z"', 'name~="^Tower"', 'name!~="Tower"', 'speed=="30"', 'speed>"2"',
    "name>5", "active==1", "speed==true", "active==false", 'speed~="3.*"', 'speed!~="4.*"', 'tags!="a"', 'tags!="x","b"', 'tags!~="a"',
    'label[en]=="rouge"', 'label[*]!="red"', 'label[fr]!="rouge"', 'label!="red"', 'address[city]=="Rome"', 'address[city.x]=="Berlin"',
    'owner>"urn:a"', 'owner~="urn"', "owner==urn:x", 'parts!="urn:ngsi-ld:Part:2"', "category==commercial", 'category=="commercial"',
    "departure>2026-03-01T06:00:00Z", "departure==2026-03-01", "day==2026-03-01T00:00:00Z", "arrival==2026-03-01T07:00:00Z",
    "speed.observedAt>2026-03-01T00:00:00Z", "createdAt>2026-01-02T00:00:00Z", "type==Building", "speed>50;active==true",
    "speed>50|active==false", "active==false;speed|speed>50", "name.observedAt", "owner{name}", "!owner;speed", "createdAt.x",
]  # fmt: skip


@pytest.fixture
def sample() -> Entity:
    return rich()


@pytest.mark.parametrize("text", MATCHING)
def test_matches(sample: Entity, text: str) -> None:
    query = parse_q(text, TERMS)
    assert query.matches(sample)
    assert satisfies(query.condition, sample), query.condition


@pytest.mark.parametrize("text", NOT_MATCHING)
def test_does_not_match(sample: Entity, text: str) -> None:
    assert not parse_q(text, TERMS).matches(sample)


def test_values_are_expanded_where_the_query_asks(sample: Entity) -> None:
    query = parse_q("category==commercial", TERMS, expand_values=["category"])
    assert query.matches(sample)
    assert satisfies(query.condition, sample)
    assert not parse_q("category!=commercial", TERMS, expand_values=["category"]).matches(sample)


def test_raw_json_is_matched_by_raw_names() -> None:
    plain = entity(ticket=instance({iri("value"): "a", "value": "b"}, "JsonProperty"))
    assert parse_q('ticket[value]=="b"', TERMS, json_keys=["ticket"]).matches(plain)
    assert not parse_q('ticket[value]=="a"', TERMS, json_keys=["ticket"]).matches(plain)


def test_relationships_are_followed_to_entities_of_the_types_wanted() -> None:
    people = {"urn:p:1": entity("urn:p:1", ("Person",), name="Alice", friend=instance("urn:p:2", "Relationship")),
              "urn:p:2": entity("urn:p:2", ("Person", "Officer"), name="Bob")}  # fmt: skip
    car = entity(owner=instance(["urn:unknown", "urn:p:1"], "Relationship"))
    for text, expected in {
        'owner{name}=="Alice"': True,
        'owner{Person:name}=="Alice"': True,
        'owner{Vehicle,Person:name}=="Alice"': True,
        'owner{Vehicle:name}=="Alice"': False,
        'owner{friend{Officer:name}}=="Bob"': True,
        'owner{friend{name}}=="Alice"': False,
        'owner{name}!="Bob"': True,
        "owner{nothing}": False,
        "!owner{nothing}": True,
        'speed|owner{name}=="Alice"': True,
    }.items():
        query = parse_q(text, TERMS)
        assert query.with_links(people.get)(car) is expected, text
        assert satisfies(query.condition, car) or not expected
    assert parse_q("a{b{c}}==1;d", TERMS).depth == 2


def test_documents_are_matched_plain_and_with_attributes() -> None:
    registration = {
        "id": "urn:r", "endpoint": "http://a.example", iri("sourceType"): {"type": "Property", "value": "sensor"},
        "sourceWeight": 5, "management": {"timeout": 3}, "information": [{"entities": []}],
        iri("zone"): [{"type": "Property", "value": 1, "unitCode": "C62", "attrs": {iri("of"): [{"type": "Property", "value": 2}]}}],
    }  # fmt: skip
    for text, expected in {
        'endpoint=="http://a.example"': True, 'sourceType=="sensor"': True, 'sourceType=="archive"': False, "sourceWeight>3": True,
        "management.timeout==3": True, "management[timeout]==3": True, "zone.of==2": True, 'zone.unitCode=="C62"': True, "!nothing": True,
        "id==urn:r": True, "nothing": False, "a{b}": False,
    }.items():  # fmt: skip
        assert parse_q(text, TERMS, where="csf").over_documents()(registration) is expected, text


def test_attributes_are_those_of_the_entity_itself() -> None:
    assert parse_q("speed.quality==1;owner{name}|!tags", TERMS).attributes == {iri("speed"), iri("owner"), iri("tags")}
    assert parse_q('modifiedAt>"2020-01-01T00:00:00Z";type==T', TERMS).attributes == frozenset()


def test_long_lists_of_values_become_ranges(sample: Entity) -> None:
    numbers = parse_q("speed==" + ",".join(str(number) for number in range(29, 1_000)), TERMS)
    assert numbers.condition == ValueIn(iri("speed"), 29, 999)
    mixed = parse_q("mixed==" + ",".join([*map(str, range(30)), *(f'"{letter}"' for letter in ("a", "one"))]), TERMS)
    assert mixed.condition == AnyOf((ValueIn(iri("mixed"), 0, 29), ValueIn(iri("mixed"), "a", "one")))
    wide = parse_q("|".join(f"a{number}" for number in range(101)), TERMS)
    assert wide.condition == Anything()
    for query in (numbers, mixed):
        assert query.matches(sample)
        assert satisfies(query.condition, sample)


def test_values_that_were_removed_are_not_there() -> None:
    gone = entity(label=instance("urn:ngsi-ld:null", "LanguageProperty"))
    for text in ("label", "label[en]", 'label=="urn:ngsi-ld:null"', 'label!="x"', "label[*]~=urn"):
        assert not parse_q(text, TERMS).matches(gone)
