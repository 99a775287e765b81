"""`cityhub rules`: the rules from the command line; does what the screen does, by the same doors."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from cityhub.settings import SettingsRead


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Adds the commands behind `cityhub rules`."""
    parts = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    _part(parts, "list", "Lists the rules and how they stand, those that do not work first.", "list_rules")
    check = _part(parts, "check", "Checks a rule; nothing is kept.", "check")
    trial = _part(parts, "trial", "Shows what a rule would have said of the past; nothing is kept.", "trial")
    for one in (check, trial):
        one.add_argument("file", metavar="FILE", help="a rule as YAML or JSON; '-': standard input")
    trial.add_argument("--from", dest="start", required=True, metavar="TIME", help="first moment, such as 2026-06-01T00:00:00+08:00")
    trial.add_argument("--to", dest="end", required=True, metavar="TIME", help="the moment at which it ends")
    trace = _part(parts, "trace", "Shows how an entity goes through a rule that runs, as it stands now.", "trace")
    trace.add_argument("rule", metavar="RULE", help="id of a rule")
    trace.add_argument("entity", metavar="ENTITY", help="id of an entity")


def run(given: argparse.Namespace, settings: SettingsRead) -> int:
    """Runs one of them; returns 0, or 1 when something is wrong."""
    from cityhub.cli import rule_doors
    from cityhub.cli.ingest_client import Doors

    work: Callable[[Doors, argparse.Namespace], int] = getattr(rule_doors, given.part)
    return work(Doors(settings, given.url, given.tenant, as_json=given.json), given)


def _part(parts: Any, name: str, help: str, work: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(part=work)
    # Behind the last word as well; what stands before it is not undone by a default.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the hub's answer as JSON")
    parser.add_argument("--url", default=argparse.SUPPRESS, help="address of the hub; without it the hub that runs on the data folder")
    parser.add_argument("--data", default=argparse.SUPPRESS, metavar="DIR", help="data folder of the hub")
    return parser
