"""Trace ids by W3C Trace Context, and spans that reach a collector."""

from __future__ import annotations

import asyncio
import sys

import pytest

from cityhub.settings import SettingsError
from cityhub.web.http import Request
from cityhub.web.tracing import open_tracer, trace_of, traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_callers_trace_is_kept() -> None:
    assert trace_of(f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE
    assert trace_of(f"01-{TRACE}-00f067aa0ba902b7-01-more") == TRACE
    assert trace_of(traceparent(TRACE)) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
    ],
)
def test_a_wrong_header_begins_a_new_trace(header: str | None) -> None:
    first, second = trace_of(header), trace_of(header)
    assert first != second
    assert len(first) == 32
    assert int(first, 16) != 0


def test_no_endpoint_no_tracer() -> None:
    assert open_tracer("", "1") is None


def test_missing_telemetry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "cityhub.web.telemetry", raising=False)
    with pytest.raises(SettingsError, match=r"cityhub\[telemetry\]"):
        open_tracer("http://127.0.0.1:4318", "1")


async def test_spans_reach_a_collector() -> None:
    trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    bodies: list[bytes] = []

    async def collector(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /v1/traces ")
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        if "content-encoding: gzip" in head:
            import gzip

            body = gzip.decompress(body)
        bodies.append(body)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collector, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tracer = open_tracer(f"http://127.0.0.1:{port}", "1.2.3")
    assert tracer is not None
    called = Request("POST", "/", "", {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, b"")
    called.trace = TRACE
    alone = Request("GET", "/", "", {}, b"")
    alone.trace = "ab" * 16
    tracer.answered(called, "Create Entity", 201, 0.25)
    tracer.answered(alone, "Query Entities", 503, 0.25)
    await asyncio.to_thread(tracer.close)
    server.close()
    spans = {}
    for body in bodies:
        request = trace_service.ExportTraceServiceRequest.FromString(body)
        spans |= {span.name: span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans}
    assert spans["Create Entity"].trace_id.hex() == TRACE
    assert spans["Create Entity"].parent_span_id.hex() == "00f067aa0ba902b7"
    assert spans["Create Entity"].end_time_unix_nano - spans["Create Entity"].start_time_unix_nano >= 250_000_000
    assert spans["Query Entities"].trace_id.hex() == "ab" * 16
    assert spans["Query Entities"].parent_span_id == b""
    assert spans["Query Entities"].status.code == 2
