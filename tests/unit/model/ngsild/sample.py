"""One entity with an attribute of every kind, in the internal form, for the tests of queries."""

from __future__ import annotations

from typing import Any

from cityhub.model.entity import VALUE_KEY, Entity, Instance
from cityhub.model.jsonld import TermMap, term_map

TERMS: TermMap = term_map(None)


def iri(term: str) -> str:
    return TERMS.expand(term)


def instance(value: Any, kind: str = "Property", **members: Any) -> Instance:
    return {"type": kind, VALUE_KEY[kind]: value, **members}


def entity(id: str = "urn:ngsi-ld:T:1", types: tuple[str, ...] = ("T",), /, **attributes: Any) -> Entity:
    """An entity whose attributes are Properties of bare values, instances, or lists of instances."""
    attrs = {iri(name): value if _is_instances(value) else [_one(value)] for name, value in attributes.items()}
    return {
        "id": id,
        "type": [iri(name) for name in types],
        "createdAt": "2026-01-01T00:00:00.000000Z",
        "modifiedAt": "2026-02-01T00:00:00.000000Z",
        "attrs": attrs,
    }


def _one(value: Any) -> Instance:
    return value if isinstance(value, dict) and value.get("type") in VALUE_KEY else instance(value)


def _is_instances(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and item.get("type") in VALUE_KEY for item in value)


def rich() -> Entity:
    """The entity with everything."""
    made = entity(
        "urn:ngsi-ld:T:1",
        ("T", "Vehicle"),
        speed=instance(
            30,
            observedAt="2026-03-01T00:00:00.000000Z",
            unitCode="KMH",
            attrs={iri("quality"): [instance("good", observedAt="2026-04-01T00:00:00.000000Z")]},
        ),
        name="Eiffel Tower",
        tags=["a", "b"],
        mixed=[1, "one", True],
        label=instance({"en": "red", "fr": ["rouge", "vermeil"]}, "LanguageProperty"),
        address={iri("city"): "Berlin", "type": iri("PostalAddress"), iri("geo"): {iri("lat"): 52.5}},
        ticket=instance({"id": "1", "value": "Overstay"}, "JsonProperty"),
        owner=instance("urn:ngsi-ld:Person:1", "Relationship", objectType=[iri("Person")]),
        parts=instance(["urn:ngsi-ld:Part:1", "urn:ngsi-ld:Part:2"], "Relationship"),
        stops=instance(["urn:ngsi-ld:Stop:1", "urn:ngsi-ld:Stop:2"], "ListRelationship"),
        levels=instance([1, 2.5, "high"], "ListProperty"),
        category=instance(iri("commercial"), "VocabProperty"),
        departure="2026-03-01T06:00:00Z",
        arrival={"@type": "DateTime", "@value": "2026-03-01T07:00:00.5Z"},
        day="2026-03-01",
        active=True,
        multi=[instance(10), instance(55, datasetId="urn:ngsi-ld:Dataset:1")],
        places=[{iri("city"): "Rome"}, {iri("city"): "Oslo"}],
        big=2**60 + 1,
    )
    made["scope"] = ["/Madrid/Gardens/North", "/CompanyA"]
    return made
