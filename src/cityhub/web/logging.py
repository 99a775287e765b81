"""The hub's log: one line for each message on standard error, JSON for machines or text for people.

A message logged while a request is handled carries the request's trace id. Further facts are given as
`extra={"reader": "notify", "lag": 12}` and become members of the line. What may be a secret is never written:
values of members with a telling name, bearer tokens and passwords within addresses are replaced by '***'.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

current_trace: ContextVar[str] = ContextVar("current_trace", default="")
"""Trace id of the request that is being handled in this task; "" outside of requests. Set by the dispatcher."""

SECRET_NAME: Final = re.compile(r"(?i)(password|passwd|secret|token|authorization|api[-_]?key|cookie|credential)")
SECRET_TEXT: Final = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|(?:password|passwd|secret|token|api[-_]?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+"
    r"|(://[^\s:/@]*:)[^\s/@]+(?=@)"
)
MAX_TEXT: Final = 4_000
"""The longest text of one member; the rest is cut off, so that a hostile request cannot fill the disk by one line."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def without_secrets(text: str) -> str:
    """The text with '***' for tokens and passwords.

    >>> without_secrets("GET http://me:pw@host/ failed, Authorization: Bearer abc.def")
    'GET http://me:***@host/ failed, Authorization: Bearer ***'
    """
    return SECRET_TEXT.sub(r"\1\2***", text)


def members(record: logging.LogRecord) -> dict[str, Any]:
    """The members of a log line: time, level, where it comes from, message, trace id, further facts, exception."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _clean("", record.getMessage()),
    }
    trace = current_trace.get()
    if trace:
        line["trace"] = trace
    for name, value in vars(record).items():
        if name not in _STANDARD:
            line[name] = _clean(name, value)
    if record.exc_info and record.exc_info[0] is not None:
        line["exception"] = _clean("", "".join(traceback.format_exception(*record.exc_info)).rstrip())
    return line


def _clean(name: str, value: Any) -> Any:
    if name and SECRET_NAME.search(name):
        return "***"
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = without_secrets(str(value))
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... ({len(text)} characters)"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return orjson.dumps(members(record), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """'12:03:04.567 warning  cityhub.notify: message (reader=notify)'; an exception follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = members(record)
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        exception = line.pop("exception", "")
        known = ("time", "level", "logger", "message")
        facts = ", ".join(f"{name}={value}" for name, value in line.items() if name not in known)
        text = f"{clock} {line['level']:<7} {line['logger']}: {line['message']}" + (f" ({facts})" if facts else "")
        # A line break inside a message could be used to write lines of somebody else's making.
        text = text.replace("\r", "\\r").replace("\n", "\\n")
        return f"{text}\n{exception}" if exception else text


def configure(form: str, level: str, stream: TextIO | None = None) -> None:
    """Sends every message of the process, from `level` upward, to the stream (standard error) in the given form.

    Args:
        form: 'json', 'text', or 'auto': text when the stream is a terminal.
        level: 'debug', 'info', 'warning' or 'error'.
        stream: Where to; standard error when left out.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    text = form == "text" or (form == "auto" and target.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # What libraries tell about every connection is noise here; their trouble is not.
    for name in ("uvicorn.error", "aiohttp", "httpx", "httpcore", "alembic.runtime.plugins", "pyiceberg"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
