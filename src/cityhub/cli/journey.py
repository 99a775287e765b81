"""`cityhub trace`, `flow` and `readers`: an item's way through the hub, the hub's routing table, and who follows the journal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.settings import SettingsRead


def trace(read: SettingsRead, url: str | None, tenant: str, id: str, as_json: bool) -> int:
    """Prints what the journal holds of an item; returns 0, or 1 when it knows nothing of it."""

    async def work() -> int:
        answer = await _get(read, url, tenant, f"/api/hub/trace/{quote(id, safe=':')}")
        if as_json:
            _print_json(answer)
        else:
            _print_trace(answer)
        return 0 if answer["changes"] or answer["exists"] else 1

    return command(work)


def flow(read: SettingsRead, url: str | None, tenant: str, as_json: bool) -> int:
    """Prints who reads what from whom; returns 0."""

    async def work() -> int:
        lines = await _get(read, url, tenant, "/api/hub/flow")
        if as_json:
            _print_json(lines)
        else:
            rows = [(line["source"], line["what"], line["reader"], line["state"]) for line in lines]
            print_table(("from", "what", "to", "state"), rows)
        return 0

    return command(work)


def readers(read: SettingsRead, url: str | None, forget: str | None) -> int:
    """Prints the durable readers of the journal and how far each has come, or lets go of one; returns 0."""

    async def work() -> int:
        if forget is not None:
            async with connect(read.settings, url, "") as client:
                response = await client.delete(f"/api/hub/readers/{quote(forget, safe='')}")
            if response.status_code != 204:
                raise Failed(failure(response))
            print(f"The journal waits for '{forget}' no more.")
            return 0
        positions = await _get(read, url, "", "/api/hub/journal")
        rows = [(name, f"{one['position']:,}", f"{one['lag']:,}") for name, one in positions["readers"].items()]
        print(f"newest position {positions['last']:,}")
        print_table(("reader", "position", "behind"), rows)
        return 0

    return command(work)


async def _get(read: SettingsRead, url: str | None, tenant: str, path: str) -> Any:
    async with connect(read.settings, url, tenant) as client:
        response = await client.get(path)
    if response.status_code != 200:
        raise Failed(failure(response))
    return response.json()


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def _print_trace(answer: dict[str, Any]) -> None:
    searched = answer["searched"]
    state = "exists" if answer["exists"] else "does not exist now"
    print(f"{answer['id']}: {state}; journal searched from {searched['after'] + 1} to {searched['to']}")
    rows = []
    for change in answer["changes"]:
        touched = ", ".join(f"{name.removeprefix(DEFAULT_VOCAB)} {what}" for name, what in change["attributes"].items())
        waiting = [name for name, passed in change["passed"].items() if not passed]
        state = f"waits for {', '.join(waiting)}" if waiting else "passed all readers" if change["passed"] else "no readers"
        rows.append((str(change["position"]), change["at"], change["id"], change["kind"], touched, state, change["trace"]))
    if rows:
        print_table(("position", "at", "id", "what", "attributes", "readers", "trace"), rows)
    else:
        print("The journal holds no change of it: all readers have passed them, or there was none.")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows in columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
