import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, term_map

TERMS = term_map({"ex": "https://ex.org/", "street": "ex:street", "road": "ex:street", "PostalAddress": "ex:PostalAddress", "gone": None})


def test_keys_and_types_are_expanded():
    value = {"@type": "PostalAddress", "street": "A", "numbers": [{"from": 1}, [2]], "id": "urn:x", "gone": 1, "": 2}
    expanded = TERMS.expand_value(value)
    assert expanded == {
        "type": "https://ex.org/PostalAddress", "https://ex.org/street": "A", "id": "urn:x", "gone": 1, "": 2,
        "https://uri.etsi.org/ngsi-ld/default-context/numbers": [{"https://uri.etsi.org/ngsi-ld/default-context/from": 1}, [2]],
    }  # fmt: skip
    assert TERMS.compact_value(expanded) == {
        "type": "PostalAddress",
        "road": "A",
        "numbers": [{"from": 1}, [2]],
        "id": "urn:x",
        "gone": 1,
        "": 2,
    }


@pytest.mark.parametrize(
    "value",
    [
        7, "street", None, True, 1.5, [], ["street"], {"type": "Point", "coordinates": [1, 2]}, {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"},
        {"@value": "x", "@language": "de"}, {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
    ],
)  # fmt: skip
def test_data_that_hold_no_names_are_shared(value):
    assert CORE.expand_value(value) is value
    assert CORE.compact_value(value) is value


@pytest.mark.parametrize(
    "value", [[{"a": 1}], [1, [2]], {"type": ["A", "B"]}, {"type": 5}, {"type": {"a": 1}}, {"value": {"type": "Point"}}, {"@list": [1]}, {}]
)
def test_round_trip(value):
    assert CORE.compact_value(CORE.expand_value(value)) == value


def test_two_keys_of_one_meaning_are_refused():
    with pytest.raises(BadRequestData, match="mean the same"):
        TERMS.expand_value({"street": 1, "road": 2})


def test_depth_is_bounded():
    deep = {"a": 1}
    for _ in range(70):
        deep = {"a": deep}
    with pytest.raises(BadRequestData, match="64 levels"):
        CORE.expand_value(deep)


def test_vocab_values():
    assert TERMS.expand_iri("street") == "https://ex.org/street"
    assert TERMS.expand_iri(["street"]) == ["https://ex.org/street"]
    assert TERMS.compact_iri(["https://ex.org/street"]) == ["road"]
    for value in (7, [7], {}, None):
        with pytest.raises(BadRequestData, match="VocabProperty"):
            TERMS.expand_iri(value)
