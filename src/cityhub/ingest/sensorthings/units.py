"""Units of measurement both ways: UN/CEFACT codes as NGSI-LD has them, UCUM symbols as SensorThings has them.

Source: UN/ECE Recommendation 20, revision 17; The Unified Code for Units of Measure 2.1; OGC 18-088, 8.2.4.
"""

from __future__ import annotations

from typing import Any, Final

UCUM: Final[dict[str, tuple[str, str]]] = {
    "CEL": ("degree Celsius", "Cel"), "C62": ("one", "1"), "P1": ("percent", "%"), "A97": ("hectopascal", "hPa"), "PAL": ("pascal", "Pa"),
    "MTS": ("metre per second", "m/s"), "MMT": ("millimetre", "mm"), "CMT": ("centimetre", "cm"), "MTR": ("metre", "m"),
    "KMT": ("kilometre", "km"), "MQS": ("cubic metre per second", "m3/s"), "MTQ": ("cubic metre", "m3"), "LTR": ("litre", "L"),
    "GQ": ("microgram per cubic metre", "ug/m3"), "GP": ("milligram per cubic metre", "mg/m3"), "KWT": ("kilowatt", "kW"),
    "WTT": ("watt", "W"), "KWH": ("kilowatt hour", "kW.h"), "KMH": ("kilometre per hour", "km/h"), "IE": ("person", "{person}"),
    "H10": ("per hour", "/h"), "2N": ("decibel", "dB"), "LUX": ("lux", "lx"), "LUM": ("lumen", "lm"), "VLT": ("volt", "V"),
    "AMP": ("ampere", "A"), "HTZ": ("hertz", "Hz"), "KEL": ("kelvin", "K"), "SEC": ("second", "s"), "HUR": ("hour", "h"),
    "KGM": ("kilogram", "kg"), "GRM": ("gram", "g"), "DD": ("degree (angle)", "deg"), "59": ("part per million", "[ppm]"),
}  # fmt: skip
"""Name and UCUM symbol by UN/CEFACT code."""
_CODES: Final = {symbol: code for code, (_, symbol) in UCUM.items()} | {"degC": "CEL", "°C": "CEL", "C": "CEL", "m³/s": "MQS"}
NO_UNIT: Final[dict[str, Any]] = {"name": None, "symbol": None, "definition": None}


def unit_of(code: str | None) -> dict[str, Any]:
    """The unitOfMeasurement of a UN/CEFACT code; one that is not known is shown as its own symbol."""
    if code is None:
        return NO_UNIT
    if code in UCUM:
        name, symbol = UCUM[code]
        return {"name": name, "symbol": symbol, "definition": f"ucum:{symbol}"}
    return {"name": code, "symbol": code, "definition": f"UN/CEFACT Recommendation 20: {code}"}


def code_of(unit: Any) -> str | None:
    """The UN/CEFACT code of a unitOfMeasurement by its UCUM definition or symbol; None when it is not known."""
    if not isinstance(unit, dict):
        return None
    for word in (unit.get("definition"), unit.get("symbol")):
        if isinstance(word, str) and word.removeprefix("ucum:") in _CODES:
            return _CODES[word.removeprefix("ucum:")]
    return None
