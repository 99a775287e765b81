"""The doors under `/api/devices`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from cityhub.ingest.devices.bulk import read_rows
from cityhub.ingest.devices.commands import Commands
from cityhub.ingest.devices.device import Device, Software, device_id
from cityhub.ingest.devices.device_scores import DeviceScores
from cityhub.ingest.devices.index import Key
from cityhub.ingest.devices.register import Added, DeviceRegister, Wanted
from cityhub.ingest.devices.secrets import Secret
from cityhub.ingest.devices.seen import Seen
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ngsild.moment import read as read_moment
from cityhub.model.time import Clock, to_text
from cityhub.registers.questions import object_of, page_of, tag_of, text_of, versions_of
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import tenant_of

PREFIX: Final = "/api/devices"
READ: Final = "device.read"
WRITE: Final = "device.write"
PART: Final = 500
"""So many devices are added in one transaction."""
MOST_GRACE_S: Final = 30 * 86_400


class DeviceApi:
    """The doors of devices, in the tenant that the request names.

    Args:
        register: The devices.
        seen: When they were last heard of.
        commands: What they are told to do.
        clock: The present time.
        scores: How good their data are.
    """

    def __init__(self, register: DeviceRegister, seen: Seen, commands: Commands, clock: Clock, scores: DeviceScores) -> None:
        self._scores = scores
        self._register = register
        self._seen = seen
        self._commands = commands
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="devices")

        return [
            door("GET", PREFIX, self._list, READ, "List Devices"),
            door("POST", PREFIX, self._create, WRITE, "Add Device"),
            door("POST", f"{PREFIX}/bulk", self._bulk, WRITE, "Add Devices"),
            door("POST", f"{PREFIX}/claim", self._claim, WRITE, "Claim Device"),
            door("GET", one, self._show, READ, "Show Device"),
            door("PATCH", one, self._change, WRITE, "Change Device"),
            door("DELETE", one, self._delete, WRITE, "Delete Device"),
            door("POST", f"{one}/credentials", self._credential, WRITE, "Make Credential of Device"),
            door("DELETE", f"{one}/credentials", self._revoke, WRITE, "Revoke Credentials of Device"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "q", "feed", "owner", "health")
        text, feed, owner, health = (request.query.get(name, "") for name in ("q", "feed", "owner", "health"))
        found = self._register.index.find(tenant_of(request), text, feed, owner, health)
        part = found[offset : offset + limit]
        scores = await self._scores.of(part)
        page = [{**self._shown(*await self._register.read(known.key), known.key), "score": scores.get(known.key)} for known in part]
        counts: dict[str, int] = {}
        for known in found:
            counts[known.health] = counts.get(known.health, 0) + 1
        return json_response({"total": len(found), "byHealth": counts, "devices": page})

    async def _show(self, request: Request) -> Response:
        return await self._answer(key_of(request))

    async def _create(self, request: Request) -> Response:
        tenant = tenant_of(request)
        wanted = self._register.wanted(object_of(request))
        (added,) = await self._register.add(tenant, [wanted], request.principal.id, request.trace)
        if isinstance(added, CityHubError):
            raise added
        return await self._answer((tenant, added.id), 201, added)

    async def _bulk(self, request: Request) -> Response:
        """Adds what is right and names what is not, row by row; row 1 is the first device."""
        tenant = tenant_of(request)
        rows = read_rows(request.body, request.headers.get("content-type", ""))
        failed: list[dict[str, Any]] = []
        good: list[tuple[int, Wanted]] = []
        first: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            try:
                wanted = self._register.wanted(row)
                if wanted.device.id in first:
                    raise BadRequestData(f"Row {first[wanted.device.id]} has the same id")
                first[wanted.device.id] = number
                good.append((number, wanted))
            except CityHubError as error:
                failed.append({"row": number, "id": str(row.get("id", ""))[:200], "reason": error.detail})
        secrets = []
        for start in range(0, len(good), PART):
            part = good[start : start + PART]
            answers = await self._register.add(tenant, [one for _, one in part], request.principal.id, request.trace)
            for (number, one), added in zip(part, answers, strict=True):
                if isinstance(added, CityHubError):
                    failed.append({"row": number, "id": one.device.id, "reason": added.detail})
                elif added.token or added.claim_key:
                    secrets.append(_secrets(added))
        failed.sort(key=lambda one: int(one["row"]))
        return json_response({"created": len(rows) - len(failed), "failed": failed, "secrets": secrets})

    async def _claim(self, request: Request) -> Response:
        body = object_of(request, ("key", "owner"))
        owner = text_of(body, "owner", most=200) or request.principal.id
        tenant, added = await self._register.claim(body.get("key"), owner, request.principal.id, request.trace)
        return await self._answer((tenant, added.id), 200, added)

    async def _change(self, request: Request) -> Response:
        key = key_of(request)
        await self._register.change(key, object_of(request), versions_of(request), request.trace)
        return await self._answer(key)

    async def _delete(self, request: Request) -> Response:
        key = key_of(request)
        await self._register.remove(key, request.trace)
        await self._commands.forget(key)
        return Response(204)

    async def _credential(self, request: Request) -> Response:
        body = object_of(request, ("expiresAt", "rotate", "graceS")) if request.body else {}
        expires = read_moment(body["expiresAt"], "expiresAt") if body.get("expiresAt") else ""
        now = self._clock.now()
        if expires and expires <= to_text(now):
            raise BadRequestData("'expiresAt' must be in the future")
        grace = body.get("graceS", 0)
        if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace <= MOST_GRACE_S:
            raise BadRequestData(f"'graceS' must be a number of seconds, 0 to {MOST_GRACE_S}")
        until = to_text(now + timedelta(seconds=grace)) if body.get("rotate") is True else None
        key = key_of(request)
        id, token = await self._register.new_credential(key, request.principal.id, expires, until, request.trace)
        return json_response({"id": id, "device": key[1], "token": token, "expiresAt": expires}, 201)

    async def _revoke(self, request: Request) -> Response:
        await self._register.revoke(key_of(request), request.query.get("id", ""), request.trace)
        return Response(204)

    async def _answer(self, key: Key, status: int = 200, added: Added | None = None) -> Response:
        device, names = await self._register.read(key)
        known = self._register.index.get(key)
        scores = await self._scores.of([known] if known is not None else [])
        shown = {**self._shown(device, names, key), "score": scores.get(key), **_whole(device)}
        headers = [("etag", tag_of(shown["version"]))]
        if status == 201:
            headers.append(("location", f"{PREFIX}/{key[1]}"))
        return json_response({**shown, **(_secrets(added) if added else {})}, status, headers)

    def _shown(self, device: Device, words: dict[str, Any], key: Key) -> dict[str, Any]:
        health, why, seen = self._seen.health(key)
        return {
            "id": device.id, **words, "feed": device.feed, "interval_s": device.interval_s, "owner": device.owner,
            "health": health, "why": why, "lastSeen": seen, "firmware": _firmware(device), "version": device.version,
        }  # fmt: skip


def key_of(request: Request) -> Key:
    """Tenant and id of the device that an address names. Raises BadRequestData."""
    return tenant_of(request), device_id(request.parameters["id"])


def _secrets(added: Added) -> dict[str, str]:
    """What is shown this once."""
    shown = {"id": added.id}
    if added.token:
        shown["token"] = added.token
    if added.claim_key:
        shown["claimKey"] = added.claim_key
    return shown


def _whole(device: Device) -> dict[str, Any]:
    return {
        "address": device.address, "entities": device.entities, "wanted": _software(device.wanted), "reported": _software(device.reported),
        "configurationState": _state(device.wanted.configuration, device.reported.configuration),
        "credentials": _credentials(device.credentials), "claimable": device.claim is not None, "claimed": device.claimed,
        "created": device.created,
    }  # fmt: skip


def _credentials(secrets: Sequence[Secret]) -> list[dict[str, str]]:
    """Credentials without their hashes."""
    return [
        {"id": one.id, "hint": one.hint, "createdAt": one.created_at, "expiresAt": one.expires_at, "by": one.by} for one in secrets
    ]


def _firmware(device: Device) -> dict[str, str]:
    wanted, reported = device.wanted.firmware, device.reported.firmware
    return {"wanted": wanted, "reported": reported, "state": _state(wanted or None, reported or None)}


def _state(wanted: Any, reported: Any) -> str:
    """"none" when nothing is wanted, "unknown" when nothing was reported, "pending" while they differ, else "same"."""
    if wanted is None:
        return "none"
    return "unknown" if reported is None else "same" if wanted == reported else "pending"


def _software(software: Software) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(software)
    return plain
