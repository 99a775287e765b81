"""Questions to one SNMP agent; imported when a feed asks one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.smi.error import SmiError

from cityhub.ingest.message import Surroundings, TroubleAtSource
from cityhub.ingest.protocols.reach import reach

if TYPE_CHECKING:
    from cityhub.ingest.protocols.snmp import Settings, Table

AT_ONCE: Final = 20
"""Objects in one request: an answer must fit into a datagram."""
_AUTHENTICATION: Final = {
    "none": hlapi.usmNoAuthProtocol, "sha1": hlapi.usmHMACSHAAuthProtocol, "sha256": hlapi.usmHMAC192SHA256AuthProtocol,
    "sha512": hlapi.usmHMAC384SHA512AuthProtocol,
}  # fmt: skip
_PRIVACY: Final = {"none": hlapi.usmNoPrivProtocol, "aes128": hlapi.usmAesCfb128Protocol, "aes256": hlapi.usmAesCfb256Protocol}
_ABSENT: Final = (rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)


class Session:
    """An agent that can be asked."""

    def __init__(self, engine: Any, access: Any, target: Any, host: str) -> None:
        self._engine, self._access, self._target, self._host = engine, access, target, host

    @staticmethod
    async def open(settings: Settings, around: Surroundings) -> Session:
        """A session with the device of a feed. Raises TroubleAtSource or Forbidden when its address cannot be had."""
        address = await reach(around, settings.host, settings.port)
        kind = hlapi.Udp6TransportTarget if ":" in address else hlapi.UdpTransportTarget
        target = await kind.create((address, settings.port), timeout=settings.timeout_s, retries=settings.retries)
        return Session(hlapi.SnmpEngine(), _access(settings, around), target, settings.host)

    def close(self) -> None:
        """Lets its socket go."""
        self._engine.close_dispatcher()

    async def get(self, oids: dict[str, str]) -> dict[str, Any]:
        """Values by name; None where the device has no such object."""
        found: dict[str, Any] = {}
        names = list(oids)
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            bound = await self._answer(hlapi.get_cmd, *(_object(oids[name]) for name in part))
            found |= {name: plain(value) for name, (_, value) in zip(part, bound, strict=False)}
        return {name: found.get(name) for name in names}

    async def walk(self, table: Table) -> dict[str, dict[str, Any]]:
        """Rows by their index, the part of the OID behind the column's."""
        rows: dict[str, dict[str, Any]] = {}
        for name, oid in table.columns.items():
            prefix = oid.lstrip(".") + "."
            walk = hlapi.bulk_walk_cmd(
                self._engine, self._access, self._target, hlapi.ContextData(), 0, AT_ONCE, _object(oid),
                lookupMib=False, lexicographicMode=False, maxRows=table.most,
            )  # fmt: skip
            async for indication, status, index, bound in walk:
                self._check(indication, status, index)
                for where, value in bound:
                    text = str(where)
                    if text.startswith(prefix):
                        rows.setdefault(text[len(prefix) :], {})[name] = plain(value)
        return rows

    async def set(self, oid: str, value: int | str) -> None:
        """Sets an object. Raises TroubleAtSource with the device's reason when it does not."""
        typed = rfc1902.Integer32(value) if isinstance(value, int) else rfc1902.OctetString(value.encode())
        await self._answer(hlapi.set_cmd, hlapi.ObjectType(hlapi.ObjectIdentity(oid.lstrip(".")), typed))

    async def _answer(self, command: Any, *objects: Any) -> Any:
        answer = await command(self._engine, self._access, self._target, hlapi.ContextData(), *objects, lookupMib=False)
        indication, status, index, bound = answer
        self._check(indication, status, index)
        return bound

    def _check(self, indication: Any, status: Any, index: Any) -> None:
        if indication:
            raise TroubleAtSource(f"{self._host}: {indication}")
        if status:
            raise TroubleAtSource(f"{self._host} refused: {status.prettyPrint()} (object {index})")


def _object(oid: str) -> Any:
    return hlapi.ObjectType(hlapi.ObjectIdentity(oid.lstrip(".")))


def _access(settings: Settings, around: Surroundings) -> Any:
    if settings.version == "2c":
        return hlapi.CommunityData(around.secret(settings.community), mpModel=1)
    try:
        return hlapi.UsmUserData(
            settings.user, around.secret(settings.authentication_key) or None, around.secret(settings.privacy_key) or None,
            authProtocol=_AUTHENTICATION[settings.authentication], privProtocol=_PRIVACY[settings.privacy],
        )  # fmt: skip
    except SmiError as error:
        raise TroubleAtSource(f"The keys of the user cannot be used: {error}") from None


def plain(value: Any) -> Any:
    """A value of SNMP as JSON: numbers and OIDs as such, printable bytes as text, other bytes as hexadecimal, absent ones None."""
    if isinstance(value, _ABSENT) or value is None:
        return None
    if isinstance(value, rfc1902.IpAddress):
        return value.prettyPrint()
    if isinstance(value, rfc1902.OctetString):
        content = bytes(value)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content.hex()
        return text if all(char.isprintable() or char in "\r\n\t" for char in text) else content.hex()
    try:
        return int(value)
    except (TypeError, ValueError):
        return str(value)
