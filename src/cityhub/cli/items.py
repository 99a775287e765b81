"""Reads the items of a file one by one, however large it is: a JSON array, or JSON objects one after the other."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson

CHUNK: Final = 1 << 20
MAX_ITEM: Final = 20_000_000
"""The largest single item, in characters."""


class Item(msgspec.Struct, frozen=True):
    """One item with the line on which it begins; either `document`, or why there is none."""

    line: int
    document: dict[str, Any] | None = None
    fault: str = ""


class ItemFile:
    """A file of items. `read_bytes` of `total_bytes` (0: unknown) have been read so far, as they lie on disk.

    Args:
        path: The file, packed with gzip or not; "-" is standard input.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._raw: io.RawIOBase = io.FileIO(sys.stdin.fileno() if path == "-" else path, closefd=path != "-")
        seekable = self._raw.seekable()
        self.total_bytes = self._raw.seek(0, io.SEEK_END) if seekable else 0
        if seekable:
            self._raw.seek(0)
        buffered = io.BufferedReader(self._raw, CHUNK)
        packed = buffered.peek(2)[:2] == b"\x1f\x8b"
        self._stream: io.BufferedIOBase = gzip.GzipFile(fileobj=buffered) if packed else buffered

    @property
    def read_bytes(self) -> int:
        """How much of the file has been read."""
        return self._raw.tell() if self.total_bytes else 0

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
        self._raw.close()

    def items(self) -> Iterator[Item]:
        """Every item in order. After a fault that hides where the next item begins, the rest of the file is not read."""
        try:
            yield from self._items()
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            yield Item(0, fault=f"The file cannot be read further: {error}")

    def _items(self) -> Iterator[Item]:
        number, first = 1, self._stream.readline(MAX_ITEM)
        while first and not first.strip():
            number, first = number + 1, self._stream.readline(MAX_ITEM)
        if first.lstrip()[:1] == b"{" and _is_json(first):
            yield from _lines(number, first, self._stream)
        else:
            yield from _values(number, first, self._stream)


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _lines(number: int, line: bytes, stream: io.BufferedIOBase) -> Iterator[Item]:
    """Items of which each stands on a line of its own."""
    while line:
        if line.strip():
            try:
                yield _item(number, orjson.loads(line))
            except orjson.JSONDecodeError as error:
                yield Item(number, fault=f"not valid JSON at column {error.colno}: {error.msg}")
        number, line = number + 1, stream.readline(MAX_ITEM)


def _texts(first: bytes, stream: io.BufferedIOBase) -> Iterator[str]:
    """The text of a stream, its first line first, in pieces; a piece may be empty."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    yield decoder.decode(first)
    while chunk := stream.read(CHUNK):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _values(line: int, first: bytes, stream: io.BufferedIOBase) -> Iterator[Item]:
    """Items of one array, or objects one after the other, laid out anyhow."""
    decoder = json.JSONDecoder()
    texts = _texts(first, stream)
    text, at = "", 0
    while True:
        start = at
        while at < len(text) and text[at] in " \t\r\n,[]":
            at += 1
        line += text.count("\n", start, at)
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            # It may only be that the item is not here as a whole yet.
            more = next(texts, None) if len(text) - at < MAX_ITEM else None
            if more is not None:
                text, at = text[at:] + more, 0
                continue
            if at < len(text):
                yield Item(line + text.count("\n", at, error.pos), fault=f"not valid JSON: {error.msg}; the rest of the file was not read")
            return
        yield _item(line, value)
        line += text.count("\n", at, end)
        at = end


def _item(line: int, value: Any) -> Item:
    if isinstance(value, dict):
        return Item(line, value)
    return Item(line, fault=f"an entity is a JSON object, not {type(value).__name__}")
