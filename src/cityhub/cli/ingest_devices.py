"""The commands of devices."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from cityhub.cli.ingest_client import Doors, ask, members, read_bytes
from cityhub.cli.journey import print_table

DEVICES = "/api/devices"
LOOK_S = 0.25
"""How often is looked for what became of a command."""
MARGIN_S = 5.0


def _path(device: str, *more: str) -> str:
    return "/".join((DEVICES, *(quote(part, safe=":") for part in (device, *more))))


def list_devices(doors: Doors, given: argparse.Namespace) -> int:
    """Prints the devices."""

    async def work(client: httpx.AsyncClient) -> int:
        asked = {"limit": given.limit, **{name: getattr(given, name) for name in ("q", "feed", "health") if getattr(given, name)}}
        answer = await ask(client, "GET", DEVICES, params=asked)
        if not doors.shown(answer):
            counts = ", ".join(f"{count:,} {health}" for health, count in answer["byHealth"].items())
            print(f"{answer['total']:,} devices{': ' + counts if counts else ''}")
            rows = [
                (one["id"], one.get("name", ""), one["feed"], one["health"], one["lastSeen"][:19] or "-", one["firmware"]["state"])
                for one in answer["devices"]
            ]
            if rows:
                print_table(("device", "name", "feed", "health", "last heard of", "firmware"), rows)
        return 0

    return doors.visit(work)


def show(doors: Doors, given: argparse.Namespace) -> int:
    """Prints a device."""

    async def work(client: httpx.AsyncClient) -> int:
        _print(doors, await ask(client, "GET", _path(given.device)))
        return 0

    return doors.visit(work)


def _print(doors: Doors, answer: dict[str, Any]) -> None:
    if not doors.shown(answer):
        print(msgspec.yaml.encode(answer).decode(), end="")


def add(doors: Doors, given: argparse.Namespace) -> int:
    """Adds a device."""

    async def work(client: httpx.AsyncClient) -> int:
        body = {"id": given.device, **members(given.member), "token": given.token, "claimKey": given.claim or ""}
        answer = await ask(client, "POST", DEVICES, json=body)
        if not doors.shown(answer):
            print(f"The device '{answer['id']}' was added.")
            _print_secrets(answer)
        return 0

    return doors.visit(work)


def _print_secrets(answer: dict[str, Any]) -> None:
    for name, words in (("token", "Its token, shown this once"), ("claimKey", "Its claim key, good once")):
        if answer.get(name):
            print(f"{words}: {answer[name]}")


def change(doors: Doors, given: argparse.Namespace) -> int:
    """Changes members of a device."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "PATCH", _path(given.device), json=members(given.member))
        if not doors.shown(answer):
            print(f"The device '{answer['id']}' has version {answer['version']} now.")
        return 0

    return doors.visit(work)


def delete(doors: Doors, given: argparse.Namespace) -> int:
    """Deletes a device."""

    async def work(client: httpx.AsyncClient) -> int:
        await ask(client, "DELETE", _path(given.device))
        if not doors.shown(None):
            print(f"The device '{given.device}' was deleted.")
        return 0

    return doors.visit(work)


def bulk(doors: Doors, given: argparse.Namespace) -> int:
    """Adds the devices of a file; returns 1 when a row could not be taken."""

    async def work(client: httpx.AsyncClient) -> int:
        is_json = given.file.lower().endswith(".json")
        headers = {"content-type": "application/json" if is_json else "text/csv"}
        answer = await ask(client, "POST", f"{DEVICES}/bulk", content=read_bytes(given.file), headers=headers)
        if not doors.shown(answer):
            print(f"{answer['created']:,} devices were added, {len(answer['failed']):,} rows were not:" if answer["failed"] else
                  f"{answer['created']:,} devices were added.")  # fmt: skip
            for one in answer["failed"]:
                print(f"  row {one['row']} ({one['id']}): {one['reason']}")
            for one in answer["secrets"]:
                print(f"{one['id']} {one.get('token', '')} {one.get('claimKey', '')}".rstrip())
        return 1 if answer["failed"] else 0

    return doors.visit(work)


def claim(doors: Doors, given: argparse.Namespace) -> int:
    """Claims a device."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "POST", f"{DEVICES}/claim", json={"key": given.key, "owner": given.owner})
        if not doors.shown(answer):
            print(f"The device '{answer['id']}' belongs to '{answer['owner']}' now.")
            _print_secrets(answer)
        return 0

    return doors.visit(work)


def token(doors: Doors, given: argparse.Namespace) -> int:
    """Makes or revokes a credential of a device."""

    async def work(client: httpx.AsyncClient) -> int:
        path = _path(given.device, "credentials")
        if given.revoke:
            await ask(client, "DELETE", path, params={} if given.revoke == "all" else {"id": given.revoke})
            print("It is not good any more.")
            return 0
        asked = {"rotate": given.rotate, "graceS": given.grace, "expiresAt": given.expires}
        answer = await ask(client, "POST", path, json=asked)
        if not doors.shown(answer):
            print(f"Token {answer['id']}, shown this once: {answer['token']}")
        return 0

    return doors.visit(work)


def order(doors: Doors, given: argparse.Namespace) -> int:
    """Gives a command to a device; returns 0 when it was acknowledged, or was given and is not waited for."""

    async def work(client: httpx.AsyncClient) -> int:
        body = {"name": given.name, "parameters": members(given.parameter) or None, "timeoutS": given.timeout, "validS": given.valid}
        answer = await ask(client, "POST", _path(given.device, "commands"), json=body)
        if given.wait:
            answer = await _ended(client, given, answer)
        if not doors.shown(answer):
            told = f": {answer['detail']}" if answer["detail"] else ""
            value = f" {answer['value']}" if answer["value"] is not None else ""
            print(f"{answer['id']} {answer['state']}{told}{value}")
        return 0 if answer["state"] == "acknowledged" or not given.wait else 1

    return doors.visit(work)


async def _ended(client: httpx.AsyncClient, given: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """The command when it has ended, or as it is when it may have been waited for long enough."""
    path = _path(given.device, "commands", answer["id"])
    for _ in range(int((given.timeout + MARGIN_S) / LOOK_S)):
        if answer["state"] not in ("queued", "sent"):
            break
        await asyncio.sleep(LOOK_S)
        answer = await ask(client, "GET", path)
    return answer


def orders(doors: Doors, given: argparse.Namespace) -> int:
    """Prints the commands of a device."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", _path(given.device, "commands"), params={"limit": given.limit})
        if not doors.shown(answer):
            rows = [(one["id"], one["name"], one["state"], one["by"], one["detail"][:80]) for one in answer["commands"]]
            print(f"{answer['total']} commands")
            if rows:
                print_table(("command", "name", "state", "by", "detail"), rows)
        return 0

    return doors.visit(work)
