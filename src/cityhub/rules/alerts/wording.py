"""The first line of an alert: its reason in one sentence, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

GRADE_WORDS: Final = {
    "zh": {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色"},
    "en": {"red": "red", "orange": "orange", "yellow": "yellow", "blue": "blue"},
}
UNITS: Final = {
    "MMT": "mm", "MTR": "m", "CEL": "°C", "P1": "%", "MTS": "m/s", "KMT": "km", "KMH": "km/h", "GP": "mg/m³", "GQ": "µg/m³",
    "MQS": "m³/s",
    "2N": "dB", "A97": "hPa", "SEC": "s", "MIN": "min", "HUR": "h", "KWH": "kWh", "WTT": "W", "KWT": "kW", "VLT": "V", "59": "ppm",
    "H67": "mm/h", "AMP": "A", "C26": "ms", "LUX": "lx", "DD": "°", "LTR": "L", "MTQ": "m³", "TNE": "t", "KGM": "kg",
}  # fmt: skip
"""Signs of the units that a district's sensors use most, by UN/CEFACT code. Source: UNECE Recommendation 20."""
MOST_VALUES: Final = 4
"""So many values are told in the sentence; all of them stand in the reason."""


def sentence(
    language: str, title: str, grade: str, subject: str, inputs: Sequence[Mapping[str, Any]], condition: str, zone: ZoneInfo
) -> str:
    """The reason of an alert in one sentence.

    Args:
        language: "zh" or "en".
        title: Of the rule.
        grade: "red", "orange", "yellow", "blue".
        subject: Name of what it is about.
        inputs: {"name", "value", "unit", "at"} of each value that the condition saw; those that it names first.
        condition: Which became true.
        zone: In which times are told.
    """
    values = [_value(one, language, zone) for one in inputs if one["value"] is not None][:MOST_VALUES]
    if language == "zh":
        seen = f"，{'，'.join(values)}" if values else ""
        return f"{title}（{GRADE_WORDS['zh'][grade]}）：{subject}{seen}；条件“{condition}”成立"
    seen = f", {', '.join(values)}" if values else ""
    return f"{title} ({GRADE_WORDS['en'][grade]}): {subject}{seen}; the condition '{condition}' holds"


def _value(one: Mapping[str, Any], language: str, zone: ZoneInfo) -> str:
    unit = UNITS.get(one.get("unit", ""), one.get("unit", ""))
    text = f"{one['name']} = {_number(one['value'])}{' ' + unit if unit else ''}"
    at = _local(one.get("at", ""), zone)
    if not at:
        return text
    return f"{text}（{at}）" if language == "zh" else f"{text} ({at})"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{round(value, 2):.10g}" if abs(value) >= 1 else f"{value:.3g}"
    return str(value)[:80]


def _local(at: str, zone: ZoneInfo) -> str:
    """A moment in the district's time, to the minute; "" where there is none."""
    try:
        return datetime.fromisoformat(at).astimezone(zone).strftime("%m-%d %H:%M") if at else ""
    except ValueError:
        return ""
