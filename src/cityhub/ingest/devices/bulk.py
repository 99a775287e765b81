"""Many devices at once: a CSV with Chinese or English heads, or JSON. Each row stands for itself.

    id,名称,序列号,所属数据流,上报间隔秒
    rain-001,城东雨量计,SN001,rain,60
"""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import orjson

from cityhub.model.errors import BadRequestData, InvalidRequest, TooLarge

MOST_ROWS: Final = 20_000
HEADS: Final = {
    "编号": "id", "设备编号": "id", "标识": "id", "设备id": "id", "名称": "name", "设备名称": "name", "说明": "description",
    "描述": "description", "序列号": "serialNumber", "类别": "category", "设备类别": "category", "监测要素": "controlledProperty",
    "观测属性": "controlledProperty", "品牌": "brandName", "厂商": "brandName", "型号": "modelName", "硬件版本": "hardwareVersion",
    "固件版本": "firmwareVersion",
    "软件版本": "softwareVersion", "安装日期": "dateInstalled", "协议": "supportedProtocol", "mac地址": "macAddress", "ip地址": "ipAddress",
    "数据流": "feed", "所属数据流": "feed", "数据源": "feed", "所属数据源": "feed",
    "上报间隔秒": "interval_s", "上报间隔": "interval_s", "间隔秒": "interval_s",
    "责任单位": "owner", "归属部门": "owner", "所属部门": "owner", "经度": "lon", "纬度": "lat", "对应实体": "entities", "主题": "topic",
    "地址": "url", "认领码": "claimKey", "令牌": "token",
    "device id": "id", "serial number": "serialNumber", "serial": "serialNumber", "controlled property": "controlledProperty",
    "brand": "brandName", "manufacturer": "brandName", "model": "modelName", "hardware version": "hardwareVersion",
    "firmware version": "firmwareVersion", "firmware": "firmwareVersion", "software version": "softwareVersion",
    "date installed": "dateInstalled", "protocol": "supportedProtocol", "mac": "macAddress", "ip": "ipAddress",
    "interval": "interval_s", "interval s": "interval_s", "longitude": "lon", "latitude": "lat", "claim key": "claimKey",
}  # fmt: skip
"""Heads of columns in small letters, by what they mean; the members' own names are understood as well."""
_LISTS: Final = frozenset(("category", "controlledProperty", "supportedProtocol", "macAddress", "ipAddress", "entities"))
_YES: Final = frozenset(("1", "true", "yes", "y", "是", "有"))


def read_rows(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """The rows of a CSV or of JSON (a list, or {"devices": [...]}), each as the members of a device.

    A CSV is UTF-8 or GB18030. Raises InvalidRequest, BadRequestData, TooLarge.
    """
    is_json = "json" in content_type or ("csv" not in content_type and body.lstrip()[:1] in (b"[", b"{"))
    rows = _json_rows(body) if is_json else _csv_rows(body)
    if not rows:
        raise BadRequestData("There is no device in it: right would be a CSV with heads such as 'id,name,feed', or a JSON list")
    return rows


def _json_rows(body: bytes) -> list[dict[str, Any]]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None
    rows = value.get("devices") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise BadRequestData('The body must be a list of devices, or {"devices": [...]}')
    _bounded(len(rows))
    return [row if isinstance(row, dict) else {} for row in rows]


def _csv_rows(body: bytes) -> list[dict[str, Any]]:
    text = _text(body)
    first = text.partition("\n")[0]
    delimiter = max(",;\t，", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        heads = [_head(head) for head in next(reader, [])]
        if "id" not in heads:
            raise BadRequestData(f"The first line must name the columns, one of them 'id' (编号); it has: {first.strip()[:200]}")
        rows = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_device(dict(zip(heads, cells, strict=False))))
                _bounded(len(rows))
    except csv.Error as error:
        raise BadRequestData(f"The CSV cannot be read at line {reader.line_num}: {error}") from None
    return rows


def _bounded(rows: int) -> None:
    if rows > MOST_ROWS:
        raise TooLarge(f"At most {MOST_ROWS} devices may come at once; send them in parts")


def _text(body: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadRequestData("The CSV must be in UTF-8 or GB18030")


def _head(head: str) -> str:
    head = head.strip().strip("\ufeff")
    return HEADS.get(head.lower(), head)


def _device(cells: dict[str, str]) -> dict[str, Any]:
    """The members of a device from the cells of a row; empty cells are left out."""
    device: dict[str, Any] = {}
    address: dict[str, Any] = {}
    place = {name: cells.pop(name, "").strip() for name in ("lon", "lat")}
    for name, cell in cells.items():
        value = cell.strip()
        if not value or not name:
            continue
        if name in ("topic", "url"):
            address[name] = value
        elif name in _LISTS:
            device[name] = [item.strip() for item in value.replace("；", ";").replace("、", ";").split(";") if item.strip()]
        elif name == "interval_s":
            device[name] = _number(value)
        elif name == "token":
            device[name] = value.lower() in _YES
        elif name == "claimKey":
            device[name] = True if value.lower() in _YES else value
        else:
            device[name] = value
    if all(place.values()):
        device["location"] = {"type": "Point", "coordinates": [_number(place["lon"]), _number(place["lat"])]}
    return {**device, "address": address} if address else device


def _number(text: str) -> float | str:
    """The number of a cell, or its text, which is refused with the name of its column later."""
    try:
        return float(text)
    except ValueError:
        return text
