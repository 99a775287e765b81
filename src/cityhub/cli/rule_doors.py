"""The commands of rules."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from cityhub.cli.connection import Failed
from cityhub.cli.ingest_client import Doors, ask, read_bytes
from cityhub.cli.journey import print_table
from cityhub.model.errors import CityHubError
from cityhub.rules.register.definition import read_rule

RULES = "/api/rules"
MOST_LINES = 50


def list_rules(doors: Doors, given: argparse.Namespace) -> int:
    """Prints all rules; returns 1 when one of them does not work."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", RULES)
        if not doors.shown(answer):
            heads = ("rule", "title", "version", "state", "open", "evaluated", "failed", "right", "last", "why")
            print_table(heads, [_row(rule) for rule in answer["rules"]])
        return int(any(rule["status"]["state"] in ("failing", "refused") for rule in answer["rules"]))

    return doors.visit(work)


def _row(rule: dict[str, Any]) -> tuple[str, ...]:
    status, value = rule["status"], rule["precision"]["value"]
    counts = (f"{status[name]:,}" for name in ("open", "evaluated", "failed"))
    right = "-" if value is None else f"{value:.0%}"
    title = rule["title"].get("zh") or next(iter(rule["title"].values()))
    return rule["id"], title, str(rule["version"]), status["state"], *counts, right, status["lastAt"][:19] or "-", status["detail"]


def check(doors: Doors, given: argparse.Namespace) -> int:
    """Prints what is wrong with the rule of a file; returns 1 when something is."""

    async def work(client: httpx.AsyncClient) -> int:
        rule = _rule(given.file)
        answer = await ask(client, "POST", f"{RULES}/check", json={"rule": rule})
        if not doors.shown(answer):
            print("\n".join(answer["problems"]) or f"The rule '{rule['id']}' can run.")
        return int(bool(answer["problems"]))

    return doors.visit(work)


def trial(doors: Doors, given: argparse.Namespace) -> int:
    """Prints the alerts that the rule of a file would have raised; returns 1 when evaluations failed."""

    async def work(client: httpx.AsyncClient) -> int:
        rule = _rule(given.file)
        answer = await ask(client, "POST", f"{RULES}/trial", json={"rule": rule, "from": given.start, "to": given.end})
        if not doors.shown(answer):
            _print_trial(answer)
        return int(bool(answer["problems"]))

    return doors.visit(work)


def _print_trial(answer: dict[str, Any]) -> None:
    print(f"{answer['raised']:,} alerts out of {answer['observations']:,} observations, in {answer['tookS']:.1f} s")
    rows = [(one["at"][:19], one["kind"], one["severity"], one["subject"], one["condition"]) for one in answer["signals"][:MOST_LINES]]
    if rows:
        print_table(("at", "what", "severity", "subject", "condition"), rows)
    if len(answer["signals"]) > MOST_LINES:
        print(f"... and {len(answer['signals']) - MOST_LINES:,} more; --json prints them")
    for problem in answer["problems"]:
        print(f"failed: {problem}")


def trace(doors: Doors, given: argparse.Namespace) -> int:
    """Prints an entity's way through a rule."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", f"{RULES}/{quote(given.rule, safe='')}/trace", params={"entity": given.entity})
        if not doors.shown(answer):
            print(msgspec.yaml.encode(answer).decode(), end="")
        return 0

    return doors.visit(work)


def _rule(file: str) -> dict[str, Any]:
    """The rule of a file. Raises Failed."""
    try:
        rule: dict[str, Any] = msgspec.to_builtins(read_rule(read_bytes(file)))
    except CityHubError as error:
        raise Failed(f"{file}: {error.detail}") from None
    return rule
