"""Properties of queries over random trees, entities and texts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.indexing import canonical_time, satisfies
from cityhub.model.ngsild.patterns import compile_pattern, literal_head
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.q_values import moment_of
from tests.unit.model.ngsild.sample import TERMS, entity, instance, iri

# Few names and few values, so that queries and entities meet.
numbers = st.sampled_from([0, 1, -1, 2, 2.5, 10, 1e300, 2**53 + 1, 2**63, -(2**60) - 1]) | st.integers(-3, 3)
words = st.sampled_from(["a", "b", "ab", "abc", "", "A", "é", "水位", "1", "true", "urn:x:1", "2026-01-01", "\ud7ff", "\U0010ffff" * 2])
times = st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00.5Z", "2025-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"]
)
scalars = numbers | words | st.booleans() | times
names = st.sampled_from(["a", "b", "c"])
languages = st.dictionaries(st.sampled_from(["en", "fr"]), words | st.lists(words, min_size=1, max_size=2), min_size=1, max_size=2)


@st.composite
def instances(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    kind = draw(st.sampled_from(["Property"] * 4 + ["Relationship", "LanguageProperty", "VocabProperty", "ListProperty", "JsonProperty"]))
    if kind == "LanguageProperty":
        made = instance(draw(languages), kind)
    elif kind in ("Relationship", "VocabProperty"):
        made = instance(draw(words | st.lists(words, min_size=1, max_size=2)), kind)
    elif kind == "ListProperty":
        made = instance(draw(st.lists(scalars, max_size=3)), kind)
    elif kind == "JsonProperty":
        made = instance(draw(st.dictionaries(names, scalars, max_size=2)), kind)
    else:
        members = st.dictionaries(names.map(iri), scalars | st.lists(scalars, max_size=2), max_size=2)
        typed = times.map(lambda time: {"@type": "DateTime", "@value": time})
        made = instance(draw(scalars | st.lists(scalars | typed, max_size=3) | members | typed), kind)
    if draw(st.booleans()):
        made["observedAt"] = moment_of(draw(times))
    if depth and draw(st.booleans()):
        made["attrs"] = {iri(draw(names)): [draw(instances(depth - 1))]}
    return made


@st.composite
def entities(draw: st.DrawFn) -> Entity:
    attributes = draw(st.dictionaries(names, st.lists(instances(), min_size=1, max_size=2), max_size=3))
    return entity(**attributes)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


paths = st.builds(
    lambda name, rest: name + rest,
    names,
    st.sampled_from(["", "", "", "", ".a", ".b", ".observedAt", "[a]", "[b]", "[*]", "[en]", "[a.b]", ".a[b]", ".createdAt", ".a.observedAt"]),
) | st.sampled_from(["createdAt", "type", "id"])
values = (
    numbers.map(str)
    | words.map(quoted)
    | times
    | times.map(quoted)
    | st.sampled_from(["true", "false", "urn:x:1", "word", "2026-01-01", "12:00:00Z"])
)
comparable = numbers.map(str) | words.map(quoted) | times | times.map(quoted)


@st.composite
def queries(draw: st.DrawFn, depth: int = 3) -> str:
    if depth and draw(st.booleans()):
        parts = draw(st.lists(queries(depth - 1), min_size=1, max_size=3))
        joined = draw(st.sampled_from(";|")).join(parts)
        return f"({joined})" if draw(st.booleans()) else joined
    path = draw(paths)
    form = draw(st.integers(0, 6))
    if form == 0:
        return draw(st.sampled_from(["", "!"])) + path
    if form == 1:
        return path + draw(st.sampled_from([">", ">=", "<", "<="])) + draw(comparable)
    if form == 2:
        low = draw(numbers.map(str) | words.map(quoted) | times)
        high = draw(numbers.map(str) if low[0] in "-0123456789" and "T" not in low else words.map(quoted) if low[0] == '"' else times)
        return f"{path}{draw(st.sampled_from(['==', '!=']))}{low}..{high}"
    if form == 3:
        pattern = draw(st.sampled_from(["^a", "^a.*b", "b$", "^ab?", "a|b", "^", "x*", "^é", "^\\.a", "^\ud7ff"]))
        return f'{path}{draw(st.sampled_from(["~=", "!~="]))}"{pattern}"'
    return f"{path}{draw(st.sampled_from(['==', '!=']))}{','.join(draw(st.lists(values, min_size=1, max_size=3)))}"


@settings(max_examples=600, deadline=None)
@given(queries(), entities())
def test_what_matches_satisfies_the_condition(text: str, thing: Entity) -> None:
    query = parse_q(text, TERMS)
    if query.matches(thing):
        assert satisfies(query.condition, thing), query.condition


@settings(max_examples=300, deadline=None)
@given(queries())
def test_what_is_written_is_read_as_the_same_tree(text: str) -> None:
    query = parse_q(text, TERMS)
    again = parse_q(query.unparse(TERMS), TERMS)
    assert again.node == query.node
    assert again.unparse(TERMS) == query.unparse(TERMS)


@settings(max_examples=200, deadline=None)
@given(queries(2), queries(2), entities())
def test_logic_is_that_of_its_parts(left: str, right: str, thing: Entity) -> None:
    a, b = parse_q(left, TERMS).matches(thing), parse_q(right, TERMS).matches(thing)
    assert parse_q(f"({left});({right})", TERMS).matches(thing) is (a and b)
    assert parse_q(f"({left})|({right})", TERMS).matches(thing) is (a or b)


@settings(max_examples=200, deadline=None)
@given(st.text("ab.;|()[]{}!~=<>\",:0123456789-T Z\\urn*%", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_q(text, TERMS)
    except (BadRequestData, TooComplexQuery) as error:
        assert error.detail


@settings(deadline=None)
@given(
    st.datetimes().map(lambda time: time.isoformat()),
    st.sampled_from(["Z", "+00:00", "+14:00", "-12:30", "+0530"]),
    st.sampled_from(["", ".1", ",123", ".123456", ".123456789"]),
)
def test_times_are_the_ones_of_the_index(text: str, zone: str, fraction: str) -> None:
    whole = text[:19] + fraction + zone
    assert moment_of(whole) == canonical_time(whole)


@settings(deadline=None)
@given(st.text("ab.*+?^$|()[]{}\\-:x0", max_size=8), st.text("ab.:-x0", max_size=8))
def test_every_match_begins_with_the_literal_head(pattern: str, text: str) -> None:
    try:
        search = compile_pattern(pattern, "q")
    except BadRequestData:
        return
    if search(text) is not None:
        assert text.startswith(literal_head(pattern))
