"""Files that are made to do harm, or were harmed."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cityhub.ingest.files.archives import Room, check_workbook, unpack
from cityhub.ingest.files.found import Looked
from cityhub.ingest.files.looks import Looks
from cityhub.ingest.files.plan import Reading
from cityhub.model.errors import BadRequestData
from tests.unit.ingest.files.conftest import zipped

Read = Callable[..., Any]


def zip_of(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return content.getvalue()


BOMB = zip_of({"a.csv": b"a,b\n" + b"0,0\n" * 50_000_000})
BILLION = """<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&b;</name></Placemark></kml>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&a;</name></Placemark></kml>"""


HARM: list[tuple[bytes, str]] = [
    (BOMB, "unpacks to more than"),
    (gzip.compress(b"0,0\n" * 50_000_000, 9), "unpacks to more than"),
    (zip_of({"../../etc/passwd": b"a,b\n1,2\n"}), "leads out of it"),
    (zip_of({"C:\\x\\a.csv": b"a,b\n1,2\n"}), "leads out of it"),
    (zip_of({"/a.csv": b"a,b\n1,2\n"}), "leads out of it"),
    (zip_of({f"{number}.csv": b"" for number in range(1001)}), "1001 members"),
    (zip_of({"a.zip": zip_of({"b.zip": zip_of({"c.csv": b"a,b\n1,2\n"})})}), "archive in an archive"),
    (zip_of({"a.exe": b"MZ\0\0"}), "no known kind"),
    (BILLION.encode(), "document type of its own"),
    (OUTSIDE.encode(), "document type of its own"),
    (b"<kml xmlns='x'>" + b"<Folder>" * 500, "nested deeper"),
    (b"<kml xmlns='x'><Placemark><name>a</name>", "broken or cut short"),
    (b"<html><body>x</body></html>", "XML that is no KML"),
    (b"PAR1" + b"x" * 100, "broken or cut short"),
    (b"SQLite format 3\0" + b"\0" * 100, "no GeoPackage"),
    (b"SQLite format 3\0" + b"\0" * 52 + b"GPKG" + b"\0" * 1000, "cannot be read"),
    (b"PK\x03\x04" + b"x" * 100, "broken or cut short"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "workbook cannot be read"),
    (zip_of({"xl/workbook.xml": b"<workbook"}), "workbook cannot be read"),
    (b"\x7fELF\x02\x01\x01\0\0\0\0", "no known kind"),
    (b'{"type": "FeatureCollection", "features": [{"type"', "cannot be read"),
    (b'{"a": [1, 2', "broken or cut short"),
    (b"[1, 2, 3]", "no list of objects"),
    (b"[" * 100_000, "broken or cut short"),
    (b"", "empty"),
    (b"\n\n\n", "no "),
    (b"a,b\n", "no rows below"),
    (",".join(f"c{number}" for number in range(1500)).encode() + b"\n1\n", "1500 columns"),
    (b"a,b\n\xff\xfe\xfa,1\n", "encoding cannot be found out"),
]


@pytest.mark.parametrize("number", range(len(HARM)))
async def test_what_is_refused_is_refused_with_a_reason(tmp_path: Path, number: int) -> None:
    content, said = HARM[number]
    with pytest.raises(BadRequestData, match=said):
        await look(tmp_path, content)


async def look(folder: Path, content: bytes, reading: Reading = Reading()) -> Looked:  # noqa: B008 - it is frozen
    """What the process that opens files says of one."""
    (folder / "import").mkdir(exist_ok=True)
    (folder / "import" / "content").write_bytes(content)
    looks = Looks(500_000_000)
    try:
        found = await looks.look(folder / "import", reading, 60)
        assert found is not None
        return found
    finally:
        await looks.stop()


def test_the_wrong_encoding_is_told_with_its_line(read: Read) -> None:
    with pytest.raises(BadRequestData, match="Line 3 is not in utf-8"):
        read("站号,值\n东荆河,1\n".encode()[:11] + "\n东荆河,1\n".encode("gb18030"), encoding="utf-8")


def test_a_workbook_that_is_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    zipped({"xl/workbook.xml": b"<a/>", "xl/worksheets/sheet1.xml": b"0" * 200_000_000}, path)
    with pytest.raises(BadRequestData, match="unpacks to more"):
        check_workbook(path, 500_000_000)


def test_an_archive_whose_heads_lie_about_its_size(tmp_path: Path) -> None:
    content = bytearray(zip_of({"a.csv": b"0" * 300_000_000}))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 10)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(BadRequestData):
        unpack(tmp_path / "a.zip", tmp_path / "out", 500_000_000)
    assert sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) < 110_000_000


def test_links_and_locked_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadRequestData, match="link"):
        unpack(path, tmp_path / "out", 1_000_000)


def test_names_in_gbk(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("x.csv")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "a,b\n")
    path.write_bytes(path.read_bytes().replace(b"x.csv", b"x.csv"))
    raw = path.read_bytes().replace(b"x.csv", "水.c".encode("gb18030") + b"v")
    path.write_bytes(raw)
    assert [file.name for file in unpack(path, tmp_path / "out", 1_000_000)] == ["水.cv"]


def test_room_is_by_size_and_bound() -> None:
    room = Room(10, 1_000_000_000)
    room.take(100_000_000)
    with pytest.raises(BadRequestData):
        room.take(1)


async def test_a_sparse_file_of_a_gigabyte_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / "import").mkdir()
    (tmp_path / "import" / "content").touch()
    os.truncate(tmp_path / "import" / "content", 1 << 30)
    looks = Looks(500_000_000)
    with pytest.raises(BadRequestData, match="no known kind"):
        await looks.look(tmp_path / "import", Reading(), 60)


async def test_formulas_are_not_worked_out_and_macros_are_not_looked_at(tmp_path: Path) -> None:
    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row("A1", ["name", "sum"])
        sheet.write("A2", "a")
        sheet.write_formula("B2", '=WEBSERVICE("http://example.com")', value=7)
    found = await look(tmp_path, content.getvalue())
    assert found.profile.first == [["a", "7"]]
