"""Spans by the OpenTelemetry SDK. Imported only when a collector is named; needs the extra `telemetry`."""

from __future__ import annotations

import time

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from cityhub.web.http import Request


def connect(endpoint: str, version: str) -> OpenTelemetryTracer:
    """A tracer whose spans go to the collector at `endpoint` (OTLP over HTTP), in the background."""
    ids = GivenTrace()
    resource = Resource.create({"service.name": "cityhub", "service.version": version})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    return OpenTelemetryTracer(provider, ids)


class GivenTrace(RandomIdGenerator):
    """Ids for new spans: the trace id is the one that the request has already, in the log and in the journal."""

    def __init__(self) -> None:
        self.trace = ""

    def generate_trace_id(self) -> int:
        """The request's trace id."""
        return int(self.trace, 16)


class OpenTelemetryTracer:
    """See `cityhub.web.tracing.Tracer`. Used from the event loop only."""

    def __init__(self, provider: TracerProvider, ids: GivenTrace) -> None:
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("cityhub")
        self._nobody = Context()
        self._propagator = TraceContextTextMapPropagator()

    def answered(self, request: Request, operation: str, status: int, seconds: float) -> None:
        """See `cityhub.web.tracing.Tracer.answered`."""
        self._ids.trace = request.trace
        header = request.headers.get("traceparent")
        context = self._propagator.extract({"traceparent": header} if header else {}, context=self._nobody)
        attributes: dict[str, AttributeValue] = {"http.request.method": request.method, "http.response.status_code": status}
        began = time.time_ns() - int(seconds * 1e9)
        span = self._tracer.start_span(operation, context, SpanKind.SERVER, attributes, start_time=began)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """See `cityhub.web.tracing.Tracer.close`."""
        self._provider.force_flush(3_000)
        self._provider.shutdown()
