"""The answer to a statement as a file, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from cityhub.history.sql.engine import Answer
from cityhub.history.sql.limits import MB, Limits
from cityhub.history.sql.plain import plain_rows, text_batch
from cityhub.history.sql.questions import Statement
from cityhub.model.errors import OperationNotSupported, TooManyResults
from cityhub.model.ports import Rows

ROW_GROUP: Final = 100_000
"""Rows of one group of a Parquet file."""
Writer = Callable[[Answer, Iterator[pa.RecordBatch], Statement], Iterator[bytes]]


class Taken:
    """The batches of an answer, up to a number of rows. `truncated`: there were more."""

    def __init__(self, answer: Answer, limit: int | None, limits: Limits) -> None:
        self.truncated = False
        self._answer = answer
        self._limit = limit
        self._limits = limits

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in self._answer.reader:
            if self._limit is not None and rows + batch.num_rows > self._limit:
                self.truncated = True
                if self._limit > rows:
                    yield batch.slice(0, self._limit - rows)
                return
            rows += batch.num_rows
            if rows > self._limits.rows:
                raise TooManyResults(f"The answer has more than {self._limits.rows} rows: ask for fewer, with WHERE or LIMIT")
            yield batch


def rows_of(answer: Answer, limit: int, limits: Limits) -> Rows:
    """The whole answer at once."""
    taken = Taken(answer, limit, limits)
    rows: list[list[Any]] = []
    size = 0
    for batch in taken:
        size += batch.nbytes
        if size > limits.rows_mb * MB:
            raise TooManyResults(f"The answer has more than {limits.rows_mb} MB: ask for fewer rows or columns")
        rows += plain_rows(batch, answer.types)
    return Rows(answer.schema.names, list(answer.types), rows, taken.truncated)


def pieces(answer: Answer, question: Statement, limits: Limits, more: Mapping[str, Writer]) -> Iterator[bytes]:
    """The answer as a file of the question's format. `more` are formats beside these.

    Raises:
        OperationNotSupported: The format is not there.
        TooManyResults: The answer is larger than is allowed; what was given until then is to be thrown away.
    """
    taken = Taken(answer, question.limit, limits)
    writer = more.get(question.format)
    if question.format == "json":
        made = _json(answer, taken)
    elif question.format == "csv":
        made = _csv(answer, iter(taken), question)
    elif question.format == "arrow":
        made = _arrow(answer, iter(taken), question)
    elif question.format == "parquet":
        made = _parquet(answer, iter(taken), question)
    elif writer is not None:
        made = writer(answer, iter(taken), question)
    else:
        raise OperationNotSupported(f"'{question.format}' is not offered here: right would be json, csv, arrow or parquet")
    size = 0
    for piece in made:
        size += len(piece)
        if size > limits.answer_mb * MB:
            raise TooManyResults(f"The answer has more than {limits.answer_mb} MB: ask for fewer rows or columns")
        yield piece


def _json(answer: Answer, taken: Taken) -> Iterator[bytes]:
    columns = [{"name": name, "type": kind} for name, kind in zip(answer.schema.names, answer.types, strict=True)]
    head = b'{"columns":' + orjson.dumps(columns) + b',"rows":['
    between = b""
    for batch in taken:
        if batch.num_rows:
            yield head + between + orjson.dumps(plain_rows(batch, answer.types))[1:-1]
            head, between = b"", b","
    yield head + b'],"truncated":' + orjson.dumps(taken.truncated) + b"}"


def _csv(answer: Answer, batches: Iterator[pa.RecordBatch], question: Statement) -> Iterator[bytes]:
    head = b"\xef\xbb\xbf" if question.excel else b""
    empty = text_batch(pa.RecordBatch.from_pylist([], answer.schema), answer.types, question.excel)
    options = pyarrow.csv.WriteOptions(include_header=False)
    for number, batch in enumerate(batches):
        sink = pa.BufferOutputStream()
        if number == 0:
            pyarrow.csv.write_csv(empty, sink)
        pyarrow.csv.write_csv(text_batch(batch, answer.types, question.excel), sink, options)
        yield head + sink.getvalue().to_pybytes()
        head = b""
        empty = None
    if empty is not None:
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(empty, sink)
        yield head + sink.getvalue().to_pybytes()


class _Sink:
    """A file that is read while it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _arrow(answer: Answer, batches: Iterator[pa.RecordBatch], question: Statement) -> Iterator[bytes]:
    sink = _Sink()
    writer: pa.RecordBatchWriter | None = None
    for batch in batches:
        writer = writer or pa.ipc.new_stream(sink, answer.schema)
        writer.write_batch(batch)
        yield sink.take()
    writer = writer or pa.ipc.new_stream(sink, answer.schema)
    writer.close()
    yield sink.take()


def _parquet(answer: Answer, batches: Iterator[pa.RecordBatch], question: Statement) -> Iterator[bytes]:
    sink = _Sink()
    writer = pq.ParquetWriter(sink, answer.schema, compression="zstd")
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP:
            writer.write_table(pa.Table.from_batches(waiting, answer.schema), ROW_GROUP)
            waiting, rows = [], 0
            yield sink.take()
    if rows:
        writer.write_table(pa.Table.from_batches(waiting, answer.schema), ROW_GROUP)
    writer.close()
    yield sink.take()
