"""Reading a district folder: what is wrong is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cityhub.ingest.district import District, digest_of, read_district, read_entities


def test_reads_the_plan_and_the_feeds(district: District) -> None:
    assert district.about.document.number == "黔江府发〔2021〕30号"
    assert {feed.kind for feed in district.feeds} == {"recorded", "simulated"}
    assert len({feed.id for feed in district.feeds}) == len(district.feeds)
    assert district.uri("Feed", "weather") == "urn:ngsi-ld:Feed:500114:weather"


def test_folder_without_a_district_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_district(tmp_path)


def test_wrong_field_is_named(district: District, tmp_path: Path) -> None:
    copy = tmp_path / "there"
    shutil.copytree(district.folder, copy)
    text = (copy / "district.toml").read_text()
    (copy / "district.toml").write_text(text.replace('time_zone = "Asia/Shanghai"', "time_zone = 8"))
    with pytest.raises(ValueError, match=r"district.toml: .*time_zone"):
        read_district(copy)


def test_path_stays_in_the_folder(district: District) -> None:
    with pytest.raises(ValueError, match="inside the district folder"):
        district.path("../../pyproject.toml")


def test_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "towns.jsonl"
    file.write_text('{"id": "urn:a"}\n\n{"id": \n')
    with pytest.raises(ValueError, match=r"towns.jsonl, line 3"):
        read_entities(file)


def test_digest_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    before = digest_of(file)
    file.write_text("y")
    assert digest_of(file) != before
