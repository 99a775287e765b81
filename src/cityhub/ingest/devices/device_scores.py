"""How good the data of devices are: the share of their values without a flag, as the checks of their feeds count it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from cityhub.ingest.devices.index import Key, Known
from cityhub.ingest.gateway_port import Gateway
from cityhub.model.errors import CityHubError


class DeviceScores:
    """Asks the feeds of devices.

    Args:
        gateway: Runs the feeds.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def of(self, devices: Iterable[Known]) -> dict[Key, float]:
        """The score of each device, 0 to 1: over its own entity and those that it tells of, by how many values each is known.

        A device is left out when its feed does not run, checks nothing of it, or has forgotten it.
        """
        by_feed: dict[str, list[Known]] = {}
        for device in devices:
            if device.feed:
                by_feed.setdefault(device.feed, []).append(device)
        found = await asyncio.gather(*(self._of_feed(feed, some) for feed, some in by_feed.items()))
        return {key: score for scores in found for key, score in scores.items()}

    async def _of_feed(self, feed: str, devices: list[Known]) -> dict[Key, float]:
        things = [thing for device in devices for thing in _things(device)]
        try:
            rated = {one.thing: one for one in await self._gateway.scores(feed, things, len(things))}
        except CityHubError:
            return {}
        scores = {}
        for device in devices:
            own = [rated[thing] for thing in _things(device) if thing in rated]
            values = sum(one.values for one in own)
            if values:
                scores[device.key] = sum(one.score * one.values for one in own) / values
        return scores


def _things(device: Known) -> tuple[str, ...]:
    return (device.key[1], *device.entities)
