"""The commands of feeds and dead letters."""

from __future__ import annotations

import argparse
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import orjson

from cityhub.cli.connection import Failed
from cityhub.cli.ingest_client import Doors, ask, print_json, read_bytes
from cityhub.cli.journey import print_table
from cityhub.ingest.register.definition import read_definition
from cityhub.model.errors import CityHubError

FEEDS = "/api/feeds"
LETTERS = "/api/dead-letters"


def list_feeds(doors: Doors, given: argparse.Namespace) -> int:
    """Prints all feeds and how they stand."""

    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", FEEDS)
        if not doors.shown(answer):
            print_table(("feed", "protocol", "state", "per s", "received", "written", "late", "letters", "last", "why"), [
                _row(feed) for feed in answer["feeds"]])  # fmt: skip
        return 0

    return doors.visit(work)


def _row(feed: dict[str, Any]) -> tuple[str, ...]:
    status = feed["status"]
    why = f"silent since {status['silentSince']}" if status.get("silentSince") else status["detail"]
    figures = (f"{status['perSecond']:.1f}", *(f"{status[name]:,}" for name in ("received", "written", "late", "deadLetters")))
    return feed["id"], feed["protocol"], status["state"], *figures, status["lastAt"][:19] or "-", why


def show(doors: Doors, given: argparse.Namespace) -> int:
    """Prints a feed, or its versions."""

    async def work(client: httpx.AsyncClient) -> int:
        path = f"{FEEDS}/{quote(given.feed, safe='')}"
        if not given.versions:
            answer = await ask(client, "GET", path)
            if not doors.shown(answer):
                _print_feed(answer)
            return 0
        answer = await ask(client, "GET", f"{path}/versions")
        if not doors.shown(answer):
            changes = [(str(one["version"]), one["changed"]) for one in answer["versions"]]
            rows = [(version, changed["at"][:19], changed["by"], changed["why"]) for version, changed in changes]
            print_table(("version", "at", "by", "why"), rows)
        return 0

    return doors.visit(work)


def _print_feed(feed: dict[str, Any]) -> None:
    status, changed = feed.pop("status"), feed.pop("changed", None)
    print(f"# {_because(status['state'], status['detail'])}; {status['received']:,} messages, {status['deadLetters']:,} dead letters")
    if changed:
        print(_because(f"# version {feed['version']} of {changed['at'][:19]} by {changed['by']}", changed["why"]))
    feed.pop("district", None)
    print(msgspec.yaml.encode(feed).decode(), end="")


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def add(doors: Doors, given: argparse.Namespace) -> int:
    """Adds the feed of a file, or changes the one with its id."""

    async def work(client: httpx.AsyncClient) -> int:
        content = read_bytes(given.file)
        id = _definition(given.file, content)["id"]
        path, why = f"{FEEDS}/{quote(id, safe='')}", {"why": given.why} if given.why else {}
        before = await client.get(path)
        if before.status_code == 404:
            answer = await ask(client, "POST", FEEDS, content=content, params=why)
            told = f"The feed '{id}' was added."
        else:
            answer = await ask(client, "PUT", path, content=content, params=why)
            is_new = before.status_code != 200 or answer["version"] != before.json()["version"]
            told = f"The feed '{id}' has version {answer['version']} now." if is_new else f"The feed '{id}' is like that already."
        if not doors.shown(answer):
            print(told)
        return 0

    return doors.visit(work)


def _definition(name: str, content: bytes) -> dict[str, Any]:
    """The definition in a file, checked as far as that goes here. Raises Failed."""
    try:
        definition: dict[str, Any] = msgspec.to_builtins(read_definition(content))
    except CityHubError as error:
        raise Failed(f"{name}: {error.detail}") from None
    return definition


def attempt(doors: Doors, given: argparse.Namespace) -> int:
    """Prints what a feed makes of a sample; returns 1 when there are problems."""

    async def work(client: httpx.AsyncClient) -> int:
        is_file = given.feed == "-" or Path(given.feed).is_file()
        feed: Any = _definition(given.feed, read_bytes(given.feed)) if is_file else given.feed
        try:
            about = orjson.loads(given.about)
        except orjson.JSONDecodeError as error:
            raise Failed(f"--about must be JSON: {error}") from None
        asked = {"feed": feed, "sampleBase64": b64encode(read_bytes(given.sample)).decode(), "about": about, "format": given.format}
        answer = await ask(client, "POST", f"{FEEDS}/trial", json=asked)
        if not doors.shown(answer):
            print(f"{len(answer['records'])} records, {len(answer['entities'])} entities, {len(answer['problems'])} problems")
            for entity in answer["entities"]:
                print_json(entity)
            for problem in answer["problems"]:
                place = "the whole" if problem["record"] < 0 else f"record {problem['record']}"
                print(f"{place}, {problem['stage']}: {problem['reason']}")
        return 1 if answer["problems"] else 0

    return doors.visit(work)


def switch(doors: Doors, given: argparse.Namespace) -> int:
    """Starts or stops a feed."""

    async def work(client: httpx.AsyncClient) -> int:
        why = {"why": given.why} if given.why else {}
        answer = await ask(client, "POST", f"{FEEDS}/{quote(given.feed, safe='')}/{given.deed}", params=why)
        if not doors.shown(answer):
            print(f"The feed '{given.feed}' is {'started' if answer['enabled'] else 'stopped'}.")
        return 0

    return doors.visit(work)


def delete(doors: Doors, given: argparse.Namespace) -> int:
    """Deletes a feed."""

    async def work(client: httpx.AsyncClient) -> int:
        await ask(client, "DELETE", f"{FEEDS}/{quote(given.feed, safe='')}")
        if not doors.shown(None):
            print(f"The feed '{given.feed}' was deleted.")
        return 0

    return doors.visit(work)


def push(doors: Doors, given: argparse.Namespace) -> int:
    """Sends a file to a feed; returns 1 when a record of it could not be taken."""

    async def work(client: httpx.AsyncClient) -> int:
        headers = {"content-type": given.type or "application/octet-stream"}
        path = f"{FEEDS}/{quote(given.feed, safe='')}/messages"
        answer = await ask(client, "POST", path, content=read_bytes(given.file), headers=headers)
        if not doors.shown(answer):
            figures = [f"{answer[name]} {name}" for name in ("written", "late", "same", "flagged")]
            print(", ".join([*figures, f"{len(answer['refused'])} refused"]))
            for reason in answer["refused"]:
                print(f"  {reason}")
        return 1 if answer["refused"] else 0

    return doors.visit(work)


def protocols(doors: Doors, given: argparse.Namespace) -> int:
    """Prints the protocols."""
    return _described(doors, "protocols")


def formats(doors: Doors, given: argparse.Namespace) -> int:
    """Prints the formats."""
    return _described(doors, "formats")


def _described(doors: Doors, what: str) -> int:
    async def work(client: httpx.AsyncClient) -> int:
        answer = await ask(client, "GET", f"{FEEDS}/{what}")
        if not doors.shown(answer):
            print_table(("name", "what"), [(one["name"], one["summary"]) for one in answer[what]])
        return 0

    return doors.visit(work)


def letters(doors: Doors, given: argparse.Namespace) -> int:
    """Prints dead letters."""

    async def work(client: httpx.AsyncClient) -> int:
        asked = {"limit": given.limit, **{name: getattr(given, name) for name in ("feed", "stage") if getattr(given, name)}}
        answer = await ask(client, "GET", LETTERS, params=asked)
        if not doors.shown(answer):
            print(f"{answer['total']:,} dead letters")
            rows = [(one["id"], one["feed"], one["stage"], str(one["attempts"]), one["reason"][:100]) for one in answer["letters"]]
            if rows:
                print_table(("letter", "feed", "stage", "tried", "why"), rows)
        return 0

    return doors.visit(work)


def letter(doors: Doors, given: argparse.Namespace) -> int:
    """Prints, fixes or deletes a dead letter."""

    async def work(client: httpx.AsyncClient) -> int:
        path = f"{LETTERS}/{quote(given.id, safe='')}"
        if given.delete:
            await ask(client, "DELETE", path)
            print("The letter was deleted.")
            return 0
        if given.body:
            text = read_bytes(given.body).decode("utf-8", "strict")
            answer = await ask(client, "PUT", path, json={"body": text})
        else:
            answer = await ask(client, "GET", path)
        if not doors.shown(answer):
            body = answer.pop("body", None) or f"(Base64) {answer.pop('bodyBase64', '')}"
            print(msgspec.yaml.encode(answer).decode() + "---\n" + body)
        return 0

    return doors.visit(work)


def replay(doors: Doors, given: argparse.Namespace) -> int:
    """Tries letters again; returns 1 when one of them could not be taken."""

    async def work(client: httpx.AsyncClient) -> int:
        if not given.id and not given.feed:
            raise Failed("Name letters, or --feed for all of a feed")
        asked = {"ids": given.id} if given.id else {"feed": given.feed}
        answer = await ask(client, "POST", f"{LETTERS}/replay", json=asked)
        if not doors.shown(answer):
            print(_because(f"{answer['taken']} taken, {len(answer['failed'])} not, {answer['left']} left", answer["why"]))
            for id, reason in answer["failed"].items():
                print(f"  {id}: {reason}")
        return 1 if answer["failed"] or answer["left"] else 0

    return doors.visit(work)
