"""Units as people write them in heads of columns, and what they are in UCUM.

Source: UCUM 2.1; GB 3100-1993 for the Chinese names.
"""

from __future__ import annotations

from typing import Final

UNITS: Final[dict[str, str]] = {
    "m": "m", "米": "m", "cm": "cm", "厘米": "cm", "mm": "mm", "毫米": "mm", "km": "km", "公里": "km", "千米": "km",
    "m²": "m2", "m2": "m2", "㎡": "m2", "平方米": "m2", "km²": "km2", "km2": "km2", "平方公里": "km2", "ha": "har", "公顷": "har",
    "m³": "m3", "m3": "m3", "立方米": "m3", "万m³": "10*4.m3", "万立方米": "10*4.m3", "L": "L", "升": "L",
    "m³/s": "m3/s", "m3/s": "m3/s", "立方米每秒": "m3/s", "立方米/秒": "m3/s", "m³/h": "m3/h", "m3/h": "m3/h", "L/s": "L/s",
    "m/s": "m/s", "米/秒": "m/s", "km/h": "km/h", "公里/小时": "km/h",
    "mm/h": "mm/h", "毫米/小时": "mm/h", "mm/d": "mm/d",
    "℃": "Cel", "°C": "Cel", "摄氏度": "Cel", "K": "K", "%": "%", "％": "%", "‰": "[ppth]", "°": "deg", "度": "deg",
    "Pa": "Pa", "hPa": "hPa", "百帕": "hPa", "kPa": "kPa", "MPa": "MPa",
    "μg/m³": "ug/m3", "µg/m³": "ug/m3", "ug/m3": "ug/m3", "mg/m³": "mg/m3", "mg/m3": "mg/m3", "mg/L": "mg/L", "mg/l": "mg/L",
    "毫克/升": "mg/L", "ppm": "[ppm]", "NTU": "{NTU}", "μS/cm": "uS/cm",
    "W": "W", "kW": "kW", "千瓦": "kW", "MW": "MW", "kWh": "kW.h", "kW·h": "kW.h", "千瓦时": "kW.h", "MWh": "MW.h",
    "V": "V", "kV": "kV", "A": "A", "Hz": "Hz", "dB": "dB", "dB(A)": "dB", "lx": "lx", "lux": "lx",
    "kg": "kg", "千克": "kg", "公斤": "kg", "t": "t", "吨": "t", "g": "g",
    "s": "s", "秒": "s", "min": "min", "分钟": "min", "h": "h", "小时": "h", "d": "d", "天": "d",
    "pH": "[pH]", "MPN/L": "{MPN}/L",
}  # fmt: skip
"""UCUM by what stands in a head."""
