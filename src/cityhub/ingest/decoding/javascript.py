"""Codecs in JavaScript, as LoRaWAN devices bring them, run in a process of their own.

A codec is asked for one payload at a time. Whatever it does, the caller gets records or a ValueError within the time that is allowed
and a little more; the process is started again when it ended.

Source: LoRa Alliance TS013-1.0.0, Payload Codec API (`decodeUplink`); The Things Network and ChirpStack for the older forms.
"""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from select import select
from threading import Lock
from typing import IO, Any, Final, cast

from cityhub.ingest.decoding import sandbox
from cityhub.ingest.decoding.bounds import bounded
from cityhub.ingest.decoding.envelope import through
from cityhub.ingest.decoding.json_lines import read_json
from cityhub.ingest.decoding.options import JavascriptOptions

MAX_PAYLOAD: Final = 64 * 1024
"""Bytes of one payload of a device."""
_START_S: Final = 10.0
_LATE_S: Final = 1.0


def javascript_decoder(options: JavascriptOptions) -> Callable[[bytes], list[Any]]:
    """Reads payloads with a codec; its process begins with the first of them and ends with the decoder."""
    codec = Codec(options)
    return through(options.envelope, options.port, codec.records)


class Codec:
    """A codec and the process that runs it. It may be used by several threads, one after the other."""

    def __init__(self, options: JavascriptOptions) -> None:
        self._options = options
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Codec] | None = None

    def records(self, payload: bytes, port: int) -> list[Any]:
        """What the codec makes of a payload. Raises ValueError with the codec's own errors, or what it did wrong."""
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"the payload of a device must not be larger than {MAX_PAYLOAD} bytes")
        with self._lock:
            answer = self._ask({"bytes": list(payload), "fPort": port}, self._options.timeout_ms / 1000)
        return _records(answer)

    def _ask(self, message: dict[str, Any], timeout_s: float) -> str:
        process = self._process or self._start()
        try:
            sandbox.send(cast("IO[bytes]", process.stdin), message)  # type: ignore[arg-type]
            return self._answer(process, timeout_s + _LATE_S)
        except OSError:
            self._stop()
            raise ValueError("the codec ended its process; it takes too much memory or does what no codec should") from None

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(sandbox.__file__))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/", close_fds=True,
        )  # fmt: skip
        self._process = process
        self._end = weakref.finalize(self, _end, process)
        first = {"code": self._options.code, "memory": self._options.memory_mb * 1024 * 1024, "timeout": self._options.timeout_ms / 1000}
        sandbox.send(cast("IO[bytes]", process.stdin), first)  # type: ignore[arg-type]
        try:
            self._answer(process, _START_S)
        except ValueError:
            self._stop()
            raise
        return process

    def _answer(self, process: subprocess.Popen[bytes], timeout_s: float) -> str:
        stream = cast("IO[bytes]", process.stdout)
        ready, _, _ = select([stream], [], [], timeout_s)
        if not ready:
            self._stop()
            raise ValueError("the codec did not come back in time; its process was ended")
        message = sandbox.receive(stream)  # type: ignore[arg-type]
        if message is None:
            self._stop()
            raise ValueError("the codec ended its process; it takes too much memory or does what no codec should")
        if "error" in message:
            if message["over"]:
                self._stop()
            raise ValueError(f"the codec failed: {message['error']}")
        return str(message["records"])

    def _stop(self) -> None:
        self._process = None
        if self._end is not None:
            self._end()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and what is open to it."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            try:
                stream.close()
            except OSError:  # what was not sent cannot be sent any more
                pass


def _records(answer: str) -> list[Any]:
    found = read_json(answer.encode("utf-8", "replace"))
    if type(found) is not dict or not (found.get("errors") or "data" in found):
        raise ValueError("the codec must return an object with 'data', or with 'errors'")
    if found.get("errors"):
        errors = found["errors"] if type(found["errors"]) is list else [found["errors"]]
        raise ValueError(f"the codec says: {'; '.join(str(error)[:200] for error in errors[:10])}")
    data = found["data"]
    return bounded(data) if type(data) is list else [data]


