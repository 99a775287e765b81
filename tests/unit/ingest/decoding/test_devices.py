"""CBOR, SenML, Sparkplug B, XML and tables of fields."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from cityhub.ingest.decoding import decoder
from cityhub.ingest.decoding.options import SenmlOptions, SparkplugOptions
from cityhub.ingest.decoding.senml import senml_decoder
from cityhub.ingest.decoding.sparkplug import EdgeNodes
from cityhub.ingest.decoding.sparkplug_message import payload_class

NOW = 1_795_413_900.0


def test_cbor() -> None:
    assert decoder("cbor")(cbor2.dumps([{"a": 1, 2: b"\1", "t": None}, 2.5])) == [{"a": 1, "2": "AQ==", "t": None}, 2.5]
    assert decoder("cbor")(cbor2.dumps({"a": 1}) + cbor2.dumps({"a": 2})) == [{"a": 1}, {"a": 2}]
    assert decoder("cbor")(b"\xf9\x7c\x00\xf7\xfb\x7f\xf0\0\0\0\0\0\0") == [None, None, None]  # infinity, undefined, infinity
    assert decoder("cbor")(cbor2.dumps(2**70)) == [float(2**70)]


@pytest.mark.parametrize("body", [
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x81" * 10_000, b"\xd8\x1c\x81\xd8\x1d\x00", b"", b"\xff",
    b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01", b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
])  # fmt: skip
def test_hostile_cbor(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not CBOR|empty"):
        decoder("cbor")(body)


def test_references_in_cbor_cannot_multiply() -> None:
    bomb = cbor2.dumps("x" * 10)
    for number in range(1, 12):  # each level is a list that refers ten times to the one before
        bomb = b"\x8b\xd8\x1c" + bomb + b"".join(b"\xd8\x1d" + cbor2.dumps(12 - number - 1) for _ in range(10))
    with pytest.raises(ValueError):
        decoder("cbor")(b"\xd8\x1c" + bomb)


SENML = senml_decoder(SenmlOptions(), lambda: NOW)


def test_senml_of_the_rfc() -> None:
    """Section 5.1.3: base name, base time, base unit, base version, and times relative to the base."""
    found = SENML(
        b'[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},'
        b'{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]'
    )
    assert found[0] == {"name": "urn:dev:ow:10e2073a0108006:voltage", "unit": "V", "time": 1.276020076001e9, "value": 120.1}
    assert (found[1]["unit"], found[1]["time"], found[2]["value"]) == ("A", 1.276020071001e9, 1.3)


def test_senml_in_cbor_is_the_same() -> None:
    pack = [{-2: "urn:dev:ow:1:", -3: NOW, -4: "Cel", 0: "t", 2: 21.5}, {0: "open", 4: True}, {0: "note", 3: "ok"}, {0: "raw", 8: "AQ=="}]
    assert [(found["name"], found["value"]) for found in SENML(cbor2.dumps(pack))] == [
        ("urn:dev:ow:1:t", 21.5), ("urn:dev:ow:1:open", True), ("urn:dev:ow:1:note", "ok"), ("urn:dev:ow:1:raw", "AQ=="),
    ]  # fmt: skip


def test_senml_base_values_sums_and_relative_times() -> None:
    found = SENML(b'[{"bn":"a/","bv":20,"bs":100,"n":"x","v":1.5},{"n":"y"},{"n":"z","s":7,"t":-60,"ut":5}]')
    assert found[0] == {"name": "a/x", "time": NOW, "value": 21.5, "sum": 100}
    assert found[1]["value"] == 20
    assert found[2] == {"name": "a/z", "time": NOW - 60, "sum": 107, "updateTime": 5}


def test_senml_of_lwm2m() -> None:
    (found,) = SENML(b'[{"bn":"/3303/0/","n":"5700","v":21.5}]')
    assert (found["endpoint"], found["object"], found["objectInstance"], found["resource"]) == ("", 3303, 0, 5700)
    (found,) = SENML(b'[{"bn":"urn:dev:imei:1/","n":"3303/0/5700/2","v":21.5}]')
    assert (found["endpoint"], found["resourceInstance"]) == ("urn:dev:imei:1", 2)
    assert "object" not in SENML(b'[{"n":"a/1/2/3x","v":1}]')[0]


def test_senml_together() -> None:
    together = senml_decoder(SenmlOptions(together=True), lambda: NOW)
    assert together(b'[{"bn":"urn:x:1:","n":"t","u":"Cel","v":21.5},{"n":"h","v":40},{"n":"t","t":-60,"v":20}]') == [
        {"name": "urn:x:1", "time": NOW, "values": {"t": 21.5, "h": 40}, "units": {"t": "Cel"}},
        {"name": "urn:x:1", "time": NOW - 60, "values": {"t": 20}, "units": {}},
    ]


@pytest.mark.parametrize(("body", "reason"), [
    (b'{"n":"a"}', "array of objects|not CBOR"), (b'[{"n":"a","v":"x"}]', "record 1 of the pack: 'v' must be a number"), (b'[{"n":"a","v":1,"vs":"x"}]', "one value only"),
    (b'[{"v":1}]', "not a name"), (b'[{"n":"a b","v":1}]', "not a name"), (b'[{"n":"a","v":1,"new_":1}]', "'new_' must be understood"), (b'[{"bver":99,"n":"a","v":1}]', "version 99"),
    (b'[{"n":"a","v":true}]', "must be a number"),
])  # fmt: skip
def test_what_is_no_senml(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SENML(body)


Payload = payload_class()


def payload(*metrics: dict[str, Any], **more: Any) -> bytes:
    return bytes(Payload(metrics=list(metrics), timestamp=1000, **more).SerializeToString())


def about(kind: str, node: str = "n", device: str = "") -> dict[str, Any]:
    return {"topic": ["spBv1.0", "g", kind, node, *([device] if device else [])]}


BIRTH = payload({"name": "level", "alias": 1, "datatype": 10, "double_value": 4.31}, {"name": "count", "alias": 2, "datatype": 2, "int_value": 65531}, seq=0)


def test_sparkplug_names_in_the_place_of_aliases() -> None:
    nodes = EdgeNodes(SparkplugOptions())
    (born,) = nodes.records(BIRTH, about("NBIRTH"))
    assert born["metrics"] == {"level": 4.31, "count": -5}
    assert (born["online"], born["group"], born["node"], born["device"], born["timestamp"]) == (True, "g", "n", None, 1000)
    (data,) = nodes.records(payload({"alias": 2, "int_value": 65535}, seq=1), about("NDATA"))
    assert data["metrics"] == {"count": -1}
    with pytest.raises(ValueError, match="Rebirth"):
        nodes.records(payload({"alias": 2, "int_value": 1}), about("NDATA", "another"))
    assert nodes.records(payload(), about("NDEATH"))[0]["online"] is False
    with pytest.raises(ValueError, match="alias 2 is not known"):
        nodes.records(payload({"alias": 2, "int_value": 1}), about("NDATA"))


def test_sparkplug_devices_metrics_and_commands() -> None:
    each = EdgeNodes(SparkplugOptions(together=False))
    found = each.records(payload({"name": "t", "datatype": 9, "float_value": 21.3, "timestamp": 5, "is_historical": True}), about("DDATA", "n", "d1"))
    assert [(one["device"], one["name"], one["value"], one["datatype"], one["timestamp"], one["historical"]) for one in found] == [("d1", "t", 21.3, "Float", 5, True)]
    assert each.records(BIRTH, about("NCMD")) == []
    assert len(EdgeNodes(SparkplugOptions(commands=True)).records(BIRTH, about("NCMD"))) == 1


def test_sparkplug_values_of_all_kinds() -> None:
    table = {"num_of_columns": 2, "columns": ["a", "b"], "types": [1, 12], "rows": [{"elements": [{"int_value": 255}, {"string_value": "x"}]}]}
    template = {"parameters": [{"name": "p", "type": 4, "long_value": 2**64 - 1}], "metrics": [{"name": "m", "boolean_value": True, "datatype": 11}]}
    body = payload(
        {"name": "null", "datatype": 9, "is_null": True}, {"name": "table", "datatype": 16, "dataset_value": table}, {"name": "udt", "datatype": 19, "template_value": template},
        {"name": "shorts", "datatype": 23, "bytes_value": b"\xd0\x8a\xf0\x7b"}, {"name": "bits", "datatype": 32, "bytes_value": b"\x0c\0\0\0\x34\xd0"},
        {"name": "texts", "datatype": 33, "bytes_value": b"ABC\0hello\0"}, {"name": "raw", "datatype": 17, "bytes_value": b"\1"}, {"name": "nan", "datatype": 10, "double_value": float("nan")},
    )  # fmt: skip
    (found,) = EdgeNodes(SparkplugOptions()).records(body, about("NBIRTH"))
    assert found["metrics"] == {
        "null": None, "table": [{"a": -1, "b": "x"}], "udt": {"p": -1, "m": True}, "shorts": [-30000, 31728],
        "bits": [False, False, True, True, False, True, False, False, True, True, False, True], "texts": ["ABC", "hello"], "raw": "AQ==", "nan": None,
    }  # fmt: skip


def test_sparkplug_names_that_are_not_utf8() -> None:
    (found,) = EdgeNodes(SparkplugOptions()).records(b"\x12\x08\x0a\x02\xff\xfe\x20\x03\x50\x05", about("NBIRTH"))
    assert found["metrics"] == {"\ufffd\ufffd": 5}


def test_sparkplug_remembers_so_many_nodes() -> None:
    nodes = EdgeNodes(SparkplugOptions(nodes=2))
    for name in ("a", "b", "c"):
        nodes.records(BIRTH, about("NBIRTH", name))
    nodes.records(payload({"alias": 2, "int_value": 1}), about("NDATA", "b"))
    with pytest.raises(ValueError, match="not known"):
        nodes.records(payload({"alias": 2, "int_value": 1}), about("NDATA", "a"))


@pytest.mark.parametrize("topic", [None, "a/b", ["spAv1.0", "g", "NDATA", "n"], ["spBv1.0", "STATE", "host"]])
def test_topics_that_are_not_sparkplugs(topic: Any) -> None:
    with pytest.raises(ValueError, match="topic of Sparkplug B"):
        EdgeNodes(SparkplugOptions()).records(BIRTH, {"topic": topic})


def test_xml() -> None:
    body = '<?xml version="1.0" encoding="GB2312"?><r xmlns="urn:x"><row id="7"><level>4.31</level><level>5</level><name>濯水</name><b a="1">t</b></row><row/></r>'.encode("gb18030")
    rows = decoder("xml", {"records": "x:row", "namespaces": {"x": "urn:x"}})(body)
    assert rows == [{"@id": 7, "level": [4.31, 5], "name": "濯水", "b": {"@a": 1, "text": "t"}}, None]
    assert decoder("xml", {"numbers": False})(b"<a><b>1</b><!-- c --></a>") == [{"b": "1"}]


@pytest.mark.parametrize(("body", "reason"), [
    (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"), (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"), (b"<a>&x;</a>", "not XML"), (b"<a>" * 5000 + b"</a>" * 5000, "64 levels"),
    (b'<!DOCTYPE a [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>', "document type"), (b'<?xml version="1.0" encoding="nonsense"?><a/>', "encoding|not XML"), (b"", "not XML"),
])  # fmt: skip
def test_hostile_xml(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decoder("xml")(body)


def test_fields() -> None:
    fields = [
        {"name": "t", "type": "i16be", "scale": 0.01}, {"name": "open", "type": "u8", "bit": 7, "bits": 1}, {"name": "mode", "type": "u8", "at": 2, "bit": 0, "bits": 3},
        {"type": "skip", "length": 1}, {"name": "n", "type": "u24le"}, {"name": "f", "type": "f32le"}, {"name": "id", "type": "bcd", "length": 2}, {"name": "mac", "type": "hex", "length": 2},
        {"name": "s", "type": "text", "length": 4}, {"name": "gone", "type": "u16be", "missing": 65535},
    ]  # fmt: skip
    body = bytes.fromhex("F6D7" "85" "FF" "010203" "0000A841" "1234" "ABCD" "52310000" "FFFF")
    expected = {"t": -23.45, "open": True, "mode": 5, "n": 0x030201, "f": 21.0, "id": 1234, "mac": "abcd", "s": "R1", "gone": None}
    assert decoder("struct", {"fields": fields})(body) == [pytest.approx(expected)]
    assert len(decoder("struct", {"fields": fields, "repeat": True})(body * 3)) == 3
    with pytest.raises(ValueError, match="fields need 21"):
        decoder("struct", {"fields": fields})(body[:-1])
    with pytest.raises(ValueError, match="no multiple of the 21"):
        decoder("struct", {"fields": fields, "repeat": True})(body + b"x")


def test_envelopes() -> None:
    options = {"fields": [{"name": "a", "type": "u8"}], "envelope": {"payload": "up.data"}}
    assert decoder("struct", options)(b'{"up":{"data":"Kg=="},"dev":"x"}') == [{"up": {"data": "Kg=="}, "dev": "x", "decoded": {"a": 42}}]
    for body, reason in ((b'{"up":{"data":"%"}}', "not base64"), (b"{}", "no text at 'up.data'"), (b"[]", "JSON object"), (b"x", "not JSON")):
        with pytest.raises(ValueError, match=reason):
            decoder("struct", options)(body)
