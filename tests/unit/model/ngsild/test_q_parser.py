"""How queries are read, and what is said about those that cannot be. Source: GS CIM 009 V1.9.1 clause 4.9."""

from __future__ import annotations

import pytest

from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.jsonld import term_map
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.q_tree import AllTrue, AnyTrue, Equal, Exists, Hop, Path
from tests.unit.model.ngsild.sample import TERMS, iri

WRONG = {
    "": (1, "the name of an attribute"),
    "speed==": (8, "a value"),
    "A==": (4, "a value"),
    "speed>>5": (7, "a value"),
    "speed=5": (6, "';', '|' or the end"),
    "(a": (3, "')'"),
    "a)": (2, "';', '|' or the end"),
    "a;;b": (3, "the name"),
    "a;": (3, "the name"),
    "|a": (1, "the name"),
    "()": (2, "the name"),
    "!a==5": (3, "';', '|' or the end"),
    "speed>4..5": (8, "';', '|' or the end"),
    "speed>4,5": (8, "';', '|' or the end"),
    "speed>true": (7, "a number"),
    "speed>word": (7, "a number"),
    "a==1..b": (7, "the upper end"),
    'a==1.."b"': (7, "the upper end"),
    "a==1,": (6, "a value"),
    "a==1..": (7, "a value"),
    "1a": (1, "the name"),
    "a..b": (2, "';', '|' or the end"),
    "a.": (3, "the name"),
    "a[b": (4, "']'"),
    "a[]": (3, "the name of a member"),
    "a[b..c]": (3, "names of members"),
    "a{b": (4, "'}'"),
    "a{}": (3, "the name"),
    "a{T:}": (5, "the name"),
    'a=="b': (4, "a quoted text that ends"),
    'a=="\\x"': (4, "a quoted text as JSON writes it"),
    'a=="\\ud800"': (4, "a quoted text as JSON writes it"),
    "a==1e999": (4, "a number that fits"),
    "a==b=c": (4, "a value"),
    "a~=": (4, "a pattern"),
    "a==<5>": (4, "a value"),
    "a==2026-02-30T00:00:00Z": (4, "a value"),
    "a==25:00:00Z": (4, "a value"),
    "))bad((": (1, "the name"),
}


@pytest.mark.parametrize("text", WRONG)
def test_says_where_and_what_would_be_right(text: str) -> None:
    place, expected = WRONG[text]
    with pytest.raises(BadRequestData) as error:
        parse_q(text, TERMS, where="csf")
    assert f"'csf' is wrong at character {place}: expected {expected}" in error.value.detail


@pytest.mark.parametrize("pattern", ["(?=a)", "(a)\\1", "(", "a{1001}", "[", "((((a{100}){100}){100}){100})", "a" * 1001])
def test_refuses_patterns_that_no_linear_matcher_has(pattern: str) -> None:
    with pytest.raises(BadRequestData, match="pattern"):
        parse_q(f'a~="{pattern}"', TERMS)


@pytest.mark.parametrize(
    "bomb",
    ["(" * 5_000 + "a" + ")" * 5_000, "(" * 5_000, "a{" * 5_000 + "a" + "}" * 5_000, "a" + ".a" * 5_000, "a;" * 20_000, "a==" + "9" * 30_000,
     "a|" * 1_000 + "a", "|".join(f"a~={n}" for n in range(51))],
)
def test_refuses_what_is_too_deep_or_too_long(bomb: str) -> None:
    with pytest.raises(TooComplexQuery):
        parse_q(bomb, TERMS)


def test_reads_the_greatest_depth_and_width_that_it_allows() -> None:
    deep = parse_q("(" * 64 + "a==1|b" + ")" * 64 + ";c", TERMS)
    assert deep.matches({"id": "urn:a", "attrs": {iri("b"): [{"type": "Property", "value": 1}], iri("c"): [{"type": "Property", "value": 1}]}})
    assert len(parse_q("a==" + ",".join(["1"] * 9_000), TERMS).node.values) == 9_000  # type: ignore[union-attr]
    with pytest.raises(BadRequestData):
        parse_q("a==" + "9" * 10_000, TERMS)


def test_reads_a_number_of_many_digits() -> None:
    value = parse_q("a==" + "9" * 300, TERMS).node.values[0].value  # type: ignore[union-attr]
    assert value == 10**300 - 1


def test_and_binds_closer_than_or() -> None:
    a, b, c = (Exists(Path((name,), (iri(name),))) for name in "abc")
    assert parse_q("a;b|c", TERMS).node == AnyTrue((AllTrue((a, b)), c))
    assert parse_q("a;(b|c)", TERMS).node == AllTrue((a, AnyTrue((b, c))))
    assert parse_q("(a;b);c", TERMS).node == AllTrue((a, b, c))


def test_reads_paths_with_sub_attributes_members_and_links() -> None:
    (path,) = (parse_q("a{T,U:b{c.observedAt[x.@y]}}", TERMS).node.path,)  # type: ignore[union-attr]
    assert path == Path(
        words=("c", "observedAt"),
        names=(iri("c"), "observedAt"),
        members=("x", "@y"),
        member_names=(iri("x"), "@y"),
        hops=(Hop("a", iri("a"), (iri("T"), iri("U"))), Hop("b", iri("b"))),
    )


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('a==1,"1",one,true,urn:x:1,2026-01-01,2026-01-01T00:00:00Z,12:30:00Z', "number text bare boolean bare date moment time"),
        ("a==-1.5e3,2026-13-01,tru", "number bare bare"),
        ("a==http://x.example/y?z=1", "bare"),
        ("a==水位", "bare"),
    ],
)
def test_tells_kinds_of_values_apart(text: str, kinds: str) -> None:
    node = parse_q(text, TERMS).node
    assert isinstance(node, Equal)
    assert " ".join(value.kind for value in node.values) == kinds


@pytest.mark.parametrize(
    "name", ["https://uri.etsi.org/ngsi-ld/default-context/speed", "https%3A%2F%2Furi%2Eetsi%2Eorg%2Fngsi-ld%2Fdefault-context%2Fspeed", "speed"]
)
def test_names_may_be_iris(name: str) -> None:
    assert parse_q(f"{name}>5", TERMS).attributes == {iri("speed")}


def test_is_written_under_another_context() -> None:
    german = term_map({"geschwindigkeit": iri("speed"), "Wagen": iri("Car"), "fahrer": iri("driver"), "ex": "https://example.org/v1.0/"})
    query = parse_q('speed.quality>5;driver{Car:name}~="^A|B"|(tags=="x";(speed|!tags))', TERMS)
    assert query.unparse(german) == 'geschwindigkeit.quality>5;fahrer{Wagen:name}~="^A|B"|tags=="x";(geschwindigkeit|!tags)'
    foreign = parse_q("geschwindigkeit>5;https://example.org/v1.0/x", german)
    assert foreign.unparse(TERMS) == "speed>5;https%3A%2F%2Fexample%2Eorg%2Fv1%2E0%2Fx"
    assert parse_q(foreign.unparse(TERMS), TERMS).attributes == foreign.attributes
