"""Metrics: what is counted, in Prometheus' form, and what counting costs."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families

from cityhub.web.http import Request
from cityhub.web.metrics import Metrics

REQUEST = Request("GET", "/", "", {}, b"")


async def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families((await metrics.exposition()).decode())
        for sample in family.samples
    }


async def test_requests_by_operation_and_status() -> None:
    metrics = Metrics()
    metrics.answered(REQUEST, "Retrieve Entity", 200, 0.0004)
    metrics.answered(REQUEST, "Retrieve Entity", 200, 0.004)
    metrics.answered(REQUEST, "Retrieve Entity", 404, 99.0)
    found = await samples(metrics)
    assert found["cityhub_requests_total", ("Retrieve Entity", "200")] == 2
    assert found["cityhub_requests_total", ("Retrieve Entity", "404")] == 1
    assert found["cityhub_request_seconds_bucket", ("0.0005", "Retrieve Entity")] == 1
    assert found["cityhub_request_seconds_bucket", ("0.005", "Retrieve Entity")] == 2
    assert found["cityhub_request_seconds_bucket", ("10.0", "Retrieve Entity")] == 2
    assert found["cityhub_request_seconds_bucket", ("+Inf", "Retrieve Entity")] == 3
    assert found["cityhub_request_seconds_count", ("Retrieve Entity",)] == 3
    assert round(found["cityhub_request_seconds_sum", ("Retrieve Entity",)], 4) == 99.0044


async def test_gauges_are_asked_at_each_reading() -> None:
    metrics = Metrics()
    lags = {("notify",): 3.0}

    async def read_lags() -> dict[tuple[str, ...], float]:
        return dict(lags)

    async def fail() -> dict[tuple[str, ...], float]:
        raise OSError("gone")

    metrics.watch("cityhub_reader_lag", "Changes not yet dealt with.", ("reader",), read_lags)
    metrics.watch("cityhub_store_bytes", "Size of the store.", (), fail)
    assert (await samples(metrics))["cityhub_reader_lag", ("notify",)] == 3
    lags["history",] = 7.0
    found = await samples(metrics)
    assert found["cityhub_reader_lag", ("history",)] == 7
    assert ("cityhub_store_bytes", ()) not in found


async def test_two_hubs_in_one_process_do_not_share_their_counts() -> None:
    one, other = Metrics(), Metrics()
    one.answered(REQUEST, "x", 200, 0.1)
    assert ("cityhub_requests_total", ("x", "200")) not in await samples(other)


def test_counting_a_request_is_cheap() -> None:
    metrics = Metrics()
    best = min(_cost(metrics) for _ in range(5))
    assert best < 3e-6


def _cost(metrics: Metrics) -> float:
    count = 20_000
    started = time.perf_counter()
    for _ in range(count):
        metrics.answered(REQUEST, "Retrieve Entity", 200, 0.003)
    return (time.perf_counter() - started) / count


async def test_the_door_answers_in_the_text_form() -> None:
    metrics = Metrics()
    (route,) = metrics.routes()
    response = await route.handler(REQUEST)
    assert response.status == 200
    assert response.headers[0][1].startswith("text/plain; version=")
    assert b"process_resident_memory_bytes" in response.body
