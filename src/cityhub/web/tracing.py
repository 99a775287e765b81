"""Trace ids from request to request (W3C Trace Context), and spans for OpenTelemetry where a collector is named.

Every request has a trace id: the caller's, or a new one. It stands in the log, in the journal and in the requests
that follow from it. Spans are made only when the setting `otlp_endpoint` names a collector.

Source: W3C Trace Context (Recommendation, 23 November 2021), section 3.2.
"""

from __future__ import annotations

import re
from random import getrandbits
from typing import Final, Protocol

from cityhub.settings import SettingsError
from cityhub.web.http import Request

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def trace_of(header: str | None) -> str:
    """The trace id (32 hex digits) that a `traceparent` header carries; a new one when it carries none.

    >>> trace_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    if header:
        found = _TRACEPARENT.fullmatch(header)
        # Version 00 has exactly four parts; a later version may add some.
        if found and not (found[4] and header.startswith("00")):
            return found[1]
    return f"{getrandbits(128):032x}"


def traceparent(trace: str) -> str:
    """The `traceparent` header of a request that belongs to a trace; its parent id is new."""
    return f"00-{trace}-{getrandbits(64):016x}-01"


class Tracer(Protocol):
    """Where the spans of answered requests go."""

    def answered(self, request: Request, operation: str, status: int, seconds: float) -> None:
        """Records the span of a request that was answered just now, `seconds` after it came."""

    def close(self) -> None:
        """Sends what is waiting; returns after a few seconds at most."""


def open_tracer(endpoint: str, version: str) -> Tracer | None:
    """The tracer for a collector; None when the endpoint is empty, so that nothing needs to be done for a request.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if not endpoint:
        return None
    try:
        from cityhub.web.telemetry import connect
    except ImportError:
        raise SettingsError("'otlp_endpoint' is set, but OpenTelemetry is not installed: pip install 'cityhub[telemetry]'") from None
    return connect(endpoint, version)
