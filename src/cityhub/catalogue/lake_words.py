"""The tables of the history in the catalogue's words. `tests/unit/catalogue/test_offers.py` holds that they are the lake's own."""

from __future__ import annotations

from typing import Final

from cityhub.model.ports import DataType, OfferedField

Names = dict[str, str]


def _fields(*columns: tuple[str, DataType, str, str]) -> list[OfferedField]:
    return [OfferedField(name, type, {"zh": zh, "en": en}, "DD" if name in ("lon", "lat") else "") for name, type, zh, en in columns]


LAKE: Final[dict[str, tuple[Names, Names, list[OfferedField]]]] = {
    "observations": (
        {"zh": "观测历史（全部属性）", "en": "Observations, all attributes"},
        {"zh": "每个属性曾有过的每个值，一值一行。", "en": "Each value that an attribute ever had, one a row."},
        _fields(
            ("tenant", "text", "租户", "Tenant"), ("entity", "text", "实体", "Entity"), ("type", "text", "类型", "Types"),
            ("attribute", "text", "属性", "Attribute"), ("dataset", "text", "数据集标识", "Dataset"),
            ("observed_at", "datetime", "观测时间", "Observed at"), ("modified_at", "datetime", "入库时间", "Known since"),
            ("number", "number", "数值", "Number"), ("text", "text", "文字值", "Text"), ("json", "text", "其他值", "Other value"),
            ("lon", "number", "经度", "Longitude"), ("lat", "number", "纬度", "Latitude"), ("unit", "text", "单位代码", "Unit code"),
            ("quality", "text", "质量标记", "Quality"), ("position", "integer", "日志位置", "Journal position"),
            ("ordinal", "integer", "序号", "Ordinal"), ("kind", "text", "属性类别", "Kind"), ("rest", "text", "其他成员", "Other members"),
            ("created_at", "datetime", "创建时间", "Created at"), ("deleted_at", "datetime", "删除时间", "Deleted at"),
            ("expires_at", "datetime", "到期时间", "Expires at"),
        ),
    ),
    "entity_versions": (
        {"zh": "实体历史版本", "en": "Entity versions"},
        {"zh": "实体的创建、变更与删除，以及当时的全文。", "en": "Creations, changes and deletions of entities, with their documents."},
        _fields(
            ("tenant", "text", "租户", "Tenant"), ("entity", "text", "实体", "Entity"), ("type", "text", "类型", "Types"),
            ("kind", "text", "变更类别", "Kind"), ("document", "text", "全文", "Document"),
            ("modified_at", "datetime", "入库时间", "Known since"), ("created_at", "datetime", "创建时间", "Created at"),
            ("position", "integer", "日志位置", "Journal position"),
        ),
    ),
}  # fmt: skip
"""By name: title, description, columns."""
