"""The doors of the hub as the commands of `cityhub ingest` use them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.settings import SettingsRead


class Doors:
    """A hub to speak to.

    Attributes:
        as_json: Whether answers are printed as they came.

    Args:
        settings: Name the data folder.
        url: The hub's address; None: the one that runs on the data folder, or else one built here.
        tenant: For devices.
        as_json: See above.
    """

    def __init__(self, settings: SettingsRead, url: str | None, tenant: str, *, as_json: bool) -> None:
        self._settings = settings
        self._url = url
        self._tenant = tenant
        self.as_json = as_json

    def visit(self, work: Callable[[httpx.AsyncClient], Awaitable[int]]) -> int:
        """Runs work that speaks to the hub; what keeps it from its end is told in one line and becomes exit code 1."""

        async def visited() -> int:
            async with connect(self._settings.settings, self._url, self._tenant) as client:
                return await work(client)

        return command(visited)

    def shown(self, answer: Any) -> bool:
        """Prints an answer as JSON if that is wanted; whether it was."""
        if self.as_json:
            print_json(answer)
        return self.as_json


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    """What the hub answers, as JSON; None for an empty answer. Raises Failed with the hub's reason."""
    response = await client.request(method, path, **more)
    if response.is_error:
        raise Failed(failure(response))
    return response.json() if response.content else None


def read_bytes(path: str) -> bytes:
    """The content of a file; '-' is standard input. Raises OSError."""
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()


def print_json(value: Any) -> None:
    """Prints a value as JSON."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def members(texts: list[str]) -> dict[str, Any]:
    """Members from 'NAME=VALUE': a value is JSON, else text; an empty one is null. Raises Failed."""
    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise Failed(f"'{text}' must be NAME=VALUE, such as interval_s=60")
        try:
            found[name] = orjson.loads(value) if value else None
        except orjson.JSONDecodeError:
            found[name] = value
    return found
