"""Expressions: what they parse to, and that nothing makes the parser fail otherwise than with a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.sensorthings.expression import MAX_DEPTH, Call, Literal, Path, conjuncts, parse, parse_order, paths_in
from cityhub.model.errors import BadRequestData

NOW = "2026-11-23T06:05:00.000000Z"


def test_operators_bind_as_odata_has_it() -> None:
    found = parse("a add 2 mul 3 eq 7 and not b eq 1 or c", NOW)
    assert isinstance(found, Call) and found.name == "or"
    left = found.arguments[0]
    assert isinstance(left, Call) and left.name == "and"
    assert left.arguments[0] == Call(
        "eq", (Call("add", (Path(("a",)), Call("mul", (Literal(2, "number"), Literal(3, "number"))))), Literal(7, "number"))
    )


@pytest.mark.parametrize(("text", "literal"), [
    ("'it''s'", Literal("it's", "text")), ("1.5e3", Literal(1500.0, "number")), ("true", Literal(True, "boolean")), ("null", Literal(None, "null")),
    ("2026-11-23T06:05:00Z", Literal("2026-11-23T06:05:00Z", "time")), ("2026-11-23", Literal("2026-11-23", "time")),
    ("2026-11-23T06:05:00 08:00", Literal("2026-11-23T06:05:00+08:00", "time")),  # a plus sign that was not encoded
    ("2026-11-23T06:00:00Z/2026-11-23T07:00:00Z", Literal("2026-11-23T06:00:00Z/2026-11-23T07:00:00Z", "time")),
    ("duration'PT1M'", Literal("PT1M", "duration")), ("geography'POINT(1 2)'", Literal("POINT(1 2)", "geography")), ("now()", Literal(NOW, "time")),
])  # fmt: skip
def test_literals(text: str, literal: Literal) -> None:
    assert parse(text, NOW) == literal


def test_paths_and_conjuncts() -> None:
    found = parse("Datastream/Thing/name eq 'a' and (length(name) gt 2 and x eq 1)", NOW)
    assert [path.parts for path in paths_in(found)] == [("Datastream", "Thing", "name"), ("name",), ("x",)]
    assert len(conjuncts(found)) == 3


def test_order() -> None:
    assert parse_order("a, Thing/name desc,b asc", NOW) == [(Path(("a",)), False), (Path(("Thing", "name")), True), (Path(("b",)), False)]


@pytest.mark.parametrize("text", ["", "a eq", "eq 1", "a b", "(a", "a)", "f(a)", "length()", "'open", "a eq #", "a in 1", "not", "a eq 1,", "-"])
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(BadRequestData, match="filter"):
        parse(text, NOW)


def test_depth_is_bounded() -> None:
    parse("(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1), NOW)
    for text in ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), "not " * (MAX_DEPTH + 1) + "a", "-" * (MAX_DEPTH + 1) + "1"):
        with pytest.raises(BadRequestData, match="deep"):
            parse(text, NOW)


@given(st.text(alphabet="ab'()/,- 0.:TZ1eqndotr$", max_size=60))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        parse(text, NOW)
        parse_order(text, NOW)
    except BadRequestData as error:
        assert error.detail
