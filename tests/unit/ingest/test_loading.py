"""Loading a district: once, again only what changed, and nothing taken as loaded that was refused."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cityhub.ingest.district import District, read_district
from cityhub.ingest.loading import Loaded, load_district
from cityhub.ingest.upsert import HubClient
from tests.unit.ingest.test_upsert import CONTEXT, Site


class Keeper(Site):
    """A site that keeps the digests that it is sent, and lists them."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse = ""

    def kept(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for _, _, body in self.requests:
            for entity in body or []:
                if entity["type"] in ("Dataset", "Feed"):
                    found[entity["id"]] = entity
        return list(found.values())

    def batches(self) -> list[list[dict[str, Any]]]:
        return [body for _, _, body in self.requests if body]


@pytest.fixture
def site() -> Iterator[Keeper]:
    site = Keeper()
    yield site
    site.close()


@pytest.fixture
def copy(district: District, tmp_path: Path) -> District:
    folder = tmp_path / "there"
    shutil.copytree(district.folder, folder)
    return read_district(folder)


def load(site: Keeper, district: District) -> Loaded:
    site.answers = [(200, site.kept())]
    client = HubClient(site.url, CONTEXT, threading.Event())
    loaded = load_district(client, district, 5.0)
    client.close()
    return loaded


def test_loads_all_once_and_then_only_what_changed(site: Keeper, copy: District) -> None:
    first = load(site, copy)
    assert len(first.files) == 10
    assert first.rejected == ()
    assert load(site, copy).files == ()
    with copy.path("entities/waters.jsonl").open("a") as file:
        file.write('{"id": "urn:ngsi-ld:Reservoir:500114:new", "type": "Reservoir"}\n')
    again = load(site, copy)
    assert again.files == ("entities/waters.jsonl",)
    assert again.entities == 12


def test_each_recorded_figure_is_a_change_of_its_own(site: Keeper, copy: District) -> None:
    load(site, copy)
    for batch in site.batches():
        ids = [entity["id"] for entity in batch]
        assert len(ids) == len(set(ids))
    figures = [
        entity["kpiValue"]["value"]
        for batch in site.batches()
        for entity in batch
        if entity["id"].endswith(":gdp") and "kpiValue" in entity
    ]
    assert figures == [186.3, 202.5, 393.5, 417]


def test_refused_file_is_not_taken_as_loaded(site: Keeper, copy: District) -> None:
    site.answers = [(200, []), (400, {"detail": "no"})]
    client = HubClient(site.url, CONTEXT, threading.Event())
    loaded = load_district(client, copy, 5.0)
    client.close()
    assert [item.id for item in loaded.rejected] == ["urn:ngsi-ld:District:500114", "urn:ngsi-ld:ClimateNormal:500114"]
    assert load(site, copy).files == ("entities/district.jsonl",)
