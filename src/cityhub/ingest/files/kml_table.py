"""KML as a table: placemarks with their data. The parser refuses documents with definitions of their own (XML bombs).

Source: OGC 12-007r2, KML 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import orjson

from cityhub.ingest.files.found import Table
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import MAX_COLUMNS, heads_of, write_rows
from cityhub.model.errors import BadRequestData

MAX_DEPTH: Final = 200
MAX_TEXT: Final = 20_000_000
"""Characters in one element."""
GEOMETRY: Final = "geometry"
_BLOCK: Final = 1 << 20


def kml_table(path: Path, reading: Reading, target: Path) -> Table:
    """Reads the placemarks. Raises BadRequestData for a document that is broken or dangerous, or has none."""
    names: dict[str, None] = {}
    for mark in _placemarks(path):
        names.update(dict.fromkeys(mark))
        if len(names) > MAX_COLUMNS:
            raise BadRequestData(f"The placemarks have more than {MAX_COLUMNS} kinds of data")
    if not names:
        raise BadRequestData("There is no placemark in the KML")
    columns = [name for name in names if name != GEOMETRY] + [GEOMETRY]
    heads = heads_of(columns, frozenset((len(columns) - 1,)))
    count = write_rows(([mark.get(name) for name in columns] for mark in _placemarks(path)), heads, target)
    return Table(heads, count, 1, reading=reading, crs="EPSG:4326")


def _placemarks(path: Path) -> Iterator[dict[str, str]]:
    """The data of each placemark by name, with its shape as GeoJSON."""
    document = _Document()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = document.start, document.end
    parser.CharacterDataHandler = document.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                parser.Parse(block, False)
                yield from document.take()
        parser.Parse(b"", True)
        yield from document.take()
    except expat.ExpatError as error:
        raise BadRequestData(f"The KML is broken or cut short: {error}") from None


def _refuse(*_: Any) -> None:
    raise BadRequestData("The KML has a document type of its own, which may be a bomb: remove its '<!DOCTYPE ...>'")


class _Document:
    """Puts placemarks together while they are parsed."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._pieces: list[str] = []
        self._size = 0
        self._mark: dict[str, str] | None = None
        self._key = ""
        self._shapes: list[list[dict[str, Any]]] = []
        self._rings: list[Any] = []
        self._ready: list[dict[str, str]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self._path.append(name)
        self._pieces, self._size = [], 0
        if len(self._path) > MAX_DEPTH:
            raise BadRequestData(f"The KML is nested deeper than {MAX_DEPTH}")
        if name == "Placemark":
            self._mark, self._shapes = {}, [[]]
        elif name in ("Data", "SimpleData"):
            self._key = attributes.get("name", "")
        elif name == "MultiGeometry":
            self._shapes.append([])
        elif name == "Polygon":
            self._rings = []

    def text(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise BadRequestData(f"An element of the KML has more than {MAX_TEXT} characters")
        self._pieces.append(text)

    def end(self, tag: str) -> None:
        name = self._path.pop()
        text = "".join(self._pieces).strip()
        self._pieces = []
        if self._mark is None:
            return
        parent = self._path[-1] if self._path else ""
        if name == "coordinates":
            self._coordinates(parent, text)
        elif name in ("Polygon", "MultiGeometry"):
            self._close(name)
        elif (name == "value" and parent == "Data") or name == "SimpleData":
            if self._key and text:
                self._mark[self._key] = text
        elif parent == "Placemark" and name in ("name", "description", "address") and text:
            self._mark[name] = text
        elif name == "Placemark":
            self._finish()

    def take(self) -> list[dict[str, str]]:
        """The placemarks that are whole."""
        ready, self._ready = self._ready, []
        return ready

    def _coordinates(self, parent: str, text: str) -> None:
        points = [_point(part) for part in text.split()]
        if parent == "LinearRing" and "Polygon" in self._path:
            self._rings.append(points)
        elif parent == "Point" and points:
            self._shapes[-1].append({"type": "Point", "coordinates": points[0]})
        elif parent in ("LineString", "LinearRing") and len(points) > 1:
            self._shapes[-1].append({"type": "LineString", "coordinates": points})

    def _close(self, name: str) -> None:
        if name == "Polygon":
            if self._rings:
                self._shapes[-1].append({"type": "Polygon", "coordinates": self._rings})
            return
        members = self._shapes.pop()
        if members:
            self._shapes[-1].append(_together(members))

    def _finish(self) -> None:
        assert self._mark is not None
        if self._shapes and self._shapes[0]:
            self._mark[GEOMETRY] = orjson.dumps(self._shapes[0][0]).decode()
        self._ready.append(self._mark)
        self._mark = None


def _together(members: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {member["type"] for member in members}
    if len(kinds) == 1 and (kind := kinds.pop()) in ("Point", "LineString", "Polygon"):
        return {"type": f"Multi{kind}", "coordinates": [member["coordinates"] for member in members]}
    return {"type": "GeometryCollection", "geometries": members}


def _point(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")[:2]]
    except ValueError:
        raise BadRequestData(f"'{text[:50]}' is no coordinate; right would be 'longitude,latitude'") from None
