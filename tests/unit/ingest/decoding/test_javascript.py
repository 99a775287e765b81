"""Codecs of devices: what they give, and that they can do no harm."""

from __future__ import annotations

import gc
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cityhub.ingest.decoding import decoder
from cityhub.ingest.decoding.javascript import Codec
from cityhub.ingest.decoding.options import JavascriptOptions

GOOD = """
function decodeUplink(input) {
  if (input.fPort !== 2) return {errors: ["unknown port " + input.fPort]};
  console.log("decoding");
  return {data: {temperature: ((input.bytes[0] << 24 >> 16) | input.bytes[1]) / 100, battery: input.bytes[2]}, warnings: []};
}
"""


def test_a_codec() -> None:
    decode = decoder("javascript", {"code": GOOD, "port": 2})
    assert decode(bytes.fromhex("F6D764")) == [{"temperature": -23.45, "battery": 100}]
    with pytest.raises(ValueError, match="the codec says: unknown port 1"):
        decoder("javascript", {"code": GOOD})(b"abc")


def test_a_codec_behind_a_network_server() -> None:
    decode = decoder("javascript", {"code": GOOD, "envelope": {"payload": "data", "port": "fPort", "encoding": "hex"}})
    (found,) = decode(b'{"deviceInfo":{"devEui":"0102"},"fPort":2,"data":"092964"}')
    assert found["decoded"] == {"temperature": 23.45, "battery": 100}
    assert found["deviceInfo"] == {"devEui": "0102"}


@pytest.mark.parametrize("code", ["function Decode(fPort, bytes) { return {a: bytes[0], p: fPort}; }", "function Decoder(bytes, port) { return {a: bytes[0], p: port}; }"])
def test_older_forms(code: str) -> None:
    assert decoder("javascript", {"code": code, "port": 9})(b"\x07") == [{"a": 7, "p": 9}]


@pytest.mark.parametrize(("body", "reason"), [
    ("while (true) {}", "time"), ("const a = []; while (true) a.push(new Array(1e6).fill(1));", "memory|ended|time"), ("'x'.repeat(2**29 - 24).split('');", "ended its process"),
    ("new Array(2**32 - 2).fill(1);", "time|memory|ended"), ("/(a+)+$/.test('a'.repeat(40) + 'b');", "time"), ("(function f() { f(); })();", "call stack"),
    ("throw new Error('bad frame');", "bad frame"), ("return {data: 'x'.repeat(1e7)};", "more than"), ("return 5;", "'data'"), ("return;", "'data'"), ("return {data: {toJSON() { while (true) {} }}};", "time"),
    ("new WebAssembly.Memory({initial: 1});", "WebAssembly is not defined"), ("new SharedArrayBuffer(8);", "not defined"), ("return {data: require('fs')};", "require is not defined"),
    ("return {data: process.env};", "process is not defined"), ("fetch('http://127.0.0.1');", "fetch is not defined"), ("new XMLHttpRequest();", "not defined"),
    ("let a = []; a[0] = a; return {data: a};", "circular"), ("const b = []; while (true) b.push(new Uint8Array(1e7).fill(1));", "memory|allocation|ended|time"),
])  # fmt: skip
def test_what_codecs_may_not_do(body: str, reason: str) -> None:
    codec = Codec(JavascriptOptions(code=f"function decodeUplink(input) {{ if (input.fPort === 9) return {{data: 1}}; {body} }}"))
    assert codec.records(b"", 9) == [1]
    began = time.monotonic()
    with pytest.raises(ValueError, match=reason):
        codec.records(b"", 1)
    assert time.monotonic() - began < 60
    assert codec.records(b"", 9) == [1]  # the next payload is decoded as if nothing had been


@pytest.mark.parametrize(("code", "reason"), [
    ("function (", "SyntaxError"), ("while (true) {}", "time"), ("const nothing = 1;", "no function decodeUplink"), ("import('fs').then(x => x); throw 'stop';", "stop"),
    ("JSON.stringify = () => 'x'; Object.prototype.toJSON = 5; function decodeUplink() { return {}; }", "'data'"),
])  # fmt: skip
def test_codecs_that_are_none(code: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decoder("javascript", {"code": code})(b"x")


def test_the_process_is_shut_in() -> None:
    codec = Codec(JavascriptOptions(code=GOOD, port=2))
    codec.records(b"abc", 2)
    process = _process(codec)
    about = Path(f"/proc/{process.pid}")
    limits = (about / "limits").read_text("ascii")
    assert [line.split()[-3:-1] for line in limits.splitlines() if line.startswith("Max open files")] == [["0", "0"]]
    assert (about / "environ").read_text("ascii") in ("", "LC_CTYPE=C.UTF-8\0")


def test_the_process_ends_with_the_decoder() -> None:
    codec = Codec(JavascriptOptions(code=GOOD, port=2))
    codec.records(b"abc", 2)
    process = _process(codec)
    assert process.poll() is None
    del codec
    gc.collect()
    assert process.poll() is not None


def test_a_codec_that_was_killed_comes_back() -> None:
    codec = Codec(JavascriptOptions(code=GOOD, port=2))
    codec.records(b"abc", 2)
    _process(codec).kill()
    _process(codec).wait()
    with pytest.raises(ValueError, match="ended its process"):
        codec.records(b"abc", 2)
    assert codec.records(b"abc", 2)


def test_payloads_are_bounded() -> None:
    with pytest.raises(ValueError, match="not be larger"):
        Codec(JavascriptOptions(code=GOOD)).records(bytes(100_000), 2)


def _process(codec: Codec) -> subprocess.Popen[Any]:
    process = codec._process
    assert process is not None
    return process
