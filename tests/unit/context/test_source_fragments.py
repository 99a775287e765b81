"""What is sent to other brokers is what came in, under another @context too."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.context.source_fragments import attribute_document, entity_document, fragment_document
from cityhub.model.jsonld import CORE, term_map
from cityhub.model.ngsild.parse import parse_attribute, parse_entity, parse_fragment

OTHER = term_map({"tempo": "https://uri.etsi.org/ngsi-ld/default-context/speed", "Car": "https://uri.etsi.org/ngsi-ld/default-context/Vehicle"})
ENTITY: dict[str, Any] = {
    "id": "urn:ngsi-ld:Vehicle:1", "type": "Vehicle", "scope": "/Madrid", "expiresAt": "2099-01-01T00:00:00Z",
    "speed": [
        {"type": "Property", "value": 5, "unitCode": "KMH", "observedAt": "2026-01-01T00:00:00Z"},
        {"type": "Property", "value": 6, "datasetId": "urn:d:1", "accuracy": {"type": "Property", "value": 0.1}},
    ],
    "isParked": {"type": "Relationship", "object": "urn:ngsi-ld:Parking:1"},
    "place": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1.0, 2.0]}},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "车"}},
}  # fmt: skip


def test_an_entity_goes_out_as_it_came() -> None:
    entity = parse_entity(ENTITY, CORE)
    sent = entity_document(entity, entity["attrs"], CORE)
    assert parse_entity(sent, CORE) == entity
    assert sent == {**ENTITY, "scope": ["/Madrid"]}
    renamed = entity_document(entity, {name: entity["attrs"][name] for name in list(entity["attrs"])[:1]}, OTHER)
    assert renamed.keys() == {"id", "type", "scope", "expiresAt", "tempo"}
    assert renamed["type"] == "Car"


@pytest.mark.parametrize(
    "fragment",
    [
        {"speed": {"value": 7}},
        {"speed": {"value": "urn:ngsi-ld:null"}},
        {"speed": {"unitCode": "urn:ngsi-ld:null", "accuracy": {"value": 3}}},
        {"speed": {"type": "Property", "value": {"a": [1, {"b": 2}]}}, "expiresAt": "urn:ngsi-ld:null"},
        {"isParked": {"object": "urn:ngsi-ld:Parking:2"}, "type": "Vehicle"},
    ],
    ids=str,
)
def test_partial_fragments_go_out_with_their_gaps_and_nulls(fragment: dict[str, Any]) -> None:
    read = parse_fragment(fragment, CORE, nulls=True, partial=True)
    sent = fragment_document(read, read.attrs, CORE)
    assert parse_fragment(sent, CORE, nulls=True, partial=True) == read


def test_one_attribute() -> None:
    instances = parse_attribute("speed", {"value": 9}, CORE, nulls=True, partial=True)
    assert attribute_document("https://uri.etsi.org/ngsi-ld/default-context/speed", instances, CORE) == {"value": 9}
