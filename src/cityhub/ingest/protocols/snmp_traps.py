"""The port that traps and informs of version 2c come in by; imported when a feed opens it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram import udp, udp6
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import ntfrcv

from cityhub.ingest.message import TroubleAtSource
from cityhub.ingest.protocols.snmp_session import plain

_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
_TRAP: Final = "1.3.6.1.6.3.1.1.4.1.0"


class TrapDoor:
    """Listens in `with`. Informs are answered when they are read, before they are durable: the library leaves no other choice."""

    def __init__(self, host: str, port: int, community: str, take: Callable[[dict[str, Any], str], None]) -> None:
        self._host, self._port, self._community, self._take = host, port, community, take
        self._engine = engine.SnmpEngine()

    def __enter__(self) -> TrapDoor:
        is_v6 = ":" in self._host
        opened = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)  # the library's own would fail unheard
        try:
            opened.bind((self._host, self._port))
            opened.setblocking(False)
        except OSError as error:
            opened.close()
            raise TroubleAtSource(f"Nobody can listen on {self._host} port {self._port}: {error.strerror}") from None
        kind = udp6.Udp6Transport if is_v6 else udp.UdpTransport
        config.add_transport(self._engine, udp6.DOMAIN_NAME if is_v6 else udp.DOMAIN_NAME, kind().open_server_mode(sock=opened))
        config.add_v1_system(self._engine, "cityhub", self._community)
        ntfrcv.NotificationReceiver(self._engine, self._came)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._engine.close_dispatcher()

    def _came(self, engine: Any, reference: Any, context_engine: Any, context: Any, bound: Any, about: Any) -> None:
        _, address = engine.message_dispatcher.get_transport_info(reference)
        values = {str(oid): plain(value) for oid, value in bound}
        self._take({"trap": values.pop(_TRAP, None), "uptime": values.pop(_UPTIME, None), "values": values}, str(address[0]))
