"""Selectors of entities. Source: GS CIM 009 V1.9.1 clauses 4.17, 5.2.33 and 5.12."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.condition import AllOf, AnyOf, Anything, IdIn, IdPrefix, TypeIs
from cityhub.model.errors import BadRequestData
from cityhub.model.indexing import satisfies
from cityhub.model.ngsild.patterns import compile_pattern
from cityhub.model.ngsild.selector import EntitySelector, parse_type_selection, read_selector
from tests.unit.model.ngsild.sample import TERMS, entity, iri


@pytest.mark.parametrize(
    ("text", "types", "selected"),
    [
        ("Home", "Home Vehicle", True),
        ("Building", "Home Vehicle", False),
        ("Building,Home", "Home", True),
        ("Building|Home", "Home", True),
        ("(Home;Vehicle)", "Home Vehicle Boat", True),
        ("(Home;Vehicle)", "Home", False),
        ("(Home&Vehicle)", "Home Vehicle", True),
        ("(Home;Vehicle)|Motorhome", "Motorhome", True),
        ("Home;Vehicle", "Home", False),
        ("Home;Vehicle", "Home Vehicle", True),
        ("(Building;House),(Home;Motorhome)", "Home Vehicle", False),
        ("(Home)", "Home", True),
        ("(Home|Vehicle)", "Vehicle", True),
        ("(Home|Vehicle);Motorhome", "Vehicle", False),
        ("(Home|Vehicle);Motorhome", "Vehicle Motorhome", True),
        ("*", "Anything", True),
        (iri("Home"), "Home", True),
        ("ngsi-ld:Home", "Home", False),
    ],
)
def test_type_selections(text: str, types: str, selected: bool) -> None:
    asked, thing = parse_type_selection(text, TERMS), entity("urn:ngsi-ld:T:1", tuple(types.split()))
    assert asked.selects(thing["type"]) is selected
    if selected:
        assert satisfies(asked.condition, thing)


def test_conditions_of_types() -> None:
    home, car, boat = iri("Home"), iri("Car"), iri("Boat")
    asked = parse_type_selection("(Home;Car)|Boat", TERMS)
    assert asked.condition == AnyOf((AllOf((TypeIs(car), TypeIs(home))), TypeIs(boat)))
    assert asked.names == {home, car, boat}
    assert parse_type_selection("*", TERMS).condition == Anything()


@pytest.mark.parametrize("text", ["", "(A;)", "(;B)", "(A", "A)", "A;", "A(B)", "A,,B", "A,", "((A))", "A B", "1A", None, 5, ["A"], "A,*"])
def test_refuses_what_is_no_type_selection(text: Any) -> None:
    with pytest.raises(BadRequestData, match="'type'"):
        parse_type_selection(text, TERMS)


def test_ids_go_before_patterns() -> None:
    both = EntitySelector(frozenset(["urn:a"]), "^urn:b")
    assert both.matches(entity("urn:a"))
    assert not both.matches(entity("urn:b"))
    assert both.condition == IdIn(("urn:a",))


def test_patterns_are_found_anywhere_and_give_a_prefix_where_they_begin() -> None:
    found = EntitySelector(None, "coll42")
    assert found.matches(entity("urn:ngsi-ld:Vehicle:coll4233"))
    assert found.condition == Anything()
    anchored = EntitySelector(None, "^urn:ngsi-ld:Vehicle:.*wanted$", parse_type_selection("T", TERMS))
    assert anchored.matches(entity("urn:ngsi-ld:Vehicle:1wanted"))
    assert not anchored.matches(entity("urn:ngsi-ld:Vehicle:1wanted2"))
    assert anchored.condition == AllOf((IdPrefix("urn:ngsi-ld:Vehicle:"), TypeIs(iri("T"))))


def test_reads_documents() -> None:
    asked = read_selector({"type": "T,U", "id": ["urn:a", "urn:b"]}, TERMS)
    assert asked.matches(entity("urn:b"))
    assert not asked.matches(entity("urn:c"))
    assert not asked.matches(entity("urn:a", ("Other",)))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "urn:a"},
        {"type": "T", "id": "not a uri"},
        {"type": "T", "id": ["urn:a", 5]},
        {"type": "T", "id": []},
        {"type": "T", "id": 5},
        {"type": "T", "idPattern": 5},
        {"type": "T", "idPattern": "("},
        {"type": ["T"]},
        {"type": "T", "bogus": 1},
        "T",
        5,
        None,
    ],
)
def test_refuses_what_is_no_selector(document: Any) -> None:
    with pytest.raises(BadRequestData):
        read_selector(document, TERMS)


@pytest.mark.parametrize(
    ("selector", "id", "pattern", "meets"),
    [
        ({"type": "T"}, None, None, True),
        ({"type": "U"}, None, None, False),
        ({"type": "(T;V)"}, None, None, True),
        ({"type": "T", "id": "urn:a"}, "urn:a", None, True),
        ({"type": "T", "id": "urn:a"}, "urn:b", None, False),
        ({"type": "T", "id": ["urn:b", "urn:a1"]}, None, "^urn:a", True),
        ({"type": "T", "id": "urn:b"}, None, "^urn:a", False),
        ({"type": "T", "idPattern": "^urn:a"}, "urn:a1", None, True),
        ({"type": "T", "idPattern": "^urn:a"}, "urn:b", None, False),
        ({"type": "T", "idPattern": "^urn:a"}, None, "^urn:b", True),
    ],
)
def test_meets_registered_groups(selector: dict[str, Any], id: str | None, pattern: str | None, meets: bool) -> None:
    registered = compile_pattern(pattern, "idPattern") if pattern else None
    assert read_selector(selector, TERMS).meets([iri("T"), iri("V")], id, registered) is meets
