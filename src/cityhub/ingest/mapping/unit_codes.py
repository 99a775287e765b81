"""UN/CEFACT codes of units, beside their UCUM codes.

NGSI-LD writes units as UN/CEFACT codes; science and devices write UCUM. This is the part of the list that a district's sensors need; a
unit that is not in it keeps its UCUM code. Where several codes of the list mean one unit, the first here is the one that is written.

Source: UN/CEFACT Recommendation 20, Codes for Units of Measure Used in International Trade; UCUM 2.2.
"""

from __future__ import annotations

from typing import Final

_TABLE: Final = """
C62 1        P1 %         59 [ppm]     61 [ppb]     IE {person}  H87 {piece}
MTR m        MMT mm       CMT cm       DMT dm       KMT km       4H um        C45 nm       INH [in_i]   FOT [ft_i]   YRD [yd_i]
SMI [mi_i]   NMI [nmi_i]
MTK m2       CMK cm2      MMK mm2      KMK km2      H18 hm2      HAR har
MTQ m3       LTR L        MLT mL       DMQ dm3      CMQ cm3      H20 km3      H19 hm3
KGM kg       GRM g        MGM mg       MC ug        TNE t
SEC s        C26 ms       B98 us       MIN min      HUR h        DAY d        WEE wk       MON mo       ANN a
MTS m/s      KMH km/h     C16 mm/s     2M cm/s      KNT [kn_i]   HM [mi_i]/h  FS [ft_i]/s  H67 mm/h     2X m/min     MSK m/s2
MQS m3/s     MQH m3/h     G51 L/s      L2 L/min     E32 L/h      G52 m3/d     G53 m3/min
KGS kg/s     E93 kg/h     4M mg/h
CEL Cel      FAH [degF]   KEL K
PAL Pa       A97 hPa      KPA kPa      MPA MPa      MBR mbar     BAR bar      HN mm[Hg]    HP mm[H2O]   ATM atm
NEW N        B47 kN       NU N.m       B48 kN.m
JOU J        KJO kJ       3B MJ        GV GJ        D30 TJ       WHR W.h      KWH kW.h     MWH MW.h     GWH GW.h
WTT W        C31 mW       KWT kW       MAW MW       A90 GW
D46 V.A      KVA kV.A     MVA MV.A     D44 V.A{reactive}         KVR kV.A{reactive}
VLT V        2Z mV        KVT kV       AMP A        4K mA        B84 uA       OHM Ohm      B49 kOhm     B75 MOhm
SIE S        D10 S/m      H61 mS/cm    G42 uS/cm
HTZ Hz       KHZ kHz      MHZ MHz      A86 GHz      RPM {rotation}/min        C97 /s       C94 /min     H10 /h       E91 /d
LUX lx       LUM lm       CDL cd       A24 cd/m2    D54 W/m2
DD deg       C81 rad      D61 '        D62 ''
2N dB        Q30 [pH]     NTU [NTU]
GQ ug/m3     GP mg/m3     A93 g/m3     KMQ kg/m3    M1 mg/L      GL g/L       28 kg/m2
C34 mol      C36 mol/m3   C65 Pa.s
AD By        2P kBy       4L MBy       E34 GBy
BQL Bq       D13 Sv       C28 mSv      P71 mSv/h    P72 uSv/h
"""
_WORDS: Final = _TABLE.split()
_COLLIDING: Final = frozenset({"GL", "GV", "MC"})  # gigalitre, gigavolt, megacoulomb in UCUM, which is read first

UCUM_OF: Final[dict[str, str]] = {
    code: ucum for code, ucum in zip(_WORDS[::2], _WORDS[1::2], strict=True) if code not in _COLLIDING
}
"""UCUM code by UN/CEFACT code, of those that mean nothing else in UCUM."""
CODE_OF: Final[dict[str, str]] = {ucum: code for code, ucum in zip(_WORDS[::2], _WORDS[1::2], strict=True)}
"""UN/CEFACT code by UCUM code."""
