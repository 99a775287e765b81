"""A process of its own that runs a stranger's JavaScript; started by `cityhub.ingest.decoding.javascript`, by path and with an empty
environment.

The engine gives the code no network, no files and no modules, and has bounds of its own for time and memory. They are not enough: some
scripts (an array of 2**32 places, a text of half a gigabyte taken apart) end the whole process. So the process is one that may end: it
can open no files, write none, grow to a bounded size, and is ended by an alarm when a script does not come back.

It reads and writes messages of four bytes of length (big-endian) and JSON:
    in   first {"code": "...", "memory": bytes, "timeout": seconds}, then {"bytes": [...], "fPort": 1} for each payload
    out  {"records": "JSON text"} or {"error": "...", "over": ...} for each of them, the first included; "over" says that a bound was
         reached, after which the engine is of no more use
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

MAX_GROWTH = 256 * 1024 * 1024
"""What the process may take in bytes beyond what the engine took at its start."""
MAX_ANSWER = 4 * 1024 * 1024
"""Of what a codec returns, in characters of JSON."""

AROUND = """
(() => {
  const write = JSON.stringify, read = JSON.parse, noted = Object.freeze({log() {}, info() {}, warn() {}, error() {}, debug() {}});
  for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics", "setTimeout", "clearTimeout", "__timer_manager", "console"])
    delete globalThis[name];
  globalThis.console = noted;
  Object.defineProperty(globalThis, "__run", {value: (text) => {
    const input = read(text);
    let found;
    if (typeof decodeUplink === "function") found = decodeUplink(input);
    else if (typeof Decode === "function") found = {data: Decode(input.fPort, input.bytes, {})};
    else if (typeof Decoder === "function") found = {data: Decoder(input.bytes, input.fPort)};
    else throw new Error("the code has no function decodeUplink(input)");
    const answer = write(found === undefined ? null : found);
    if (answer.length > LIMIT) throw new Error("the codec returned more than " + LIMIT + " characters");
    return answer;
  }});
})();
""".replace("LIMIT", str(MAX_ANSWER))


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Runs the payloads that come in until there are no more."""
    first = receive(incoming)
    if first is None:
        return
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    timeout, memory = float(first["timeout"]), int(first["memory"])
    engine.eval(AROUND)
    _close_the_doors()
    send(outgoing, _run(engine, first["code"] + "\n;'ok'", max(timeout, 1.0), memory))
    while (payload := receive(incoming)) is not None:
        send(outgoing, _run(engine, f"__run({json.dumps(json.dumps(payload))})", timeout, memory))


def _run(engine: Any, code: str, timeout: float, memory: int) -> dict[str, Any]:
    signal.alarm(math.ceil(timeout) + 1)  # its default is the end of the process
    try:
        return {"records": str(engine.eval(code, timeout_sec=timeout, max_memory=memory))}
    except Exception as error:  # whatever the script threw
        reason = str(error).partition("\n")[0][:500]
        over = type(error).__name__ in ("JSTimeoutException", "JSOOMException")
        return {"error": reason.removeprefix("<anonymous>:1: ").removeprefix("Uncaught ") or type(error).__name__, "over": over}
    finally:
        signal.alarm(0)


def _close_the_doors() -> None:
    """No new files, none longer than they are, and no growth without end. Threads of the engine run already."""
    size = _size()
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (size + MAX_GROWTH, size + MAX_GROWTH))


def _size() -> int:
    """The data of the process in bytes; an engine reserves much that it does not use."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))


def receive(stream: BinaryIO) -> Any:
    """The next message; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    return json.loads(stream.read(struct.unpack(">I", head)[0]))


def send(stream: BinaryIO, message: Any) -> None:
    """Writes a message."""
    body = json.dumps(message).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)
