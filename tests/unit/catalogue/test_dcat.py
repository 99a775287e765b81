"""The catalogue as DCAT: what rdflib reads, what the shapes of DCAT-AP say, and pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.catalogue.model import Dataset, Distribution
from tests.unit.catalogue.conftest import City
from tests.unit.catalogue.test_doors import get

rdflib = pytest.importorskip("rdflib")
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # its own reader of JSON-LD uses it
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
HYDRA = rdflib.Namespace("http://www.w3.org/ns/hydra/core#")
FULL = Dataset(
    id="0d6f5c1e-0000-4000-8000-000000000001", name="of-people", title={"zh": "自有 \"数据\"", "en": "Own <data>"}, description={"zh": "多行\n说明"},
    contact="张三", contact_email="zhang@example.org", url="https://data.example/a b", version="2", period_s=60.0, licence="odd licence",
    tags=["标签 一"], open=True, share="unconditional", bbox=(108.0, 29.0, 109.0, 30.0),
    distributions=[Distribution(id="r 1", url="https://data.example/文件.csv?x=1 2", format="CSV", media_type="text/csv", size=7), Distribution(id="r2")],
)  # fmt: skip


def parsed(answer: httpx.Response, form: str) -> Any:
    assert answer.status_code == 200, answer.text
    return rdflib.Graph().parse(data=answer.content, format=form)


async def test_every_form_is_the_same_graph(around: City) -> None:
    graphs = [parsed(await get(around, f"/catalog.{ending}"), form) for ending, form in (
        ("jsonld", "json-ld"), ("ttl", "turtle"), ("xml", "xml"), ("nt", "nt"))]  # fmt: skip
    assert {len(graph) for graph in graphs} == {len(graphs[0])}
    titles = {str(title) for title in graphs[1].objects(None, DCT.title) if title.language == "zh"}
    assert {"乡镇气象观测", "黔江区政务数据目录"} <= titles


async def test_a_dataset_has_what_harvesters_look_for(around: City) -> None:
    graph = parsed(await get(around, "/dataset/weather-observed.ttl"), "turtle")
    (node,) = graph.subjects(rdflib.RDF.type, DCAT.Dataset)
    assert str(graph.value(node, DCT.identifier)).startswith("311000500114/")
    assert str(graph.value(node, DCT.accrualPeriodicity)).endswith("/CONT")
    formats = {str(graph.value(item, DCT["format"])).rpartition("/")[2] for item in graph.objects(node, DCAT.distribution)}
    assert formats == {"CSV", "JSON", "XLSX", "GEOJSON", "JSON_LD"}
    (service,) = graph.subjects(rdflib.RDF.type, DCAT.DataService)
    assert str(graph.value(service, DCAT.endpointURL)) == "http://hub.example:8000/ngsi-ld/v1/entities"


async def test_no_violation_of_dcat_ap(around: City) -> None:
    """CITYHUB_TEST_DCAT_SHAPES names a folder with the SHACL shapes of DCAT-AP 3 (Turtle)."""
    folder = os.environ.get("CITYHUB_TEST_DCAT_SHAPES")
    if not folder:
        pytest.skip("CITYHUB_TEST_DCAT_SHAPES names no folder with DCAT-AP's shapes")
    pyshacl = pytest.importorskip("pyshacl")
    await around.catalogue.register.create("", FULL)
    await around.catalogue.register.create("", Dataset(id="bare", name="bare-one"))
    data = parsed(await get(around, "/catalog.jsonld"), "json-ld")
    shapes = rdflib.Graph()
    for name in ("shapes.ttl", "range.ttl", "dcat-ap-SHACL.ttl"):
        if (Path(folder) / name).is_file():
            shapes.parse(Path(folder) / name)
    assert len(shapes) > 1000
    holds, _, text = pyshacl.validate(data, shacl_graph=shapes, advanced=True)
    assert holds, text
    # The shapes are really applied: a catalogue without its title breaks them.
    (catalogue,) = data.subjects(rdflib.RDF.type, DCAT.Catalog)
    data.remove((catalogue, DCT.title, None))
    assert not pyshacl.validate(data, shacl_graph=shapes, advanced=True)[0]


async def test_pages_lead_from_first_to_last(around: City) -> None:
    for number in range(205):
        await around.catalogue.register.create("", Dataset(id=f"many-{number}", name=f"many-{number:03}", title={"zh": f"第{number}"}))
    total = len((await around.catalogue.register.contents("")).datasets.all)
    address: str | None = "/catalog.jsonld"
    seen: set[str] = set()
    pages = 0
    while address is not None:
        graph = parsed(await get(around, address), "json-ld")
        (page,) = graph.subjects(rdflib.RDF.type, HYDRA.PagedCollection)
        assert int(graph.value(page, HYDRA.totalItems)) == total
        seen |= {str(node) for node in graph.subjects(rdflib.RDF.type, DCAT.Dataset)}
        following = graph.value(page, HYDRA.next)
        address = str(following).removeprefix("http://hub.example:8000") if following else None
        pages += 1
    assert (pages, len(seen)) == (-(-total // 100), total)


async def test_harvesters_ask_for_what_changed(around: City) -> None:
    graph = parsed(await get(around, "/catalog.jsonld?modified_since=2999-01-01"), "json-ld")
    assert list(graph.subjects(rdflib.RDF.type, DCAT.Dataset)) == []
    graph = parsed(await get(around, "/catalog.jsonld?q=水位"), "json-ld")
    assert len(list(graph.subjects(rdflib.RDF.type, DCAT.Dataset))) == 1
