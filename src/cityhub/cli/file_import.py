"""`cityhub ingest file`: a file into a running hub; it is looked into, and with a plan tried or imported, with progress."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.cli.progress import Progress
from cityhub.ingest.files.plan import Plan, read_plan
from cityhub.settings import SettingsRead

PREFIX: Final = "/api/imports"
TOLD: Final = 20
"""So many problems are told; the file of refused rows has all."""
_PAUSE_S: Final = 0.5
_TRIES: Final = 8
"""How often a part of a file is sent while the hub is away, with pauses that grow to some seconds."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        path: The file.
        plan: The file that says what becomes of it; None: only what is in the file is shown, with a plan to begin with.
        dry_run: Try it and write nothing.
        rows: Of a dry run, only so many first rows; None: all.
        refused: Where refused rows go; None: beside the file, with the ending `.refused.csv`.
    """

    path: Path
    plan: Path | None = None
    dry_run: bool = False
    rows: int | None = None
    refused: Path | None = None


def ingest_file(read: SettingsRead, url: str | None, tenant: str, wanted: Wanted) -> int:
    """Imports one file; returns 0, or 1 when something was refused or failed."""

    async def work() -> int:
        plan = read_plan(wanted.plan.read_bytes()) if wanted.plan is not None else None
        async with connect(read.settings, url, tenant) as client:
            file = await _sent(client, wanted.path)
            preview = await _looked(client, file, plan)
            if plan is None:
                print(_proposal(preview))
                return 0
            return await _imported(client, file, plan, wanted)

    return command(work)


async def _sent(client: httpx.AsyncClient, path: Path) -> str:
    """Sends a file part by part; returns its id."""
    if not path.is_file():
        raise Failed(f"'{path}' is no file")
    size = path.stat().st_size
    begun = _good(await client.post(f"{PREFIX}/files", params={"name": path.name, "size": size}))
    progress = Progress(size, "bytes", f"{path}: sent", sys.stderr)
    received = 0
    with open(path, "rb") as file:  # noqa: ASYNC230 - nothing else goes on here
        while received < size:
            file.seek(received)
            part = file.read(int(begun["partBytes"]))
            received = await _put(client, str(begun["id"]), received, part, size)
            progress.show(received, received, 0)
    return str(begun["id"])


async def _put(client: httpx.AsyncClient, id: str, begin: int, part: bytes, size: int) -> int:
    """Sends a part, again while the hub is away; returns how many bytes it has."""
    headers = {"Content-Range": f"bytes {begin}-{begin + len(part) - 1}/{size}", "Content-Type": "application/octet-stream"}
    for attempt in range(_TRIES):
        try:
            answer = await client.put(f"{PREFIX}/files/{id}/content", content=part, headers=headers)
        except httpx.TransportError:
            if attempt == _TRIES - 1:
                raise
        else:
            if answer.status_code == 409:
                return int(answer.json()["received"])
            if answer.status_code != 503 or attempt == _TRIES - 1:
                return int(_good(answer)["received"])
        await asyncio.sleep(_PAUSE_S * min(2**attempt, 10))
    raise AssertionError


async def _looked(client: httpx.AsyncClient, file: str, plan: Plan | None) -> dict[str, Any]:
    """What is in a file, read as the plan says."""
    given = msgspec.to_builtins(plan.reading) if plan is not None else {}
    while True:
        told = _good(await client.get(f"{PREFIX}/files/{file}", params={**given, "wait": 5}))
        if told["state"] == "failed":
            raise Failed(told["reason"])
        if told["state"] == "ready":
            preview: dict[str, Any] = told["preview"]
            return preview


def _proposal(preview: dict[str, Any]) -> str:
    """What is in a file as remarks, then a plan to begin with."""
    lines = [f"# {preview['kind']}, {preview['rows']} rows" + (f", tables: {', '.join(preview['tables'])}" if preview["tables"] else "")]
    for column in preview["columns"]:
        unit, role = f" {column['unit']}" if column.get("unit") else "", f", {column['role']}" if column.get("role") else ""
        values = ", ".join(column.get("samples", []))[:100]
        lines.append(f"# {column['name']}: {column['type']}{unit}{role}, {column['empty']:.0%} empty: {values}")
    lines += [f"# row {problem['row']}: {problem['reason']}" for problem in preview["problems"][:TOLD]]
    return "\n".join([*lines, msgspec.yaml.encode(preview["plan"]).decode()])


async def _imported(client: httpx.AsyncClient, file: str, plan: Plan, wanted: Wanted) -> int:
    body = {"file": file, "plan": msgspec.to_builtins(plan), "dryRun": wanted.dry_run}
    job = _good(await client.post(PREFIX, json={**body, "rows": wanted.rows} if wanted.rows else body))
    progress = Progress(int(job["total"]), "rows", str(wanted.path), sys.stderr)
    try:
        while job["state"] in ("waiting", "running"):
            await asyncio.sleep(_PAUSE_S)
            job = _good(await client.get(f"{PREFIX}/{job['id']}"))
            progress.show(job["rows"], job["rows"], job["refused"])
    except (asyncio.CancelledError, KeyboardInterrupt):
        print(f"{wanted.path}: the import {job['id']} goes on in the hub", file=sys.stderr)
        raise
    progress.show(job["rows"], job["rows"], job["refused"], last=True)
    return await _told(client, job, wanted)


async def _told(client: httpx.AsyncClient, job: dict[str, Any], wanted: Wanted) -> int:
    """Tells how an import ended."""
    for problem in job["problems"][:TOLD]:
        where = f"{problem['row']}: " + (f"{problem['column']}: " if problem["column"] else "")
        print(f"{wanted.path}:{where}{problem['content'] + ': ' if problem['content'] else ''}{problem['reason']}", file=sys.stderr)
    if job["state"] != "done":
        raise Failed(job["reason"] or f"the import is {job['state']}")
    if job["dryRun"]:
        for entity in job["sample"]:
            print(msgspec.json.encode(entity).decode())
        print(f"{wanted.path}: {job['made']} updates would come of {job['rows']} rows, {job['refused']} are refused; nothing was written")
    elif job["target"] == "entities":
        print(f"{wanted.path}: {job['written']} updates were written, {job['late']} were older, {job['same']} were there already")
    else:
        print(f"{wanted.path}: {job['made']} observations are journalled for the history")
    if job["refused"] and not wanted.dry_run:
        target = wanted.refused or wanted.path.with_name(f"{wanted.path.name}.refused.csv")
        async with client.stream("GET", f"{PREFIX}/{job['id']}/refused") as answer:
            with open(target, "wb") as file:  # noqa: ASYNC230 - nothing else goes on here
                async for block in answer.aiter_bytes():
                    file.write(block)
        print(f"{wanted.path}: {job['refused']} rows or values were refused: {target} says why", file=sys.stderr)
    return 1 if job["refused"] else 0


def _good(answer: httpx.Response) -> Any:
    if answer.status_code not in (200, 201):
        raise Failed(failure(answer))
    return answer.json()
