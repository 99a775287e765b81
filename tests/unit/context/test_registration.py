"""Registrations as documents, as an index, and beside each other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cityhub.context.registered import Registration
from cityhub.context.registration import parse_registration, patched, render_registration
from cityhub.context.registrations import Registrations
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.selector import EntitySelector, parse_type_selection
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite
from tests.unit.context.federation import broker, vehicle

NOW = "2026-11-23T00:00:00.000000Z"
MINIMAL = {"id": "urn:r:1", "type": "ContextSourceRegistration", "information": [{"entities": [{"type": "T"}]}], "endpoint": "http://x"}
ONE = [{"entities": [{"id": "urn:e:1", "type": "T"}], "propertyNames": ["p"]}]
IRI = "https://uri.etsi.org/ngsi-ld/default-context/"


def read(**members: Any) -> dict[str, Any]:
    document = {**MINIMAL, **members}
    return parse_registration({name: value for name, value in document.items() if value is not ...}, CORE, NOW)


WRONG: list[dict[str, Any]] = [
    {"type": "Building"}, {"type": ...}, {"endpoint": ...}, {"endpoint": "nowhere"}, {"information": ...}, {"information": []},
    {"information": None}, {"information": [{}]}, {"information": [{"entities": []}]}, {"information": [{"entities": [{"id": "urn:e:1"}]}]},
    {"information": [{"entities": [{"type": "T", "idPattern": "["}]}]}, {"information": [{"entities": [{"type": "T", "bogus": 1}]}]},
    {"information": [{"propertyNames": []}]}, {"information": [{"propertyNames": [1]}]}, {"mode": "best"}, {"operations": []},
    {"operations": "createEntity"}, {"operations": ["frobnicate"]}, {"mode": "auxiliary", "operations": ["createEntity"]},
    {"mode": "exclusive"}, {"mode": "exclusive", "information": [{"entities": [{"id": "urn:e:1", "type": "T"}]}]},
    {"expiresAt": "2020-01-01T00:00:00Z"}, {"expiresAt": "tomorrow"}, {"description": ""}, {"scope": []}, {"refreshRate": "5 minutes"},
    {"observationInterval": {"endAt": "2030-01-01T00:00:00Z"}}, {"location": {"type": "Point", "coordinates": "x"}}, {"datasetId": "urn:d:1"},
    {"observationInterval": {"startAt": "2030-01-01T00:00:00Z", "endAt": "2029-01-01T00:00:00Z"}}, {"datasetId": [1]},
    {"management": "yes"}, {"management": {"timeout": 0}}, {"management": {"cacheDuration": "x"}}, {"management": {"bogus": 1}},
    {"contextSourceInfo": [{"key": "k"}]}, {"contextSourceInfo": [{"key": "k", "value": 1}]}, {"contextSourceInfo": [{"key": "k", "value": "a\r\nb: c"}]},
    {"contextSourceInfo": [{"key": "accept", "value": "text/html"}]}, {"tenant": "a\nb"}, {"localOnly": "yes"}, {"free": None},
]  # fmt: skip


@pytest.mark.parametrize("members", WRONG, ids=str)
def test_what_breaks_the_model_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        read(**members)


def test_a_registration_comes_back_as_it_was() -> None:
    members = {
        "mode": "exclusive", "operations": ["retrieveOps"], "information": ONE, "expiresAt": "2035-11-29T14:53:15Z",
        "scope": "/Madrid/Centro", "location": {"type": "Point", "coordinates": [8.5, 49.4]}, "owner": {"type": "Property", "value": 1},
        "management": {"timeout": 500, "cacheDuration": "PT5M"}, "contextSourceInfo": [{"key": "X-Token", "value": "abc"}],
    }  # fmt: skip
    assert render_registration(read(**members), CORE) == {**MINIMAL, **members}


def test_a_patch_replaces_members_and_removes_those_that_are_null() -> None:
    record = read(expiresAt="2035-11-29T14:53:15Z", owner=1)
    after = patched(record, {"expiresAt": None, "owner": "urn:ngsi-ld:null", "endpoint": "http://y"}, CORE, NOW)
    assert render_registration(after, CORE) == {**MINIMAL, "endpoint": "http://y"}
    wrong: list[Any] = [{"information": None}, {"type": "Building"}, {"mode": "exclusive"}, {"id": "urn:r:2"}, []]
    for fragment in wrong:
        with pytest.raises(BadRequestData):
            patched(record, fragment, CORE, NOW)


def test_settings_of_requests() -> None:
    pairs = [{"key": "jsonldContext", "value": "http://c"}, {"key": "Via", "value": "1.1 evil"}, {"key": "X-Token", "value": "abc"}]
    registration = Registration("", read(contextSourceInfo=pairs, management={"timeout": 500, "cacheDuration": "PT5M"}))
    assert registration.headers == {"X-Token": "abc"}
    assert (registration.settings, registration.timeout_s, registration.cache_s) == ({"jsonldContext": "http://c"}, 0.5, 300.0)
    assert "queryEntity" in registration.operations
    assert "createEntity" not in registration.operations


async def test_the_index_finds_by_id_type_and_pattern(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path, SystemClock())
    index = Registrations(store, SystemClock())
    index.put("", read(id="urn:r:type"))
    index.put("", read(id="urn:r:one", information=ONE))
    index.put("", read(id="urn:r:any", information=[{"propertyNames": ["p"]}]))
    index.put("", read(id="urn:r:pattern", information=[{"entities": [{"type": "U", "idPattern": "^urn:u"}]}]))
    index.put("t", read(id="urn:r:tenant"))

    def about(id: str, types: list[str] | None) -> set[str]:
        return {one.id for one in index.about("", id, types) if one.covering(id, types)[0]}

    assert about("urn:e:1", [f"{IRI}T"]) == {"urn:r:type", "urn:r:one", "urn:r:any"}
    assert about("urn:e:2", [f"{IRI}T"]) == {"urn:r:type", "urn:r:any"}
    assert about("urn:u:2", None) == {"urn:r:type", "urn:r:any", "urn:r:pattern"}
    assert about("urn:x:2", [f"{IRI}U"]) == {"urn:r:any"}
    selector = EntitySelector(None, None, parse_type_selection("U,T", CORE))
    assert {one.id for one in index.selected("", [selector])} == {"urn:r:type", "urn:r:one", "urn:r:any", "urn:r:pattern"}
    by_id = EntitySelector(frozenset(("urn:e:1",)), None, parse_type_selection("T", CORE))
    assert {one.id for one in index.selected("", [by_id])} == {"urn:r:type", "urn:r:one", "urn:r:any"}
    index.put("", {**read(id="urn:r:type"), "expiresAt": "2020-01-01T00:00:00.000000Z"})
    assert index.get("", "urn:r:type") is None
    assert index.expired() == [("", "urn:r:type")]
    for id in ("urn:r:type", "urn:r:one", "urn:r:any", "urn:r:pattern"):
        index.remove("", id)
    assert not index.any("")
    assert index.any("t")
    await store.close()


async def test_thousands_of_registrations_cost_little(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path, SystemClock())
    index = Registrations(store, SystemClock())
    for number in range(3_000):
        information = [{"entities": [{"id": f"urn:e:{number}", "type": f"T{number % 100}"}], "propertyNames": ["p"]}]
        index.put("", read(id=f"urn:r:{number}", information=information))
    began = time.perf_counter()
    for number in range(1_000):
        assert [one.id for one in index.about("", f"urn:e:{number}", [f"{IRI}T{number % 100}"])] == [f"urn:r:{number}"]
    assert (time.perf_counter() - began) / 1_000 < 200e-6
    began = time.perf_counter()
    for _ in range(10_000):
        index.any("elsewhere")
    assert (time.perf_counter() - began) / 10_000 < 5e-6
    await store.close()


async def test_registrations_survive_a_restart_and_keep_out_of_each_others_way(tmp_path: Path) -> None:
    async with broker(tmp_path) as hub:
        await hub("POST", "/entities", vehicle(1, speed=1))
        own = [{"entities": [{"id": "urn:ngsi-ld:Vehicle:1", "type": "Vehicle"}], "propertyNames": ["speed"]}]
        document = {**MINIMAL, "mode": "exclusive", "information": own}
        assert (await hub("POST", "/csourceRegistrations", document))[0] == 409  # the attribute is here
        assert (await hub("POST", "/csourceRegistrations", {**document, "mode": "redirect"}))[0] == 409  # the entity is here
        await hub("DELETE", "/entities/urn:ngsi-ld:Vehicle:1")
        assert (await hub("POST", "/csourceRegistrations", document))[0] == 201
        assert (await hub("POST", "/csourceRegistrations", document))[0] == 409  # the id exists
        assert (await hub("POST", "/csourceRegistrations", {**document, "id": "urn:r:2"}))[0] == 409
        assert (await hub("POST", "/csourceRegistrations", {**document, "id": "urn:r:2", "mode": "redirect"}))[0] == 409
        assert (await hub("POST", "/csourceRegistrations", {**document, "id": "urn:r:2", "mode": "inclusive"}))[0] == 201
        assert (await hub("PATCH", "/csourceRegistrations/urn:r:2", {"mode": "exclusive"}))[0] == 409
        itself = {**MINIMAL, "id": "urn:r:3", "mode": "redirect", "endpoint": hub.url}
        assert (await hub("POST", "/csourceRegistrations", itself))[0] == 409
    async with broker(tmp_path) as hub:
        status, found = await hub("GET", "/csourceRegistrations?type=Vehicle&count=true")
        assert (status, {item["id"] for item in found}, hub.headers["ngsild-results-count"]) == (200, {"urn:r:1", "urn:r:2"}, "2")
        assert (await hub("DELETE", "/csourceRegistrations/urn:r:1"))[0] == 204
        assert (await hub("GET", "/csourceRegistrations/urn:r:1"))[0] == 404
