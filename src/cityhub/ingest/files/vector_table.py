"""Maps as tables: GeoJSON, Shapefile and GeoPackage by DuckDB's spatial functions; shapes become GeoJSON in CGCS2000."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from cityhub.ingest.files.found import Head, Table
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import copy_rows, heads_of, literal, open_database, quoted
from cityhub.model.errors import BadRequestData

DRIVERS: Final = {"geojson": "GeoJSON", "geojsonseq": "GeoJSONSeq", "shapefile": "ESRI Shapefile", "geopackage": "GPKG"}
WHOLE_BYTES: Final = 500_000_000
"""A GeoJSON is read whole into memory; a larger one comes as GeoJSON lines or GeoPackage."""
DEGREES: Final = frozenset(("EPSG:4490", "EPSG:4326", "OGC:CRS84"))
"""Longitude and latitude that need no change: CGCS2000 and WGS 84 differ by centimetres."""
DECIMALS: Final = 8
_NARROW: Final = "ISO-8859-1"


def layers_of(path: Path, kind: str) -> list[str]:
    """Names of the layers. Raises BadRequestData for a file that cannot be read."""
    with open_database(path.parent, spatial=True) as connection:
        return [layer["name"] for layer in _described(connection, path, kind)]


def vector_table(path: Path, kind: str, reading: Reading, target: Path) -> Table:
    """Reads a layer. Raises BadRequestData when there is none of that name, or when nobody knows where its coordinates are."""
    if kind == "geojson" and path.stat().st_size > WHOLE_BYTES:
        raise BadRequestData(f"A GeoJSON of more than {WHOLE_BYTES} bytes must come as GeoJSON lines (a feature a line) or as GeoPackage")
    if kind == "shapefile":
        _read_narrow(path)
    with open_database(target.parents[1], spatial=True) as connection:
        layers = {layer["name"]: layer for layer in _described(connection, path, kind)}
        name = reading.table or next(iter(layers), "")
        if name not in layers:
            raise BadRequestData(f"There is no layer '{name[:100]}'; there are {', '.join(list(layers)[:50])}")
        try:
            return _copied(connection, path, kind, layers[name], reading, target)
        except duckdb.Error as error:
            raise BadRequestData(f"The layer '{name}' cannot be read: {str(error).splitlines()[0][:300]}") from None


def _copied(
    connection: duckdb.DuckDBPyConnection, path: Path, kind: str, layer: dict[str, Any], reading: Reading, target: Path
) -> Table:  # fmt: skip
    is_narrow = kind == "shapefile" and _read_narrow(path)
    source = f"st_read({literal(str(path))}, layer = {literal(layer['name'])}, allowed_drivers = [{literal(DRIVERS[kind])}])"
    columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    shapes = frozenset(place for place, column in enumerate(columns) if column[1].startswith("GEOMETRY"))
    fields = [str(column[0]) for column in columns]
    if is_narrow:
        _define_narrow(connection)
    crs = reading.crs or _crs(layer)
    if shapes and not crs:
        raise BadRequestData("The file does not say in which coordinates it is: say 'crs', such as 'EPSG:4490' or 'EPSG:4547'")
    heads = [
        Head(head.name, fields[place], head.unit, place in shapes)
        for place, head in enumerate(heads_of([_wide(field) if is_narrow else field for field in fields], shapes))
    ]
    cells = ", ".join(
        f"{_shape(field, crs) if place in shapes else _cell(field, columns[place][1], is_narrow)} AS {quoted(heads[place].name)}"
        for place, field in enumerate(fields)
    )
    rows = copy_rows(connection, f"SELECT {cells} FROM {source}", target)
    known = [msgspec.structs.replace(head, head=_wide(head.head)) if is_narrow else head for head in heads]
    return Table(known, rows, 1, reading=msgspec.structs.replace(reading, table=layer["name"], crs=crs), crs=crs)


def _described(connection: duckdb.DuckDBPyConnection, path: Path, kind: str) -> list[dict[str, Any]]:
    try:
        # DuckDB 1.5 crashes where it describes a file that cannot be opened; where it reads one it says so.
        connection.execute(f"DESCRIBE SELECT * FROM st_read({literal(str(path))}, allowed_drivers = [{literal(DRIVERS[kind])}])")
        answer = connection.execute(f"SELECT driver_short_name, layers FROM st_read_meta({literal(str(path))})").fetchone()
    except duckdb.Error as error:
        raise BadRequestData(f"The map cannot be read; it may be cut short: {str(error).splitlines()[0][:200]}") from None
    if answer is None or answer[0] != DRIVERS[kind] or not answer[1]:
        raise BadRequestData("There is no layer in the map")
    return list(answer[1])


def _crs(layer: dict[str, Any]) -> str:
    """The reference of coordinates by its number, or as WKT when it has none; "" when the file does not say."""
    for field in layer["geometry_fields"] or ():
        crs = field["crs"] or {}
        if crs.get("auth_name") and crs.get("auth_code"):
            return f"{crs['auth_name']}:{crs['auth_code']}"
        if crs.get("wkt"):
            return str(crs["wkt"])
    return ""


def _shape(field: str, crs: str) -> str:
    shape = f"st_force2d({quoted(field)})"
    if crs.upper() not in DEGREES:
        shape = f"st_transform({shape}, {literal(crs)}, 'EPSG:4490', true)"
    return f"st_asgeojson(st_reduceprecision({shape}, 1e-{DECIMALS}))::VARCHAR"


def _cell(field: str, kind: str, is_narrow: bool) -> str:
    text = f"{quoted(field)}::VARCHAR"
    return f"nullif(trim({f'gb18030({text})' if is_narrow and kind == 'VARCHAR' else text}), '')"


def _define_narrow(connection: duckdb.DuckDBPyConnection) -> None:
    connection.create_function("gb18030", _wide, ["VARCHAR"], "VARCHAR")


def _read_narrow(path: Path) -> bool:
    """Whether the texts of a Shapefile come byte by byte, for `_wide`: unless it says that it is in UTF-8 they must.

    The library knows next to no encodings and takes what the file beside it says.
    """
    beside = next((file for file in path.parent.iterdir() if file.stem == path.stem and file.suffix.lower() == ".cpg"), None)
    if beside is not None and beside.read_bytes()[:20].strip().upper() in (b"UTF-8", b"UTF8", b"65001"):
        return False
    if beside is not None:
        beside.unlink()
    path.with_suffix(".cpg").write_text(_NARROW)
    return True


def _wide(text: str) -> str:
    """The text of a Shapefile that does not say its encoding: UTF-8 where it is that, else GB18030, as Chinese systems write it."""
    if text.isascii():
        return text
    raw = re.sub(r"[^\x00-\xff]", "?", text).encode("latin-1")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return text
