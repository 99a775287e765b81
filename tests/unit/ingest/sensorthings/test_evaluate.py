"""The value of expressions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.sensorthings.evaluate import Many, compare, evaluate, holds
from cityhub.ingest.sensorthings.expression import FUNCTIONS, parse

NOW = "2026-11-23T06:05:00.000000Z"
SEEN: dict[str, Any] = {
    "n": 5, "x": 2.5, "t": "Text", "b": True, "none": None, "at": "2026-11-23T06:05:07.250Z", "span": "2026-11-23T06:00:00Z/2026-11-23T07:00:00Z",
    "o": {"a": 1}, "many": Many(("a", "b")), "empty": Many(()), "numbers": Many((1, 9)),
    "place": {"type": "Point", "coordinates": [1.0, 2.0]}, "feature": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.0, 2.0]}},
}  # fmt: skip


def value(text: str) -> Any:
    return evaluate(parse(text, NOW), lambda path: SEEN["/".join(path.parts)])


@pytest.mark.parametrize("text", [
    "n eq 5", "n ne 4", "n ge 5 and n le 5", "not (n lt 5)", "n in (1,5)", "-n eq -5", "n sub 1 eq 4", "n mod 2 eq 1", "n div 2 eq 2.5", "x mul 2 eq n",
    "t eq 'Text'", "t gt 'Tex'", "b eq true", "b ne false", "none eq null", "null eq none", "t ne null", "n gt '4'", "'10' lt n", "x eq '2.5'",
    "many eq 'a'", "many ne 'a'", "tolower(t) eq 'text'", "toupper(many) eq 'B'", "numbers gt 8", "numbers add 1 eq 2",
    "year(at) eq 2026", "second(at) eq 7", "fractionalseconds(at) eq 0.25", "totaloffsetminutes(at) eq 0", "date(at) eq '2026-11-23'", "time(at) gt '06:00'",
    "at gt 2026-11-23", "at lt 2026-11-24T00:00:00Z", "at lt now() add duration'P1D'", "at sub now() eq duration'PT7.25S'", "span ge 2026-11-23T06:00:00Z",
    "span lt 2026-11-23T07:00:01Z", "span gt 2026-11-23T05:00:00Z/2026-11-23T06:00:00Z", "not (span gt 2026-11-23T06:30:00Z)", "at gt mindatetime()",
    "at lt maxdatetime()", "round(x) eq 3", "round(-2.5) eq -3", "floor(x) eq 2", "ceiling(x) eq 3", "substring(t,1,2) eq 'ex'", "indexof(t,'x') eq 2",
    "concat(t,t) eq 'TextText'", "trim('  a ') eq 'a'", "contains(t,'ex')", "substringof('ex',t)", "endswith(t,'xt')",
    "st_equals(place,feature)", "geo.distance(place,geography'POINT(1 3)') eq 1", "geo.length(geography'LINESTRING(0 0,3 4)') eq 5",
    "st_within(place,geography'SRID=4326;POLYGON((0 0,3 0,3 3,0 3,0 0))')", "st_contains(geography'POLYGON((0 0,3 0,3 3,0 3,0 0))',place)",
    "st_touches(place,geography'LINESTRING(1 2,3 3)')", "st_crosses(geography'LINESTRING(0 0,2 4)',geography'LINESTRING(0 4,2 0)')",
    "st_overlaps(geography'POLYGON((0 0,2 0,2 2,0 2,0 0))',geography'POLYGON((1 1,3 1,3 3,1 3,1 1))')", "st_relate(place,place,'0FFFFFFF2')",
])  # fmt: skip
def test_true(text: str) -> None:
    assert holds(parse(text, NOW), lambda path: SEEN["/".join(path.parts)])


@pytest.mark.parametrize("text", [
    "n eq none", "n ne none", "none lt 1", "n eq 'five'", "o eq 1", "o lt 1", "t lt 1", "b eq 1", "n", "t", "empty eq 'a'", "empty ne 'a'", "length(n) eq 1",
    "year(t) eq 2026", "n div 0 eq 1", "n mod 0 eq 1", "t add 1 eq 2", "st_within(t,place)", "geo.distance(place,geography'nonsense') lt 1",
    "st_relate(place,place,'nonsense')", "at add duration'P999999999D' gt at", "geo.length(t) gt 0", "duration'soon' eq 1", "substring(t,'a') eq 'x'",
])  # fmt: skip
def test_what_has_no_value_is_not_true(text: str) -> None:
    assert not holds(parse(text, NOW), lambda path: SEEN["/".join(path.parts)])


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.sampled_from(sorted(SEEN)), min_size=3, max_size=3))
def test_functions_take_anything(name: str, names: list[str]) -> None:
    for number in FUNCTIONS[name]:
        value(f"{name}({','.join(names[:number])})")


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.sampled_from(["a", "1", NOW, "2026-11-23"]))


@given(SCALARS, SCALARS)
def test_a_relation_and_its_opposite_are_not_both_true(one: Any, other: Any) -> None:
    assert not (compare("lt", one, other) and compare("ge", one, other))
    assert not (compare("eq", one, other) and compare("ne", one, other))
    assert compare("lt", one, other) == compare("gt", other, one)
