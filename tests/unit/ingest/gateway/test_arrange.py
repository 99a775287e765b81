"""What the hub's start waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.hub_side import GatewayLink
from cityhub.model.errors import ContextUnavailable
from cityhub.model.jsonld import TermMap
from cityhub.settings import Settings


async def test_contexts_that_cannot_be_had_are_waited_for_together(tmp_path: Path) -> None:
    asked = asyncio.Barrier(3)

    async def terms_of(feed: Feed) -> TermMap:
        await asked.wait()
        raise ContextUnavailable(feed.context)

    gateway = GatewayLink(Settings(data=tmp_path), None, None, terms_of, lambda name, token: "", {}, {})  # type: ignore[arg-type]
    await asyncio.wait_for(gateway.arrange([Feed(name, "mqtt", context=f"https://{name}.example") for name in "abc"]), 30)
    assert {id: state.state for id, state in gateway.states().items()} == dict.fromkeys("abc", "waiting")
    assert gateway.starts == 0
