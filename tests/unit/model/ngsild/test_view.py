"""Projections."""

from __future__ import annotations

import pytest

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.view import View, check_projections, parse_projection

V = DEFAULT_VOCAB


def test_a_projection_is_read_with_its_levels() -> None:
    projection = parse_projection("id, name|locatedAt{id,isInCountry{name}},scope", CORE, "pick")
    assert list(projection.members) == ["id", V + "name", V + "locatedAt", "scope"]
    below = projection.members[V + "locatedAt"]
    assert below is not None
    assert list(below.members) == ["id", V + "isInCountry"]
    assert projection.depth() == 2
    assert parse_projection("id", CORE, "pick").depth() == 0


@pytest.mark.parametrize(
    "text", ["", ",", "a,", ",a", "a||b", "a{", "a{}", "a{b", "a}b", "a{b}c", "{a}", "a b", "a,b}", "9a", "a{b}}", "a{" * 30, "a," * 2000 + "a"]
)
def test_a_broken_projection_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData):
        parse_projection(text, CORE, "pick")


def test_omit_with_a_projection_keeps_the_relationship() -> None:
    view = View(omit=parse_projection("type,locatedAt{name}", CORE, "omit"))
    assert view.shows(V + "locatedAt")
    assert not view.shows("type")
    assert not view.linked(V + "locatedAt").shows(V + "name")
    assert view.linked(V + "locatedAt").shows("type")


def test_a_view_of_linked_entities_is_one_level_down() -> None:
    view = View(pick=parse_projection("id,locatedAt{id,name}", CORE, "pick"), join_level=2)
    below = view.linked(V + "locatedAt")
    assert below.join_level == 1
    assert [below.shows(name) for name in ("id", V + "name", "type")] == [True, True, False]
    assert view.linked(V + "other").pick is None


@pytest.mark.parametrize(
    ("pick", "omit", "attrs", "levels"),
    [
        ("name", "name", None, 0), ("id,name", "type,id", None, 0), ("name", None, "a", 0), (None, "name", "a", 0), ("a{b}", None, None, 0),
        (None, "a{b{c}}", None, 1), ("a{b}", "a{b}", None, 1), ("a", "a{b}", None, 1),
    ],
)  # fmt: skip
def test_projections_must_not_contradict(pick: str | None, omit: str | None, attrs: str | None, levels: int) -> None:
    with pytest.raises(BadRequestData):
        check_projections(
            parse_projection(pick, CORE, "pick") if pick else None,
            parse_projection(omit, CORE, "omit") if omit else None,
            frozenset((attrs,)) if attrs else None,
            levels,
        )


def test_projections_that_agree() -> None:
    check_projections(parse_projection("id,a{b,c}", CORE, "pick"), parse_projection("type,a{d}", CORE, "omit"), None, 1)
    check_projections(None, None, frozenset(("a",)), 0)
