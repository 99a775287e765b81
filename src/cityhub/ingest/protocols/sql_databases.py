"""Three kinds of database, asked alike: read only, each statement bounded in time, rows brought in portions."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from cityhub.ingest.message import TroubleAtSource
from cityhub.model.errors import BadRequestData

CONNECT_S: Final = 10
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]\w*)")
Portion = tuple[list[str], list[tuple[Any, ...]]]
Portions = Generator[Portion, None, None]


class Place(msgspec.Struct, frozen=True):
    """Where a database is.

    Attributes:
        kind: "postgresql", "mysql" or "sqlite".
        host, port: Where its server listens; "" and 0 for a file.
        user, database: As whom, and which; the path of an SQLite file.
        socket: Folder of a PostgreSQL server's Unix socket, or path of a MySQL server's; "" has none.
    """

    kind: str
    host: str
    port: int
    user: str
    database: str
    socket: str = ""


def place_of(url: str) -> Place:
    """The place that a URL names. Raises BadRequestData when it names none, or has a password in it."""
    parts = urlsplit(url)
    kind = {"postgres": "postgresql", "mariadb": "mysql"}.get(parts.scheme, parts.scheme)
    if kind == "sqlite" and parts.path:
        return Place(kind, "", 0, "", unquote(parts.path))
    if kind not in ("postgresql", "mysql"):
        right = "'postgresql://reader@db.local/water', 'mysql://reader@db.local/water' or 'sqlite:/data/water.db'"
        raise BadRequestData(f"'url' must be such as {right}")
    if parts.password:
        raise BadRequestData("The password must not stand in 'url'; write 'password: env:NAME'")
    try:
        port = parts.port or (5432 if kind == "postgresql" else 3306)
    except ValueError:
        raise BadRequestData("The port in 'url' must be a number from 1 to 65535") from None
    path = parse_qs(parts.query).get("host", [""])[0]
    return Place(kind, parts.hostname or "", port, unquote(parts.username or ""), unquote(parts.path.lstrip("/")), path)


class Database(Protocol):
    """An open connection to a database, used by one thread at a time."""

    quote: str

    def portions(self, sql: str, values: dict[str, Any], size: int) -> Portions:
        """Names of the columns and some rows, again and again until there are no more; `:name` in the SQL is a value.

        Raises TroubleAtSource when the database says no, or is away.
        """

    def close(self) -> None:
        """Closes it."""


def escaped(sql: str, values: dict[str, Any]) -> str:
    """SQL in the style of drivers that write parameters as `%(name)s`."""
    return _PARAMETER.sub(lambda match: f"%({match[1]})s" if match[1] in values else match[0], sql.replace("%", "%%"))


class Postgres:
    """PostgreSQL by psycopg."""

    quote = '"'

    def __init__(self, place: Place, address: str, password: str, statement_s: float, ca_file: str | None) -> None:
        """Opens it at the address. `ca_file` None: TLS when the server offers it; "": with the system's authorities."""
        try:
            import psycopg
        except ImportError:
            raise BadRequestData("PostgreSQL needs the extra 'postgres' of the package cityhub") from None
        self._error = psycopg.Error
        where: dict[str, Any] = {"host": place.socket} if place.socket else {"host": place.host, "hostaddr": address}
        verified = {"sslmode": "verify-full", "sslrootcert": ca_file or "system"}
        security: dict[str, Any] = {"sslmode": "prefer"} if ca_file is None else verified
        try:
            self._connection = psycopg.connect(
                **where, port=place.port, user=place.user, password=password or None, dbname=place.database, connect_timeout=CONNECT_S,
                options=f"-c statement_timeout={int(statement_s * 1000)} -c default_transaction_read_only=on",
                application_name="cityhub", keepalives_idle=15, tcp_user_timeout=int(statement_s * 1000) + 10_000, **security,
            )  # fmt: skip
        except psycopg.Error as error:
            raise _trouble("PostgreSQL", error) from None
        self._connection.read_only = True

    def portions(self, sql: str, values: dict[str, Any], size: int) -> Portions:
        try:
            # a named cursor lives on the server: only a portion at a time is in memory here
            with self._connection.transaction(), self._connection.cursor(name="cityhub") as cursor:
                cursor.execute(escaped(sql, values).encode(), values)
                columns = [column.name for column in cursor.description or ()]
                while rows := cursor.fetchmany(size):
                    yield columns, rows
        except self._error as error:
            raise _trouble("PostgreSQL", error) from None

    def close(self) -> None:
        self._connection.close()


class MySql:
    """MySQL and MariaDB by PyMySQL."""

    quote = "`"

    def __init__(self, place: Place, address: str, password: str, statement_s: float, ca_file: str | None) -> None:
        """Opens it; the arguments are those of `Postgres`."""
        import pymysql

        self._errors = (pymysql.Error, OSError)
        context = None if ca_file is None else ssl.create_default_context(cafile=ca_file or None)
        self._connection: Any = pymysql.Connection(
            host=place.host, user=place.user, password=password, database=place.database, charset="utf8mb4", defer_connect=True,
            read_timeout=int(statement_s) + 10, write_timeout=CONNECT_S, connect_timeout=CONNECT_S, ssl=context,
            cursorclass=pymysql.cursors.SSCursor, program_name="cityhub",
        )  # fmt: skip
        try:
            self._connection.connect(_mysql_socket(place, address))
            self._bound(statement_s)
        except self._errors as error:
            raise _trouble("MySQL", error) from None

    def _bound(self, statement_s: float) -> None:
        is_mariadb = "mariadb" in self._connection.get_server_info().lower()
        limit = f"max_statement_time={statement_s:.3f}" if is_mariadb else f"max_execution_time={int(statement_s * 1000)}"
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {limit}")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

    def portions(self, sql: str, values: dict[str, Any], size: int) -> Portions:
        try:
            self._connection.begin()
            with self._connection.cursor() as cursor:
                cursor.execute(escaped(sql, values), values)
                columns = [column[0] for column in cursor.description or ()]
                while rows := cursor.fetchmany(size):
                    yield columns, list(rows)
            self._connection.rollback()
        except self._errors as error:
            raise _trouble("MySQL", error) from None

    def close(self) -> None:
        self._connection._force_close()  # the polite way waits for a server that may not answer


def _mysql_socket(place: Place, address: str) -> socket.socket:
    if not place.socket:
        return socket.create_connection((address, place.port), CONNECT_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_S)
    connection.connect(place.socket)
    return connection


class Sqlite:
    """An SQLite file by apsw: opened to read, and only for SELECT (no ATTACH, no PRAGMA)."""

    quote = '"'

    def __init__(self, path: Path, statement_s: float) -> None:
        """Opens it. Raises TroubleAtSource when it is not there."""
        import apsw

        self._error, self._interrupt, self._statement_s = apsw.Error, apsw.InterruptError, statement_s
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(5000)
            self._connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        except apsw.Error as error:
            raise _trouble(f"SQLite ({path.name})", error) from None
        reading = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
        self._connection.authorizer = lambda action, *_: apsw.SQLITE_OK if action in reading else apsw.SQLITE_DENY

    def portions(self, sql: str, values: dict[str, Any], size: int) -> Portions:
        end = time.monotonic() + self._statement_s
        self._connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            cursor = self._connection.execute(sql, values)
            columns: list[str] = []
            rows: list[tuple[Any, ...]] = []
            for row in cursor:
                columns = columns or [column[0] for column in cursor.description]
                rows.append(row)
                if len(rows) == size:
                    yield columns, rows
                    rows = []
            if rows:
                yield columns, rows
        except self._interrupt:
            raise TroubleAtSource(f"SQLite needed longer than {self._statement_s:g} s") from None
        except self._error as error:
            raise _trouble("SQLite", error) from None

    def close(self) -> None:
        self._connection.close(True)


def _trouble(name: str, error: BaseException) -> TroubleAtSource:
    return TroubleAtSource(f"{name}: {' '.join(str(error).split())[:400]}")
