"""The doors over HTTP: who sees what, and that bad questions get an answer that helps."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import httpx
import pytest

from tests.unit.catalogue.conftest import City

API = "/api/catalogue/datasets"


def client(around: City, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    """A caller on this machine, or a stranger."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(around.application, client=(peer, 1)), base_url="http://localhost")


async def get(around: City, path: str, peer: str = "127.0.0.1", **options: Any) -> httpx.Response:
    async with client(around, peer) as caller:
        return await caller.get(path, **options)


STRANGER = "192.0.2.1"


async def test_a_stranger_sees_what_is_open_by_every_door(around: City) -> None:
    mine = {one["name"] for one in (await get(around, f"{API}?limit=200")).json()["datasets"]}
    open_ones = {one["name"] for one in (await get(around, f"{API}?limit=200", STRANGER)).json()["datasets"]}
    assert "weather-observed" in open_ones
    assert {"ac-measurement", "feed-weather"} == mine - open_ones
    packages = (await get(around, "/api/3/action/package_list", STRANGER)).json()["result"]
    assert set(packages) == open_ones
    searched = (await get(around, "/api/3/action/package_search?rows=1000", STRANGER)).json()["result"]
    assert {one["name"] for one in searched["results"]} == open_ones
    for path in (
        f"{API}/ac-measurement", f"{API}/ac-measurement/sample", f"{API}/ac-measurement/quality", f"{API}/ac-measurement/lineage",
        f"{API}/ac-measurement/download/csv", "/dataset/ac-measurement", "/api/3/action/package_show?id=ac-measurement",
    ):  # fmt: skip
        assert (await get(around, path, STRANGER)).status_code == 404, path
        assert (await get(around, path)).status_code == 200, path
    graph = (await get(around, "/catalog.jsonld", STRANGER)).text
    assert "ACMeasurement" not in graph and "feed-weather" not in graph
    resource = (await get(around, "/api/3/action/package_show?id=ac-measurement")).json()["result"]["resources"][0]["id"]
    for action in ("resource_show?id", "datastore_search?resource_id"):
        assert (await get(around, f"/api/3/action/{action}={resource}")).status_code == 200
        assert (await get(around, f"/api/3/action/{action}={resource}", STRANGER)).status_code == 404
    # Where the data came from is told without naming what is not open.
    lineage = (await get(around, f"{API}/weather-observed/lineage", STRANGER)).json()
    assert "feed-weather" not in str(lineage)
    assert "feed-weather" in (await get(around, f"{API}/weather-observed/lineage")).text


async def test_important_data_are_never_open(around: City) -> None:
    async with client(around) as caller:
        assert (await caller.patch(f"{API}/ac-measurement", json={"open": True})).status_code == 200
        assert (await get(around, f"{API}/ac-measurement", STRANGER)).status_code == 404
        await caller.patch(f"{API}/ac-measurement", json={"grade": "general"})
        assert (await get(around, f"{API}/ac-measurement", STRANGER)).status_code == 200
        await caller.patch(f"{API}/ac-measurement", json={"private": True})
        assert (await get(around, f"{API}/ac-measurement", STRANGER)).status_code == 404


async def test_a_stranger_changes_nothing(around: City) -> None:
    async with client(around, STRANGER) as caller:
        for method, path in (("POST", API), ("PATCH", f"{API}/weather-observed"), ("DELETE", f"{API}/weather-observed")):
            assert (await caller.request(method, path, json={})).status_code == 401
        assert (await caller.post("/api/3/action/package_delete", json={"id": "weather-observed"})).status_code == 401
        assert (await caller.post("/api/3/action/datastore_search_sql", json={"sql": "SELECT 1"})).status_code == 401
        assert (await caller.post("/api/v1/lineage", json={})).status_code == 401


async def test_search_with_filters_and_facets(around: City) -> None:
    found = (await get(around, f"{API}?q=水位")).json()
    assert found["datasets"][0]["name"] == "water-observed"
    assert found["datasets"][0]["provider"]["zh"] == "区水利局"
    found = (await get(around, f"{API}?theme=weather-environment&open=true")).json()
    assert {one["name"] for one in found["datasets"]} == {"weather-observed", "air-quality-observed"}
    # Counts of a filter are those without itself, so that one can change one's mind.
    assert {item["value"] for item in found["facets"]["theme"]} > {"weather-environment"}
    paged = (await get(around, f"{API}?limit=1&offset=1&sort=title")).json()
    assert len(paged["datasets"]) == 1 and paged["total"] > 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{API}?limit=9999", 400), (f"{API}?limit=-1", 400), (f"{API}?nothing=1", 400), (f"{API}?sort=beauty", 400),
        (f"{API}/nobody", 404), (f"{API}/weather-observed/download/doc", 404), (f"{API}/weather-observed/sample?limit=x", 400),
        ("/catalog?page=0", 400), ("/catalog.ttl?page=x", 400), ("/dataset/nobody.ttl", 404), ("/catalog.doc", 404),
        ("/api/3/action/package_search?rows=x", 409), ("/api/3/action/package_search?q=(", 409), ("/api/3/action/nothing", 400),
        ("/api/3/action/package_show", 409), ("/api/3/action/package_create", 405), ("/api/3/action/datastore_search?resource_id=x", 404),
    ],
)  # fmt: skip
async def test_bad_questions(around: City, path: str, status: int) -> None:
    assert (await get(around, path)).status_code == status


async def test_forms_of_the_catalogue_are_negotiated(around: City) -> None:
    assert (await get(around, "/catalog", headers={"accept": "text/html"})).headers["location"] == "/open-data"
    assert (await get(around, "/dataset/village", headers={"accept": "text/html,*/*;q=0.1"})).headers["location"] == "/open-data/village"
    assert (await get(around, "/catalog")).headers["content-type"] == "application/ld+json"
    assert (await get(around, "/catalog", headers={"accept": "image/png"})).status_code == 406


async def test_edits_by_merge_patch(around: City) -> None:
    async with client(around) as caller:
        answer = await caller.patch(f"{API}/village", json={"title": {"zh": "村居"}, "contact": "民政局"})
        assert (answer.status_code, answer.json()["title"]) == (200, {"zh": "村居"})
        answer = await caller.patch(f"{API}/village", json={"contact": None})
        assert answer.json()["contact"] == ""
        for wrong in ({"id": "x"}, {"nothing": 1}, {"share": "perhaps"}, {"themes": ["none"]}, {"owner": "nobody"}, [], {"name": "A B"}):
            assert (await caller.patch(f"{API}/village", json=wrong)).status_code == 400, wrong
        made = await caller.post(API, json={"name": "of-my-own", "title": {"zh": "自有"}, "distributions": [{"url": "https://data.example/a.csv"}]})
        assert made.status_code == 201
        assert (await caller.post(API, json={"name": "of-my-own"})).status_code == 409
        assert (await caller.delete(f"{API}/of-my-own")).status_code == 204
        assert (await caller.get(f"{API}/of-my-own")).status_code == 404


async def test_downloads(around: City) -> None:
    text = (await get(around, f"{API}/weather-observed/download/csv")).content
    assert text.startswith(b"\xef\xbb\xbfid,")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["站点0", "站点1", "站点2"]
    assert (rows[0]["temperature"], rows[0]["simulated"], rows[1]["lon"]) == ("12.5", "True", "108.71")
    records = (await get(around, f"{API}/weather-observed/download/json")).json()
    assert records[0]["temperature"] == 12.5
    features = (await get(around, f"{API}/weather-observed/download/geojson")).json()["features"]
    assert features[0]["geometry"]["type"] == "Point"
    answer = await get(around, f"{API}/weather-observed/download/xlsx")
    assert answer.headers["content-disposition"] == 'attachment; filename="weather-observed.xlsx"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        assert "站点0" in book.read("xl/sharedStrings.xml").decode()


async def test_downloads_that_are_left_do_not_block_others(around: City) -> None:
    async with client(around) as caller:
        for _ in range(20):
            assert (await caller.head(f"{API}/weather-observed/download/json")).status_code == 200
        assert (await caller.get(f"{API}/weather-observed/download/json")).status_code == 200


async def test_a_text_is_never_a_formula(around: City) -> None:
    village = {
        "id": "urn:ngsi-ld:Village:evil", "type": ["https://cityhub.example/terms/Village"], "createdAt": "2026-11-23T06:00:00.000000Z",
        "modifiedAt": "2026-11-23T06:00:00.000000Z",
        "attrs": {"https://smartdatamodels.org/name": [{"type": "Property", "value": '=HYPERLINK("http://x","y")'}]},
    }  # fmt: skip
    await around.put([village])
    text = (await get(around, f"{API}/village/download/csv")).text
    assert "'=HYPERLINK" in text
    with zipfile.ZipFile(io.BytesIO((await get(around, f"{API}/village/download/xlsx")).content)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


async def test_the_national_words_are_all_there(around: City) -> None:
    national = (await get(around, f"{API}/weather-observed")).json()["national"]
    assert national["信息资源提供方"] == "区气象局"
    assert national["信息资源代码"].startswith("311000500114/")
    assert (national["共享类型"], national["更新周期"], national["数据分级"]) == ("无条件共享", "实时", "一般数据")
    assert national["开放属性"] == "向社会开放"
    assert len(national) == 15
