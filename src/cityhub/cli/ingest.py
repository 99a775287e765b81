"""`cityhub ingest`: feeds, dead letters and devices from the command line; does what the screen does, by the same doors."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from cityhub.cli.ingest_file import add_file_command
from cityhub.settings import SettingsRead


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Adds the commands behind `cityhub ingest`."""
    parts = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    for add in (_add_feeds, _add_letters, _add_devices, _add_device, add_file_command):
        add(parts)


def run(given: argparse.Namespace, settings: SettingsRead) -> int:
    """Runs one of them; returns 0, or 1 when something of it failed."""
    from cityhub.cli.ingest_client import Doors

    module, _, name = given.part.partition(".")
    work = getattr(import_module(f"cityhub.cli.{module}"), name)
    return int(work(Doors(settings, given.url, given.tenant, as_json=given.json), given))


def _part(parts: Any, name: str, help: str, work: str, *arguments: tuple[str, str]) -> argparse.ArgumentParser:
    """Adds a command with its positional arguments, each with its help; one that ends with '.' may come any number of times.

    `work` names module and function, which are imported only when the command is run.
    """
    parser: argparse.ArgumentParser = parts.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(part=work)
    for argument, text in arguments:
        name = argument.rstrip(".")
        parser.add_argument(name.lower(), metavar=name, help=text, nargs=None if name == argument else "*")
    # Behind the last word as well; what stands before it is not undone by a default.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the hub's answer as JSON")
    parser.add_argument("--url", default=argparse.SUPPRESS, help="address of the hub; without it the hub that runs on the data folder")
    parser.add_argument("--data", default=argparse.SUPPRESS, metavar="DIR", help="data folder of the hub")
    parser.add_argument("--tenant", default=argparse.SUPPRESS, metavar="NAME", help="tenant of devices")
    return parser


FEED = ("FEED", "id of a feed")
FILE = ("FILE", "a feed as YAML or JSON; '-': standard input")


def _add_feeds(parts: Any) -> None:
    _part(parts, "feeds", "Lists the feeds and how they stand.", "ingest_feeds.list_feeds")
    show = _part(parts, "show", "Shows a feed with its definition.", "ingest_feeds.show", FEED)
    show.add_argument("--versions", action="store_true", help="list its versions: who changed it when, and why")
    add = _part(parts, "add", "Adds a feed, or gives one that is there the definition of the file.", "ingest_feeds.add", FILE)
    add.add_argument("--why", default="", metavar="TEXT", help="reason, kept with the version")
    attempt = _part(
        parts, "try", "Shows what a feed makes of a sample; nothing is kept.", "ingest_feeds.attempt",
        ("FEED", "a feed's file, or the id of a feed of the hub"), ("SAMPLE", "file with a payload; '-': standard input"),
    )  # fmt: skip
    attempt.add_argument("--about", default="{}", metavar="JSON", help='what is known beside it, such as \'{"topic": ["rain", "7"]}\'')
    attempt.add_argument("--format", default="", metavar="NAME", help="format of the sample, where it is not the feed's")
    for name, help in (("start", "Starts a feed."), ("stop", "Stops a feed.")):
        switch = _part(parts, name, help, "ingest_feeds.switch", FEED)
        switch.set_defaults(deed=name)
        switch.add_argument("--why", default="", metavar="TEXT", help="reason, kept with the version")
    _part(parts, "delete", "Deletes a feed; its versions stay.", "ingest_feeds.delete", FEED)
    push = _part(
        parts, "push", "Sends a file to a feed as one message.", "ingest_feeds.push", FEED, ("FILE", "the payload; '-': standard input")
    )
    push.add_argument("--type", default="", metavar="MEDIA", help="media type of the payload, such as text/csv (the feed's format)")
    _part(parts, "protocols", "Lists the protocols that a feed may name.", "ingest_feeds.protocols")
    _part(parts, "formats", "Lists the formats that a feed may name.", "ingest_feeds.formats")


def _add_letters(parts: Any) -> None:
    letters = _part(parts, "letters", "Lists what came and could not be taken, the newest first.", "ingest_feeds.letters")
    letters.add_argument("--feed", default="", metavar="FEED", help="only of this feed")
    letters.add_argument("--stage", default="", choices=("", "decode", "map", "take"), metavar="STAGE", help="decode, map or take")
    letters.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (50)")
    letter = _part(parts, "letter", "Shows a dead letter, fixes or deletes it.", "ingest_feeds.letter", ("ID", "of the letter"))
    letter.add_argument("--body", metavar="FILE", help="give it this body, to be replayed; '-': standard input")
    letter.add_argument("--delete", action="store_true", help="delete it")
    replay = _part(
        parts, "replay", "Tries dead letters again, with their feed's present definition.", "ingest_feeds.replay",
        ("ID.", "of letters; none: all of --feed"),
    )  # fmt: skip
    replay.add_argument("--feed", default="", metavar="FEED", help="all letters of this feed")


def _add_devices(parts: Any) -> None:
    devices = _part(parts, "devices", "Lists the devices and how they are.", "ingest_devices.list_devices")
    devices.add_argument("--q", default="", metavar="TEXT", help="only those with this in id, name or serial number")
    devices.add_argument("--feed", default="", metavar="FEED", help="only those of this feed")
    healths = ("", "ok", "late", "silent", "never")
    devices.add_argument("--health", default="", choices=healths, metavar="HEALTH", help="ok, late, silent or never")
    devices.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (50)")


def _add_device(parts: Any) -> None:
    parser = parts.add_parser("device", help="Adds, claims, changes and commands devices.", allow_abbrev=False)
    deeds = parser.add_subparsers(title="deeds", metavar="DEED", required=True)
    device = ("DEVICE", "id or short name of a device")
    _part(deeds, "show", "Shows a device.", "ingest_devices.show", device)
    add = _part(deeds, "add", "Adds a device.", "ingest_devices.add", device, ("MEMBER.", "NAME=VALUE, such as interval_s=60"))
    add.add_argument("--token", action="store_true", help="make a token for it; it is shown this once")
    add.add_argument("--claim", action="store_true", help="make a key by which it can be claimed once")
    _part(deeds, "set", "Changes members of a device.", "ingest_devices.change", device, ("MEMBER.", "NAME=VALUE; NAME= takes it away"))
    _part(deeds, "delete", "Deletes a device with its entity.", "ingest_devices.delete", device)
    _part(deeds, "bulk", "Adds the devices of a file.", "ingest_devices.bulk", ("FILE", "CSV with heads, or JSON"))
    claim = _part(deeds, "claim", "Claims a device by its key, which is good once.", "ingest_devices.claim", ("KEY", "claim key"))
    claim.add_argument("--owner", default="", metavar="TEXT", help="who answers for it from now on")
    token = _part(deeds, "token", "Makes a token for a device; it is shown this once.", "ingest_devices.token", device)
    token.add_argument("--rotate", action="store_true", help="the others end")
    token.add_argument("--grace", type=float, default=0.0, metavar="S", help="with --rotate: after so many seconds (0)")
    token.add_argument("--expires", default="", metavar="TIME", help="when it ends, such as 2027-01-01T00:00:00Z (never)")
    token.add_argument("--revoke", metavar="ID", help="end this one instead; 'all' ends all")
    order = _part(
        deeds, "command", "Gives a command to a device, and waits for what becomes of it.", "ingest_devices.order", device,
        ("NAME", "what it is to do"), ("PARAMETER.", "NAME=VALUE; a value is JSON, or text"),
    )  # fmt: skip
    order.add_argument("--timeout", type=float, default=30.0, metavar="S", help="how long the device may take to answer (30)")
    order.add_argument("--valid", type=float, default=3600.0, metavar="S", help="how long it is worth sending (3600)")
    order.add_argument("--no-wait", dest="wait", action="store_false", help="do not wait for what becomes of it")
    commands = _part(deeds, "commands", "Lists the commands of a device.", "ingest_devices.orders", device)
    commands.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (20)")
