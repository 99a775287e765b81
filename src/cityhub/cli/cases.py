"""`cityhub cases`: cases and tasks from the command line, by the doors of the hub."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

import httpx

from cityhub.cli.ingest_client import Doors, ask
from cityhub.cli.journey import print_table
from cityhub.settings import SettingsRead

FILTERS = ("state", "kind", "grade", "department", "person", "q", "overdue", "order", "limit")


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Adds the commands behind `cityhub cases`."""
    parts = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    listed = parts.add_parser("list", help="Lists cases, the next due first.", allow_abbrev=False)
    listed.set_defaults(part=list_cases)
    for name in FILTERS:
        listed.add_argument(f"--{name}", metavar=name.upper(), help=f"the parameter '{name}' of GET /api/cases")
    shown = parts.add_parser("show", help="Shows a case with its tasks, clocks and timeline.", allow_abbrev=False)
    shown.set_defaults(part=show)
    shown.add_argument("case", metavar="CASE", help="id of a case")
    for one in (listed, shown):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the hub's answer as JSON")
        one.add_argument("--url", default=argparse.SUPPRESS, help="address of the hub; without it the hub that runs on the data folder")
        one.add_argument("--data", default=argparse.SUPPRESS, metavar="DIR", help="data folder of the hub")


def run(given: argparse.Namespace, settings: SettingsRead) -> int:
    """Runs one of them; returns 0, or 1 when something is wrong."""
    return int(given.part(Doors(settings, given.url, given.tenant, as_json=given.json), given))


def list_cases(doors: Doors, given: argparse.Namespace) -> int:
    """Prints cases and how they stand."""
    wanted = {name: getattr(given, name) for name in FILTERS if getattr(given, name) is not None}

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", "/api/cases", params=wanted)
        if not doors.shown(answer):
            print_table(("number", "grade", "kind", "step", "due", "", "title", "id"), [_row(case) for case in answer["cases"]])
            print(f"{answer['count']} cases")
        return 0

    return doors.visit(work)


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    late = "overdue" if case["overdue"] else ""
    return case["number"], case["grade"], case["kind"], case["step"] or case["state"], case["dueAt"][:16], late, case["title"], case["id"]


def show(doors: Doors, given: argparse.Namespace) -> int:
    """Prints a case."""

    async def work(client: httpx.AsyncClient) -> int:
        case = await ask(client, "GET", f"/api/cases/{quote(given.case, safe=':')}")
        if not doors.shown(case):
            _print(case)
        return 0

    return doors.visit(work)


def _print(case: dict[str, Any]) -> None:
    print(f"{case['number']}  {case['title']}  [{case['grade']}, {case['kind']}, {case['state']}, round {case['round']}]")
    print(f"process {case['process']} version {case['processVersion']}; departments: {', '.join(case['departments']) or '-'}")
    for task in case["tasks"]:
        whose = task["assignee"] or task["department"] or task["lane"] or "anybody"
        print(f"task {task['id']}: {task['name']} ({task['element']}), {whose}")
    print_table(("limit", "rule", "started", "due", "ended", ""), [_clock(clock) for clock in case["clocks"]])
    print_table(("at", "what", "step", "outcome", "by", "note"), [
        (line["at"][:19], line["what"], line["element"], line["outcome"], line["by"], line["note"]) for line in case["timeline"]
    ])  # fmt: skip


def _clock(clock: dict[str, Any]) -> tuple[str, ...]:
    state = "broken" if clock["broken"] else "paused" if clock["paused"] else ""
    return clock["limit"], clock["rule"], clock["startedAt"][:16], clock["dueAt"][:16], clock["endedAt"][:16], state
