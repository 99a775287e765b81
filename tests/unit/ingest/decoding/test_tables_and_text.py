"""JSON, NDJSON, CSV, text and syslog."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.decoding import decoder
from cityhub.ingest.decoding.cells import cell
from cityhub.ingest.decoding.encoding import encoding_of, text_of
from cityhub.ingest.decoding.options import SyslogOptions
from cityhub.ingest.decoding.syslog import syslog_decoder

TABLE = "站号,雨量,时间\nR1,12.5,2026-11-23 14:05\nR2,--,2026-11-23 14:05\n"
ROWS = [{"站号": "R1", "雨量": 12.5, "时间": "2026-11-23 14:05"}, {"站号": "R2", "雨量": None, "时间": "2026-11-23 14:05"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_are_found_out(encoding: str) -> None:
    assert decoder("csv")(TABLE.encode(encoding)) == ROWS
    assert decoder("csv", {"encoding": encoding})(TABLE.encode(encoding)) == ROWS


@pytest.mark.parametrize("text", ["联通", "站", "黔江区", "a,b,c", "21 °C, µg/m³", "Ελληνικά", "Привет", "été"])
def test_short_texts(text: str) -> None:
    assert text_of(text.encode()) == text
    if text in ("联通", "站", "黔江区"):
        assert text_of(text.encode("gb18030")) == text


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1))
def test_chinese_in_utf8_is_never_taken_for_another(text: str) -> None:
    assert encoding_of(text.encode()) == "utf-8"


def test_an_encoding_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="not text in utf-8: byte 1"):
        decoder("csv", {"encoding": "utf-8"})(b"a\xff")
    with pytest.raises(ValueError, match="not text in gb18030"):
        decoder("csv")(b"a\xff\xff")


@pytest.mark.parametrize(("options", "body", "rows"), [
    ({}, "a;b\n1;2\n", [{"a": 1, "b": 2}]), ({}, "a\tb\n1\t2", [{"a": 1, "b": 2}]), ({}, "a|b\r\n1|2\r\n", [{"a": 1, "b": 2}]), ({}, "a\n1\n\n2\n", [{"a": 1}, {"a": 2}]),
    ({"header": False}, "1,2\n3,4,5\n", [{"c1": 1, "c2": 2}, {"c1": 3, "c2": 4, "c3": 5}]), ({"header": False, "columns": ["x"]}, "1\n", [{"x": 1}]),
    ({"columns": ["x", "y"]}, "a,b\n1,2", [{"x": 1, "y": 2}]), ({"skip": 1, "comment": "#"}, "title\n#c\na\n1\n#d\n2", [{"a": 1}, {"a": 2}]),
    ({}, 'a,b\n"x, y","l1\nl2"\n', [{"a": "x, y", "b": "l1\nl2"}]), ({}, "a,a,\n1,2,3", [{"a": 1, "a_2": 2, "c3": 3}]), ({}, "a,b\n1,2,,\n", [{"a": 1, "b": 2}]),
    ({"text": ["a"]}, "a,b\n1,2", [{"a": "1", "b": 2}]), ({"numbers": False}, "a\n1", [{"a": "1"}]), ({"decimal_comma": True}, "a;b\n1,5;-2,25", [{"a": 1.5, "b": -2.25}]),
    ({"missing": ["9999"]}, "a,b\n9999,-", [{"a": None, "b": "-"}]), ({}, "a,b\n１２．５,－３", [{"a": 12.5, "b": -3}]), ({}, "", []), ({}, "a,b\n", []), ({}, "a,b\n1", [{"a": 1}]),
])  # fmt: skip
def test_tables(options: dict[str, Any], body: str, rows: list[Any]) -> None:
    assert decoder("csv", options)(body.encode()) == rows


def test_a_row_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="line 3 has 3 cells, but only 2 columns"):
        decoder("csv")(b"a,b\n1,2\n1,2,3\n")


@pytest.mark.parametrize("text", ["007", "12345678901234567890", "12E5", "1e5", "1_0", "nan", "inf", "0x1F", "1,5", "+86", "١٢", "1.2.3", "-", "."])
def test_what_stays_a_text(text: str) -> None:
    if text == "+86":
        assert cell(text) == 86
    else:
        assert cell(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-9e14, max_value=9e14))
def test_numbers_come_back(value: float) -> None:
    assert cell(f"{value:.6f}") == pytest.approx(value, abs=1e-6)


def test_ndjson_says_which_line() -> None:
    assert decoder("ndjson")(b'\xef\xbb\xbf{"a":1}\r\n\n[2]\n') == [{"a": 1}, [2]]
    with pytest.raises(ValueError, match="line 2: the payload is not JSON"):
        decoder("ndjson")(b'{"a":1}\n{"a":\n')


def test_json_in_other_encodings() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be"):
        assert decoder("json")('{"雨量":1}'.encode(encoding)) == [{"雨量": 1}]
    assert decoder("json")('{"雨量计":"濯水"}'.encode("gb18030")) == [{"雨量计": "濯水"}]
    assert decoder("json", {"encoding": "gb18030"})('{"站":1}'.encode("gb18030")) == [{"站": 1}]


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"{'a':1}", b"NaN", b"\xff\xfe", b'{"a":1}x'])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|empty"):
        decoder("json")(body)


def test_text() -> None:
    pattern = r"^(?P<station>\S+)\s+(?P<level>[\d.]+)"
    assert decoder("text", {"pattern": pattern})("濯水 4.31 m\n\nR2 5".encode()) == [{"station": "濯水", "level": 4.31}, {"station": "R2", "level": 5}]
    with pytest.raises(ValueError, match="line 2 does not match"):
        decoder("text", {"pattern": pattern})(b"R1 1\nrubbish")
    assert decoder("text", {"pattern": pattern, "others": "skip"})(b"R1 1\nrubbish") == [{"station": "R1", "level": 1}]
    assert decoder("text", {"pattern": r"(?s)A=(?P<a>\d+).*B=(?P<b>\d+)?", "lines": False})(b"A=1\nB=") == [{"a": 1, "b": None}]
    decoder("text", {"pattern": r"(?P<a>(a+)+)$", "others": "skip"})(b"a" * 50_000 + b"b")  # linear, whatever the pattern


SYSLOG = syslog_decoder(SyslogOptions(), lambda: datetime(2026, 1, 2, tzinfo=UTC))


def test_syslog_of_rfc_5424() -> None:
    (found,) = SYSLOG(b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\\]\\"x"][b@1 c=""] \xef\xbb\xbfAn event')
    assert (found["facilityName"], found["severityName"], found["timestamp"]) == ("local4", "notice", "2003-10-11T22:14:15.003Z")
    assert found["data"] == {"exampleSDID@32473": {"iut": "3", "eventSource": 'App]"x'}, "b@1": {"c": ""}}
    assert (found["host"], found["app"], found["process"], found["messageId"], found["message"]) == ("mymachine.example.com", "evntslog", None, "ID47", "An event")
    assert SYSLOG(b"<0>1 - - - - - -")[0]["message"] is None


def test_syslog_of_rfc_3164_gets_its_year() -> None:
    assert SYSLOG(b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed")[0]["timestamp"] == "2025-10-11 22:14:15"
    (found,) = SYSLOG(b"<34>Jan  3 22:14:15 10.0.0.1 sshd: hello")
    assert (found["timestamp"], found["host"], found["app"], found["message"]) == ("2026-01-03 22:14:15", "10.0.0.1", "sshd", "hello")
    assert SYSLOG(b"<13>just text")[0]["message"] == "just text"


def test_syslog_of_several() -> None:
    assert [found["message"] for found in SYSLOG(b"<13>a\n<13>b\n")] == ["a", "b"]
    assert [found["message"] for found in SYSLOG(b"5 <13>a7 <13>b\nc")] == ["a", "b\nc"]
    with pytest.raises(ValueError, match="not as long as it says"):
        SYSLOG(b"50 <13>a")
    with pytest.raises(ValueError, match="priority"):
        SYSLOG(b"<999>a")
    with pytest.raises(ValueError, match="structured data"):
        SYSLOG(b'<13>1 - - - - - [a b="c" hello')
