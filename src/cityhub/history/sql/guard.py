"""Which statements are run: one SELECT over the caller's own views, by functions that reach nothing else.

A statement is parsed by DuckDB itself (`json_serialize_sql`) and its tree is walked; what the walk does not know is refused. The engine
is locked besides (`cityhub.history.sql.engine`), so that a hole here opens no file.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from typing import Any, Final

import duckdb
import msgspec
import orjson

from cityhub.history.sql.walk import Found, Walk
from cityhub.model.errors import BadRequestData, TooComplexQuery

MAX_STATEMENT_BYTES: Final = 100_000
"""The longest statement."""
_EXPLAIN: Final = re.compile(r"\s*explain(?P<analyze>\s+analyze)?\s+(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_WHAT_IS_RIGHT: Final = "right would be one SELECT (also WITH, FROM ..., DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN)"


class Checked(msgspec.Struct, frozen=True):
    """A statement that may be run.

    Attributes:
        sql: What to run; the statement itself, unless it asks the catalogue.
        views: The views that it reads, in small letters.
        functions: The functions that it calls, in small letters.
        columns: The names of columns in it, in small letters.
        every_column: Whether it takes all columns of something (`*`).
        present: Of a view that is named once: columns without a value of which no row of it passes the WHERE.
        explains: Whether it is an EXPLAIN.
    """

    sql: str
    views: frozenset[str]
    functions: frozenset[str]
    columns: frozenset[str]
    every_column: bool
    present: dict[str, frozenset[str]] = {}
    explains: bool = False


class Guard:
    """Checks statements. It may be used from several threads.

    Args:
        table_functions: Names of the hub's own functions that stand after FROM.
        functions: Names of the hub's own functions of values.
        max_bytes: The longest statement.
    """

    def __init__(
        self, functions: Collection[str] = (), table_functions: Collection[str] = (), max_bytes: int = MAX_STATEMENT_BYTES
    ) -> None:
        self._functions = frozenset(functions)
        self._table_functions = frozenset(table_functions)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        # It only parses: it has no table, and can open nothing.
        self._parser = duckdb.connect(config={"threads": 1, "enable_external_access": False, "lock_configuration": True})

    def check(self, statement: str, names: Collection[str]) -> Checked:
        """The statement as it may be run.

        Args:
            statement: SQL.
            names: The views that the caller may read, in any letters.

        Raises:
            BadRequestData: It is wrong, or asks for what is not allowed; says what, and what would be right.
            TooComplexQuery: It is too long or nested too deeply.
        """
        text = self._bounded(statement)
        explain = _EXPLAIN.match(text)
        if explain is not None:
            if explain["analyze"]:
                raise BadRequestData("EXPLAIN ANALYZE is not allowed, since it tells of the hub's own files: right would be EXPLAIN")
            inner = self.check(explain["rest"], names)
            if inner.explains:
                raise BadRequestData(f"An EXPLAIN of an EXPLAIN is no statement: {_WHAT_IS_RIGHT}")
            return msgspec.structs.replace(inner, sql=f"EXPLAIN {inner.sql}", explains=True)
        tree = self._parse(text)
        found = Found()
        walk = Walk({name.lower() for name in names}, self._functions, self._table_functions, found)
        try:
            walk.statement(tree["statements"][0])
        except RecursionError:
            raise TooComplexQuery("The statement is nested too deeply") from None
        sql = self._written(tree) if found.changed else text
        present = {name: frozenset(columns) for name, columns in found.present.items() if found.mentions.count(name) == 1}
        names_of = (frozenset(found.views), frozenset(found.functions), frozenset(found.columns))
        return Checked(sql, *names_of, every_column=found.every_column, present=present)

    def _bounded(self, statement: str) -> str:
        text = statement.strip().rstrip(";").strip()
        if not text:
            raise BadRequestData(f"There is no statement: {_WHAT_IS_RIGHT}")
        if "\0" in text:
            raise BadRequestData("The statement has a NUL character; leave it out")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise BadRequestData("The statement is no Unicode text: it has half of a surrogate pair") from None
        if size > self._max_bytes:
            raise TooComplexQuery(f"The statement has {size} bytes; at most {self._max_bytes} are read. Give values as parameters")
        return text

    def _parse(self, text: str) -> dict[str, Any]:
        with self._lock:
            try:
                row = self._parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
            except duckdb.Error as error:
                raise BadRequestData(f"The statement cannot be read: {first_line(error)}") from None
        assert row is not None
        try:
            tree: dict[str, Any] = orjson.loads(row[0])
        except orjson.JSONDecodeError:
            raise TooComplexQuery("The statement is nested too deeply") from None
        if tree["error"]:
            if tree.get("error_type") == "not implemented":
                raise BadRequestData(f"{self._kind(text)} not allowed: {_WHAT_IS_RIGHT}")
            raise BadRequestData(f"The statement cannot be read: {str(tree.get('error_message'))[:2000]}")
        count = len(tree["statements"])
        if count != 1:
            raise BadRequestData(f"There are {count} statements: right would be one")
        return tree

    def _kind(self, text: str) -> str:
        with self._lock:
            try:
                kinds = [statement.type.name for statement in self._parser.extract_statements(text)]
            except duckdb.Error:
                kinds = []
        if len(kinds) > 1 and "SELECT" in kinds and "CREATE" in kinds and re.match(r"\s*(pivot|from|select|with)\b", text, re.IGNORECASE):
            return "A PIVOT must name its values (ON x IN (...)); without them it is"
        return f"{kinds[0]} is" if len(kinds) == 1 and kinds[0] != "SELECT" else "A statement that is no SELECT is"

    def _written(self, tree: dict[str, Any]) -> str:
        with self._lock:
            row = self._parser.execute("SELECT json_deserialize_sql(?::JSON)", [orjson.dumps(tree).decode()]).fetchone()
        assert row is not None
        return str(row[0])


def first_line(error: BaseException) -> str:
    """What an error of DuckDB says, without its advice about settings and its links."""
    text = str(error).split("\n\nPossible solutions")[0].strip()
    return text[:2000]
