"""The feeds' own process: loads the district into a hub and plays its feeds.

    python -m cityhub.ingest.player --url http://127.0.0.1:8080 --district districts/qianjiang --speed 1 --seed 1

It speaks to the hub as others do: NGSI-LD over HTTP as a system, MQTT and HTTP push as devices. Its log goes where the hub's
goes, in the same form.
It ends at SIGTERM or SIGINT and, with --with-parent, when standard input closes.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cityhub.ingest.district import District, read_district
from cityhub.ingest.feeds import SIMULATION_SECRET
from cityhub.ingest.live import LiveFeeds
from cityhub.ingest.loading import load_district
from cityhub.ingest.pace import Pace
from cityhub.ingest.played_devices import PlayedDevices
from cityhub.ingest.upsert import HubAway, HubClient, Rejected
from cityhub.web.logging import configure

log = logging.getLogger("cityhub.ingest")

TICK_S = 1.0
LIVE_PATIENCE_S = 5.0
"""A live reading is not worth more: the next one replaces it."""
LOAD_PATIENCE_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the player until it is told to stop. Returns 0, or 1 when the district could not be read or loaded."""
    options = _options(arguments)
    configure(options.log_format, options.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.with_parent:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    try:
        district = read_district(options.district)
        client = HubClient(options.url, district.about.context_url, stop, seed=options.seed)
        return run(client, district, options, stop)
    except (OSError, ValueError) as error:
        log.error("the feeds failed: %s", error)
        return 1


def run(client: HubClient, district: District, options: argparse.Namespace, stop: threading.Event) -> int:
    """Loads, then plays until `stop`."""
    try:
        loaded = load_district(client, district, LOAD_PATIENCE_S)
    except HubAway as error:
        if not stop.is_set():
            log.error("the feeds failed: %s", error)
        return 0 if stop.is_set() else 1
    log.info("the district is loaded", extra={"changed_files": len(loaded.files), "entities": loaded.entities})
    report_rejected(loaded.rejected)
    if not options.load_only:
        pace = Pace(options.speed, options.start, lambda: datetime.now(UTC))
        devices = PlayedDevices(client, os.environ.get(SIMULATION_SECRET, ""))
        try:
            play(client, devices, LiveFeeds(district, options.seed, pace.start), pace, stop)
        finally:
            devices.close()
    client.close()
    return 0


def play(client: HubClient, devices: PlayedDevices, feeds: LiveFeeds, pace: Pace, stop: threading.Event) -> None:
    """Sends what the feeds say, tick by tick, until `stop`. While the hub is away readings are dropped, not kept."""
    log.info("the feeds play", extra={"sensors": feeds.sensor_count})
    away_since: datetime | None = None
    refused: set[str] = set()
    due = time.monotonic()
    while not stop.is_set():
        tick = feeds.next(pace.moment())
        try:
            rejected = client.upsert(tick.entities, LIVE_PATIENCE_S)
            if devices.send(tick.payloads, LIVE_PATIENCE_S):
                feeds.speak_again()
        except HubAway as error:
            if away_since is None:
                away_since = datetime.now(UTC)
                log.warning("the hub is away, readings are dropped: %s", error)
            feeds.forget()
        else:
            if away_since is not None:
                log.info("the hub is back", extra={"away_since": away_since.isoformat(timespec="seconds")})
                away_since = None
            report_rejected([item for item in rejected if item.id not in refused])
            refused.update(item.id for item in rejected)
        due = max(due + TICK_S, time.monotonic() - TICK_S)
        stop.wait(max(0.0, due - time.monotonic()))


def report_rejected(rejected: Sequence[Rejected]) -> None:
    """Tells which entities the hub refused: the first five, and how many."""
    if rejected:
        first = "; ".join(f"{item.id}: {item.reason}" for item in rejected[:5])
        log.warning("the hub refused %d entities: %s", len(rejected), first)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the start must carry its offset, such as 2026-11-23T08:00:00+08:00")
    return moment.astimezone(UTC)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cityhub.ingest.player", description="Plays a district's feeds into a hub.")
    parser.add_argument("--url", required=True, help="address of the hub, such as http://127.0.0.1:8080")
    parser.add_argument("--district", required=True, type=Path, help="the district's folder")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second (default 1)")
    parser.add_argument("--start", type=_moment, help="first simulated moment; default: now, or a day ago at a speed above 1")
    parser.add_argument("--seed", type=int, default=1, help="seed of all chance (default 1)")
    parser.add_argument("--load-only", action="store_true", help="load the district and its recorded figures, then end")
    parser.add_argument("--log-format", choices=("auto", "json", "text"), default="auto", help="form of the log (default auto)")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="least severe message (info)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
