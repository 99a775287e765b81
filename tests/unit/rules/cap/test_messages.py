"""CAP messages: read and written without loss, refused with the reason, and held against schemas that the code does not know."""

from __future__ import annotations

import os
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import shapely
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.errors import BadRequestData, CityHubError, TooLarge
from cityhub.rules.cap.message import Area, Info, Message, NamedValue, Reference, Resource
from cityhub.rules.cap.places import buffered, polygons_of, shape_of_texts
from cityhub.rules.cap.reading import read_message
from cityhub.rules.cap.safe_xml import MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, read_tree
from cityhub.rules.cap.times import cap_time
from cityhub.rules.cap.writing import write_message

HERE = Path(__file__).parent
GOLDEN = (HERE / "golden-update.xml").read_bytes()
OWN = xmlschema.XMLSchema(str(HERE / "own-cap.xsd"))
START = datetime(2026, 7, 1, tzinfo=UTC)
CHINA = ZoneInfo("Asia/Shanghai")


def holds(document: bytes) -> None:
    """Raises where a document is not as the schema of our own says."""
    OWN.validate(document.decode())


def test_a_golden_document_is_read_whole() -> None:
    message = read_message(GOLDEN)
    assert (message.identifier, message.msg_type, message.scope, message.note) == ("500114-w2", "Update", "Restricted", "演练")
    assert message.addresses == ["a@example.org", "张 三"]
    assert message.incidents == ["阿蓬江", "7 月暴雨"]
    assert message.references[1] == Reference("meteorology.500114.cityhub.example", "500114-w1", "2026-07-01T00:30:00-00:00")
    (info,) = message.info
    assert (info.category, info.response_type, info.headline) == (["Met", "Safety"], ["Shelter", "Avoid"], "暴雨红色预警 & 提示")
    assert info.event_code == [NamedValue("cityhub:event", "rainstorm")]
    (area,) = info.area
    assert (len(area.polygon), area.circle, area.altitude, area.ceiling) == (2, ["29.35,108.75 2.5"], 1500.5, 3000.0)
    assert info.resource[0].size == 1024


def test_a_golden_document_is_written_as_it_was_and_holds() -> None:
    written = write_message(read_message(GOLDEN))
    assert read_message(written) == read_message(GOLDEN)
    holds(GOLDEN)
    holds(written)


def test_messages_hold_against_the_schema_of_oasis() -> None:
    """CITYHUB_TEST_CAP_SCHEMA names the file CAP-v1.2.xsd, which OASIS publishes."""
    path = os.environ.get("CITYHUB_TEST_CAP_SCHEMA")
    if not path:
        pytest.skip("CITYHUB_TEST_CAP_SCHEMA names no file with OASIS's schema of CAP 1.2")
    schema = xmlschema.XMLSchema(path)
    schema.validate(write_message(read_message(GOLDEN)).decode())
    schema.validate(GOLDEN.decode())


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=("Cs", "Cc")).filter(lambda one: one not in "\ufffe\uffff"), min_size=1, max_size=20).filter(str.strip)
NAME = st.text(string.ascii_letters + string.digits + "-._:@汉", min_size=1, max_size=20)
ITEM = st.text(string.ascii_letters + " 汉", min_size=1, max_size=10).filter(lambda text: text.strip() == text and "  " not in text)
PAIR = st.builds(NamedValue, TEXT, TEXT)
MOMENT = st.integers(0, 10**6).map(lambda seconds: START + timedelta(seconds=seconds))


@st.composite
def areas(draw: st.DrawFn) -> Area:
    points = draw(st.lists(st.tuples(st.floats(108, 109), st.floats(29, 30)), min_size=3, max_size=12, unique=True))
    polygons = polygons_of(shapely.MultiPoint(points).convex_hull)
    altitude = draw(st.none() | st.integers(-1_000_000, 10**7).map(lambda feet: feet / 1000))
    ceiling = None if altitude is None else draw(st.sampled_from([None, 2e4]))
    return Area(draw(TEXT), polygons, draw(st.lists(st.just("29.5,108.5 3.25"), max_size=2)), draw(st.lists(PAIR, max_size=2)), altitude, ceiling)


@st.composite
def infos(draw: st.DrawFn) -> Info:
    onset = draw(MOMENT)
    resources = st.builds(Resource, TEXT, TEXT, st.none() | st.integers(0, 10**9), st.just("https://a.example/x"), digest=st.sampled_from(["", "0" * 40]))
    return Info(
        draw(st.lists(st.sampled_from(["Met", "Geo", "CBRNE"]), min_size=1, max_size=3)), draw(TEXT), draw(st.sampled_from(["Immediate", "Past"])),
        draw(st.sampled_from(["Extreme", "Minor"])), draw(st.sampled_from(["Observed", "Unknown"])), draw(st.sampled_from(["", "zh-CN", "en"])),
        draw(st.lists(st.sampled_from(["Shelter", "None"]), max_size=2)), onset=cap_time(onset, CHINA), expires=cap_time(onset + timedelta(days=30), CHINA),
        headline=draw(TEXT), description=draw(st.just("") | TEXT), parameter=draw(st.lists(PAIR, max_size=2)),
        resource=draw(st.lists(resources, max_size=2)), area=draw(st.lists(areas(), max_size=2)),
    )  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(["Alert", "Update", "Cancel"]))
    references = [Reference(draw(NAME), f"{draw(NAME)}!", cap_time(START, ZoneInfo("UTC")))] if kind != "Alert" else []
    return Message(
        draw(NAME), draw(NAME), cap_time(draw(MOMENT), CHINA), draw(st.sampled_from(["Actual", "Test"])), kind, "Public",
        source=draw(st.just("") | TEXT), code=draw(st.lists(ITEM, max_size=2)), references=references,
        incidents=draw(st.lists(ITEM, max_size=3)), info=draw(st.lists(infos(), max_size=2)),
    )  # fmt: skip


@given(messages())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again_and_holds(message: Message) -> None:
    document = write_message(message)
    assert read_message(document) == message
    holds(document)


def changed(old: str, new: str) -> bytes:
    text = GOLDEN.decode()
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(("old", "new", "words"), [
    ("cap:1.2", "cap:1.1", "right would be 'alert' of CAP 1.2"),
    ("<sent>2026-07-01T09:00:00+08:00</sent>", "<sent>2026-07-01T01:00:00Z</sent>", "without Z"),
    ("<sent>2026-07-01T09:00:00+08:00</sent>", "<sent>2026-07-32T01:00:00+08:00</sent>", "'sent'"),
    ("<sent>2026-07-01T09:00:00+08:00</sent>", "", "'alert.sent' is missing"),
    ("<status>Exercise</status>", "<status>Real</status>", "Actual, Exercise, System, Test, Draft"),
    ("<severity>Extreme</severity>", "<severity>Red</severity>", "'alert.info.severity' is 'Red'"),
    ("<category>Met</category>", "<category>Rain</category>", "'alert.info.category' is 'Rain'"),
    ("<event>暴雨</event>", "<event></event>", "'alert.info.event' is missing"),
    ("<note>演练</note>", "<note>a</note><note>b</note>", "stands there 2 times"),
    ("<note>演练</note>", "<note>演练</note><scope>Public</scope>", "stands too late"),
    ("<note>演练</note>", "<remark>x</remark>", "which CAP 1.2 does not have"),
    ("<note>演练</note>", "<note lang='zh'>x</note>", "without elements or attributes"),
    ("<note>演练</note>", "stray<note>x</note>", "text between its elements"),
    ("500114-w2", "500114 w2", "'identifier' is '500114 w2'"),
    ("500114-w2", "500114,w2", "no blank, comma"),
    ("500114-w0,2026", "500114-w0 2026", "'sender,identifier,sent'"),
    ("500114-w0,2026-07-01T07:00:00+08:00", "500114-w0,2026-07-01T10:00:00+08:00", "sent later than this message"),
    ("500114-w0,", "500114-w2,", "not this one itself"),
    ("<restriction>成员单位</restriction>", "", "'restriction' must say"),
    ("<scope>Restricted</scope>", "<scope>Public</scope>", "only where 'scope' is Restricted"),
    ('"张 三"', '"张 三', "quotation mark"),
    ("<expires>2026-07-01T15:00:00+08:00</expires>", "<expires>2026-07-01T08:59:00+08:00</expires>", "must be earlier than 'expires'"),
    ("29.4,108.8 29.3,108.7<", "29.4,108.8<", "has 3 points"),
    ("29.4,108.8 29.3,108.7<", "29.4,108.8 29.4,108.7<", "not closed"),
    ("29.3,108.7 29.3,108.8 29.4,108.8 29.3,108.7", "29,108 30,109 29,109 30,108 29,108", "cross or touch itself"),
    ("29.3,108.7 29.3,108.8 29.4,108.8 29.3,108.7", "29,108 29,109 29,108 29,108", "cross or touch itself"),
    ("29.3,108.7 29.3,108.8 29.4,108.8 29.3,108.7", "108.7,29.3 108.8,29.3 108.8,29.4 108.7,29.3", "latitude (-90 to 90) comes first"),
    ("29.3,108.7 29.3,108.8 29.4,108.8 29.3,108.7", "29.3;108.7 x", "'latitude,longitude'"),
    ("29.35,108.75 2.5", "29.35,108.75", "with the radius in km"),
    ("29.35,108.75 2.5", "29.35,108.75 -2", "with the radius in km"),
    ("<altitude>1500.5</altitude>", "", "needs an 'altitude'"),
    ("<altitude>1500.5</altitude>", "<altitude>1.5e3</altitude>", "a number of feet"),
    ("<altitude>1500.5</altitude>", "<altitude>99999999</altitude>", "at most 1000000"),
    ("<size>1024</size>", "<size>large</size>", "whole number of bytes"),
    ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39", "SHA-1"),
    ("<language>zh-CN</language>", "<language>中文</language>", "language tag"),
])  # fmt: skip
def test_what_is_not_right_is_refused_with_the_reason(old: str, new: str, words: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        read_message(changed(old, new))
    assert words in caught.value.detail


@pytest.mark.parametrize("kind", ["Update", "Cancel", "Ack", "Error"])
def test_what_follows_others_names_them(kind: Any) -> None:
    message = Message("a", "b", "2026-07-01T08:00:00+08:00", "Actual", kind, "Public")
    with pytest.raises(BadRequestData, match="'references' must name"):
        write_message(message)


def test_characters_that_xml_cannot_have_are_refused() -> None:
    message = Message("a", "b", "2026-07-01T08:00:00+08:00", "Actual", "Alert", "Public", note="bell \x07")
    with pytest.raises(BadRequestData, match=r"U\+0007"):
        write_message(message)
    with pytest.raises(BadRequestData, match="characters; 20000 are the most"):
        write_message(msgspec.structs.replace(message, note="x" * 20_001))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&c;</identifier></alert>"""
OUTSIDE = b'<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/hostname">]><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&x;</identifier></alert>'


@pytest.mark.parametrize(("document", "error", "words"), [
    (BOMB, BadRequestData, "document type"),
    (OUTSIDE, BadRequestData, "document type"),
    (b"<a>" * (MOST_DEPTH + 1) + b"</a>" * (MOST_DEPTH + 1), TooLarge, "within each other"),
    (b"<a>" + b"<b/>" * MOST_ELEMENTS + b"</a>", TooLarge, "elements"),
    (b"<a " + b" ".join(b'x%d=""' % number for number in range(60)) + b"/>", TooLarge, "attributes"),
    (b" " * (MOST_BYTES + 1), TooLarge, "bytes"),
    (b"<a><b></a>", BadRequestData, "mismatched tag"),
    (b"", BadRequestData, "no element found"),
    (b'<?xml version="1.0" encoding="nonsense"?><a/>', BadRequestData, "encoding"),
    (b"\xff\xfe\x00", BadRequestData, "no well-formed XML"),
])  # fmt: skip
def test_hostile_xml_is_refused_before_it_is_worked_out(document: bytes, error: type[CityHubError], words: str) -> None:
    with pytest.raises(error) as caught:
        read_tree(document)
    assert words in caught.value.detail


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_whatever_comes_is_read_or_refused(document: bytes) -> None:
    with pytest.raises(CityHubError):
        read_message(document)


def test_a_polygon_with_a_hole_is_cut_into_parts_without() -> None:
    ring = shapely.box(108, 29, 109, 30).difference(shapely.box(108.4, 29.4, 108.6, 29.6)).difference(shapely.box(108.1, 29.1, 108.2, 29.2))
    parts = polygons_of(ring)
    assert len(parts) > 1
    assert shape_of_texts(parts, []).symmetric_difference(ring).area < 1e-9


def test_a_buffer_is_round_in_metres() -> None:
    disc = buffered(shapely.Point(108.8, 29.5), 5000)
    west, south, east, north = disc.bounds
    assert (north - south) * 110_850 == pytest.approx(10_000, rel=0.01)
    assert (east - west) * 96_980 == pytest.approx(10_000, rel=0.01)
