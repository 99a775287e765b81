"""HTTP of SQL: statements, and what they can ask.

    curl -d "SELECT entity, level FROM Station_now" localhost:8000/api/sql
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, Protocol

import msgspec

from cityhub.history.sql.analysis import LakeAnalysis
from cityhub.model.errors import BadRequestData, InvalidRequest, UnsupportedMediaType
from cityhub.model.ports import ResultFormat
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import accepted, check_parameters, check_tenant, tenant_of

PATH: Final = "/api/sql"
MEDIA: Final[dict[str, ResultFormat]] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/geopackage+sqlite3": "gpkg",
}
"""The media types of answers, and what the historian calls them."""
_ENDS: Final = {"json": "json", "csv": "csv", "arrow": "arrows", "parquet": "parquet", "xlsx": "xlsx", "gpkg": "gpkg"}
_PLAIN: Final = frozenset(("", "text/plain", "application/sql", "application/x-www-form-urlencoded"))
_PARAMETERS: Final = frozenset(("limit", "timeout", "excel", "filename"))
MAX_TIMEOUT_S: Final = 3600.0


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body as JSON: a statement with the values of its parameters."""

    statement: str
    parameters: list[Any] | dict[str, Any] = []


class Tenants(Protocol):
    """Who knows which tenants there are."""

    def tenants(self) -> set[str]: ...


class SqlApi:
    """The doors of SQL."""

    def __init__(self, analysis: LakeAnalysis, tenants: Tenants) -> None:
        self._analysis = analysis
        self._tenants = tenants

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("POST", PATH, self.query, "sql.query", "Run an SQL statement", tag="sql", describe=_DESCRIBE_QUERY),
            Route("GET", f"{PATH}/tables", self.tables, "sql.query", "List SQL views and functions", tag="sql", describe=_DESCRIBE_TABLES),
        ]

    async def query(self, request: Request) -> Response:
        """POST /api/sql."""
        query = check_parameters(request, _PARAMETERS)
        media = accepted(request.headers.get("accept", ""), tuple(MEDIA))
        asked = read_body(request)
        stream = self._analysis.stream(
            self._tenant(request), asked.statement, asked.parameters, format=MEDIA[media], timeout_s=_timeout(query), limit=_limit(query),
            principal=request.principal, excel=_flag(query, "excel"),
        )  # fmt: skip
        # What is wrong comes before the first piece: it can still be told by the status.
        first = await anext(stream, b"")
        headers = _attachment(query, MEDIA[media])
        return Response(200, headers=headers, media_type=_typed(media), chunks=_with(first, stream))

    async def tables(self, request: Request) -> Response:
        """GET /api/sql/tables."""
        check_parameters(request, frozenset())
        schema = await self._analysis.tables(self._tenant(request), request.principal)
        return json_response(msgspec.to_builtins(schema))

    def _tenant(self, request: Request) -> str:
        tenant = tenant_of(request)
        check_tenant(self._tenants.tenants(), tenant)
        return tenant


def read_body(request: Request) -> Asked:
    """The statement in the body: plain text, or JSON with parameters.

    Raises:
        InvalidRequest: It is no UTF-8, or no such JSON.
        UnsupportedMediaType: It is something else.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/json":
        try:
            return msgspec.json.decode(request.body, type=Asked)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f'The body must be {{"statement": "SELECT ...", "parameters": [...]}}: {error}') from None
    if media not in _PLAIN:
        raise UnsupportedMediaType(f"Content-Type must be text/plain, application/sql or application/json, not '{media[:100]}'")
    try:
        return Asked(request.body.decode())
    except UnicodeDecodeError:
        raise InvalidRequest("The statement must be UTF-8") from None


async def _with(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    try:
        if first:
            yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


def _typed(media: str) -> str:
    return f"{media}; charset=utf-8; header=present" if media == "text/csv" else media


def _attachment(query: dict[str, str], format: str) -> list[tuple[str, str]]:
    name = query.get("filename")
    if name is None:
        return []
    if not (0 < len(name) <= 100 and all(letter.isalnum() or letter in "-_." for letter in name)):
        raise BadRequestData("'filename' must be 1 to 100 letters, digits, '-', '_' and '.'")
    whole = name if name.endswith(f".{_ENDS[format]}") else f"{name}.{_ENDS[format]}"
    coded = "".join(letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in whole)
    return [("content-disposition", f"attachment; filename*=UTF-8''{coded}")]


def _limit(query: dict[str, str]) -> int | None:
    text = query.get("limit")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequestData("'limit' must be a number of rows from 0 to 999999999")
    return int(text)


def _timeout(query: dict[str, str]) -> float:
    text = query.get("timeout", "600")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise BadRequestData(f"'timeout' must be a number of seconds of at most {MAX_TIMEOUT_S:.0f}")
    return seconds


def _flag(query: dict[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise BadRequestData(f"'{name}' must be true or false")
    return text == "true"


def _parameter(name: str, about: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": about}


_TENANT: Final = {"name": "NGSILD-Tenant", "in": "header", "schema": {"type": "string"}, "description": "The tenant; none: the default one"}
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_DESCRIBE_QUERY: Final[dict[str, Any]] = {
    "description": "Runs one SELECT (also WITH, FROM ..., DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN) and streams the answer.",
    "parameters": [
        _parameter("limit", "Most rows", type="integer", minimum=0, maximum=999_999_999),
        _parameter("timeout", "Seconds that the statement may take", type="number", exclusiveMinimum=0, maximum=MAX_TIMEOUT_S),
        _parameter("excel", "CSV with a byte order mark, and without formulas", type="boolean"),
        _parameter("filename", "The answer as a download", type="string", pattern=r"^[\w.-]{1,100}$"),
        _TENANT,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string", "minLength": 1}, "example": "SELECT * FROM hub_tables"},
            "application/sql": {"schema": {"type": "string", "minLength": 1}},
            "application/json": {
                "schema": {
                    "type": "object", "required": ["statement"], "additionalProperties": False,
                    "properties": {"statement": {"type": "string", "minLength": 1}, "parameters": {"type": ["array", "object"]}},
                },
            },
        },
    },
    "responses": {
        "200": {
            "description": "The rows",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object", "required": ["columns", "rows", "truncated"],
                        "properties": {
                            "columns": {"type": "array", "items": {"type": "object", "required": ["name", "type"]}},
                            "rows": {"type": "array", "items": {"type": "array"}},
                            "truncated": {"type": "boolean", "description": "There were more rows than 'limit'"},
                        },
                    },
                },
                "text/csv": {"schema": {"type": "string"}},
                **{media: _BINARY for media in MEDIA if media not in ("application/json", "text/csv")},
            },
        },
    },
}  # fmt: skip
_DESCRIBE_TABLES: Final[dict[str, Any]] = {
    "parameters": [_TENANT],
    "responses": {
        "200": {
            "description": "Views with columns and units, and the hub's own functions",
            "content": {"application/json": {"schema": {"type": "object", "required": ["tables", "functions"]}}},
        }
    },
}
