"""Runs one checked statement over a reading of the lake."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from cityhub.history.foresight.sql_functions import register_native
from cityhub.history.sql.functions import BY_NAME, MODEL_NAMES, SCALAR_NAMES, TABLE_NAMES
from cityhub.history.sql.guard import Checked, Guard, first_line
from cityhub.history.sql.limits import Deadline, Limits
from cityhub.history.sql.questions import Statement
from cityhub.history.sql.shape import Reading, Shapes
from cityhub.history.sql.sight import catalogue_views, views_for
from cityhub.history.sql.views import View, narrowed, quoted
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable, TooComplexQuery
from cityhub.model.ports import Principal

log = logging.getLogger(__name__)

BATCH_ROWS: Final = 20_000
MAX_PARAMETERS: Final = 10_000
_PATH: Final = re.compile(r"(?:[a-z0-9]+:/)?/[^\s'\"]*/")
_OF_FILES: Final = re.compile(r"parquet|magic bytes|thrift|zstd|snappy|decompress", re.IGNORECASE)
_OWN: Final = re.compile(r"executing the UDF: (\w+): (.*?)(?:\n\s*\nAt:|\Z)", re.DOTALL)
"""An error that a function of the hub, written in Python, raised inside DuckDB."""
_EXPLAINED: Final = pa.schema([("explain_key", pa.string()), ("explain_value", pa.string())])
Parameters = Sequence[Any] | Mapping[str, Any]


class FileFault(StoreUnavailable):
    """A file of the lake cannot be read. It can be set aside, and the statement run again."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a statement, not yet read to its end.

    Attributes:
        reader: Its rows, in batches.
        types: The SQL types of its columns.
    """

    reader: pa.RecordBatchReader
    types: list[str]

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of its columns."""
        return self.reader.schema


class Engine:
    """Runs statements. It may be used from several threads, each with a reading of its own."""

    def __init__(self, limits: Limits | None = None, shapes: Shapes | None = None) -> None:
        self.limits = limits or Limits()
        self._shapes = shapes or Shapes()
        self._guard = Guard(SCALAR_NAMES, TABLE_NAMES)

    def views(self, reading: Reading, tenant: str, principal: Principal) -> list[View]:
        """The views that a caller may read, by name."""
        return views_for(principal, self._shapes.of(tenant, reading))

    @contextlib.contextmanager
    def answer(self, reading: Reading, question: Statement) -> Iterator[Answer]:
        """The answer to a statement, to be read inside the block.

        Errors while it is read become the same as those here when they pass the block's end.

        Raises:
            BadRequestData: The statement is wrong or not allowed.
            TooComplexQuery: It took too much time or memory.
            FileFault: A file of the lake could not be read.
        """
        with self._bounded(reading, question):
            checked = self._prepare(reading, question)
            reading.connection.execute(checked.sql, _values(question.parameters))
            types = [str(column[1]) for column in reading.connection.description or ()]
            yield Answer(reading.connection.to_arrow_reader(BATCH_ROWS), types)

    def describe(self, reading: Reading, question: Statement) -> tuple[pa.Schema, int]:
        """Names and Arrow types of a statement's answer, and how many parameters it has, without running it."""
        with self._bounded(reading, question):
            checked = self._prepare(reading, question)
            names = reading.connection.extract_statements(checked.sql)[0].named_parameters
            if checked.explains:
                return _EXPLAINED, len(names)
            reading.connection.execute(f"SELECT * FROM ({checked.sql}\n) LIMIT 0", dict.fromkeys(names) or None)
            return reading.connection.to_arrow_reader(1).schema, len(names)

    @contextlib.contextmanager
    def _bounded(self, reading: Reading, question: Statement) -> Iterator[None]:
        seconds = min(question.timeout_s, self.limits.timeout_s)
        with Deadline(reading.connection, seconds) as deadline:
            try:
                yield
            except CityHubError:
                raise
            except (duckdb.Error, pa.ArrowException, MemoryError, RuntimeError, OSError) as error:
                raise self._explained(error, deadline) from error

    def _prepare(self, reading: Reading, question: Statement) -> Checked:
        views = self.views(reading, question.tenant, question.principal)
        checked = self._guard.check(question.statement, [view.name for view in views] + ["hub_columns"])
        listings = catalogue_views(views) if any(name.startswith(("hub_", "information_schema_")) for name in checked.views) else []
        for view in (*views, *listings):
            if view.sql and view.name.lower() in checked.views:
                sql = view.sql
                if not checked.every_column:
                    sql = narrowed(view, checked.columns, checked.present.get(view.name.lower(), ()))
                reading.connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(view.name)} AS {sql}")
        if checked.functions & MODEL_NAMES:
            register_native(reading.connection)
        for name in checked.functions & BY_NAME.keys():
            reading.connection.execute(BY_NAME[name].sql)
        return checked

    def _explained(self, error: Exception, deadline: Deadline) -> Exception:
        text = first_line(error)
        if deadline.passed:
            return TooComplexQuery(f"The statement was stopped after {deadline.seconds:g} s: ask for less time, fewer entities or columns")
        if isinstance(error, (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError)) or "Out of Memory" in text:
            return TooComplexQuery(
                f"The statement needs more than the {self.limits.memory_mb} MB of memory and {self.limits.spill_mb} MB of disk"
                " that statements have: ask for less time, fewer entities or columns, or sort less"
            )
        if (own := _OWN.search(text)) is not None:
            kind = TooComplexQuery if own[1] == TooComplexQuery.__name__ else BadRequestData
            return kind(f"The statement is wrong: {own[2]}")
        if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in text:
            return StoreUnavailable("The statement was interrupted; try again")
        if isinstance(error, (duckdb.IOException, duckdb.HTTPException)) or _OF_FILES.search(text):
            log.error("a statement met a file that cannot be read", exc_info=error)
            return FileFault(f"A file of the lake cannot be read: {_PATH.sub('', text)}")
        if isinstance(error, duckdb.PermissionException):
            return BadRequestData(f"The statement asks for what is not allowed: {_PATH.sub('', text)}")
        if isinstance(error, (duckdb.InternalException, duckdb.FatalException)):
            log.error("the engine failed", exc_info=error)
            return StoreUnavailable("The engine failed at this statement; the log says how")
        return BadRequestData(f"The statement is wrong: {_PATH.sub('', text)}")


def _values(parameters: Parameters) -> Any:
    if len(parameters) > MAX_PARAMETERS:
        raise TooComplexQuery(f"There are {len(parameters)} parameters: at most {MAX_PARAMETERS} are read")
    return parameters or None
