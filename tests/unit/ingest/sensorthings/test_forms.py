"""Ids, addresses, times, units and patches: the small forms of the door."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.sensorthings.address import read_address
from cityhub.ingest.sensorthings.ids import Stream, link_id, observation_id, observation_place, owner, part_id, stream_id, stream_key
from cityhub.ingest.sensorthings.json_patch import patched
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.query import read_query
from cityhub.ingest.sensorthings.times import instant, read_time, shown, shown_span, span
from cityhub.ingest.sensorthings.units import NO_UNIT, code_of, unit_of
from cityhub.model.errors import BadRequestData, Conflict, NotFound

NOW = "2026-11-23T06:05:00.000000Z"


@given(st.text(min_size=1, max_size=30).filter(lambda text: "\x00" not in text))
def test_an_id_survives_its_link(id: str) -> None:
    assert read_address(f"Things({unquote(link_id(id))})").steps[0].id == id


def test_ids_of_what_is_seen_lead_back() -> None:
    stream = Stream("urn:x:1", "https://example.org/a#level", "urn:d:1")
    assert owner(stream_id(stream)) == owner(part_id("urn:x:1", "Location")) == "urn:x:1"
    assert stream_id(stream).startswith("urn:x:1~level.")
    assert stream_key("https://a/level", None) != stream_key("https://b/level", None)
    assert observation_place(observation_id(stream_id(stream), NOW)) == (stream_id(stream), NOW)
    assert observation_place("urn:x:1@yesterday") is None
    assert stream_id(Stream("urn:x:1", "https://a/b", "urn:ngsi-ld:Datastream:7")) == "urn:ngsi-ld:Datastream:7"


def test_addresses() -> None:
    address = read_address("Things('a/b(c)''d')/Datastreams(7)/Observations")
    assert [(step.name, step.id, step.many) for step in address.steps] == [("Things", "a/b(c)'d", True), ("Datastreams", "7", True), ("Observations", "", True)]
    assert not address.is_one
    deep = read_address("/Datastreams('x')/unitOfMeasurement/symbol/$value/")
    assert (deep.member, deep.form, deep.is_one) == (("unitOfMeasurement", "symbol"), "$value", True)
    assert read_address("Datastreams('x')/Thing/$ref").form == "$ref"


@pytest.mark.parametrize("path", [
    "", "/", "nothing", "Things('x", "Things/name", "Things('x')/$value", "Things('x')/name/$ref", "Things('x')/name/$value/name", "Things('x')/colour",
    "Things('x')/Datastreams/Thing", "Things('x')y", "Things('x')" + "/Datastreams('y')/Thing" * 10,
])  # fmt: skip
def test_addresses_that_lead_nowhere(path: str) -> None:
    with pytest.raises(NotFound):
        read_address(path)


def test_times() -> None:
    assert instant("2026-11-23T14:05:00+08:00") == NOW == instant("2026-11-23T06:05")
    assert [instant(text) for text in ("yesterday", "2026", "2026-13-01", "0001-01-01T00:00:00+14:00")] == [None] * 4
    assert span("2026-11-23T06:05:00Z/2026-11-23T06:00:00Z") is None
    assert shown("2026-11-23T06:05:00.123456Z") == "2026-11-23T06:05:00.123456Z"
    assert shown_span("2026-11-23T06:00:00Z/2026-11-23T06:05:00.5Z") == "2026-11-23T06:00:00.000Z/2026-11-23T06:05:00.500Z"
    assert read_time("validTime", "2026-11-23T06:00:00Z/2026-11-23T07:00:00Z", interval=True).count("Z/") == 1
    for wrong in ("2026-11-23T06:00:00Z/2026-11-23T07:00:00Z", 7, "x" * 200):
        with pytest.raises(BadRequestData, match="'time'"):
            read_time("time", wrong)


def test_units_both_ways() -> None:
    assert unit_of("MTR") == {"name": "metre", "symbol": "m", "definition": "ucum:m"}
    assert unit_of(None) == NO_UNIT
    assert unit_of("XYZ")["symbol"] == "XYZ"
    assert code_of(unit_of("CEL")) == code_of({"symbol": "°C"}) == "CEL"
    assert code_of({"symbol": "furlong"}) is None and code_of("m") is None


def test_a_patch_leaves_the_document_as_it_was() -> None:
    document = {"a": [1, 2], "b": {"c/d": 1}}
    after = patched(document, [
        {"op": "remove", "path": "/a/0"}, {"op": "copy", "from": "/b", "path": "/e"}, {"op": "replace", "path": "/e/c~1d", "value": 2},
        {"op": "add", "path": "/a/0", "value": 0}])  # fmt: skip
    assert after == {"a": [0, 2], "b": {"c/d": 1}, "e": {"c/d": 2}}
    assert document == {"a": [1, 2], "b": {"c/d": 1}}
    with pytest.raises(Conflict):
        patched(document, [{"op": "test", "path": "/a", "value": []}])


@pytest.mark.parametrize("patch", [
    {}, [1], [{"op": "jump", "path": "/a"}], [{"op": "add", "path": "/a"}], [{"op": "remove", "path": "a"}], [{"op": "remove", "path": "/x"}],
    [{"op": "add", "path": "/a/7", "value": 1}], [{"op": "move", "path": "/a"}], [{"op": "remove", "path": "/a"}] * 1001,
])  # fmt: skip
def test_what_is_no_patch(patch: Any) -> None:
    with pytest.raises(BadRequestData):
        patched({"a": [1]}, patch)


def test_expand_has_options_inside_and_paths() -> None:
    query = read_query(KINDS["Thing"], {"$expand": "Datastreams($top=1;$expand=Observations($filter=result gt 1);$filter=contains(name,';)')),Locations/Things"}, NOW)
    inner = query.expand["Datastreams"]
    assert (inner.top, set(inner.expand), set(query.expand["Locations"].expand)) == (1, {"Observations"}, {"Things"})
    both = read_query(KINDS["Thing"], {"$expand": "Datastreams/Sensor,Datastreams/Thing"}, NOW)
    assert set(both.expand["Datastreams"].expand) == {"Sensor", "Thing"}
