"""Modbus TCP: registers of meters and controllers by a map of tags, read in groups.

Each reading of a unit is one record: `unit`, the tags by their names (null where the unit refused), and `problems` when there are any.
Source: Modbus Application Protocol Specification V1.1b3, 6.1-6.16.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.modbus_tags import BIT_TABLES, Group, Tag, decoded, encoded, groups_of
from cityhub.ingest.protocols.reach import hand_over, reach
from cityhub.ingest.protocols.timetable import Timetable, moment
from cityhub.model.errors import CityHubError

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient

_REFUSALS: Final = {1: "the function is not known to it", 2: "the address is not known to it", 3: "the value is not allowed",
                    4: "it failed", 6: "it is busy", 10: "no way to it", 11: "the unit behind the gateway does not answer"}  # fmt: skip


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which registers are read, where and when.

    Attributes:
        host: Name or address of the device or gateway.
        port: TCP port.
        tags: What is read, by the name that it has in records.
        units: Ids of the units behind the address; each gives a record of its own.
        every_s: Seconds from one reading to the next.
        times: Instead: times as in a crontab.
        time_zone: Of `times`.
        gap: Registers without a tag that are read along rather than asking twice.
        most: Registers in one request; some devices allow fewer than the standard's 125.
        timeout_s: Of one request.
        retries: How often a request is repeated.
    """

    host: str
    tags: dict[str, Tag]
    port: Annotated[int, Meta(ge=1, le=65535)] = 502
    units: tuple[Annotated[int, Meta(ge=0, le=255)], ...] = (1,)
    every_s: Annotated[float, Meta(gt=0)] = 10.0
    times: str = ""
    time_zone: str = "Asia/Shanghai"
    gap: Annotated[int, Meta(ge=0, le=100)] = 8
    most: Annotated[int, Meta(ge=4, le=125)] = 125
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 1

    def __post_init__(self) -> None:
        if not self.tags or len(self.tags) > 10_000:
            raise ValueError("'tags' must name 1 to 10000 registers")
        if not self.units or "unit" in self.tags or "problems" in self.tags:
            raise ValueError("'units' must not be empty, and no tag may be called 'unit' or 'problems'")


class Connector:
    """A Modbus device or gateway as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._groups = groups_of(settings.tags, settings.gap, settings.most)
        self._timetable = Timetable(settings.every_s, settings.times, settings.time_zone)
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    async def run(self, sink: Sink) -> None:
        """Reads all units at its times until it is cancelled. Raises TroubleAtSource when no unit answers."""
        self._around.notices.state("connecting")
        async with self._connected(self._settings.timeout_s) as client:
            self._client = client
            try:
                while True:
                    begun = moment(self._around.now())
                    records = await self._units(client)
                    await hand_over(sink, Message(b"", {"remote": self._settings.host}, self._around.now(), records=records))
                    silent = sum(1 for record in records if "problems" in record)
                    self._around.notices.state("running", f"{silent} of {len(records)} units refused something" if silent else "")
                    await self._timetable.wait(begun, self._around.now)
            finally:
                self._client = None

    async def _units(self, client: AsyncModbusTcpClient) -> list[dict[str, Any]]:
        """A record of each unit; one that is silent does not stop the others. Raises TroubleAtSource when all are."""
        records: list[dict[str, Any]] = []
        silent: list[TroubleAtSource] = []
        for unit in self._settings.units:
            try:
                records.append(await self._unit(client, unit))
            except TroubleAtSource as error:
                if not client.connected:
                    raise
                silent.append(error)
                records.append({"unit": unit, "problems": dict.fromkeys(self._settings.tags, "the unit does not answer")})
        if len(silent) == len(records):
            raise silent[0]
        return records

    async def command(self, command: Command) -> CommandResult:
        """Writes a tag: the command's name is the tag, its parameters the value, or {"value": ..., "unit": ...}."""
        tag = self._settings.tags.get(command.name)
        if tag is None or not tag.writable:
            allowed = ", ".join(sorted(name for name, tag in self._settings.tags.items() if tag.writable)) or "none"
            return CommandResult("failed", f"'{command.name}' is no tag that may be written; those are: {allowed}")
        given = command.parameters if isinstance(command.parameters, dict) else {"value": command.parameters}
        unit = given.get("unit", command.address.get("unit", self._settings.units[0]))
        if unit not in self._settings.units:
            return CommandResult("failed", f"'unit' must be one of {', '.join(map(str, self._settings.units))}")
        try:
            registers = encoded(tag, given.get("value"))
            await self._write(tag, registers, unit, command.timeout_s)
        except (TroubleAtSource, ValueError, CityHubError) as error:
            return CommandResult("failed", str(error))
        return CommandResult("acknowledged", "", {"tag": command.name, "value": given.get("value"), "unit": unit})

    async def _write(self, tag: Tag, registers: list[int] | list[bool], unit: int, timeout_s: float) -> None:
        if self._client is not None:
            await self._send(self._client, unit, tag, registers)
            return
        async with self._connected(timeout_s) as client:
            await self._send(client, unit, tag, registers)

    async def _send(self, client: AsyncModbusTcpClient, unit: int, tag: Tag, registers: list[Any]) -> None:
        if tag.table in BIT_TABLES:
            problem = await self._ask(client.write_coil, tag.address, registers[0], device_id=unit)
        elif len(registers) == 1:
            problem = await self._ask(client.write_register, tag.address, registers[0], device_id=unit)
        else:
            problem = await self._ask(client.write_registers, tag.address, registers, device_id=unit)
        if isinstance(problem, str):
            raise TroubleAtSource(f"Unit {unit} refused: {problem}")

    async def _unit(self, client: AsyncModbusTcpClient, unit: int) -> dict[str, Any]:
        record: dict[str, Any] = {"unit": unit}
        problems: dict[str, str] = {}
        for group in self._groups:
            found = await self._group(client, group, unit)
            for name, tag in group.tags.items():
                if isinstance(found, str):
                    record[name], problems[name] = None, found
                else:
                    record[name] = decoded(tag, found, tag.address - group.address)
        return record | {"problems": problems} if problems else record

    async def _group(self, client: AsyncModbusTcpClient, group: Group, unit: int) -> list[Any] | str:
        """What stands in the registers or bits of a group, or why not."""
        read = {"holding": client.read_holding_registers, "input": client.read_input_registers,
                "coil": client.read_coils, "discrete": client.read_discrete_inputs}[group.table]  # fmt: skip
        answer = await self._ask(read, group.address, count=group.count, device_id=unit)
        if isinstance(answer, str):
            return answer
        values: list[Any] = answer.bits if group.table in BIT_TABLES else answer.registers
        return values[: group.count] if len(values) >= group.count else "the answer is too short"

    async def _ask(self, function: Any, *arguments: Any, **more: Any) -> Any:
        """The answer to a request, or the unit's refusal in words. Raises TroubleAtSource when nothing comes back."""
        from pymodbus.exceptions import ModbusException

        try:
            async with self._turn:
                answer = await function(*arguments, **more)
        except (ModbusException, OSError) as error:
            raise TroubleAtSource(f"{self._settings.host}:{self._settings.port} does not answer: {str(error)[:200]}") from None
        if answer.isError():
            code = getattr(answer, "exception_code", 0)
            return _REFUSALS.get(code, f"error {code}")
        return answer

    @asynccontextmanager
    async def _connected(self, timeout_s: float) -> AsyncIterator[AsyncModbusTcpClient]:
        from pymodbus.client import AsyncModbusTcpClient

        settings = self._settings
        address = await reach(self._around, settings.host, settings.port)
        client = AsyncModbusTcpClient(address, port=settings.port, timeout=timeout_s, retries=settings.retries, reconnect_delay=0)
        try:
            if not await client.connect():
                raise TroubleAtSource(f"{settings.host}:{settings.port} cannot be reached")
            yield client
        finally:
            client.close()


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for times that are none."""
    return Connector(feed, settings, around)
