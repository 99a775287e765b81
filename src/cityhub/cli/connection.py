"""How commands speak to a hub: by HTTP to the one that runs, or else to one built in this process without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from cityhub.cli.presence import Taken, begun, claim, find
from cityhub.model.errors import CityHubError
from cityhub.settings import Settings

TIMEOUT_S = 120.0


class NoHub(Exception):
    """No hub can be reached."""


@contextlib.asynccontextmanager
async def connect(
    settings: Settings, url: str | None, tenant: str = "", headers: dict[str, str] | None = None, *, begin: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client for a hub.

    Args:
        settings: Name the data folder and the store.
        url: The hub's address; without it the hub that runs on the data folder, or else one built here for as long as the
            block runs: it reads and writes the store directly, and what has to follow (notifications) follows when the hub runs again.
        tenant: For every request; "" is the default tenant.
        headers: For every request.
        begin: Whether a hub that was never started is begun here; a question to one is a slip in the folder's name.

    Raises:
        NoHub: The process that has the data folder does not answer yet, or there is nothing in the folder to ask.
    """
    headers = {"Accept": "application/json", **(headers or {}), **({"NGSILD-Tenant": tenant} if tenant else {})}
    running = None if url else find(settings.data)
    if running is not None and not running.url:
        raise NoHub(f"Process {running.pid} has the data folder {settings.data} but does not answer yet: try again in a moment")
    address = url or (running.url if running else None)
    if address is not None:
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
            yield client
        return
    if settings.store == "sqlite" and not begin and not begun(settings.data):
        raise NoHub(f"'data' is '{settings.data}', where no hub has been yet: right would be the folder of one (--data), or its --url")
    async with _built_here(settings) as application:
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            yield client


@contextlib.asynccontextmanager
async def _built_here(settings: Settings) -> AsyncIterator[Any]:
    from cityhub.hub import build

    with claim(Path(settings.data)):
        hub = await build(settings)
        try:
            await hub.registers.load()
            await hub.response.cases.load()
            await hub.registers.devices.load_names()
            await hub.supervision.start()  # a question about the past begins its process, others do without
            yield hub.application
        finally:
            await hub.stop()


async def context_of(client: httpx.AsyncClient) -> str | None:
    """The @context of the district that the hub serves; None when it serves none."""
    response = await client.get("/api/status")
    return (response.json().get("district") or {}).get("context") or None if response.status_code == 200 else None


def link(context: str | None) -> dict[str, str]:
    """The header that names the @context; none for None."""
    return {"Link": f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'} if context else {}


def failure(response: httpx.Response) -> str:
    """What an answer that is not a success says is wrong."""
    try:
        problem = response.json()
        return f"{response.status_code} {problem.get('title', '')}: {problem.get('detail', '')}"
    except (ValueError, AttributeError):
        return f"{response.status_code} {response.reason_phrase}"


class Failed(Exception):
    """The hub refused; the text says why."""


def command(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a command's work; what keeps it from its end is told in one line and becomes exit code 1."""
    try:
        return asyncio.run(work())
    except (Failed, NoHub, Taken, RuntimeError) as error:
        print(f"cityhub: {error}", file=sys.stderr)
    except OSError as error:
        print(f"cityhub: {error.filename}: {error.strerror}" if error.filename else f"cityhub: {error}", file=sys.stderr)
    except httpx.HTTPError as error:
        print(f"cityhub: The hub does not answer: {type(error).__name__} {error}".rstrip(), file=sys.stderr)
    except CityHubError as error:
        print(f"cityhub: {error.detail}", file=sys.stderr)
    return 1
