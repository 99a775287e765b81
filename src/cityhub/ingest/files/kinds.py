"""What a file is, by its content and never by its name."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final, Literal

from cityhub.model.errors import BadRequestData

Kind = Literal["csv", "excel", "geojson", "geojsonseq", "shapefile", "geopackage", "kml", "parquet", "json", "ndjson", "zip", "gzip"]
KNOWN: Final = "CSV, Excel (xlsx, xls, xlsb, ods), GeoJSON, Shapefile (in a zip), GeoPackage, KML, KMZ, Parquet, JSON and JSON lines"
_LOOK: Final = 65_536
_GEOJSON: Final = re.compile(rb'"type"\s*:\s*"(FeatureCollection|Feature)"')


def kind_of(path: Path) -> Kind:
    """The kind of a file; "zip" and "gzip" hold one that is to be looked at in turn. Raises BadRequestData for one that is not read."""
    with open(path, "rb") as file:
        head = file.read(_LOOK)
    if not head:
        raise BadRequestData("The file is empty")
    for magic, found in _MAGIC.items():
        if head.startswith(magic):
            return _of_database(head) if found == "geopackage" else _of_zip(path) if found == "zip" else found
    return _of_text(head)


def _of_database(head: bytes) -> Kind:
    # Source: OGC 12-128r18, GeoPackage Encoding Standard 1.3, requirement 2: the application id
    if head[68:72] in (b"GPKG", b"GP10", b"GP11"):
        return "geopackage"
    raise BadRequestData(f"The file is a database that is no GeoPackage; read are {KNOWN}")


def _of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadRequestData(f"The file begins as a zip but is broken or cut short: {error}") from None
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or {"content.xml", "mimetype"} <= names:
        return "excel"
    return "shapefile" if any(name.endswith(".shp") for name in names) else "zip"


def _of_text(head: bytes) -> Kind:
    text = _narrow(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        if re.search(rb"<(\w+:)?kml[\s>]", text):
            return "kml"
        raise BadRequestData(f"The file is XML that is no KML; read are {KNOWN}")
    if text[:1] in (b"{", b"["):
        return _of_json(text)
    if b"\0" in text:
        raise BadRequestData(f"The file is of no known kind; read are {KNOWN}")
    return "csv"


def _of_json(text: bytes) -> Kind:
    first, _, rest = text.partition(b"\n")
    is_lines = first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"
    if text.startswith(b"{") and _GEOJSON.search(first if is_lines else text):
        return "geojsonseq" if is_lines else "geojson"
    return "ndjson" if is_lines else "json"


def _narrow(head: bytes) -> bytes:
    """UTF-16 with one byte a letter, so that what follows can look at it; anything else as it is."""
    if head[:2] == b"\xff\xfe" or (len(head) > 3 and head[1::2].count(0) > 0.3 * len(head) / 2 and not head[::2].count(0)):
        return head[2 if head[:2] == b"\xff\xfe" else 0 :].decode("utf-16-le", "replace").encode()
    if head[:2] == b"\xfe\xff" or (len(head) > 3 and head[::2].count(0) > 0.3 * len(head) / 2 and not head[1::2].count(0)):
        return head[2 if head[:2] == b"\xfe\xff" else 0 :].decode("utf-16-be", "replace").encode()
    return head


_MAGIC: Final[dict[bytes, Kind]] = {
    b"PAR1": "parquet", b"SQLite format 3\0": "geopackage", b"PK\x03\x04": "zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "excel",
    b"\x1f\x8b": "gzip",
}  # fmt: skip
