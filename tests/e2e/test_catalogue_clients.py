"""The catalogue with real clients: `ckanapi` from the command line and as a library, and rdflib as a DCAT harvester."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.hub_process import RunningHub, running_hub

ckanapi = pytest.importorskip("ckanapi")
pytestmark = pytest.mark.slow

ENTITIES = [
    {
        "id": f"urn:ngsi-ld:WaterObserved:{number}", "type": "https://smartdatamodels.org/dataModel.Environment/WaterObserved",
        "https://smartdatamodels.org/name": {"type": "LanguageProperty", "languageMap": {"zh": f"水文站{number}", "en": f"Station {number}"}},
        "https://smartdatamodels.org/dataModel.Environment/waterLevel": {
            "type": "Property", "value": 1.5 + number, "unitCode": "MTR", "observedAt": f"2026-11-23T06:0{number}:00Z",
        },
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.7, 29.5]}},
    }
    for number in range(5)
]  # fmt: skip


def with_entities(hub: RunningHub) -> RunningHub:
    answer = httpx.post(f"{hub.url}/ngsi-ld/v1/entityOperations/upsert", json=ENTITIES, timeout=60)
    assert answer.status_code == 201, answer.text
    return hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(tmp_path_factory.mktemp("catalogue"), "--no-feeds") as hub:
        yield with_entities(hub)


@pytest.fixture
def ckan(hub: RunningHub) -> Iterator[Any]:
    with ckanapi.RemoteCKAN(hub.url) as client:
        yield client


def command(hub: RunningHub, *words: str) -> str:
    """What the command line of ckanapi prints."""
    # It starts further processes of itself by its name.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    line = ["ckanapi", *words, "-r", hub.url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dump(hub: RunningHub, thing: str) -> list[Any]:
    return [json.loads(line) for line in command(hub, "dump", thing, "--all", "-q").splitlines()]


def load(hub: RunningHub, thing: str, records: list[Any], folder: Path) -> None:
    file = folder / f"{thing}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    command(hub, "load", thing, "-I", str(file), "-q")


def enter(ckan: Any) -> None:
    """What people put into a catalogue: an agency, a theme, a dataset of their own, and edits of one that came by itself."""
    if "water-bureau" in ckan.action.organization_list():
        return
    agency = ckan.action.organization_create(name="water-bureau", title="水利局", extras=[{"key": "code", "value": "11500114MB0000000X"}])
    ckan.action.group_create(name="rivers", title="河湖", description="河流与湖泊")
    ckan.action.package_create(
        name="river-chiefs", title="河长名录", notes="各级河长", owner_org=agency["id"], license_id="cc-by-4.0", author="水利局", version="2",
        tags=[{"name": "河长"}, {"name": "名录"}], groups=[{"name": "rivers"}],
        extras=[{"key": "open", "value": "true"}, {"key": "share_type", "value": "unconditional"}, {"key": "harvest_note", "value": "旧平台"}],
        resources=[{"name": "名录", "url": "https://data.example/river-chiefs.csv", "format": "CSV", "size": 1234, "language": "zh"}],
    )  # fmt: skip
    known = ckan.action.package_show(id="water-observed")
    ckan.action.package_patch(id=known["id"], title="水位（区水利局）", owner_org="water-bureau", tags=[{"name": "水位"}])
    ckan.action.resource_create(package_id=known["id"], name="说明", url="https://data.example/readme.pdf", format="PDF")


def test_dump_and_load_into_a_new_hub_give_the_same_catalogue(hub: RunningHub, ckan: Any, tmp_path: Path) -> None:
    enter(ckan)
    before = {thing: dump(hub, thing) for thing in ("organizations", "groups", "datasets")}
    assert {"river-chiefs", "water-observed"} <= {package["name"] for package in before["datasets"]}
    with running_hub(tmp_path / "new", "--no-feeds") as new:
        with_entities(new)
        for thing, records in before.items():
            load(new, thing, records, tmp_path)
        assert {thing: dump(new, thing) for thing in before} == before
    # Where all of it is already, nothing changes.
    for thing, records in before.items():
        load(hub, thing, records, tmp_path)
    assert {thing: dump(hub, thing) for thing in before} == before


def test_a_dataset_comes_by_itself_and_edits_stay(hub: RunningHub, ckan: Any) -> None:
    enter(ckan)
    package = ckan.action.package_show(id="water-observed")
    assert package["title"] == "水位（区水利局）"
    assert [resource["format"] for resource in package["resources"]] == ["CSV", "JSON", "XLSX", "GeoJSON", "NGSI-LD", "PDF"]
    entity = {
        "id": "urn:ngsi-ld:WaterObserved:9", "type": "https://smartdatamodels.org/dataModel.Environment/WaterObserved",
        "https://cityhub.example/terms/warningLevel": {"type": "Property", "value": 3, "unitCode": "MTR"},
    }  # fmt: skip
    assert hub.get("/health").status_code == 200
    assert httpx.post(f"{hub.url}/ngsi-ld/v1/entities", json=entity, timeout=60).status_code == 201
    fields: list[dict[str, Any]] = []
    end = time.monotonic() + 90
    while "warningLevel" not in {field["name"] for field in fields}:
        assert time.monotonic() < end, fields
        time.sleep(0.5)
        package = ckan.action.package_show(id="water-observed")
        fields = json.loads(next(extra["value"] for extra in package["extras"] if extra["key"] == "information_items"))
    assert {"name": "warningLevel", "unit": "MTR"}.items() <= next(field for field in fields if field["name"] == "warningLevel").items()
    assert package["title"] == "水位（区水利局）"
    httpx.delete(f"{hub.url}/ngsi-ld/v1/entities/{entity['id']}", timeout=60)


def test_errors_come_back_as_the_clients_own(ckan: Any) -> None:
    with pytest.raises(ckanapi.NotFound):
        ckan.action.package_show(id="nothing-of-this-name")
    with pytest.raises(ckanapi.ValidationError) as fault:
        ckan.action.package_create(title="无名")
    assert fault.value.error_dict["name"] == ["Missing value"]
    with pytest.raises(ckanapi.ValidationError) as fault:
        ckan.action.package_create(name="Not A Name")
    assert "name" in fault.value.error_dict
    with pytest.raises(ckanapi.ValidationError) as fault:
        ckan.action.package_create(name="no-owner", owner_org="nobody")
    assert fault.value.error_dict["owner_org"] == ["Organization does not exist"]
    with pytest.raises(ckanapi.errors.SearchQueryError):
        ckan.action.package_search(q="title:(unclosed")
    with pytest.raises(ckanapi.errors.CKANAPIError, match="Action name not known"):
        ckan.action.package_dance()


def test_search_filters_sorts_and_counts(ckan: Any) -> None:
    enter(ckan)
    found = ckan.action.package_search(q="河长", **{"facet.field": ["organization", "tags", "res_format"]})
    assert [package["name"] for package in found["results"]] == ["river-chiefs"]
    assert found["search_facets"]["organization"]["items"] == [{"name": "water-bureau", "display_name": "水利局", "count": 1}]
    assert found["facets"]["res_format"] == {"CSV": 1}
    assert ckan.action.package_search(fq="organization:water-bureau tags:名录")["count"] == 1
    assert ckan.action.package_search(fq="organization:water-bureau -tags:名录")["count"] == 1
    assert ckan.action.package_search(fq='res_format:(PDF OR "GeoJSON") AND share_type:unconditional')["count"] == 0
    assert ckan.action.package_search(fq="extras_share_type:unconditional")["count"] >= 1
    assert ckan.action.package_search(fq="metadata_modified:[2020-01-01T00:00:00Z TO *]", rows=0)["results"] == []
    names = [package["name"] for package in ckan.action.package_search(sort="name desc", rows=1000)["results"]]
    assert names == sorted(names, reverse=True)
    assert ckan.action.package_search(sort="name asc", start=1, rows=1)["results"][0]["name"] == sorted(names)[1]


def test_the_datastore_gives_rows(ckan: Any) -> None:
    enter(ckan)
    resource = ckan.action.package_show(id="water-observed")["resources"][0]
    assert resource["datastore_active"]
    found = ckan.action.datastore_search(resource_id=resource["id"], sort="waterLevel desc", limit=2)
    assert [row["waterLevel"] for row in found["records"]] == [5.5, 4.5]
    assert found["total"] == 5
    assert {"id": "waterLevel", "type": "float8"} in found["fields"]
    one = ckan.action.datastore_search(resource_id=resource["id"], filters={"name": "水文站3"}, fields=["name", "observed_at"])
    assert [(row["name"], row["observed_at"][:16]) for row in one["records"]] == [("水文站3", "2026-11-23T06:03")]
    with pytest.raises(ckanapi.ValidationError):
        ckan.action.datastore_search(resource_id=resource["id"], filters={"nothing": 1})


def test_a_dcat_harvester_reads_the_whole_catalogue(hub: RunningHub, ckan: Any) -> None:
    """As a harvester does: from the first page on, along the links, then each dataset at its own address."""
    rdflib = pytest.importorskip("rdflib")
    enter(ckan)
    dcat, hydra = rdflib.Namespace("http://www.w3.org/ns/dcat#"), rdflib.Namespace("http://www.w3.org/ns/hydra/core#")
    whole, address = rdflib.Graph(), f"{hub.url}/catalog.ttl"
    while address:
        page = rdflib.Graph().parse(address)  # asks by HTTP, and reads what the answer says that it is
        whole += page
        address = str(page.value(None, hydra.next) or "")
    datasets = set(whole.subjects(rdflib.RDF.type, dcat.Dataset))
    assert len(datasets) == len(ckan.action.package_list())
    for node in datasets:
        one = rdflib.Graph().parse(str(node))  # the address of a dataset leads to its description
        assert (node, rdflib.RDF.type, dcat.Dataset) in one
        assert set(one.objects(node, dcat.distribution)) == set(whole.objects(node, dcat.distribution))
    downloads = [str(url) for url in whole.objects(None, dcat.downloadURL) if str(url).startswith(hub.url) and str(url).endswith("/csv")]
    assert len(downloads) >= 3
    for download in downloads:
        assert httpx.get(download, timeout=60).text.lstrip("\ufeff").startswith(("id,", '"entity"', '"tenant"')), download


def test_openlineages_own_client_tells_of_a_run(hub: RunningHub, ckan: Any) -> None:
    client_module = pytest.importorskip("openlineage.client")
    event_v2 = pytest.importorskip("openlineage.client.event_v2")
    http = pytest.importorskip("openlineage.client.transport.http")
    enter(ckan)
    client = client_module.OpenLineageClient(transport=http.HttpTransport(http.HttpConfig(url=hub.url)))
    client.emit(
        event_v2.RunEvent(
            eventType=event_v2.RunState.COMPLETE, eventTime="2026-11-23T06:05:00Z", run=event_v2.Run(runId=str(uuid4())),
            job=event_v2.Job(namespace="etl", name="daily-mean"), producer="https://tool.example",
            inputs=[event_v2.InputDataset(namespace="cityhub", name="water-observed")],
            outputs=[event_v2.OutputDataset(namespace="cityhub", name="river-chiefs")],
        )
    )  # fmt: skip
    graph = hub.get("/api/catalogue/datasets/river-chiefs/lineage").json()["graph"]
    assert {"from": "dataset:cityhub/water-observed", "to": "job:etl/daily-mean"} in graph["edges"]
    assert {"from": "job:etl/daily-mean", "to": "dataset:cityhub/river-chiefs"} in graph["edges"]
    # What the hub itself tells is what the client's own classes can say, too.
    for event in hub.get("/api/catalogue/datasets/water-observed/lineage").json()["events"]:
        made = event_v2.RunEvent(
            eventType=event_v2.RunState[event["eventType"]], eventTime=event["eventTime"], producer=event["producer"],
            run=event_v2.Run(runId=event["run"]["runId"]), job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
        )  # fmt: skip
        assert made.job.name == event["job"]["name"]


def test_sql_over_the_history(hub: RunningHub, ckan: Any) -> None:
    """Ids of resources stand for tables: the history's own, and the present state of a type."""
    enter(ckan)
    table = ckan.action.package_show(id="lake-table-observations")["resources"][0]["id"]
    found = ckan.action.datastore_search_sql(sql=f'SELECT max(number) AS highest FROM "{table}" WHERE attribute LIKE \'%waterLevel\'')
    assert found["records"] == [{"highest": 5.5}]
    now = ckan.action.package_show(id="water-observed")["resources"][0]["id"]
    found = ckan.action.datastore_search_sql(sql=f'SELECT count(*) AS n FROM "{now}" WHERE "waterLevel" > 3')
    assert found["records"] == [{"n": 3}]
    with pytest.raises(ckanapi.ValidationError):
        ckan.action.datastore_search_sql(sql="DROP TABLE observations")
    sample = hub.get("/api/catalogue/datasets/view-water-observed/sample").json()
    assert {row["waterLevel"] for row in sample["rows"]} >= {1.5, 5.5}
    assert hub.get("/api/catalogue/datasets/view-water-observed/download/csv").text.count("\n") > 5
    profile = httpx.post(f"{hub.url}/api/catalogue/datasets/lake-table-observations/quality", json={}, timeout=60).json()
    assert profile["rows"] >= 15


def test_relations_and_deletion(ckan: Any) -> None:
    enter(ckan)
    ckan.action.package_create(name="short-lived", title="短")
    ckan.action.package_relationship_create(subject="short-lived", object="river-chiefs", type="derives_from", comment="整理")
    (relation,) = ckan.action.package_relationships_list(id="short-lived")
    assert relation["type"] == "derives_from"
    ckan.action.package_delete(id="short-lived")
    assert "short-lived" not in ckan.action.package_list()
    assert ckan.action.package_show(id="short-lived")["state"] == "deleted"
    ckan.action.dataset_purge(id="short-lived")
    with pytest.raises(ckanapi.NotFound):
        ckan.action.package_show(id="short-lived")
