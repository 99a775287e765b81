"""A table as an OGC GeoPackage: points where there are lon and lat, other shapes where there is WKB, else a table without places.

Source: OGC 12-128r18, GeoPackage Encoding Standard 1.3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import pyarrow as pa

from cityhub.history.exchange.plain import plain_batch

LAYER: Final = "export"
_PAIRS: Final = (("lon", "lat"), ("longitude", "latitude"), ("lng", "lat"))
_SHAPES: Final = ("geom", "geometry", "wkb", "shape")
_WGS84: Final = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
_SCHEMA: Final = """
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
 organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
 description TEXT DEFAULT '',
 last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
 srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
 srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
 CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
 CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
"""


class _Plan(msgspec.Struct, frozen=True):
    """Which columns make the shape, and how the others are kept."""

    lon: int | None = None
    lat: int | None = None
    shape: int | None = None

    @property
    def kind(self) -> str | None:
        """The type of geometry; None: there is none."""
        return "POINT" if self.lon is not None else "GEOMETRY" if self.shape is not None else None


def write_geopackage(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    """Writes the batches as the layer `export`, in WGS 84 (which CGCS2000 equals to within centimetres)."""
    path.unlink(missing_ok=True)
    database = apsw.Connection(str(path))
    try:
        database.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        database.execute(_SCHEMA)
        with database:
            _fill(database, batches, schema)
    finally:
        database.close()


def _fill(database: apsw.Connection, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    database.executemany(
        "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)",
        [
            ("WGS 84", 4326, "EPSG", 4326, _WGS84),
            ("Undefined Cartesian", -1, "NONE", -1, "undefined"),
            ("Undefined geographic", 0, "NONE", 0, "undefined"),
        ],
    )
    plan = _plan(schema)
    plain = plain_batch(pa.RecordBatch.from_pylist([], schema)).schema
    kept = [place for place in range(len(schema)) if place != plan.shape]
    taken = {"fid", "geom"} if plan.kind else {"fid"}
    names: list[str] = []
    for place in kept:
        names.append(_unlike(schema.field(place).name, taken))
    columns = ['"fid" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL', *([f'"geom" {plan.kind}'] if plan.kind else [])]
    columns += [
        f"{_quoted(name)} {_sql_type(schema.field(place).type, plain.field(place).type)}" for name, place in zip(names, kept, strict=True)
    ]
    database.execute(f'CREATE TABLE "{LAYER}" ({", ".join(columns)})')
    data_type = "features" if plan.kind else "attributes"
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, ?, ?, ?)",
        (LAYER, data_type, LAYER, 4326 if plan.kind else 0),
    )
    if plan.kind:
        database.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, 4326, 0, 0)", (LAYER, plan.kind))
    width = len(kept) + (1 if plan.kind else 0)
    insert = f'INSERT INTO "{LAYER}" VALUES (NULL{", ?" * width})'
    box = [math.inf, math.inf, -math.inf, -math.inf]
    for batch in batches:
        shapes = _shapes(batch, plan, box)
        flat = plain_batch(batch)
        values = [flat.column(place).to_pylist() for place in kept]
        database.executemany(insert, zip(*([shapes] if plan.kind else []), *values, strict=True))
    if box[0] <= box[2]:
        database.execute("UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?", tuple(box))


def _plan(schema: pa.Schema) -> _Plan:
    names = [name.lower() for name in schema.names]
    for lon, lat in _PAIRS:
        if lon in names and lat in names and all(pa.types.is_floating(schema.field(names.index(name)).type) for name in (lon, lat)):
            return _Plan(names.index(lon), names.index(lat))
    for place, field in enumerate(schema):
        binary = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type) or hasattr(field.type, "storage_type")
        if names[place] in _SHAPES and binary:
            return _Plan(shape=place)
    return _Plan()


def _shapes(batch: pa.RecordBatch, plan: _Plan, box: list[float]) -> list[bytes | None]:
    if plan.lon is not None and plan.lat is not None:
        pairs = zip(batch.column(plan.lon).to_pylist(), batch.column(plan.lat).to_pylist(), strict=True)
        return [_point(lon, lat, box) for lon, lat in pairs]
    if plan.shape is not None:
        return [None if shape is None else _header() + bytes(shape) for shape in _bytes(batch.column(plan.shape))]
    return []


def _bytes(column: Any) -> list[Any]:
    storage = getattr(column, "storage", column)
    values: list[Any] = storage.to_pylist()
    return values


def _point(lon: float | None, lat: float | None, box: list[float]) -> bytes | None:
    if lon is None or lat is None or not (math.isfinite(lon) and math.isfinite(lat)):
        return None
    box[:] = min(box[0], lon), min(box[1], lat), max(box[2], lon), max(box[3], lat)
    return _header() + struct.pack("<BIdd", 1, 1, lon, lat)


def _header() -> bytes:
    return b"GP" + struct.pack("<BBi", 0, 1, 4326)


def _sql_type(given: pa.DataType, plain: pa.DataType) -> str:
    if pa.types.is_boolean(given):
        return "BOOLEAN"
    if pa.types.is_timestamp(given):
        return "DATETIME" if given.tz else "TEXT"
    if pa.types.is_date(given):
        return "TEXT"
    if pa.types.is_integer(given):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(plain) else "TEXT"


def _unlike(name: str, taken: set[str]) -> str:
    """The name, with a number behind it if it is taken already; SQLite does not tell capitals from small letters."""
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found.lower())
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
