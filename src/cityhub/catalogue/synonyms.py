"""Words that people say for the same thing, and words that say nothing about which data are meant."""

from __future__ import annotations

from typing import Final

GROUPS: Final = (
    ("降水", "降雨", "雨量", "下雨", "雨水", "暴雨", "rain", "rainfall", "precipitation"),
    ("气象", "天气", "weather"),
    ("气温", "温度", "冷热", "temperature"),
    ("水位", "水情", "河水", "water level"),
    ("洪水", "防汛", "汛情", "涨水", "flood"),
    ("空气", "大气", "雾霾", "aqi", "air quality"),
    ("在园人数", "客流", "人流", "游客", "visitors", "crowd"),
    ("景区", "景点", "旅游", "tourism", "scenic"),
    ("车流", "交通", "堵车", "拥堵", "路况", "traffic"),
    ("用电", "电力", "负荷", "供电", "electricity", "power"),
    ("部门", "单位", "机构", "委办局", "department"),
    ("村", "社区", "居委会", "村委会", "village"),
    ("乡镇", "街道", "镇街", "township"),
    ("区划", "行政区", "边界", "division"),
    ("指标", "统计", "经济", "indicator"),
    ("机场", "航班", "民航", "airport"),
    ("河流", "河道", "江河", "river"),
    ("水库", "库区", "reservoir"),
    ("历史", "过去", "以往", "history"),
    ("实时", "即时", "live", "realtime"),
)
"""Each line is one meaning."""

STOP: Final = frozenset((
    "数据集", "数据", "资料", "信息", "查询", "查一下", "查", "下载", "哪里", "哪些", "哪儿", "什么", "怎么样", "怎么", "如何", "情况",
    "名单", "多少", "今天", "现在", "有没有", "有", "的", "和", "与", "在", "是", "吗", "呢", "请问", "我要", "我想", "看", "黔江区",
    "黔江", "全区", "data", "dataset", "the", "of", "in", "and", "a",
))  # fmt: skip
"""Left out of a question, unless nothing else is in it."""

MEANINGS: Final[dict[str, tuple[str, ...]]] = {word: group for group in GROUPS for word in group}
"""From each word to all words of its line."""
