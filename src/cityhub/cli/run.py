"""`cityhub run`: one hub, from settings to an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

import orjson

from cityhub import __version__
from cityhub.cli.collector import tame
from cityhub.cli.presence import Claim, Taken, claim
from cityhub.model.errors import CityHubError
from cityhub.settings import Settings, SettingsRead, shown
from cityhub.web.application import LOCATION
from cityhub.web.logging import configure
from cityhub.web.server import bind, run_loop, serve

log = logging.getLogger("cityhub")


def run(read: SettingsRead) -> int:
    """Runs the hub until SIGTERM or SIGINT; returns 0, or 1 when it could not start."""
    settings = read.settings
    configure(settings.log_format, settings.log_level)
    for warning in read.warnings:
        log.warning(warning)
    try:
        with claim(Path(settings.data)) as claimed:
            listener = bind(settings)
            try:
                return run_loop(lambda: _run(settings, listener, claimed))
            finally:
                listener.close()
    except Taken as error:
        return _refuse(str(error))
    except CityHubError as error:
        return _refuse(error.detail)
    except (OSError, RuntimeError) as error:
        log.debug("start failed", exc_info=True)
        return _refuse(f"The hub cannot start: {error}")


def _refuse(reason: str) -> int:
    print(f"cityhub: {reason}", file=sys.stderr)
    return 1


async def _run(settings: Settings, listener: socket.socket, claimed: Claim) -> int:
    # Imported here so that the commands that need no hub begin without it.
    from cityhub.hub import build

    url = address(settings, listener)
    hub = await build(settings, url)
    try:
        await hub.start()
        hub.application.location = LOCATION
        collector = asyncio.create_task(tame(), name="collector")
        await serve(hub.application, listener, settings, lambda: _ready(settings, claimed, url), hub.application.end_streams)
        collector.cancel()
        log.info("stopping")
    finally:
        await hub.stop()
    log.info("stopped")
    return 0


def address(settings: Settings, listener: socket.socket) -> str:
    """The address at which a client on this machine reaches the hub."""
    port = listener.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://[{host}]:{port}" if ":" in host and not host.startswith("[") else f"http://{host}:{port}"


def _ready(settings: Settings, claimed: Claim, url: str) -> None:
    claimed.announce(url)
    log.info("ready", extra={"url": url, "version": __version__, "store": shown(settings.store), "data_folder": str(settings.data)})
    if settings.dev:
        port = int(url.rpartition(":")[2])
        print(orjson.dumps({"port": port, "url": url, "pid": os.getpid()}).decode(), flush=True)
    else:
        print(f"CityHub {__version__} answers at {url}  (Ctrl+C stops it)", flush=True)
