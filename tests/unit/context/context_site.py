"""A small web site that serves @contexts to tests, over real connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web


class Site:
    """Documents by path. A value is JSON, or (status, headers, body)."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()
        self.delay_s = 0.0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests[request.path] += 1
        await asyncio.sleep(self.delay_s)
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404)
        if isinstance(document, tuple):
            status, headers, body = document
            return web.Response(status=status, headers=headers, body=body)
        return web.Response(body=orjson.dumps(document), content_type="application/ld+json")


@asynccontextmanager
async def open_site():
    """A site on a free port of loopback."""
    site = Site()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()
