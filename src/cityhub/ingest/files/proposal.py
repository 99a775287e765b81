"""A plan that a table's profile suggests, for a person to change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cityhub.ingest.feed import AttributeMapping, EntityMapping
from cityhub.ingest.files.found import ColumnProfile
from cityhub.ingest.files.plan import Plan, Reading
from cityhub.model.jsonld.names import is_name

SERIES: Final = 3
"""A table with so many rows for each id is a series of observations."""
_WORDS: Final = {
    "水位": "waterLevel", "流量": "flow", "雨量": "precipitation", "降雨量": "precipitation", "降水量": "precipitation",
    "气温": "temperature",
    "温度": "temperature", "水温": "waterTemperature", "湿度": "relativeHumidity", "相对湿度": "relativeHumidity", "风速": "windSpeed",
    "风向": "windDirection", "气压": "atmosphericPressure", "名称": "name", "站名": "name", "地址": "address", "人口": "population",
    "面积": "area", "pm2.5": "pm25", "pm10": "pm10", "库容": "storageCapacity", "功率": "power", "电压": "voltage", "电流": "current",
    "电话": "telephone", "联系电话": "telephone", "描述": "description", "备注": "note", "状态": "status", "类型": "category",
    "乡镇": "township",
}  # fmt: skip


def propose(columns: Sequence[ColumnProfile], rows: int, reading: Reading) -> Plan:
    """The plan: an entity of the id's column (or of the row's values when there is none), every other column an attribute."""
    by_role = {column.role: column for column in reversed(columns) if column.role}
    id, time = by_role.get("id") or by_role.get("name"), by_role.get("time")
    is_series = time is not None and (id is None or rows > SERIES * max(1, id.distinct))
    mapping = EntityMapping(
        "Device" if time is not None else "PointOfInterest",
        f'"urn:ngsi-ld:{"Device" if time is not None else "PointOfInterest"}:" + {id.name if id else columns[0].name}',
        _attributes(columns, id, time),
        observed_at=time.name if time is not None else "",
    )
    return Plan([mapping], "observations" if is_series else "entities", reading, {column.name: column.column for column in columns})


def _attributes(columns: Sequence[ColumnProfile], id: ColumnProfile | None, time: ColumnProfile | None) -> dict[str, AttributeMapping]:
    found: dict[str, AttributeMapping] = {}
    places = {column.role: column for column in columns if column.role in ("longitude", "latitude")}
    if len(places) == 2:
        found["location"] = AttributeMapping(f"[{places['longitude'].name}, {places['latitude'].name}]", "GeoProperty")
    for column in columns:
        if column.role == "geometry":
            found.setdefault("location", AttributeMapping(column.name, "GeoProperty"))
        elif column is not time and column.role not in places and (column is not id or column.role == "name"):
            found.setdefault(_attribute(column), AttributeMapping(column.name, unit=column.unit))
    if not found and columns:
        found["name"] = AttributeMapping(columns[0].name)
    return found


def _attribute(column: ColumnProfile) -> str:
    plain = re.sub(r"\s*[(（\[].*$", "", column.head).strip()
    name = _WORDS.get(plain.lower()) or ("name" if column.role == "name" else column.name.replace(".", "_"))
    return name if is_name(name) and name not in ("id", "type", "scope", "location") else f"value_{column.name.replace('.', '_')}"
