"""Prometheus metrics of one hub, in a registry of their own.

What happens often (requests) is counted by the dispatcher with `Metrics.request`; what has a state (journal, queues,
sizes) is asked for only when somebody reads the metrics (`Metrics.watch`).
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, exposition, platform_collector, process_collector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from cityhub.web.http import Request, Response, Route

BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""
CONTENT_TYPE: Final = exposition.CONTENT_TYPE_LATEST

Values = Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]

log = logging.getLogger(__name__)


class OperationTimes:
    """How often one operation was answered with one status, and how long that took."""

    __slots__ = ("buckets", "total_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Counts one answer."""
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Gauge:
    """A value that is asked for when the metrics are read, and what the last asking gave."""

    __slots__ = ("help", "labels", "name", "present", "values")

    def __init__(self, name: str, help: str, labels: tuple[str, ...], values: Values) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.values = values
        self.present: Mapping[tuple[str, ...], float] = {}


class Metrics:
    """The metrics of one hub."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests: dict[tuple[str, int], OperationTimes] = {}
        self._gauges: list[Gauge] = []
        self.registry.register(self)
        process_collector.ProcessCollector(registry=self.registry)
        platform_collector.PlatformCollector(registry=self.registry)

    def answered(self, request: Request, operation: str, status: int, seconds: float) -> None:
        """Counts one answered request. `operation` is one of the routes' names, never a text from outside."""
        times = self._requests.get((operation, status))
        if times is None:
            times = self._requests.setdefault((operation, status), OperationTimes())
        times.add(seconds)

    def watch(self, name: str, help: str, labels: tuple[str, ...], values: Values) -> None:
        """Adds a gauge whose values are asked for at each reading.

        Args:
            name: With its unit at the end: 'cityhub_store_bytes'.
            help: One sentence.
            labels: Names of its labels; () for a single value.
            values: The present values by the labels' values; {(): 5.0} for a single one.
        """
        self._gauges.append(Gauge(name, help, labels, values))

    async def exposition(self) -> bytes:
        """All metrics in Prometheus' text form. A gauge whose values cannot be had is left out and its fault logged."""
        for gauge in self._gauges:
            try:
                gauge.present = await gauge.values()
            except Exception:
                gauge.present = {}
                log.exception("The metric %s cannot be read", gauge.name)
        return exposition.generate_latest(self.registry)

    def routes(self) -> list[Route]:
        """The door at which a Prometheus server reads them."""

        async def read(request: Request) -> Response:
            return Response(200, await self.exposition(), media_type=CONTENT_TYPE)

        return [Route("GET", "/metrics", read, "hub.observe", "Read Metrics", tag="hub")]

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for: requests, latencies and the present value of every gauge."""
        answers = CounterMetricFamily("cityhub_requests", "Requests answered.", labels=("operation", "status"))
        latency = HistogramMetricFamily("cityhub_request_seconds", "Time from request to answer.", labels=("operation",))
        for operation, times in sorted(self._by_operation().items()):
            counts = list(accumulate(times.buckets))
            bounds = [str(bound) for bound in BUCKETS_S] + ["+Inf"]
            latency.add_metric((operation,), buckets=list(zip(bounds, counts, strict=True)), sum_value=times.total_s)
        for (operation, status), times in sorted(self._requests.items()):
            answers.add_metric((operation, str(status)), sum(times.buckets))
        yield answers
        yield latency
        for watched in self._gauges:
            gauge = GaugeMetricFamily(watched.name, watched.help, labels=watched.labels)
            for labels, value in watched.present.items():
                gauge.add_metric(labels, value)
            yield gauge

    def _by_operation(self) -> dict[str, OperationTimes]:
        """The times of each operation over all statuses."""
        together: dict[str, OperationTimes] = {}
        for (operation, _), times in self._requests.items():
            into = together.setdefault(operation, OperationTimes())
            into.buckets = [a + b for a, b in zip(into.buckets, times.buckets, strict=True)]
            into.total_s += times.total_s
        return together
