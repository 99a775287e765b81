"""Units, against values of other tables."""

from __future__ import annotations

import pytest

from cityhub.ingest.mapping.problems import Unfit
from cityhub.ingest.mapping.unit_codes import CODE_OF, UCUM_OF
from cityhub.ingest.mapping.units import code_of, conversion

# Exact by definition, or as in NIST Special Publication 811 (2008), appendix B, and in the table of Recommendation 20.
KNOWN = [
    ("[in_i]", "cm", 2.54), ("[ft_i]", "m", 0.3048), ("[mi_i]", "km", 1.609344), ("[nmi_i]", "m", 1852.0), ("[kn_i]", "km/h", 1.852),
    ("km/h", "m/s", 1 / 3.6), ("mm/h", "m/s", 1e-3 / 3600), ("m3/h", "L/s", 1 / 3.6), ("m3/d", "m3/s", 1 / 86400), ("hm2", "m2", 1e4),
    ("har", "m2", 1e4), ("hm3", "m3", 1e6), ("t", "kg", 1000.0), ("kW.h", "MJ", 3.6), ("MBR", "PAL", 100.0), ("A97", "KPA", 0.1),
    ("bar", "Pa", 1e5), ("atm", "Pa", 101325.0), ("mm[Hg]", "Pa", 133.3224), ("mm[H2O]", "Pa", 9.80665), ("%", "1", 0.01),
    ("[ppm]", "1", 1e-6), ("ug/m3", "mg/m3", 1e-3), ("mg/L", "g/m3", 1.0), ("deg", "rad", 0.017453292519943295), ("Sv", "mSv", 1000.0),
    ("mS/cm", "S/m", 0.1), ("uS/cm", "mS/cm", 1e-3), ("{rotation}/min", "/s", 1 / 60), ("wk", "d", 7.0), ("KWH", "J", 3.6e6),
    ("W.h", "J", 3600.0), ("MVA", "KVA", 1000.0), ("GHz", "MHz", 1000.0), ("Bq", "/s", 1.0), ("kBy", "By", 1000.0), ("{person}", "1", 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "factor"), KNOWN)
def test_known_factors(source: str, target: str, factor: float) -> None:
    scale, offset = conversion(source, target)
    assert scale == pytest.approx(factor, rel=1e-6)
    assert offset == 0.0
    back, _ = conversion(target, source)
    assert scale * back == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("source", "target", "read", "true"),
    [("Cel", "K", 20.0, 293.15), ("[degF]", "Cel", 32.0, 0.0), ("[degF]", "Cel", 212.0, 100.0), ("K", "CEL", 273.15, 0.0), ("FAH", "KEL", -459.67, 0.0)],
)
def test_temperatures(source: str, target: str, read: float, true: float) -> None:
    scale, offset = conversion(source, target)
    assert read * scale + offset == pytest.approx(true, abs=1e-8)


def test_every_unit_of_the_table_is_ucum_that_the_library_reads() -> None:
    without = {"[pH]", "dB"}  # pint has no pH; decibels alone are no straight line
    for unit in CODE_OF:
        if unit not in without:
            assert conversion(unit, unit) == (1.0, 0.0)
            assert conversion(f"10*3.{unit}" if "/" not in unit[:1] and "{" not in unit and unit not in ("Cel", "[degF]") else unit, unit)[0] > 0


@pytest.mark.parametrize(("unit", "code"), [
    ("Cel", "CEL"), ("CEL", "CEL"), ("mm/h", "H67"), ("m3/s", "MQS"), ("ug/m3", "GQ"), ("%", "P1"), ("1", "C62"), ("hPa", "A97"), ("g/L", "GL"),
    ("har", "HAR"), ("kg/hm2", "kg/hm2"), ("GP", "GP"), ("10*3/uL", "10*3/uL"), ("GV", "GV"),
])  # fmt: skip
def test_codes(unit: str, code: str) -> None:
    assert code_of(unit) == code


def test_codes_that_are_other_units_in_ucum_are_read_as_those() -> None:
    assert not {"GL", "GV", "MC"} & set(UCUM_OF)
    assert conversion("GV", "kV")[0] == 1e6  # gigavolt, not gigajoule


@pytest.mark.parametrize(("unit", "hint"), [("°C", "'Cel'"), ("℃", "'Cel'"), ("μg/m³", "'ug/m3'"), ("毫米", "UCUM"), ("", "UCUM"), ("kWh", "UCUM"), ("(" * 60, "UCUM")])
def test_what_is_no_unit_says_what_would_be_right(unit: str, hint: str) -> None:
    with pytest.raises(Unfit, match=r"is not a unit") as caught:
        code_of(unit)
    assert hint in str(caught.value)


def test_what_cannot_be_converted() -> None:
    with pytest.raises(Unfit, match="measure different things"):
        conversion("mm", "Cel")
    with pytest.raises(Unfit, match="straight line"):
        conversion("dB[SPL]", "Pa")
