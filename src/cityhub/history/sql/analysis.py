"""The port `Analysis` in the hub: the historian runs the statements."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from cityhub.history.sql.questions import Schema, Statement, Tables
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Principal, ResultFormat, Rows
from cityhub.web.wire_client import WireClient

WAIT_S: Final = 30.0
"""How much longer than the statement itself its answer may take: it may wait for its turn."""
_rows = msgspec.msgpack.Decoder(Rows)
_schema = msgspec.msgpack.Decoder(Schema)


class LakeAnalysis:
    """See `cityhub.model.ports.Analysis`. Without a principal the hub itself asks."""

    def __init__(self, client: WireClient) -> None:
        self._client = client

    async def rows(
        self,
        tenant: str,
        statement: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        limit: int = 10_000,
        timeout_s: float = 30.0,
        principal: Principal | None = None,
    ) -> Rows:
        """See `cityhub.model.ports.Analysis.rows`."""
        question = Statement(tenant, statement, _values(parameters), timeout_s, limit, principal or Principal())
        return _rows.decode(await self._client.call("sql.rows", question, timeout_s=timeout_s + WAIT_S))

    async def stream(
        self,
        tenant: str,
        statement: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        format: ResultFormat = "arrow",
        timeout_s: float = 600.0,
        limit: int | None = None,
        principal: Principal | None = None,
        excel: bool = False,
    ) -> AsyncGenerator[bytes]:
        """See `cityhub.model.ports.Analysis.stream`."""
        question = Statement(tenant, statement, _values(parameters), timeout_s, limit, principal or Principal(), format, excel)
        pieces = self._client.stream("sql.stream", question, timeout_s=timeout_s + WAIT_S)
        async with aclosing(pieces) as made:
            async for piece in made:
                yield piece

    async def tables(self, tenant: str, principal: Principal | None = None) -> Schema:
        """The views that a caller may read, with their columns, and the hub's functions."""
        return _schema.decode(await self._client.call("sql.tables", Tables(tenant, principal or Principal())))


def _values(parameters: Sequence[Any] | Mapping[str, Any]) -> list[Any] | dict[str, Any]:
    values: list[Any] | dict[str, Any] = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
    try:
        msgspec.msgpack.encode(values)
    except (TypeError, OverflowError, ValueError) as error:
        raise BadRequestData(f"A parameter is no value that a statement can take: {error}") from None
    return values
