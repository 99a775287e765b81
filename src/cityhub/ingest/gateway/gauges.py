"""The feeds among the hub's metrics."""

from __future__ import annotations

from collections.abc import Mapping

from cityhub.ingest.gateway.hub_side import GatewayLink
from cityhub.web.metrics import Metrics

Numbers = Mapping[tuple[str, ...], float]


def watch_gateway(metrics: Metrics, gateway: GatewayLink) -> None:
    """Adds the gauges; a feed that the gateway has not told of has none."""

    async def messages() -> Numbers:
        return {(id,): float(state.received) for id, state in gateway.states().items()}

    async def running() -> Numbers:
        return {(id,): float(state.state == "running") for id, state in gateway.states().items()}

    async def starts() -> Numbers:
        return {(): float(gateway.starts)}

    metrics.watch("cityhub_feed_messages", "Messages of a feed since the gateway started.", ("feed",), messages)
    metrics.watch("cityhub_feed_running", "Whether a feed runs.", ("feed",), running)
    metrics.watch("cityhub_gateway_starts", "How often the gateway was started.", (), starts)
