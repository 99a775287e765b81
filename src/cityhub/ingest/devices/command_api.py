"""The doors of commands: those of people, and those of a device that asks and reports by HTTP."""

from __future__ import annotations

from typing import Any, Final

import orjson

from cityhub.ingest.devices.commands import Commands, Order
from cityhub.ingest.devices.device_access import device_key
from cityhub.ingest.devices.device_api import PREFIX, READ, WRITE, key_of
from cityhub.ingest.devices.index import Key
from cityhub.ingest.devices.register import DeviceRegister
from cityhub.ingest.devices.seen import Seen
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.model.ports import Document
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.web.http import Request, Response, Route, json_response

TAKE: Final = "command.take"
"""What a device holds for itself."""
SELF: Final = "/api/device"
MOST_PARAMETERS: Final = 64 * 1024
LONGEST_TIMEOUT_S: Final = 3_600.0
LONGEST_VALID_S: Final = 30 * 86_400.0


class CommandApi:
    """The doors of commands.

    Args:
        commands: The commands.
        register: The devices.
        seen: Hears that a device asked.
    """

    def __init__(self, commands: Commands, register: DeviceRegister, seen: Seen) -> None:
        self._commands = commands
        self._register = register
        self._seen = seen

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        all = f"{PREFIX}/{{id}}/commands"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="devices")

        return [
            door("GET", all, self._list, READ, "List Commands of Device"),
            door("POST", all, self._give, WRITE, "Give Command to Device"),
            door("GET", f"{all}/{{command}}", self._show, READ, "Show Command of Device"),
            door("GET", f"{SELF}/commands", self._fetch, TAKE, "Take Commands as Device"),
            door("POST", f"{SELF}/commands/{{command}}", self._answered, TAKE, "Answer Command as Device"),
            door("POST", f"{SELF}/report", self._report, TAKE, "Report State as Device"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request)
        key = key_of(request)
        await self._register.read(key)
        page, total = await self._commands.page(key, limit, offset)
        return json_response({"total": total, "commands": page})

    async def _give(self, request: Request) -> Response:
        body = object_of(request, ("name", "parameters", "timeoutS", "validS"))
        parameters = body.get("parameters")
        if len(orjson.dumps(parameters)) > MOST_PARAMETERS:
            raise BadRequestData(f"'parameters' may have at most {MOST_PARAMETERS} bytes")
        order = Order(
            text_of(body, "name", needed=True, most=200), parameters, _seconds(body, "timeoutS", 30.0, LONGEST_TIMEOUT_S),
            _seconds(body, "validS", 3_600.0, LONGEST_VALID_S), request.principal.id,
        )  # fmt: skip
        key = key_of(request)
        document = await self._commands.give(key, order, request.trace)
        return json_response(document, 201, [("location", f"{PREFIX}/{key[1]}/commands/{document['id']}")])

    async def _show(self, request: Request) -> Response:
        return json_response(await self._commands.read(key_of(request), request.parameters["command"]))

    async def _fetch(self, request: Request) -> Response:
        key = self._caller(request)
        waiting = await self._commands.fetch(key)
        return json_response({"commands": [_for_device(document) for document in waiting]})

    async def _answered(self, request: Request) -> Response:
        key = self._caller(request)
        body = object_of(request, ("ok", "detail", "value"))
        ok = body.get("ok", True)
        if not isinstance(ok, bool):
            raise BadRequestData("'ok' must be true or false")
        value = body.get("value")
        if len(orjson.dumps(value)) > MOST_PARAMETERS:
            raise BadRequestData(f"'value' may have at most {MOST_PARAMETERS} bytes")
        await self._commands.answer(key, request.parameters["command"], ok, text_of(body, "detail"), value)
        return Response(204)

    async def _report(self, request: Request) -> Response:
        """Keeps what a device says of itself, and tells it what it is to run."""
        key = self._caller(request)
        body = object_of(request, ("firmwareVersion", "hardwareVersion", "softwareVersion", "batteryLevel", "configuration"))
        words = {name: value for name, value in body.items() if name != "configuration" and value is not None}
        await self._register.report(key, words, body.get("configuration"))
        device, _ = await self._register.read(key)
        return json_response({"wanted": {"firmware": device.wanted.firmware, "configuration": device.wanted.configuration}})

    def _caller(self, request: Request) -> Key:
        key = device_key(request.principal)
        if key is None:
            raise Forbidden("This door is for devices: send the device's token as 'Authorization: Bearer ...'")
        self._seen.spoke(key)
        return key


def _for_device(document: Document) -> dict[str, Any]:
    return {name: document[name] for name in ("id", "name", "parameters", "timeoutS", "expiresAt")}


def _seconds(body: dict[str, Any], name: str, usual: float, most: float) -> float:
    value = body.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadRequestData(f"'{name}' must be a number of seconds above 0, at most {most:g}")
    return float(value)
