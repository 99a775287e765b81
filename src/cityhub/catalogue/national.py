"""The words of the national catalogue of government information resources, and the codes that it gives them.

Source: 政务信息资源目录编制指南（试行）(发改高技〔2017〕1272号), clauses 5 and 6: core metadata and resource codes;
政务信息资源共享管理暂行办法 (国发〔2016〕51号), clauses 9 and 10: kinds of sharing; GB/T 43697-2024: grades of data.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

Share = Literal["unconditional", "conditional", "none"]
Cycle = Literal["realtime", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular", "once"]
Grade = Literal["general", "important", "core"]
Category = Literal["basic", "theme", "department"]

SHARES: Final[dict[str, str]] = {"unconditional": "无条件共享", "conditional": "有条件共享", "none": "不予共享"}
"""共享类型."""
CYCLES: Final[dict[str, str]] = {
    "realtime": "实时", "daily": "每日", "weekly": "每周", "monthly": "每月", "quarterly": "每季度", "yearly": "每年",
    "irregular": "不定期", "once": "一次性",
}  # fmt: skip
"""更新周期."""
GRADES: Final[dict[str, str]] = {"general": "一般数据", "important": "重要数据", "core": "核心数据"}
"""数据分级."""
CATEGORIES: Final[dict[str, str]] = {"basic": "基础信息资源", "theme": "主题信息资源", "department": "部门信息资源"}
"""信息资源分类，“类”."""

CYCLE_SECONDS: Final[dict[str, float]] = {
    "realtime": 900.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_678_400.0, "quarterly": 7_948_800.0, "yearly": 31_622_400.0,
}  # fmt: skip
"""How old the newest value of a dataset may be, in seconds; the other cycles promise nothing."""

DATA_TYPES: Final[dict[str, str]] = {
    "text": "字符型 C", "number": "双精度型 B", "integer": "整型 I", "boolean": "逻辑型 L", "date": "日期型 D", "datetime": "日期时间型 T",
    "geometry": "通用型 G", "object": "备注型 M",
}  # fmt: skip
"""数据类型 of an information item (信息项)."""

_CLASS_DIGIT: Final = {"basic": "1", "theme": "2", "department": "3"}


def resource_code(category: str, item: str, division: str, key: str) -> str:
    """信息资源代码: a digit of the class (类), two of the item (项), three of the sub-item (目), the fine code (细目), "/", a number.

    The guide leaves what follows the item to the compiler: here the sub-item is "000" (not divided further), the fine code is the
    district's, and the serial number is made of the key, so that the same resource has the same code in every hub.

    >>> resource_code("theme", "11", "500114", "entity type/WeatherObserved")
    '211000500114/61367'
    """
    serial = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 100_000
    return f"{_CLASS_DIGIT.get(category, '3')}{item[:2].rjust(2, '0')}000{division}/{serial:05d}"
