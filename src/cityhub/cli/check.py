"""`cityhub check`: whether a hub with these settings can run, or how the running one is."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any, Final

import httpx

from cityhub.cli.connection import NoHub, connect, failure
from cityhub.cli.journey import print_table
from cityhub.cli.presence import Taken, begun, find
from cityhub.settings import FIELDS, Settings, SettingsRead, shown

FREE_BYTES: Final = 1_000_000_000
"""With less free space than this the check fails: the journal needs room to grow while a reader is away."""
LAG: Final = 10_000
"""A reader that is further behind than this is told of."""
HISTORY_LAG: Final = 1_000_000
"""The same for the history, whose position is that of its tables: they are written about once a minute, answers are not behind."""


def check(read: SettingsRead) -> int:
    """Prints settings and state; returns 0, or 1 when something is wrong."""
    rows = [(name, shown(getattr(read.settings, name)), read.sources[name]) for name in FIELDS]
    print_table(("setting", "value", "from"), rows)
    print()
    faults = [*read.warnings, *_space(read.settings), *asyncio.run(_state(read.settings))]
    for fault in faults:
        print(f"WRONG: {fault}")
    print("All is well." if not faults else f"{len(faults)} found wrong.")
    return 1 if faults else 0


def _space(settings: Settings) -> list[str]:
    folder = Path(settings.data).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return [f"'data' is '{settings.data}': right would be a folder that this user may make and write to; {there} is not"]
    free = shutil.disk_usage(there).free
    print(f"free space: {free / 1e9:,.1f} GB at {there}" + ("" if there == folder else f" ({folder} will be made)"))
    if free >= FREE_BYTES:
        return []
    return [f"Only {free / 1e6:,.0f} MB are free at {there}; right would be at least {FREE_BYTES / 1e6:,.0f} MB"]


async def _state(settings: Settings) -> list[str]:
    running = find(Path(settings.data))
    print(f"hub: runs as process {running.pid} at {running.url}" if running else "hub: does not run")
    if running is None and settings.store == "sqlite" and not begun(settings.data):
        print("store: none yet; the first start makes it")
        return []
    try:
        async with connect(settings, None) as client:
            return await _ask(client)
    except (NoHub, Taken, httpx.HTTPError) as error:
        return [f"The hub does not answer: {error}"]
    except Exception as error:  # whatever the store's library raises, the person who checks wants to read it
        return [f"The store {shown(settings.store)} does not open: {type(error).__name__}: {error}"]


async def _ask(client: httpx.AsyncClient) -> list[str]:
    health = await client.get("/health")
    positions = await client.get("/api/hub/journal")
    faults = [f"{response.url.path} answers {failure(response)}" for response in (health, positions) if response.status_code != 200]
    if faults:
        return faults
    print("store: opens")
    ready = await client.get("/ready")
    troubles: list[str] = [*ready.json().get("reasons", []), *ready.json().get("degraded", [])]
    return [*troubles, *_readers(positions.json())]


def _readers(journal: dict[str, Any]) -> list[str]:
    print(f"journal: newest position {journal['last']:,}")
    for name, reader in journal["readers"].items():
        print(f"  reader {name}: position {reader['position']:,}, {reader['lag']:,} behind")
    return [
        f"The reader '{name}' is {reader['lag']:,} changes behind; its log tells why. "
        f"If it is not coming back: cityhub readers --forget {name}"
        for name, reader in journal["readers"].items()
        if reader["lag"] > (HISTORY_LAG if name == "history" else LAG)
    ]
