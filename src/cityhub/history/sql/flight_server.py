"""The SQL door for tools: Arrow Flight SQL (gRPC), for DBeaver, pandas over ADBC and others.

It answers statements and prepared statements as the HTTP door does, and tells of the catalogue. Who is not on this machine is
refused (`Gate`). Statements that change something are refused by their very name.

Source: Apache Arrow, Arrow Flight SQL 1.x.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.flight as flight

from cityhub.history.sql.engine import Engine
from cityhub.history.sql.flight_messages import MESSAGES, packed, unpacked
from cityhub.history.sql.flight_tables import LAYOUTS, catalogue_table, layout_of
from cityhub.history.sql.formats import Taken
from cityhub.history.sql.limits import Slots
from cityhub.history.sql.questions import Statement
from cityhub.history.sql.shape import Reading
from cityhub.model.errors import BadRequestData, CityHubError, Forbidden, NotFound, StoreUnavailable, Unauthenticated
from cityhub.model.ports import Principal

log = logging.getLogger(__name__)

MAX_PREPARED: Final = 1000
"""Prepared statements that are remembered, of all callers together; the oldest is forgotten first."""
MAX_MESSAGE: Final = 1_000_000
TENANT: Final = "ngsild-tenant"
TIMEOUT: Final = "timeout"
_TENANT: Final = re.compile(r"[!-+\-.0-~]{1,256}")
_CREATE, _CLOSE = "CreatePreparedStatement", "ClosePreparedStatement"


class Caller(msgspec.Struct, frozen=True):
    """Who calls, and in which tenant."""

    principal: Principal
    tenant: str
    timeout_s: float = 600.0


class Gate(Protocol):
    """Who may pass."""

    def caller(self, peer: str, headers: dict[str, str]) -> Caller:
        """Who calls. Raises Unauthenticated or Forbidden for whoever may not."""


class LoopbackGate:
    """Lets in whoever is on this machine, as the local user, and nobody else, until callers can sign in."""

    def caller(self, peer: str, headers: dict[str, str]) -> Caller:
        """The local user in the tenant that the header `ngsild-tenant` names. See `Gate.caller`."""
        if not re.match(r"ipv4:127\.|ipv6:(%5B|\[)::1(%5D|\])|unix:", peer):
            raise Unauthenticated("This door is for programs on the hub's own machine only, until callers can sign in")
        tenant = headers.get(TENANT, "")
        if tenant and not _TENANT.fullmatch(tenant):
            raise BadRequestData("The header ngsild-tenant must be 1 to 256 visible characters without '/' and ','")
        return Caller(Principal("local", ("administrator",)), tenant)


class _Headers(flight.ServerMiddleware):  # type: ignore[misc]
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


class _HeadersFactory(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    def start_call(self, info: Any, headers: dict[str, list[Any]]) -> _Headers:
        return _Headers({name.lower(): str(values[0]) for name, values in headers.items() if values})


class _Prepared(msgspec.Struct):
    caller: Caller
    query: str
    parameters: list[Any]


class FlightSqlServer(flight.FlightServerBase):  # type: ignore[misc]
    """Serves Flight SQL from threads of its own.

    Args:
        address: Where to listen: host and TCP port (0 takes a free one).
        engine: Runs statements.
        slots: How many run at one time.
        reading: Opens a reading of a tenant's lake.
        fresh: Returns when the lake has seen all that is acknowledged by now.
        gate: Who may pass.
    """

    def __init__(
        self,
        address: tuple[str, int],
        engine: Engine,
        slots: Slots,
        reading: Callable[[str], AbstractContextManager[Reading]],
        fresh: Callable[[], object],
        gate: Gate,
    ) -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        super().__init__(f"grpc+tcp://{host}:{address[1]}", middleware={"headers": _HeadersFactory()})
        self._engine = engine
        self._slots = slots
        self._reading = reading
        self._fresh = fresh
        self._gate = gate
        self._prepared: dict[bytes, _Prepared] = {}
        self._lock = threading.Lock()

    # -- Flight --------------------------------------------------------------------------------------------------

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        """Where the answer to a command is, and its columns."""
        with _told(), contextlib.ExitStack() as stack:
            caller = self._caller(context)
            name, message = _command(descriptor.command)
            if name in LAYOUTS:
                return _info(layout_of(name, message), descriptor, descriptor.command)
            statement = self._statement(caller, name, message)
            schema, _ = self._engine.describe(self._opened(stack, caller), statement)
            ticket = packed("TicketStatementQuery", statement_handle=statement.statement.encode())
            return _info(schema, descriptor, ticket if name == "CommandStatementQuery" else descriptor.command)

    def get_schema(self, context: Any, descriptor: Any) -> Any:
        """The columns of the answer to a command."""
        return flight.SchemaResult(self.get_flight_info(context, descriptor).schema)

    def do_get(self, context: Any, ticket: Any) -> Any:
        """The answer that a ticket stands for."""
        with _told():
            caller = self._caller(context)
            name, message = _command(ticket.ticket)
            if name in LAYOUTS:
                with contextlib.ExitStack() as stack:
                    reading = self._opened(stack, caller)
                    views = self._engine.views(reading, caller.tenant, caller.principal)
                    return flight.RecordBatchStream(catalogue_table(name, message, views))
            batches = self._batches(context, caller, self._statement(caller, name, message))
            # Begun at once, so that what is wrong is told now, and so that what it holds is given back even if nobody reads it.
            schema = next(batches)
            return flight.GeneratorStream(schema, batches)

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """Takes the values of a prepared statement's parameters."""
        with _told():
            caller = self._caller(context)
            name, message = _command(descriptor.command)
            if name != "CommandPreparedStatementQuery":
                raise BadRequestData("Nothing can be changed here: right would be a SELECT")
            prepared = self._of_handle(caller, message.prepared_statement_handle)
            table = reader.read_all()
            if table.nbytes > MAX_MESSAGE or table.num_rows > 1:
                raise BadRequestData(f"The parameters of one statement must be one row of at most {MAX_MESSAGE} bytes")
            prepared.parameters = [column[0].as_py() for column in table.columns] if table.num_rows else []

    def list_actions(self, context: Any) -> Any:
        """What `do_action` does."""
        return [(_CREATE, "Prepares a statement"), (_CLOSE, "Forgets a prepared statement")]

    def do_action(self, context: Any, action: Any) -> Any:
        """Prepares a statement, or forgets one."""
        with _told():
            caller = self._caller(context)
            body = action.body.to_pybytes()
            if action.type == _CREATE:
                _, message = _expected(body, "ActionCreatePreparedStatementRequest")
                return [flight.Result(pa.py_buffer(self._prepare(caller, message.query)))]
            if action.type == _CLOSE:
                _, message = _expected(body, "ActionClosePreparedStatementRequest")
                with self._lock:
                    self._prepared.pop(message.prepared_statement_handle, None)
                return []
            raise NotImplementedError(f"'{action.type}' is not offered: there are {_CREATE} and {_CLOSE}")

    # -- Work ----------------------------------------------------------------------------------------------------

    def _caller(self, context: Any) -> Caller:
        middleware = context.get_middleware("headers")
        headers = middleware.headers if middleware else {}
        caller = self._gate.caller(context.peer(), headers)
        try:
            seconds = float(headers.get(TIMEOUT, caller.timeout_s))
        except ValueError:
            raise BadRequestData("The header timeout must be a number of seconds") from None
        return msgspec.structs.replace(caller, timeout_s=seconds)

    def _opened(self, stack: contextlib.ExitStack, caller: Caller) -> Reading:
        self._fresh()
        return stack.enter_context(self._reading(caller.tenant))

    def _statement(self, caller: Caller, name: str, message: Any) -> Statement:
        parameters: list[Any] = []
        if name == "CommandStatementQuery":
            query = message.query
        elif name == "TicketStatementQuery":
            query = message.statement_handle.decode()
        elif name == "CommandPreparedStatementQuery":
            prepared = self._of_handle(caller, message.prepared_statement_handle)
            query, parameters = prepared.query, prepared.parameters
        elif name in ("CommandStatementUpdate", "CommandPreparedStatementUpdate"):
            raise BadRequestData("Nothing can be changed here: right would be a SELECT")
        else:
            raise NotImplementedError(f"{name} is not offered")
        return Statement(caller.tenant, query, parameters, caller.timeout_s, principal=caller.principal)

    def _prepare(self, caller: Caller, query: str) -> bytes:
        with contextlib.ExitStack() as stack:
            statement = Statement(caller.tenant, query, [], caller.timeout_s, principal=caller.principal)
            schema, parameters = self._engine.describe(self._opened(stack, caller), statement)
        handle = secrets.token_bytes(16)
        with self._lock:
            self._prepared[handle] = _Prepared(caller, query, [])
            while len(self._prepared) > MAX_PREPARED:
                del self._prepared[next(iter(self._prepared))]
        # Of which type a value must be is known only when it is there; a text is taken for every type.
        wanted = pa.schema([pa.field(f"parameter_{number}", pa.string()) for number in range(1, parameters + 1)])
        return packed(
            "ActionCreatePreparedStatementResult", prepared_statement_handle=handle, dataset_schema=schema.serialize().to_pybytes(),
            parameter_schema=wanted.serialize().to_pybytes(),
        )  # fmt: skip

    def _of_handle(self, caller: Caller, handle: bytes) -> _Prepared:
        with self._lock:
            prepared = self._prepared.get(handle)
        if prepared is None or prepared.caller.principal != caller.principal or prepared.caller.tenant != caller.tenant:
            raise NotFound("There is no such prepared statement (any more): prepare it again")
        return prepared

    def _batches(self, context: Any, caller: Caller, statement: Statement) -> Iterator[Any]:
        """First the schema, then the batches."""
        with _told(), contextlib.ExitStack() as stack:
            stack.enter_context(self._slots.held_by_thread())
            answer = stack.enter_context(self._engine.answer(self._opened(stack, caller), statement))
            yield answer.schema
            for batch in Taken(answer, None, self._engine.limits):
                if context.is_cancelled():
                    return
                yield batch


def _command(data: bytes) -> tuple[str, Any]:
    if len(data or b"") > MAX_MESSAGE:
        raise BadRequestData(f"The command is longer than {MAX_MESSAGE} bytes")
    try:
        return unpacked(data or b"")
    except ValueError as error:
        raise BadRequestData(f"This is a door for Flight SQL: {error}") from None


def _expected(data: bytes, name: str) -> tuple[str, Any]:
    found, message = _command(data)
    if found != name:
        raise BadRequestData(f"The action needs a {name}, not {found}")
    assert found in MESSAGES
    return found, message


def _info(schema: pa.Schema, descriptor: Any, ticket: bytes) -> Any:
    return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tells the hub's errors as gRPC has them."""
    try:
        yield
    except Unauthenticated as error:
        raise flight.FlightUnauthenticatedError(error.detail) from None
    except Forbidden as error:
        raise flight.FlightUnauthorizedError(error.detail) from None
    except StoreUnavailable as error:
        raise flight.FlightUnavailableError(error.detail) from None
    except CityHubError as error:
        # Of all others pyarrow would send the traceback along.
        raise flight.FlightServerError(error.detail) from None
    except UnicodeDecodeError:
        raise flight.FlightServerError("The statement must be UTF-8") from None
    except (NotImplementedError, flight.FlightError):
        raise
    except Exception:
        log.exception("a question of Flight SQL failed")
        raise flight.FlightServerError("The hub failed to answer; its log says why") from None
